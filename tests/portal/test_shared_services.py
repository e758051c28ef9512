"""Shared services on the pages: the list, an environment's own, and what a request asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cloudmgr.pools.drivers.driver import SharedService
from tests.builders import a_component
from tests.portal.browsing import browser, fill, forms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.testclient import TestClient

    from cloudmgr.hosting.environments import Component
    from tests.api.city import City

FIRST = "environment.components[0]."
FOUR = {"a.conf": "a\n", "b.conf": "b", "c.conf": "c", "d.conf": "d"}


def keep(city: City, component: Component, *services: SharedService) -> None:
    """Make our environment so."""
    stores = city.services
    with city.database.write() as tx:
        environment = stores.environments.get(tx, city.ours["environment_id"])
        environment = stores.environments.set_components(
            tx, environment, (component,), {"web": 1}, environment.scaling_class
        )
        stores.environments.set_services(tx, environment, services, {})


def resized(client: TestClient, city: City, typed: Mapping[str, str | list[str]]) -> Component:
    """What a resize asks for once ``typed`` is in its form as it is shown."""
    page = client.get(f"/requests/resize?environment_id={city.ours['environment_id']}")
    sent: dict[str, str | list[str]] = {**fill(page, f"{FIRST}memory_mib"), **typed}
    answer = client.post("/requests/resize", data={**sent, "step": "submit", "reason": "改配置"})
    assert answer.status_code == 303, answer.text[:5000]
    with city.database.read() as tx:
        found = city.services.requests.get(
            tx, answer.headers["Location"].partition("?")[0].rpartition("/")[2]
        )
    assert found.ask is not None
    return found.ask.components[0]


def test_the_list_says_what_there_is_and_which_of_ones_environments_use_it(city: City) -> None:
    page = browser(city, "officer").get("/services")
    assert "single sign-on of the city" in page.text
    assert "sso.example.gov.cn:443" in page.text
    assert f"/environments/{city.ours['environment_id']}" in page.text
    assert city.theirs["environment_id"] not in page.text
    everything = browser(city, "operator").get("/services").text
    assert city.theirs["environment_id"] in everything
    inner = browser(city, "officer").get("/services?zone=intranet").text
    assert "e-licence" in inner
    assert "gov-sms" not in inner
    table = browser(city, "officer").get("/services.csv?q=sms").text
    assert len(table.splitlines()) == 2


def test_an_environments_page_says_what_it_is_bound_to_and_what_not_and_why(city: City) -> None:
    keep(
        city,
        a_component(bindings=("gov-sms", "mail")),
        SharedService("gov-sms", 8443, "sms.example.gov.cn", ("198.51.100.16/32",)),
    )
    page = browser(city, "officer").get(f"/environments/{city.ours['environment_id']}").text
    assert "<code>GOV_SMS_HOST</code> sms.example.gov.cn" in page
    assert "<code>GOV_SMS_PORT</code> 8443" in page
    assert "Mail is not in policies/services.yaml any more." in page


def test_a_request_binds_names_secrets_and_hands_files_over(city: City) -> None:
    component = resized(
        browser(city, "officer"),
        city,
        {
            f"{FIRST}bindings": ["", "sso", "gov-sms"],
            f"{FIRST}secrets": " DB_PASSWORD  API_KEY ",
            f"{FIRST}files[1].path": "app.yaml",
            f"{FIRST}files[1].text": "\n  a: 1\r\nb: 2\n",
        },
    )
    assert component.bindings == ("sso", "gov-sms")
    assert component.secrets == ("DB_PASSWORD", "API_KEY")
    assert component.files == {"app.yaml": "\n  a: 1\nb: 2\n"}


def test_what_is_asked_for_survives_the_look_at_what_would_come_of_it(city: City) -> None:
    client = browser(city, "officer")
    page = client.get(f"/requests/resize?environment_id={city.ours['environment_id']}")
    sent = fill(page, f"{FIRST}memory_mib", step="check", reason="改配置")
    sent |= {f"{FIRST}files[0].path": "app.yaml", f"{FIRST}files[0].text": "\n a\n"}
    seen = client.post(
        "/requests/resize", data={**sent, f"{FIRST}bindings": ["", "sso", "gov-sms"]}
    )
    assert seen.status_code == 200, seen.text[:5000]
    assert "uses sso, gov-sms" in seen.text
    kept = next(f for f in forms(seen) if f"{FIRST}memory_mib" in f.values)
    assert kept.values[f"{FIRST}files[0].text"] == "\n a\n"
    assert f'name="{FIRST}bindings" value="sso"' in seen.text
    assert f'name="{FIRST}bindings" value="gov-sms"' in seen.text


def test_the_form_of_a_resize_shows_what_it_has_and_keeps_what_it_has_no_room_for(
    city: City,
) -> None:
    keep(city, a_component(bindings=("sso", "gone"), secrets=("TOKEN",), files=FOUR))
    client = browser(city, "officer")
    page = client.get(f"/requests/resize?environment_id={city.ours['environment_id']}")
    assert "gone: not offered any more" in page.text
    assert page.text.count(" checked") == 2
    shown = fill(page, f"{FIRST}memory_mib")
    assert shown[f"{FIRST}files[0].text"] == "a\n"
    assert shown[f"{FIRST}secrets"] == "TOKEN"
    component = resized(client, city, {f"{FIRST}bindings": ["", "sso"]})
    assert (component.bindings, component.secrets) == (("sso",), ("TOKEN",))
    assert component.files == FOUR
    without: dict[str, str | list[str]] = {
        f"{FIRST}bindings": "",
        f"{FIRST}files[1].path": "",
        f"{FIRST}files[1].text": "",
    }
    fewer = resized(client, city, without)
    assert fewer.bindings == ()
    assert fewer.files == {name: text for name, text in FOUR.items() if name != "b.conf"}


def test_a_form_that_shows_none_of_it_keeps_all_of_it(city: City) -> None:
    had = a_component(bindings=("sso",), secrets=("TOKEN",), files=FOUR)
    keep(city, had)
    client = browser(city, "officer")
    page = client.get(f"/requests/resize?environment_id={city.ours['environment_id']}")
    sent = {
        name: value
        for name, value in fill(page, f"{FIRST}memory_mib").items()
        if not name.startswith((f"{FIRST}bindings", f"{FIRST}secrets", f"{FIRST}files"))
    }
    answer = client.post("/requests/resize", data={**sent, "step": "submit", "reason": "改"})
    with city.database.read() as tx:
        found = city.services.requests.get(
            tx, answer.headers["Location"].partition("?")[0].rpartition("/")[2]
        )
    assert found.ask is not None
    assert found.ask.components == (replace(had, memory_mib=had.memory_mib),)


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("bindings", ["", "sso", "mail"], "There is no shared service mail;"),
        ("bindings", ["", "e-licence"], "E-licence is a service of the intranet"),
        ("bindings", ["", "sso", "sso"], "Sso stands here twice."),
        ("secrets", "DB_PASSWORD 1x", "&#39;1x&#39; cannot be the name of a secret here."),
        ("secrets", "SSO_HOST", "SSO_HOST is told of sso"),
        ("files[2].path", "../up", "&#39;../up&#39; is no path here"),
        ("files[2].path", "/etc/app.conf", "/etc/app.conf: leave out the first /"),
        ("files[1].text", "a: 1", "Give the file a path."),
    ],
)
def test_what_is_wrong_stands_beside_the_field_that_it_is_about(
    seen_city: City, field: str, typed: str | list[str], said: str
) -> None:
    client = browser(seen_city, "officer")
    page = client.get(f"/requests/resize?environment_id={seen_city.ours['environment_id']}")
    sent: dict[str, str | list[str]] = {**fill(page, f"{FIRST}memory_mib")}
    sent |= {f"{FIRST}bindings": ["", "sso"], f"{FIRST}{field}": typed, "reason": "x"}
    answer = client.post("/requests/resize", data={**sent, "step": "check"})
    assert answer.status_code == 422, answer.text[:5000]
    name = {"files[1].text": "files[1].path"}.get(field, field)
    name = {"secrets": "bindings"}.get(name, name) if typed == "SSO_HOST" else name
    slug = "f-" + f"{FIRST}{name}".replace(".", "-").replace("[", "-").replace("]", "")
    assert f'id="{slug}-fault"' in answer.text
    assert said in answer.text


def test_a_new_request_offers_what_the_departments_systems_may_use(seen_city: City) -> None:
    page = browser(seen_city, "officer").get("/requests/new").text
    assert "single sign-on of the city (sso)" in page
    assert "e-licence" not in page, "no system of theirs is on the intranet"
