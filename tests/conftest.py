"""Fixtures that the whole suite shares."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml
from hypothesis import HealthCheck, settings

from cloudmgr.db.engine import Database
from tests import postgres
from tests.databases import file_with_tables, fresh_with_tables, hurried
from tests.fakes import ManualClock
from tests.ports import free_port as free_port  # noqa: PLC0414 - where tests look for it

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.labs.kubernetes.controlplane import ControlPlane
    from tests.labs.openstack.build import Built
    from tests.labs.openstack.cloud import Cloud

PRIORITIES = Path(__file__).parents[1] / "charts" / "cloudmgr" / "files" / "priority-classes.yaml"
CLUSTER_ROLE = Path(__file__).parents[1] / "charts" / "cloudmgr" / "files" / "cluster-role.yaml"

# A busy machine is no fault of the code. In CI the examples are the same each time.
settings.register_profile(
    "cloudmgr",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("cloudmgr")


# The OpenStack labs that this process has running.
_CLOUDS: list[Cloud] = []


def absent(part: str) -> None:
    """Skip for want of ``part``; in CI that is a failure, so that a skip cannot hide one."""
    if os.environ.get("CI"):
        pytest.fail(f"{part} is not installed: run `make test-deps`")
    pytest.skip(f"{part} is not installed: run `make test-deps`")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In CI a failure is told at once: a run that is ended from outside never comes to its end."""
    if report.failed and os.environ.get("CI") and "PYTEST_XDIST_WORKER" not in os.environ:
        told = [f"{report.nodeid} ({report.when})", report.longreprtext[-4000:]]
        told += [f"{title}\n{text[-4000:]}" for title, text in report.sections]
        sys.stdout.write("\n" + "\n".join(told) + "\n")
        sys.stdout.flush()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a cloud's services complained of stands beside the failure of a test."""
    report = yield
    if report.failed and item.get_closest_marker("openstack"):
        report.sections += [
            (f"log of {part}", said) for lab in _CLOUDS for part, said in lab.said()
        ]
    return report


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A throw-away PostgreSQL server of this session's own (one for each xdist worker)."""
    programs = postgres.binaries()
    if programs is None:
        absent("PostgreSQL (postgresql)")
        raise AssertionError
    with postgres.server(programs, durable=False) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    return postgres.fresh(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def tables_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """As ``database_url``, with all tables that the imported stores define."""
    if request.param == "sqlite":
        return file_with_tables(tmp_path / "test.db")
    return fresh_with_tables(request.getfixturevalue("postgres_url"))


@pytest.fixture
def database(tables_url: str) -> Iterator[Database]:
    """A database with all tables that the imported stores define."""
    database = hurried(Database(tables_url))
    yield database
    database.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """As ``database``, on SQLite alone: for tests that are not about storage."""
    database = hurried(Database(file_with_tables(tmp_path / "test.db")))
    yield database
    database.close()


@pytest.fixture(scope="session")
def kubernetes_binary() -> Path:
    """What each part of the Kubernetes lab is started from."""
    from tests.labs.kubernetes import build  # noqa: PLC0415 - only the lab's tests need it

    try:
        return build.binary()
    except build.NoGoError:
        absent("Go 1.26, which builds the Kubernetes lab,")
        raise AssertionError from None


@pytest.fixture(scope="session")
def kubernetes_lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """A Kubernetes control plane of this session's own, with no node yet.

    What binds tenants is in force, so that every test of a pool tries what it leaves to cloudmgr.
    With ``KUBECONFIG`` it is the cluster of that name: see ``tests/labs/kubernetes/borrowed.py``.
    """
    from tests.labs.kubernetes import tenancy  # noqa: PLC0415 - only the lab's tests need it
    from tests.labs.kubernetes.borrowed import borrow  # noqa: PLC0415
    from tests.labs.kubernetes.controlplane import ControlPlane  # noqa: PLC0415

    directory = tmp_path_factory.mktemp("kubernetes")
    borrowed = borrow(directory)
    if borrowed is not None:
        tenancy.install(borrowed)
        borrowed.create(PRIORITIES)
        # It skips whoever asks it for what it lacks.
        yield cast("ControlPlane", borrowed)
        return
    lab = ControlPlane(directory, request.getfixturevalue("kubernetes_binary"))
    try:
        tenancy.install(lab.start())
        lab.create(PRIORITIES)
        yield lab
    finally:
        lab.stop()


@pytest.fixture(scope="session")
def kubernetes_rights(kubernetes_lab: ControlPlane) -> Path:
    """Credentials in the lab with the rights that the chart gives, and no others."""
    return kubernetes_lab.account("cloudmgr", chart_rules())


def chart_rules() -> list[dict[str, Any]]:
    """The rules of the ClusterRole that the chart ships."""
    rules: list[dict[str, Any]] = yaml.safe_load(CLUSTER_ROLE.read_text())
    return rules


@pytest.fixture(scope="session")
def openstack_built() -> Built:
    """What each part of the OpenStack lab is started from."""
    from tests.labs.openstack import build  # noqa: PLC0415 - only the lab's tests need it

    return build.built()


@pytest.fixture(scope="session")
def openstack_lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """An OpenStack of this session's own, with three hosts.

    With ``OS_CLOUD`` it is the cloud of that name: see ``tests/labs/openstack/borrowed.py``.
    """
    from tests.labs.openstack.borrowed import borrow  # noqa: PLC0415 - only the lab's tests need it
    from tests.labs.openstack.cloud import Cloud  # noqa: PLC0415

    directory = tmp_path_factory.mktemp("openstack")
    borrowed = borrow(directory)
    if borrowed is not None:
        # It skips whoever asks it for what it lacks.
        yield cast("Cloud", borrowed)
        borrowed.close()
        return
    lab = Cloud(directory, request.getfixturevalue("openstack_built"))
    _CLOUDS.append(lab)
    try:
        yield lab.start()
    finally:
        _CLOUDS.remove(lab)
        lab.stop()


@pytest.fixture(scope="session")
def openstack_rights(openstack_lab: Cloud) -> Path:
    """A clouds.yaml with the rights that cloudmgr is to have, and no others."""
    return openstack_lab.account("cloudmgr", ("cloudmgr", "reader"))
