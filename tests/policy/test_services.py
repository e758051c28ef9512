from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import Invalid
from cloudmgr.policy.decision import Outcome
from cloudmgr.policy.loading import load
from cloudmgr.policy.services import CityService

if TYPE_CHECKING:
    from cloudmgr.policy.bundle import PolicyBundle
    from tests.policy.conftest import Policies

SMS = """services:
  - name: gov-sms
    zh: 政务短信网关
    en: SMS gateway
    zone: extranet
    departments: [exam, tax]
    host: 198.51.100.20
    port: 8443
    addresses: [198.51.100.16/28, "2001:db8::7"]
"""
LICENCE = """  - name: licence
    zh: 电子证照
    en: licences
    zone: intranet
    environment: licence-prod
    component: web
"""


def test_a_service_lies_outside_of_the_pools_or_in_an_environment_hosted_here(
    policies: Policies,
) -> None:
    policies.write("services.yaml", SMS + LICENCE)
    assert not policies.findings()
    found = load(policies.directory).services
    assert list(found) == ["gov-sms", "licence"]
    assert found["gov-sms"] == CityService(
        "gov-sms",
        "政务短信网关",
        "SMS gateway",
        "extranet",
        ("exam", "tax"),
        "198.51.100.20",
        8443,
        ("198.51.100.16/28", "2001:db8::7/128"),
    )
    licence = found["licence"]
    assert (licence.environment, licence.component, licence.departments) == (
        "licence-prod",
        "web",
        None,
    )


def test_a_service_is_for_the_departments_that_are_named_or_for_all(policies: Policies) -> None:
    policies.write("services.yaml", SMS + LICENCE)
    found = load(policies.directory).services
    assert found["gov-sms"].serves("tax")
    assert not found["gov-sms"].serves("parks")
    assert found["licence"].serves("parks")


def test_a_city_may_have_no_shared_service(policies: Policies) -> None:
    policies.write("services.yaml", "services: []\n")
    assert not policies.findings()
    assert load(policies.directory).services == {}


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        # shape
        ("name: gov-sms", "name: Gov_SMS", "services.yaml:2: services[0].name: 'Gov_SMS' is not"),
        ("name: gov-sms", f"name: {'x' * 41}", "services[0].name: string should have at most 40"),
        ("zh: 政务短信网关", "zh: SMS", "services[0].zh: it has no Chinese character"),
        ("zone: extranet", "zone: internet", "services[0].zone: 'internet' is none of"),
        ("[exam, tax]", "[]", "services[0].departments: list should have at least 1 item"),
        ("[exam, tax]", "[Exam]", "services[0].departments[0]: 'Exam' is not of the form"),
        ("[exam, tax]", "[tax, tax]", "services[0].departments[1]: tax stands here twice"),
        ("port: 8443", "port: 70000", "services[0].port: input should be less than or equal"),
        ("port: 8443", "prot: 8443", "services[0].prot: there is no such key here"),
        # where it is
        ("    port: 8443\n", "", "services[0].port: it is missing"),
        ("    host: 198.51.100.20\n", "", "services[0].host: it is missing"),
        ("port: 8443", "environment: sms-prod", "services[0].host: a service that is hosted here"),
        ("198.51.100.20", "sms_1.gov", "services[0].host: 'sms_1.gov' is neither a host name nor"),
        ("198.51.100.20", "198.51.100.256", "services[0].host: '198.51.100.256' is neither"),
        ("198.51.100.20", "198.51.100.1", "services[0].host: 198.51.100.1 is in none of the"),
        ("198.51.100.16/28", "198.51.100.17/28", "services[0].addresses[0]: '198.51.100.17/28' is"),
        ("198.51.100.16/28", "0.0.0.0/0", "services[0].addresses[0]: 0.0.0.0/0 is every address"),
        ('"2001:db8::7"', '"::/0"', "services[0].addresses[1]: ::/0 is every address there is"),
        # variables
        ("name: gov-sms", "name: cloudmgr-sms", "services[0].name: cloudmgr-sms would make"),
        ("name: gov-sms", "name: config-dir", "services[0].name: config-dir would make variables"),
        ("name: licence", "name: gov-sms", "services[1].name: gov-sms stands here twice"),
        # hosted here
        ("    component: web\n", "", "services[1].component: it is missing"),
        (
            "    component: web\n",
            "    component: web\n    port: 80\n",
            "services[1].port: a service",
        ),
        (
            "    environment: licence-prod\n    component: web\n",
            "",
            "services[1]: say where it is: host, port and addresses, or environment and component",
        ),
    ],
)
def test_what_is_wrong_with_a_service_is_told_with_its_place(
    policies: Policies, old: str, new: str, finding: str
) -> None:
    policies.write("services.yaml", SMS + LICENCE)
    policies.edit("services.yaml", old, new)
    (found,) = policies.findings().splitlines()
    assert finding in found
    with pytest.raises(Invalid):
        load(policies.directory)


def test_the_digest_names_the_services_too(policies: Policies, bundle: PolicyBundle) -> None:
    policies.edit("services.yaml", "port: 8443", "port: 8444")
    assert load(policies.directory).digest != bundle.digest


def test_rules_may_speak_of_what_a_component_is_bound_to(bundle: PolicyBundle) -> None:
    facts = {
        "request": {"kind": "new"},
        "system": {"code": "gaokao", "zone": "extranet", "protection_level": 2},
        "environment": {
            "name": "uat",
            "purpose": "test",
            "components": [{"name": "web", "bindings": ["gov-sms"]}],
        },
    }
    decision = bundle.admit(facts)
    assert (decision.outcome, decision.fired) == (Outcome.DENY, ("tests-send-no-messages",))
