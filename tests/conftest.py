"""Fixtures that the whole suite shares."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from cloudmgr.db.engine import Database
from cloudmgr.db.types import metadata
from tests.fakes import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

# A busy machine is no fault of the code. In CI the examples are the same each time.
settings.register_profile(
    "cloudmgr",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("cloudmgr")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def absent(part: str) -> None:
    """Skip for want of ``part``; in CI that is a failure, so that a skip cannot hide one."""
    if os.environ.get("CI"):
        pytest.fail(f"{part} is not installed: run `make test-deps`")
    pytest.skip(f"{part} is not installed: run `make test-deps`")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def _postgres_binaries() -> Path | None:
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next(
        (c for c in candidates if (c / "initdb").exists() and (c / "pg_ctl").exists()), None
    )


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A throw-away PostgreSQL server of this session's own (one for each xdist worker)."""
    binaries = _postgres_binaries()
    if binaries is None:
        absent("PostgreSQL (postgresql)")
        raise AssertionError
    # PostgreSQL refuses to run as root, and the account that runs it must reach its directory.
    home = Path(tmp_path_factory.mktemp("postgres"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        home = Path("/tmp") / f"cloudmgr-pg-{uuid.uuid4().hex[:8]}"  # noqa: S108
        home.mkdir(mode=0o700)
        shutil.chown(home, "postgres", "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    port = free_port()
    data = home / "data"

    def run(*command: str) -> None:
        subprocess.run([*as_user, *command], check=True, cwd=home, stdout=subprocess.DEVNULL)

    run(
        str(binaries / "initdb"),
        *f"-D {data} -U cloudmgr -A trust --no-sync -E UTF8 --locale=C.UTF-8".split(),
    )
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home}"
        " -c fsync=off -c full_page_writes=off -c max_connections=100"
    )
    control = [str(binaries / "pg_ctl"), "-D", str(data)]
    run(*control, "-l", str(home / "log"), "-w", "-o", options, "start")
    try:
        yield f"postgresql+psycopg://cloudmgr@127.0.0.1:{port}/postgres"
    finally:
        run(*control, "-m", "immediate", "stop")
        shutil.rmtree(home, ignore_errors=True)


def _fresh_postgres(url: str) -> tuple[str, str]:
    from sqlalchemy import create_engine, text  # noqa: PLC0415

    name = f"t{uuid.uuid4().hex[:12]}"
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return url.rsplit("/", 1)[0] + f"/{name}", name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    return _fresh_postgres(request.getfixturevalue("postgres_url"))[0]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with all tables that the imported stores define."""
    database = Database(database_url)
    metadata.create_all(database.engine)
    yield database
    database.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """As ``database``, on SQLite alone: for tests that are not about storage."""
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    metadata.create_all(database.engine)
    yield database
    database.close()
