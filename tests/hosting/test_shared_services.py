"""From a request that binds a service to what its pool is told, while policy and hosting change."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from cloudmgr.conditions import Condition, Status
from cloudmgr.errors import Invalid
from cloudmgr.hosting.assessment import Draft
from cloudmgr.hosting.environments import Purpose
from cloudmgr.hosting.reconciler import EnvironmentReconciler
from cloudmgr.hosting.requests import EnvironmentAsk, RequestKind, RequestState
from cloudmgr.policy.decision import Outcome
from cloudmgr.policy.default import packaged_policies
from cloudmgr.pools.drivers.driver import SharedService
from cloudmgr.pools.pool import Zone
from cloudmgr.wiring.settings import PoolSettings
from tests.builders import a_component, a_system
from tests.fakes import InstantPool, Unfenced
from tests.hosting.office import OFFICER, Office

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudmgr.hosting.environments import Component, Environment
    from cloudmgr.hosting.requests import HostingRequest

SMS = """
  - {name: gov-sms, zh: 短信, en: SMS, zone: extranet, host: sms.gov.cn, port: 8443,
     addresses: [192.0.2.0/28]}
"""
SSO = """
  - {name: sso, zh: 认证, en: sign-on, zone: extranet, environment: sso-prod, component: web}
"""
OTHERS = """
  - {name: licence, zh: 证照, en: licences, zone: intranet, host: 192.0.2.1, port: 443,
     addresses: [192.0.2.1]}
  - {name: tax, zh: 税务, en: taxes, zone: extranet, departments: [tax], host: 192.0.2.1, port: 443,
     addresses: [192.0.2.1]}
"""
POOLS = (
    PoolSettings(name="cloud-a", kind="kubernetes", zone=Zone.EXTRANET),
    PoolSettings(name="cloud-b", kind="kubernetes", zone=Zone.EXTRANET),
    PoolSettings(name="here", zone=Zone.EXTRANET),
)
SIGN_ON = a_system(id="sys_sso", code="sso", name_zh="统一认证", department_id="dep_exam")


class Town(Office):
    """An office with three pools, whose services a test says."""

    def __init__(self, directory: Path) -> None:
        policy = directory / "policies"
        shutil.copytree(packaged_policies(), policy)
        super().__init__(directory / "state", POOLS, policy)
        self.services(SMS, OTHERS)
        plane = self.plane
        with plane.database.write() as tx:
            plane.stores.systems.add(tx, SIGN_ON)
            plane.stores.leases.ensure(tx, plane.leases.names)
        plane.leases.tick()
        self.reconciler = EnvironmentReconciler(
            plane.database,
            plane.stores.environments,
            plane.drivers,
            plane.clock,
            secrets=plane.secrets,
            lacking=plane.bindings.lacking,
        )

    def services(self, *parts: str) -> None:
        text = "services:" + "".join(parts) if parts else "services: []\n"
        file = self.plane.policies.directory / "services.yaml"
        file.write_text(text, encoding="utf-8")
        self.plane.policies.reload()

    def sign_on(self, pool: str = "cloud-b") -> Environment:
        """The environment that is the service sso, on the pool that a test says."""
        drivers = dict(self.plane.drivers)
        for other in set(drivers) - {f"pool_{pool}"}:
            del self.plane.drivers[other]
        component = self.web() if pool != "here" else a_component(max_replicas=2)
        ask = EnvironmentAsk("prod", Purpose.PRODUCTION, (component,))
        made = self.signed(self.submit(Draft(RequestKind.NEW, "sys_sso", ask=ask, reason="认证")))
        assert made.state is RequestState.FULFILLED, made.message
        self.plane.drivers.update(drivers)
        self.services(SMS, SSO, OTHERS)
        return self.environment("sso-prod")

    def bound(self, *names: str) -> Environment:
        self.hosted(self.web(*names))
        return self.environment("gaokao-prod")

    def web(self, *names: str) -> Component:
        return a_component(max_replicas=2, command=(), image="registry.gov/web:1", bindings=names)

    def environment(self, label: str) -> Environment:
        return next(e for e in self.environments() if e.host.startswith(f"{label}."))

    def step(self, label: str) -> Environment:
        """One look of its reconciler; gives what is known afterwards."""
        self.reconciler.reconcile(self.environment(label).id, Unfenced())
        return self.environment(label)

    def told(self, environment: Environment) -> tuple[SharedService, ...]:
        pool = self.plane.drivers[environment.pool_id]
        assert isinstance(pool, InstantPool)
        return pool.workloads[environment.id].components[0].services

    def dry_run(self, *names: str) -> tuple[Outcome, dict[str, list[str]], str | None]:
        draft = self.ask(self.web(*names))
        with self.plane.database.read() as tx:
            found = self.plane.desk.dry_run(tx, draft, OFFICER)
        against = {c.pool_name: [r.rule for r in c.against] for c in found.location.considered}
        return found.decision.outcome, against, found.location.pool_id


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path)
    yield made
    made.plane.database.close()


def said(environment: Environment) -> Condition | None:
    return next((c for c in environment.status.conditions if c.type == "Bound"), None)


# ------------------------------------------------------------------------------- asking


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mail", "there is no shared service mail; in this zone your department may use: gov-sms"),
        ("licence", "licence is a service of the intranet"),
        ("tax", "tax is not for the department exam"),
    ],
)
def test_a_request_that_binds_what_is_not_for_it_is_refused_at_its_place(
    town: Town, name: str, sentence: str
) -> None:
    for act in (
        lambda: town.submit(town.ask(town.web("gov-sms", name))),
        lambda: town.dry_run("gov-sms", name),
    ):
        with pytest.raises(Invalid) as refused:
            act()
        ((path, said),) = refused.value.problems
        assert path == "environment.components[0].bindings[1]"
        assert said.startswith(sentence)
    assert town.environments() == []


def test_what_a_binding_tells_may_not_be_called_like_a_variable_of_ones_own(town: Town) -> None:
    component = replace(town.web("gov-sms"), variables={"GOV_SMS_HOST": "x"})
    with pytest.raises(Invalid) as refused:
        town.submit(town.ask(component))
    ((path, sentence),) = refused.value.problems
    assert path == "environment.components[0].bindings[0]"
    assert sentence.startswith("GOV_SMS_HOST is told of gov-sms")


def test_a_hosted_service_draws_those_bound_to_it_onto_its_pool(town: Town) -> None:
    town.sign_on("cloud-b")
    outcome, against, pool = town.dry_run("sso")
    assert outcome is not Outcome.DENY
    assert pool == "pool_cloud-b"
    assert against == {
        "cloud-a": ["service-on-another-pool"],
        "cloud-b": [],
        "here": [
            "local-pools-run-commands",
            "service-on-another-pool",
            "local-pools-reach-no-hosted-service",
        ],
    }
    assert town.bound("sso").pool_id == "pool_cloud-b"


def test_without_room_on_the_pool_of_the_service_it_is_refused_and_not_put_elsewhere(
    town: Town,
) -> None:
    town.sign_on("here")
    outcome, against, pool = town.dry_run("sso")
    assert outcome is Outcome.DENY
    assert pool is None
    assert all(against.values())


# ---------------------------------------------------------------------------- following


def test_a_new_environment_has_its_services_before_its_pool_first_hears_of_it(town: Town) -> None:
    sso = town.sign_on()
    made = town.bound("gov-sms", "sso")
    assert made.generation == 1
    seen = town.step("gaokao-prod")
    wanted = (
        SharedService("gov-sms", 8443, "sms.gov.cn", ("192.0.2.0/28",)),
        SharedService("sso", 8000, environment_id=sso.id, component="web"),
    )
    assert town.told(seen) == wanted
    bound = said(seen)
    assert bound is not None
    assert (bound.status, bound.reason) == (Status.TRUE, "AsBound")


def test_an_environment_without_bindings_hears_nothing_of_them(town: Town) -> None:
    town.bound()
    assert said(town.step("gaokao-prod")) is None


def test_a_changed_policy_is_followed_and_what_is_gone_is_told(town: Town) -> None:
    made = town.bound("gov-sms")
    town.step("gaokao-prod")
    assert town.plane.bindings.follow() == []
    town.services(SMS.replace("8443", "9443"), OTHERS)
    assert town.plane.bindings.follow() == [made.id]
    assert town.told(town.step("gaokao-prod"))[0].port == 9443

    town.services(OTHERS)
    assert town.plane.bindings.follow() == [made.id]
    seen = town.step("gaokao-prod")
    assert town.told(seen) == ()
    bound = said(seen)
    assert bound is not None
    assert (bound.status, bound.reason) == (Status.FALSE, "ServicesMissing")
    assert bound.message == "gov-sms is not in policies/services.yaml any more"
    assert seen.status.ready == {"web": 1}, "it goes on without"

    town.services(SMS, OTHERS)
    town.plane.bindings.follow()
    bound = said(town.step("gaokao-prod"))
    assert bound is not None
    assert bound.status is Status.TRUE


def test_the_round_writes_and_has_it_looked_at_only_with_the_right_to(town: Town) -> None:
    town.bound("gov-sms")
    town.services(OTHERS)
    town.plane.rounds.bindings()
    assert town.environment("gaokao-prod").services == ()
    town.services(SMS)
    town.plane.leases.stop()
    town.plane.rounds.bindings()
    assert town.environment("gaokao-prod").services == ()


def test_nothing_is_written_or_looked_at_when_nothing_changed(town: Town) -> None:
    town.sign_on()
    town.bound("sso")
    assert town.plane.bindings.follow() != []
    assert town.plane.bindings.follow() == [], "it sees what it wrote itself"
    generations = [e.generation for e in town.environments()]
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(town.plane.database.engine, "before_cursor_execute", note)
    assert town.plane.bindings.follow() == []
    event.remove(town.plane.database.engine, "before_cursor_execute", note)
    (only,) = (statement for statement in asked if "environment" in statement)
    assert "sum(environment.generation)" in only
    assert [e.generation for e in town.environments()] == generations


def test_what_is_scaled_meanwhile_is_no_reason_to_read_the_others(town: Town) -> None:
    town.sign_on()
    made = town.bound("sso")
    while town.plane.bindings.follow():
        pass
    with town.plane.database.write() as tx:
        stores = town.plane.stores
        stores.environments.set_target(tx, stores.environments.get(tx, made.id), {"web": 2})
    read: list[object] = []

    def note(
        _connection: object, _cursor: object, statement: str, given: object, *_: object
    ) -> None:
        if "environment.components" in statement:
            read.append(given)

    event.listen(town.plane.database.engine, "before_cursor_execute", note)
    assert town.plane.bindings.follow() == []
    event.remove(town.plane.database.engine, "before_cursor_execute", note)
    assert read == [(made.id,)]


def test_a_host_of_a_service_is_told_which_services_it_is(town: Town) -> None:
    sso = town.sign_on()
    assert sso.offers == {}
    assert town.plane.bindings.follow() == [sso.id]
    seen = town.step("sso-prod")
    pool = town.plane.drivers[seen.pool_id]
    assert isinstance(pool, InstantPool)
    assert pool.workloads[seen.id].components[0].offers == ("sso",)


def test_when_the_host_of_a_service_retires_those_bound_to_it_are_told(town: Town) -> None:
    sso = town.sign_on()
    made = town.bound("sso", "gov-sms")
    town.plane.bindings.follow()
    town.step("gaokao-prod")
    with town.plane.database.write() as tx:
        stores = town.plane.stores
        stores.environments.set_retiring(tx, stores.environments.get(tx, sso.id))
    assert town.plane.bindings.follow() == [made.id]
    seen = town.step("gaokao-prod")
    assert [s.name for s in town.told(seen)] == ["gov-sms"]
    bound = said(seen)
    assert bound is not None
    assert bound.message == "sso is not there: sso-prod is being retired"

    with town.plane.database.write() as tx:
        stores.environments.delete(tx, stores.environments.get(tx, sso.id))
    assert town.plane.bindings.follow() == [made.id], "the reason is another one now"
    bound = said(town.step("gaokao-prod"))
    assert bound is not None
    assert bound.message == "sso is not there: no environment sso-prod is hosted"


def test_a_resize_takes_its_new_bindings_along(town: Town) -> None:
    made = town.bound()
    ask = EnvironmentAsk("prod", Purpose.PRODUCTION, (town.web("gov-sms"),))
    done: HostingRequest = town.signed(
        town.submit(Draft(RequestKind.RESIZE, "sys_exam", made.id, ask, (), "通知考生"))
    )
    assert done.state is RequestState.FULFILLED, done.message
    assert [s.name for s in town.environment("gaokao-prod").services] == ["gov-sms"]
