"""What is said of an environment, given what its pool holds."""

from __future__ import annotations

from dataclasses import replace

from cloudmgr.conditions import Status
from cloudmgr.hosting.workload import Apply, Remove, plan, status, word, workload
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
    assert word(replace(environment, status=said)) == "refused"

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
