"""A server with one department and its people, for commands to speak to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.cli.main import run
from cloudmgr.clock import SystemClock
from cloudmgr.identity.authentication import Authenticator
from cloudmgr.identity.user import Role, Scope
from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.pool import Zone
from cloudmgr.wiring.control_plane import ControlPlane
from cloudmgr.wiring.settings import PoolSettings, Settings
from tests.builders import a_department, a_system, a_user, a_version, an_account
from tests.databases import hurried, migrated_file
from tests.fakes import InstantPool

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

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
        migrated_file(directory / "cloudmgr.db")
        self.plane = ControlPlane(Settings(state_dir=directory, pools=pools))
        hurried(self.plane.database)
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
        self.root = self._token("root", Role.ADMINISTRATOR, None)

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


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err
