"""A desk with its people, by the policies that are shipped and pools of a known size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmgr.hosting.assessment import Draft
from cloudmgr.hosting.environments import Component, Environment, Purpose
from cloudmgr.hosting.requests import (
    EnvironmentAsk,
    HostingRequest,
    RequestKind,
    RequestState,
    Verdict,
)
from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.pool import Zone
from cloudmgr.wiring.control_plane import ControlPlane
from cloudmgr.wiring.settings import PoolSettings, Settings
from tests.builders import a_component, a_department, a_system, a_version, an_account
from tests.databases import hurried, migrated_file
from tests.fakes import InstantPool

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Person:
    login: str
    roles: frozenset[str]

    @property
    def user_id(self) -> str:
        return f"usr_{self.login}"


OFFICER = Person("officer", frozenset({"department-officer", "approver"}))
APPROVER = Person("ann", frozenset({"approver"}))
OPERATOR = Person("bob", frozenset({"operator"}))
SIGNERS = {"approver": APPROVER, "operator": OPERATOR}


class Office:
    """A desk with one system, one extranet pool of 8 cores and 16 GiB, and one intranet pool."""

    def __init__(
        self,
        directory: Path,
        pools: tuple[PoolSettings, ...] = (
            PoolSettings(name="outer", zone=Zone.EXTRANET),
            PoolSettings(name="inner", zone=Zone.INTRANET),
        ),
        policy_dir: Path | None = None,
    ) -> None:
        settings = Settings(state_dir=directory, pools=pools, policy_dir=policy_dir)
        directory.mkdir(exist_ok=True)
        migrated_file(directory / "cloudmgr.db")
        self.plane = ControlPlane(settings)
        hurried(self.plane.database)
        self.plane.prepare()
        room = Resources(8_000, 16_384, 100)
        self.plane.drivers.update({f"pool_{pool.name}": InstantPool(room) for pool in pools})
        stores = self.plane.stores
        with self.plane.database.write() as tx:
            stores.accounts.create(tx, an_account(id="acc_exam"))
            stores.departments.create(
                tx,
                a_department(
                    id="dep_exam",
                    code="exam",
                    versions=(a_version(billing_account_id="acc_exam"),),
                ),
            )
            stores.systems.add(tx, a_system(department_id="dep_exam"))

    def ask(self, *components: Component, name: str = "prod", **more: Any) -> Draft:
        purpose = more.pop("purpose", Purpose.PRODUCTION)
        ask = EnvironmentAsk(name, purpose, components or (a_component(max_replicas=2),))
        return Draft(RequestKind.NEW, "sys_exam", ask=ask, reason="新系统上线", **more)

    def submit(self, draft: Draft, who: Person = OFFICER) -> HostingRequest:
        with self.plane.database.write() as tx:
            return self.plane.desk.submit(tx, draft, who)

    def signed(self, request: HostingRequest) -> HostingRequest:
        while request.pending:
            request = self.sign(request)
        return request

    def sign(self, request: HostingRequest) -> HostingRequest:
        who = SIGNERS[request.pending[0].role]
        with self.plane.database.write() as tx:
            return self.plane.desk.decide(tx, request, who, verdict=Verdict.APPROVE, reason="同意")

    def hosted(self, *components: Component) -> HostingRequest:
        request = self.signed(self.submit(self.ask(*components)))
        assert request.state is RequestState.FULFILLED, request.message
        return request

    def environments(self) -> list[Environment]:
        with self.plane.database.read() as tx:
            return self.plane.stores.environments.list(tx)
