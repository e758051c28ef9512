"""The command line against a real server: the verbs of the API, one line and a status on errors."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import uvicorn

from cloudmgr.api.app import create_app
from cloudmgr.cli.main import run
from cloudmgr.clock import SystemClock
from cloudmgr.identity.authentication import Authenticator
from cloudmgr.identity.user import Role, Scope
from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.pool import Zone
from cloudmgr.wiring.control_plane import ControlPlane
from cloudmgr.wiring.settings import PoolSettings, Settings
from tests.builders import a_department, a_system, a_user, a_version, an_account
from tests.conftest import free_port
from tests.fakes import InstantPool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REQUEST = """
kind: new
system_id: sys_exam
reason: 替代自有服务器
environment:
  name: test
  purpose: test
  components:
    - {name: web, command: [app], cpu_millis: 250, memory_mib: 128, max_replicas: 4, port: 8000}
"""


class Office:
    """A server with one department, and tokens of its people."""

    def __init__(self, directory: Path) -> None:
        pools = (PoolSettings(name="outer", zone=Zone.EXTRANET),)
        self.plane = ControlPlane(Settings(state_dir=directory, pools=pools))
        self.plane.prepare()
        self.plane.drivers["pool_outer"] = InstantPool(Resources(8_000, 16_384, 100))
        stores = self.plane.stores
        with self.plane.database.write() as tx:
            stores.accounts.create(tx, an_account(id="acc_exam"))
            version = a_version(billing_account_id="acc_exam")
            stores.departments.create(
                tx, a_department(id="dep_exam", code="exam", versions=(version,))
            )
            stores.systems.add(tx, a_system(department_id="dep_exam"))
        self.officer = self._token("officer", Role.DEPARTMENT_OFFICER, "dep_exam")
        self.operator = self._token("operator", Role.OPERATOR, None)
        self.finance = self._token("finance", Role.FINANCE, None)

    def _token(self, login: str, role: Role, department: str | None) -> str:
        stores = self.plane.stores
        scopes = frozenset({Scope.READ, Scope.WRITE, Scope.BILLING, Scope.ADMIN})
        user = a_user(
            id=f"usr_{login}", login=login, roles=frozenset({role}), department_id=department
        )
        with self.plane.database.write() as tx:
            stores.users.create(tx, user)
            authenticator = Authenticator(stores.users, stores.tokens, SystemClock())
            return authenticator.issue(tx, user, "test", scopes, timedelta(days=1))[1]


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    made = Office(tmp_path)
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(create_app(made.plane.services), port=port, log_level="warning")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    monkeypatch.setenv("CLOUDMGR_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("CLOUDMGR_TOKEN", made.officer)
    monkeypatch.setenv("COLUMNS", "300")
    yield made
    server.should_exit = True
    thread.join(timeout=20)
    made.plane.database.close()


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "request.yaml"
    path.write_text(REQUEST, encoding="utf-8")
    return str(path)


def test_a_dry_run_and_a_request_and_what_came_of_it(
    office: Office, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, "request", "submit", "-f", file, "--dry-run")
    assert code == 0
    assert "outer" in out
    assert "allow" in out
    code, out, _ = said(capsys, "request", "submit", "-f", file, "--json")
    assert code == 0
    request = json.loads(out)
    assert request["state"] == "fulfilled"
    assert said(capsys, "request", "list")[1].count("fulfilled") == 1
    assert "test" in said(capsys, "env", "list")[1]
    code, out, _ = said(
        capsys, "env", "scale", request["environment_id"], "3", "--reason", "演练", "--json"
    )
    assert (code, json.loads(out)["target"]) == (0, {"web": 3})
    assert "3 = manual 3" in said(capsys, "env", "decisions", request["environment_id"])[1]
    code, out, _ = said(
        capsys, "env", "hibernate", request["environment_id"], "--reason", "结束", "--json"
    )
    assert (code, json.loads(out)["state"]) == (0, "hibernated")
    assert office.plane.stores.environments is not None


def test_an_error_is_one_line_with_what_to_do_and_a_status(
    office: Office,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert office.officer
    code, out, error = said(capsys, "env", "show", "env_nobody")
    assert (code, out) == (3, "")
    assert error.startswith("cloudmgr: ")
    assert error.count("\n") == 1
    bad = tmp_path / "bad.yaml"
    bad.write_text("kind: [")
    assert said(capsys, "request", "submit", "-f", str(bad))[0] == 2
    bad.write_text(REQUEST.replace("cpu_millis: 250", "cpu_millis: -1"))
    code, _, error = said(capsys, "request", "submit", "-f", str(bad))
    assert code == 2
    assert "cpu_millis" in error
    code, _, error = said(capsys, "billing", "close", "2026-06", "--yes")
    assert code == 5
    monkeypatch.setenv("CLOUDMGR_TOKEN", "cmt_wrong")
    code, _, error = said(capsys, "env", "list")
    assert code == 5
    assert "CLOUDMGR_TOKEN" in error


def test_a_month_that_is_not_over_is_not_closed(
    office: Office, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.finance)
    month = office.plane.clock.now().strftime("%Y-%m")
    code, out, _ = said(capsys, "billing", "check", month)
    assert code == 1
    assert "not over yet" in out
    code, _, error = said(capsys, "billing", "close", month, "--yes")
    assert (code, error.count("\n")) == (4, 1)
    assert said(capsys, "billing", "invoices")[0] == 0
    assert said(capsys, "billing", "preview", month)[0] == 0


def test_an_operator_sees_the_pools(
    office: Office, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said(capsys, "pool", "list")[0] == 5
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.operator)
    code, out, _ = said(capsys, "pool", "list")
    assert code == 0
    assert "8 cores, 16 GiB" in out
    assert said(capsys, "policy", "show")[0] == 0
    assert said(capsys, "policy", "reload")[0] == 0


def test_where_nobody_answers_it_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", "cmt_any")
    code, _, error = said(capsys, "--url", f"http://127.0.0.1:{free_port()}", "env", "list")
    assert code == 75
    assert "does not answer" in error


def test_the_policies_that_are_shipped_check_well_and_broken_ones_do_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "policy", "check")[0] == 0
    (tmp_path / "admission.yaml").write_text("rules: 5\n")
    code, _, error = said(capsys, "policy", "check", str(tmp_path))
    assert code == 1
    assert "admission.yaml" in error
