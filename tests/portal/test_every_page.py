"""A walk over every page: closed to strangers, blind to other departments, never a fault."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import pytest
from fastapi.routing import iter_route_contexts

from cloudmgr.api.gate import SAFE_METHODS
from cloudmgr.portal.app import portal_routers
from tests.api.city import THEIRS, City, Operation
from tests.api.test_every_route import NOBODYS, trail_of
from tests.portal.browsing import HEADERS, browser

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from httpx import Response
    from starlette.testclient import TestClient

PUBLIC = {"show_sign_in", "sign_in", "sign_out", "choose_language"}
# What whoever sees everything is led away from, since another page says it.
ELSEWHERE = {"show_close", "show_period_line"}
OUTSIDE = re.compile(
    r"""(?:src|href|action)=["']?(?:https?:)?//|url\(\s*["']?(?:https?:)?//|@import"""
)


@cache
def paths() -> frozenset[str | None]:
    return frozenset(
        context.path
        for router in portal_routers()
        for context in iter_route_contexts(router.routes)
    )


def pages(city: City) -> Iterator[Operation]:
    yield from (o for o in city.operations() if o.path in paths())


def go(client: TestClient, page: Operation, ids: Mapping[str, str]) -> Response:
    path = page.path
    for name in page.path_parameters:
        path = path.replace(f"{{{name}}}", ids.get(name, NOBODYS))
    answer: Response = client.request(page.method, path)
    return answer


def shown(city: City, answer: Response) -> set[str]:
    return {mark for mark in city.marks if mark in answer.text}


def test_who_is_not_signed_in_is_led_to_the_door_and_back(seen_city: City) -> None:
    client, found = browser(seen_city), set()
    for page in pages(seen_city):
        answer = go(client, page, seen_city.ours)
        if page.action is None:
            found.add(page.id)
            assert answer.status_code < 500, page
            continue
        assert answer.status_code == 303, page
        assert answer.headers["Location"].startswith("/sign-in"), page
        program = go(browser(seen_city, Accept="*/*"), page, seen_city.ours)
        assert (program.status_code, program.json()["code"]) == (401, "token-missing"), page
    assert found == PUBLIC


@pytest.mark.parametrize("login", ["officer", "approver"])
def test_a_page_on_a_thing_of_theirs_reads_as_if_there_were_none(city: City, login: str) -> None:
    client, walked = browser(city, login), 0
    before = trail_of(city, THEIRS)
    for page in pages(city):
        if not page.path_parameters or page.action is None:
            continue
        for name in page.path_parameters:
            assert name in city.theirs, f"seed {name} of {page.id} in tests/api/city.py"
        answer = go(client, page, city.theirs)
        if set(page.path_parameters) == {"month"}:
            # A month is everybody's; what is shown of it is one's own.
            assert answer.status_code in {200, 303, 403}, page
        else:
            assert answer.status_code in {403, 404}, (page, answer.text[:2000])
        assert "税务" not in answer.text, page
        walked += 1
    assert walked > 20
    assert trail_of(city, THEIRS) == before


@pytest.mark.parametrize("login", ["officer", "approver"])
def test_no_page_shows_a_thing_of_theirs(seen_city: City, login: str) -> None:
    client = browser(seen_city, login)
    for page in pages(seen_city):
        if page.method == "GET" and not page.path_parameters and page.action is not None:
            if page.id == "get_chart_script":
                continue
            answer = go(client, page, seen_city.ours)
            assert answer.status_code in {200, 303, 403}, (page, answer.text[:2000])
            assert shown(seen_city, answer) == set(), page
            theirs = client.get(page.path, params={"department": THEIRS})
            assert "税务" not in theirs.text, page


@pytest.mark.parametrize("login", ["everybody", "officer"])
def test_every_page_can_be_read_and_asks_no_other_host(seen_city: City, login: str) -> None:
    client = browser(seen_city, login)
    for page in pages(seen_city):
        if page.method != "GET" or page.id == "get_chart_script":
            continue
        answer = go(client, page, seen_city.ours)
        expected = {200} if login == "everybody" else {200, 303, 403}
        if page.id in ELSEWHERE or page.action is not None:
            expected |= {303, 403}
        assert answer.status_code in expected, (page, answer.text[:2000])
        assert not OUTSIDE.search(answer.text), page
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"], page
            assert "onclick" not in answer.text, page


def test_a_form_from_another_site_is_refused(city: City) -> None:
    client = browser(city, "everybody")
    for origin in ("http://evil.example", "null"):
        client.headers["Origin"] = origin
        for page in pages(city):
            if page.method not in SAFE_METHODS and page.id != "choose_language":
                assert go(client, page, city.theirs).status_code == 403, page


@pytest.mark.parametrize("login", ["everybody", "officer"])
def test_an_empty_form_is_never_a_fault_of_ours(city: City, login: str) -> None:
    client = browser(city, login)
    for page in pages(city):
        if page.method not in SAFE_METHODS and page.id != "sign_out":
            answer = go(client, page, city.ours)
            assert answer.status_code < 500, (page, answer.text[:2000])
            assert answer.status_code != 415


def test_what_nobody_meant_to_type_is_refused(city: City) -> None:
    client = browser(city, "officer")
    for odd in ("\x00", "a\x07b", "字" * 10_000, "\u202etxt"):
        answer = client.post(
            "/systems/new",
            data={"name_zh": odd, "name_en": odd, "code": odd, "purpose": odd, "zone": odd},
        )
        assert answer.status_code == 422, odd
    assert HEADERS["Origin"]
