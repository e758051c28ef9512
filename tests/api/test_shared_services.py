"""Shared services, as the API shows them and as it refuses to bind them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.api.city import City

ASK: dict[str, Any] = {
    "kind": "new",
    "reason": "试用",
    "environment": {
        "name": "second",
        "purpose": "production",
        "components": [
            {
                "name": "web",
                "command": ["app"],
                "cpu_millis": 250,
                "memory_mib": 128,
                "max_replicas": 1,
                "bindings": ["sso", "mail"],
            }
        ],
    },
}


def test_an_officer_sees_what_the_department_may_use_and_which_of_its_own_do(city: City) -> None:
    policies = city.services.policies
    bundle = policies.current
    tax_alone = replace(bundle.services["gov-sms"], departments=("tax",))
    # As a reload would do with another file.
    policies._current = replace(bundle, services={**bundle.services, "gov-sms": tax_alone})
    answer = city.client("officer").get("/api/v1/shared-services").json()
    assert [s["name"] for s in answer["items"]] == ["e-licence", "sso"]
    sso = answer["items"][1]
    assert (sso["host"], sso["port"], sso["zone"]) == ("sso.example.gov.cn", 443, "extranet")
    assert [b["environment_id"] for b in sso["bound"]] == [city.ours["environment_id"]]
    assert sso["bound"][0]["bound"] is True

    everything = city.client("operator").get("/api/v1/shared-services").json()["items"]
    assert [s["name"] for s in everything] == ["e-licence", "gov-sms", "sso"]
    assert everything[1]["departments"] == ["tax"]
    assert {b["environment_id"] for b in everything[2]["bound"]} == {
        city.ours["environment_id"],
        city.theirs["environment_id"],
    }


def test_a_service_whose_environment_is_not_hosted_says_so(city: City) -> None:
    policies = city.services.policies
    bundle = policies.current
    hosted = replace(
        bundle.services["sso"],
        host="",
        port=0,
        addresses=(),
        environment="sso-prod",
        component="web",
    )
    policies._current = replace(bundle, services={"sso": hosted})
    (sso,) = city.client("officer").get("/api/v1/shared-services").json()["items"]
    assert sso["absent"] == "sso is not there: no environment sso-prod is hosted"


def test_the_list_is_narrowed_to_a_zone_and_comes_in_pages(city: City) -> None:
    client = city.client("operator")
    address = "/api/v1/shared-services"
    inner = client.get(address, params={"zone": "intranet"}).json()["items"]
    assert [s["name"] for s in inner] == ["e-licence"]
    first = client.get(address, params={"limit": 2}).json()
    rest = client.get(address, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [s["name"] for s in (*first["items"], *rest["items"])] == ["e-licence", "gov-sms", "sso"]


def test_an_environment_shows_what_it_is_led_to(city: City) -> None:
    address = f"/api/v1/environments/{city.ours['environment_id']}"
    answer = city.client("officer").get(address).json()
    assert answer["components"][0]["bindings"] == ["sso"]
    assert answer["services"] == [
        {"name": "sso", "host": "sso.example.gov.cn", "port": 443, "hosted": False}
    ]
    assert answer["offers"] == {}


def test_a_request_that_binds_what_there_is_not_is_refused_with_its_path(city: City) -> None:
    body = {**ASK, "system_id": city.ours["system_id"]}
    for address in ("/api/v1/requests", "/api/v1/requests/dry-run"):
        answer = city.client("officer").post(address, json=body)
        assert answer.status_code == 422, answer.text
        (error,) = answer.json()["errors"]
        assert error["path"] == "environment.components[0].bindings[1]"
        assert "your department may use: sso, gov-sms" in str(error)
