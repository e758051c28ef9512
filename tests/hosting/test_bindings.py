from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloudmgr.hosting.bindings import Place, Resolved, against, binding_problems, resolve
from cloudmgr.policy.services import CityService
from cloudmgr.pools.drivers.driver import SharedService
from cloudmgr.pools.pool import Pool, Zone
from tests.builders import a_component, a_pool, an_environment

SMS = CityService(
    "gov-sms",
    "短信网关",
    "SMS",
    "extranet",
    host="sms.gov.cn",
    port=8443,
    addresses=("192.0.2.0/28",),
)
SSO = CityService("sso", "统一认证", "sign-on", "extranet", environment="sso-prod", component="api")
POOL = a_pool(id="pool_cloud", name="cloud", kind="kubernetes")
HOSTED = an_environment(
    id="env_sso",
    host="sso-prod.extranet.localhost",
    pool_id="pool_cloud",
    components=(a_component(name="api", port=9000), a_component(name="worker", port=None)),
)
BOUND = an_environment(
    pool_id="pool_cloud",
    components=(a_component(bindings=("sso", "gov-sms")), a_component(name="b", bindings=("sso",))),
)


def resolved(
    environment: Any = BOUND,
    *services: CityService,
    place: Place | None = Place(HOSTED, POOL),  # noqa: B008 - frozen
) -> Resolved:
    offered = {s.name: s for s in services or (SMS, SSO)}
    return resolve(environment, "exam", offered, lambda _: place)


def test_a_binding_is_led_outside_or_to_the_component_that_is_the_service() -> None:
    found = resolved()
    assert found.services == (
        SharedService("gov-sms", 8443, "sms.gov.cn", ("192.0.2.0/28",)),
        SharedService("sso", 9000, environment_id="env_sso", component="api"),
    )
    assert found.lacking == {}
    assert found.offers == {}


def test_what_nobody_is_bound_to_is_not_handed_out() -> None:
    assert resolved(an_environment()).services == ()


def test_an_environment_knows_which_services_it_is_itself() -> None:
    worker = replace(SSO, name="queue", component="worker")  # it has no port
    elsewhere = replace(SSO, name="inner-sso", zone="intranet")
    assert resolved(HOSTED, SSO, worker, elsewhere, SMS).offers == {"sso": "api"}


def test_it_differs_only_when_something_is_to_be_written() -> None:
    found = resolved()
    assert found.differs(BOUND)
    assert not found.differs(replace(BOUND, services=found.services))
    assert found.differs(replace(BOUND, services=found.services, offers={"sso": "api"}))
    assert not resolved(an_environment()).differs(an_environment())


@pytest.mark.parametrize(
    ("service", "place", "sentence"),
    [
        (None, None, "sso is not in policies/services.yaml any more"),
        (
            replace(SSO, zone="intranet"),
            Place(HOSTED, POOL),
            "sso is a service of the intranet, and this is the extranet",
        ),
        (
            replace(SSO, departments=("tax", "parks")),
            Place(HOSTED, POOL),
            "sso is not for the department exam",
        ),
        (SSO, None, "sso is not there: no environment sso-prod is hosted"),
        (
            SSO,
            Place(replace(HOSTED, retiring=True), POOL),
            "sso is not there: sso-prod is being retired",
        ),
        (
            replace(SSO, component="worker"),
            Place(HOSTED, POOL),
            "sso is not there: sso-prod has no component worker with a port",
        ),
        (
            SSO,
            Place(HOSTED, replace(POOL, id="pool_b", name="b")),
            "sso is hosted on another pool, b",
        ),
        (
            SSO,
            Place(HOSTED, replace(POOL, kind="local")),
            "sso is hosted on cloud, which cannot lead others to it",
        ),
    ],
)
def test_what_cannot_be_reached_is_kept_out_and_told_and_the_rest_stays(
    service: CityService | None, place: Place | None, sentence: str
) -> None:
    found = resolved(BOUND, SMS, *([service] if service else []), place=place)
    assert found.lacking == {"sso": sentence}
    assert [s.name for s in found.services] == ["gov-sms"]


def test_a_wrong_binding_is_refused_at_its_place_with_what_there_is() -> None:
    services = {
        s.name: s
        for s in (
            SMS,
            SSO,
            replace(SMS, name="licence", zone="intranet"),
            replace(SMS, name="tax-data", departments=("tax",)),
        )
    }
    component = a_component(bindings=("gov-sms", "mail", "licence", "tax-data", "sso"))
    problems = binding_problems(
        [a_component(name="db"), component], "extranet", "exam", services, lambda _: None
    )
    assert dict(problems) == {
        "environment.components[1].bindings[1]": "there is no shared service mail; in this zone "
        "your department may use: gov-sms, sso",
        "environment.components[1].bindings[2]": "licence is a service of the intranet, and this "
        "is the extranet; leave it out, or ask an operator to change services.yaml",
        "environment.components[1].bindings[3]": "tax-data is not for the department exam; leave "
        "it out, or ask an operator to change services.yaml",
        "environment.components[1].bindings[4]": "sso is not there: no environment sso-prod is "
        "hosted",
    }


def test_a_pool_from_which_a_hosted_service_is_out_of_reach_is_refused_with_the_reason() -> None:
    may = against(BOUND.components, {"gov-sms": SMS, "sso": SSO}, lambda _: Place(HOSTED, POOL))

    def rules(pool: Pool) -> list[str]:
        return [reason.rule for reason in may(pool)]

    assert rules(POOL) == []
    other = replace(POOL, id="pool_other", name="other")
    assert rules(other) == ["service-on-another-pool"]
    assert "sso is hosted on the pool cloud" in may(other)[0].en
    assert "“sso”部署在资源池“cloud”上" in may(other)[0].zh
    assert rules(replace(POOL, kind="local")) == ["local-pools-reach-no-hosted-service"]
    assert rules(replace(other, kind="local")) == [
        "service-on-another-pool",
        "local-pools-reach-no-hosted-service",
    ]
    free = against((a_component(bindings=("gov-sms",)),), {"gov-sms": SMS}, lambda _: None)
    assert free(replace(POOL, kind="local", zone=Zone.INTRANET)) == ()
