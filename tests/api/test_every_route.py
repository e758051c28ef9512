"""A walk over every route there is: no way in without a token, and no way to another department.

It needs no word about a new route as long as ``city.py`` has seeds for what its path names, and
fails for one that has none. What a list must not show is found by asking: whoever sees everything
must find something of theirs in it, and our officer nothing.
"""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest
from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.responses import Response

from cloudmgr.api.app import create_app
from cloudmgr.api.gate import SAFE_METHODS, SESSION_COOKIE, Public, closed
from tests.api.city import OURS, THEIRS, City, Operation, everything

if TYPE_CHECKING:
    from collections.abc import Mapping

    from httpx import Response as Reply

    from cloudmgr.api.services import Services

# The whole list of what anybody may have.
PUBLIC = {"get_health", "get_readiness", "get_document"}

# Reads that name nothing and show nothing of any department, each with the reason.
OF_NO_DEPARTMENT = {
    "see_ledger": "only for whoever runs the city, or its money",
    "check_ledger": "only for whoever runs the city, or its money",
    "get_me": "whoever asks",
    "list_my_tokens": "whoever asks",
    "get_metrics": "counts requests of all",
    "get_policy": "one for all",
    "list_notice_deliveries": "only for whoever runs the city",
    "get_notice_targets": "only for whoever runs the city",
    "count_unread_notices": "a number of one's own",
    "get_my_notice_wishes": "whoever asks",
    "list_periods": "months are the same for all",
    "get_period": "only for whoever closes months",
    "verify_period": "only for whoever closes months",
}

# Changes that name nothing of a department, so that an officer of ours may do them.
OF_ONES_OWN = {
    "create_my_token": "makes something of one's own",
    "expand_rule": "works out what it is given",
    "read_calendar": "reads what it is given",
    "read_notices": "notes what one has read",
    "put_my_notice_wishes": "says what one wants oneself",
}

# Reads that need what no test of the API starts, each with what is missing.
NOT_RUNNING = {
    "get_environment_log": "a driver",
    "list_changes": "a driver",
    "get_reconciliation": "a driver",
    "list_windows_at_risk": "a driver",
}

# Reads that are refused as long as what they tell of has not come about.
NOT_YET = {"get_afterwards": "a peak that is over"}

# Ids of the example bodies that mean something, though no path parameter is called so.
ALIASES: dict[str, str] = {}

NOBODYS = "zzz_0000000000000000"


def test_without_a_token_only_what_is_public_answers(seen_city: City) -> None:
    city = seen_city
    client, found = city.client(), set()
    for operation in city.operations():
        answer = ask(client, operation, city.ours)
        if operation.action is None:
            found.add(operation.id)
            assert answer.status_code < 400, operation
        else:
            assert answer.status_code == 401, operation
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.json()["code"] == "token-missing"
    assert found == PUBLIC


@pytest.mark.parametrize("header", ["Bearer cmt_made-up", "Basic dXNlcjpwYXNz", "Bearer", "cmt_x"])
def test_with_a_wrong_token_nothing_answers(seen_city: City, header: str) -> None:
    city = seen_city
    client = city.client(None, Authorization=header)
    for operation in city.operations():
        if operation.action is not None:
            assert ask(client, operation, city.ours).status_code == 401, operation


def test_another_site_cannot_act_with_the_portals_cookie(city: City) -> None:
    with city.database.write() as tx:
        user = city.services.users.by_login(tx, "root")
        _, secret = city.services.authenticator.open_session(tx, user)
    for origin in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        client = city.client(None, Cookie=f"{SESSION_COOKIE}={secret}", **origin)
        for operation in city.operations():
            if operation.action is not None and operation.method not in SAFE_METHODS:
                answer = ask(client, operation, city.theirs)
                assert (answer.status_code, answer.json()["code"]) == (403, "foreign-origin")


@pytest.mark.parametrize("login", ["officer", "approver"])
def test_what_names_a_thing_of_theirs_reads_as_if_there_were_none(
    seen_city: City, login: str
) -> None:
    city, walked = seen_city, 0
    client = city.client(login)
    nobodys = {**city.theirs, **{name: NOBODYS for name in city.theirs if differs(city, name)}}
    before = trail_of(city, THEIRS)
    for operation in city.operations():
        if names_a_thing(city, operation):
            answer = ask(client, operation, city.theirs)
            assert answer.status_code in {403, 404}, (operation, answer.text)
            assert shown(city, answer) == set(), operation
            none = ask(client, operation, nobodys)
            assert (answer.status_code, told(answer)) == (none.status_code, told(none)), operation
            walked += 1
    assert walked > 0
    assert trail_of(city, THEIRS) == before


@pytest.mark.parametrize("login", ["officer", "approver"])
def test_no_list_shows_a_thing_of_theirs(seen_city: City, login: str) -> None:
    city = seen_city
    client, everything = city.client(login), city.client("everybody")
    for operation in city.operations():
        if operation.method != "GET" or operation.action is None or names_a_thing(city, operation):
            continue
        answer = ask(client, operation, city.ours)
        assert answer.status_code in {200, 403}, (operation, answer.text)
        assert shown(city, answer) == set(), operation
        if operation.id not in OF_NO_DEPARTMENT | NOT_RUNNING:
            full = ask(everything, operation, city.ours)
            assert full.status_code == 200, (operation, full.text)
            assert shown(city, full), f"seed something of theirs for {operation.id} in city.py"
        for name in operation.query_parameters:
            if name in city.theirs and differs(city, name):
                asked = ask(client, operation, city.ours, query={name: city.theirs[name]})
                assert asked.status_code in {200, 403, 404}, (operation, asked.text)
                assert shown(city, asked) == set(), (operation, name)


@pytest.mark.parametrize("login", ["officer", "approver"])
def test_nothing_is_made_or_done_in_their_name(city: City, login: str) -> None:
    client = city.client(login)
    before = trail_of(city, THEIRS)
    for operation in city.operations():
        if operation.method in SAFE_METHODS or operation.action is None:
            continue
        answer = ask(client, operation, city.ours, body=foreign(operation.body, city.theirs))
        if operation.path_parameters or operation.id in OF_ONES_OWN:
            assert answer.status_code != 500, (operation, answer.text)
        else:
            assert answer.status_code in {403, 404}, (operation, answer.text)
        if answer.status_code >= 400:
            # Their id may come back in the sentence that refuses it, but nothing more of theirs.
            assert "税务" not in answer.text, operation
    assert trail_of(city, THEIRS) == before


def test_every_seed_is_there_for_whoever_sees_everything(seen_city: City) -> None:
    client = seen_city.client("everybody")
    for operation in seen_city.operations():
        if operation.method == "GET" and operation.path_parameters:
            for ids in (seen_city.ours, seen_city.theirs):
                seeded(seen_city, operation)
                answer = ask(client, operation, ids)
                wanted = 404 if operation.id in NOT_RUNNING else 200
                wanted = 409 if operation.id in NOT_YET else wanted
                assert answer.status_code == wanted, (operation, answer.text)


def test_what_is_seen_is_seen_by_those_whose_it_is(seen_city: City) -> None:
    client = seen_city.client("officer")
    for operation in seen_city.operations():
        if operation.method == "GET" and operation.path_parameters:
            answer = ask(client, operation, seen_city.ours)
            wanted = {403, 404} if operation.id in NOT_RUNNING else {200, 403}
            wanted = {409} if operation.id in NOT_YET else wanted
            assert answer.status_code in wanted, (operation, answer.text)


def test_no_operation_fails_on_its_own_example(city: City) -> None:
    client = city.client("everybody")
    for operation in city.operations():
        for ids in (city.ours, dict.fromkeys(city.ours, NOBODYS)):
            answer = ask(client, operation, ids)
            assert answer.status_code != 500, (operation, answer.text)
            if answer.status_code >= 400:
                assert answer.headers["Content-Type"] == "application/problem+json", operation


def test_nul_in_a_path_or_query_never_reaches_the_database(stored_city: City) -> None:
    client = stored_city.client("everybody")
    for operation in stored_city.operations():
        if operation.path_parameters:
            ids = dict.fromkeys(stored_city.ours, "a%00b")
            assert ask(client, operation, ids).status_code == 404, operation
        for name in operation.query_parameters:
            answer = client.request(operation.method, f"{operation.path}?{name}=a%00b")
            assert answer.status_code in {404, 405, 422}, operation


def test_a_route_that_does_not_say_who_may_pass_is_refused(city: City) -> None:
    undecided, twice, plain = APIRouter(), APIRouter(), APIRouter()
    undecided.add_api_route("/open", lambda: None)
    twice.add_api_route("/open", lambda: None, dependencies=[Public, Public])
    plain.add_route("/open", lambda _: Response())
    for router in (undecided, twice, plain):
        with pytest.raises(TypeError, match=r"'GET'.* /open must say who may pass"):
            create_app(fresh(city.services), routers=[router])


def test_an_application_mounted_beside_the_api_must_be_meant_to_be_open(city: City) -> None:
    app = create_app(fresh(city.services), public_mounts={"/static": Starlette()})
    app.mount("/more", Starlette())
    with pytest.raises(TypeError, match="/more must say who may pass"):
        closed(app.routes, frozenset({"/static"}))


def test_two_operations_of_one_name_are_refused(city: City) -> None:
    router = APIRouter()
    router.add_api_route("/me-too", lambda: None, name="get_me", dependencies=[Public])
    with pytest.raises(TypeError, match="both called get_me"):
        create_app(fresh(city.services), routers=[router])


def fresh(services: Services) -> Services:
    return replace(services, registry=CollectorRegistry())


def ask(
    client: Any,
    operation: Operation,
    ids: Mapping[str, str],
    body: Any = None,
    query: Mapping[str, str] | None = None,
) -> Reply:
    path = operation.path
    query = {**{name: ids[name] for name in operation.required}, **(query or {})}
    for name in operation.path_parameters:
        path = path.replace(f"{{{name}}}", ids.get(name, NOBODYS))
    body = body if body is not None else operation.body
    answer: Reply = client.request(
        operation.method,
        path,
        headers=operation.headers,
        params=query or None,
        **({} if body is None else {"json": body}),
    )
    return answer


def differs(city: City, name: str) -> bool:
    return city.ours[name] != city.theirs[name]


def names_a_thing(city: City, operation: Operation) -> bool:
    """Whether its path names something that is either ours or theirs; a month is everybody's."""
    seeded(city, operation)
    return any(differs(city, name) for name in operation.path_parameters)


def seeded(city: City, operation: Operation) -> None:
    for name in (*operation.path_parameters, *operation.required):
        assert name in city.ours, f"seed {name} of {operation.id} for both departments in city.py"
        assert name in city.theirs, f"seed {name} of {operation.id} for both departments in city.py"


def foreign(body: Any, theirs: Mapping[str, str]) -> Any:
    """``body`` with each id in it replaced by the one of theirs."""
    if isinstance(body, dict):
        return {
            str(key): theirs.get(ALIASES.get(str(key), str(key)), foreign(value, theirs))
            for key, value in body.items()
        }
    if isinstance(body, list):
        return [foreign(value, theirs) for value in body]
    return body


def shown(city: City, answer: Reply) -> set[str]:
    """What of theirs an answer shows."""
    text = answer.text
    if answer.content.startswith(b"PK"):  # a workbook: XML in a ZIP
        with ZipFile(BytesIO(answer.content)) as files:
            text = "".join(files.read(name).decode() for name in files.namelist())
    return {mark for mark in city.marks if mark in text}


def told(answer: Reply) -> Any:
    """A problem, but for the id of the request and what was asked for."""
    text = json.loads(answer.text)
    del text["request_id"]
    return text


def trail_of(city: City, department_id: str) -> list[Any]:
    assert department_id != OURS
    with city.database.read() as tx:
        return [
            event
            for _, event in city.services.audit.list(tx)
            if event.department_id == department_id
        ]


def test_whoever_saw_something_older_changes_nothing(city: City) -> None:
    """Every operation that takes If-Match refuses a tag that is not the thing's any more."""
    document, walked = city.app.openapi(), set()
    for operation in city.operations():
        spoken = document["paths"].get(operation.path, {}).get(operation.method.lower(), {})
        if not any(p["name"].lower() == "if-match" for p in spoken.get("parameters", ())):
            continue
        before = everything(city)
        found = set()
        for login in ("everybody", "officer"):
            stale = replace(operation, if_match='"0-0"')
            answer = ask(city.client(login), stale, city.ours)
            found.add(answer.status_code)
            assert answer.status_code in {403, 412}, (operation, answer.text)
            if answer.status_code == 412:
                assert answer.json()["code"] == "stale-version"
        assert 412 in found, operation
        assert everything(city) == before, operation
        walked.add(operation.id)
    assert {"approve_request", "cancel_window", "scale_environment"} <= walked
