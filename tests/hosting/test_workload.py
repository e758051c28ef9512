"""What is said of an environment, given what its pool holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudmgr.conditions import Condition, Status
from cloudmgr.errors import CloudmgrError, Permanent, Temporary
from cloudmgr.hosting.workload import Apply, Remove, failed, plan, status, word, workload
from cloudmgr.pools.drivers.driver import ObservedWorkload, SecretValue, SharedService
from tests.builders import CREATED, an_environment


def test_what_a_pool_does_not_enforce_is_told_and_is_no_trouble() -> None:
    environment = an_environment()
    observed = ObservedWorkload(
        environment.id, "", limitations=("CPU limits are not enforced here",)
    )
    conditions = {c.type: c for c in status(environment, observed, CREATED).conditions}
    assert conditions["Healthy"].status is Status.TRUE
    assert conditions["Healthy"].message == "CPU limits are not enforced here"


def test_nothing_is_started_before_its_secrets_have_values() -> None:
    environment = an_environment()
    (web,) = environment.components
    environment = replace(environment, components=(replace(web, secrets=("A", "KEY")),))
    environment = replace(environment, secrets={"A": "r1"})
    assert plan(environment, None) is None
    said = status(environment, None, CREATED)
    applied = next(c for c in said.conditions if c.type == "Applied")
    assert (applied.status, applied.reason) == (Status.FALSE, "SecretsMissing")
    assert "KEY" in applied.message
    assert word(replace(environment, status=said)) == "waiting"

    told = replace(environment, status=said, secrets={"A": "r1", "KEY": "r2"}, generation=2)
    action = plan(told, None)
    assert isinstance(action, Apply)
    secrets = action.workload.components[0].secrets
    assert secrets == {"A": SecretValue("r1"), "KEY": SecretValue("r2")}
    assert isinstance(plan(replace(environment, retiring=True), ObservedWorkload("e", "x")), Remove)


def test_a_component_is_told_of_the_services_that_it_is_bound_to() -> None:
    environment = an_environment()
    (web,) = environment.components
    sso, sms = SharedService("sso", 443, "sso.gov"), SharedService("sms", 80, "sms.gov")
    environment = replace(
        environment,
        components=(replace(web, bindings=("sso",)), replace(web, name="api")),
        target={"web": 1, "api": 1},
        services=(sms, sso),
        offers={"forms": "api", "files": "api", "gone": "nobody"},
    )
    found = {c.name: c for c in workload(environment).components}
    assert found["web"].services == (sso,)
    assert found["api"].services == ()
    assert found["api"].offers == ("files", "forms")
    assert found["web"].offers == ()


def applied(error: CloudmgrError) -> Condition:
    said = failed(an_environment(), error, CREATED).conditions
    return next(c for c in said if c.type == "Applied")


@pytest.mark.parametrize(
    "code", ["pool-busy", "still-ending", "disk-full", "pool-forbidden", "pool-credentials"]
)
def test_a_pool_that_answers_that_it_cannot_now_is_not_said_to_be_out_of_reach(code: str) -> None:
    said = applied(Temporary("the quota is used up", code=code, hint="wait"))
    assert (said.status, said.reason) == (Status.UNKNOWN, "NotNow")
    assert said.message == "the quota is used up. wait."


def test_what_nobody_answers_is_out_of_reach() -> None:
    said = applied(Temporary("the cluster cannot be reached", code="pool-unreachable"))
    assert (said.status, said.reason) == (Status.UNKNOWN, "PoolUnreachable")


@pytest.mark.parametrize(
    ("code", "reason"), [("no-driver", "NoDriver"), ("pool-refuses", "Refused")]
)
def test_what_will_never_be_is_refused_and_said_why(code: str, reason: str) -> None:
    said = applied(Permanent("it cannot be", code=code))
    assert (said.status, said.reason) == (Status.FALSE, reason)
