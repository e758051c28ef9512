"""What surrounds every request, and every error that has one answer wherever it happens."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from cloudmgr.api.app import create_app
from cloudmgr.api.gate import Public
from cloudmgr.db.engine import Database
from cloudmgr.errors import (
    CloudmgrError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Permanent,
    Temporary,
    Unauthenticated,
    Unpriced,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudmgr.api.services import Services
    from tests.api.city import City

DEPARTMENTS = "/api/v1/departments"


def raising(services: Services, error: Exception) -> TestClient:
    """A client of an application with a route that fails in this way."""
    router = APIRouter()

    def fail() -> None:
        raise error

    router.add_api_route("/fail", fail, dependencies=[Public], tags=["control plane"])
    services = replace(services, registry=CollectorRegistry())
    return TestClient(create_app(services, routers=[router]))


def test_a_request_gets_an_id_and_gives_it_back(seen_city: City) -> None:
    client = seen_city.client()
    made = client.get("/healthz").headers["X-Request-Id"]
    assert made != client.get("/healthz").headers["X-Request-Id"]
    kept = client.get("/nowhere", headers={"X-Request-Id": "from-a-gateway.1"})
    assert kept.headers["X-Request-Id"] == kept.json()["request_id"] == "from-a-gateway.1"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", "a\\nb"])
def test_an_id_that_would_spoil_the_log_is_replaced(seen_city: City, given: str) -> None:
    answer = seen_city.client().get("/healthz", headers={"X-Request-Id": given})
    assert answer.headers["X-Request-Id"] != given


def test_the_id_leads_from_the_answer_to_the_trail(seen_city: City) -> None:
    body = {"name_zh": "区", "name_en": "District"}
    seen_city.client("root").post(
        "/api/v1/billing-accounts", json=body, headers={"X-Request-Id": "find-me"}
    )
    with seen_city.database.read() as tx:
        _, event = seen_city.services.audit.list(tx, limit=1)[0]
    assert (event.request_id, event.action) == ("find-me", "billing-account.create")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Invalid("x"), 422, "invalid"),
        (NotFound("x", code="no-such-thing"), 404, "no-such-thing"),
        (Conflict("x"), 409, "conflict"),
        (Conflict("x", code="stale-version"), 412, "stale-version"),
        (Conflict("x", code="precondition-required"), 428, "precondition-required"),
        (Forbidden("x"), 403, "forbidden"),
        (Unauthenticated("x"), 401, "unauthenticated"),
        (Temporary("x"), 503, "temporary"),
        (Permanent("x"), 422, "permanent"),
        (Unpriced("x"), 409, "unpriced"),
        (CloudmgrError("x"), 500, "error"),
    ],
)
def test_each_error_has_its_status(
    seen_city: City, error: CloudmgrError, status: int, code: str
) -> None:
    answer = raising(seen_city.services, error).get("/fail")
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["type"] == f"urn:cloudmgr:problem:{code}"
    assert problem["title"]
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_every_fault_is_told_with_its_place(seen_city: City) -> None:
    error = Invalid("two things", hint="mend both", problems=(("a[0].b", "one"), ("c", "two")))
    problem = raising(seen_city.services, error).get("/fail").json()
    assert problem["errors"] == [
        {"path": "a[0].b", "message": "one"},
        {"path": "c", "message": "two"},
    ]
    assert problem["hint"] == "mend both"


def test_what_nobody_foresaw_tells_nothing_but_where_to_look(
    seen_city: City, caplog: pytest.LogCaptureFixture
) -> None:
    client = raising(seen_city.services, RuntimeError("the password is swordfish"))
    with caplog.at_level(logging.ERROR, "cloudmgr.api.frame"):
        answer = client.get("/fail")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "swordfish" not in answer.text
    assert answer.json()["request_id"] in caplog.text
    assert "swordfish" in caplog.text


@pytest.mark.parametrize("code", ["already-exists", "database-unavailable"])
def test_what_a_database_says_of_itself_is_withheld(seen_city: City, code: str) -> None:
    error: CloudmgrError = Conflict("UNIQUE constraint failed: user.login", code=code)
    assert "UNIQUE" not in raising(seen_city.services, error).get("/fail").text


def test_an_address_that_leads_nowhere_is_a_problem(seen_city: City) -> None:
    answer = seen_city.client().get("/api/v1/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert seen_city.client().get("/healthz/").status_code == 404


def test_a_method_that_is_not_there_lists_those_that_are(seen_city: City) -> None:
    answer = seen_city.client().delete(DEPARTMENTS)
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
    assert answer.headers["Allow"] == "GET, POST"


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "not-json"),
        (b'"\xff"', "application/json", 400, "unreadable"),
        (b"[" * 100_000, "application/json", 400, "unreadable"),
        (b"1" * 5000, "application/json", 400, "unreadable"),
        (b"a=b", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
        (b"[]", "application/json", 422, "invalid"),
        (b"", "application/json", 422, "invalid"),
        (b'{"name_zh": "a", "name_en": NaN}', "application/json", 422, "invalid"),
    ],
)
def test_a_body_that_cannot_be_used_says_why(
    seen_city: City, content: bytes, kind: str, status: int, code: str
) -> None:
    answer = seen_city.client("root").post(
        "/api/v1/billing-accounts", content=content, headers={"Content-Type": kind}
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def pieces() -> Iterator[bytes]:
    for _ in range(17):
        yield b"x" * 65_536


@pytest.mark.parametrize("content", [b"x" * (1024 * 1024 + 1), pieces])
def test_a_body_over_a_mebibyte_is_refused_announced_or_not(seen_city: City, content: Any) -> None:
    answer = seen_city.client("root").post(
        "/api/v1/billing-accounts",
        content=content() if callable(content) else content,
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def test_every_fault_of_a_body_is_found_at_once(seen_city: City) -> None:
    answer = seen_city.client("root").post(
        DEPARTMENTS,
        json={"code": "A", "name_zh": "a" * 10_000, "name_en": " ", "typo": 1},
    )
    found = {fault["path"]: fault["message"] for fault in answer.json()["errors"]}
    assert answer.status_code == 422
    assert set(found) == {"code", "name_zh", "name_en", "billing_account_id", "typo"}
    assert found["name_zh"] == "must have at most 200 characters, not 10000"


def test_requests_are_counted_by_their_route_not_by_their_address(city: City) -> None:
    client = city.client("root")
    for number in range(3):
        client.get(f"{DEPARTMENTS}/dep_{number}")
    client.get("/nowhere/1")
    client.request("BREW", "/nowhere/2")
    value = city.services.registry.get_sample_value
    assert (
        value(
            "cloudmgr_http_requests_total",
            {"method": "GET", "route": DEPARTMENTS + "/{department_id}", "status": "404"},
        )
        == 3
    )
    unmatched = {"route": "unmatched", "status": "404"}
    assert value("cloudmgr_http_requests_total", {"method": "GET", **unmatched}) == 1
    assert value("cloudmgr_http_requests_total", {"method": "other", **unmatched}) == 1


def test_no_cache_between_keeps_what_one_may_see(seen_city: City) -> None:
    answer = seen_city.client("root").get(DEPARTMENTS)
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_without_a_database_it_lives_but_is_not_ready(seen_city: City) -> None:
    gone = Database("postgresql://nobody@127.0.0.1:1/none")
    services = replace(seen_city.services, database=gone, registry=CollectorRegistry())
    client = TestClient(create_app(services), headers={"Authorization": "Bearer cmt_x"})
    assert client.get("/healthz").json() == {"status": "ok"}
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not-ready")
    assert answer.json()["errors"] == [{"path": "database", "message": "database-unavailable"}]
    listed = client.get(DEPARTMENTS)
    assert (listed.status_code, listed.headers["Retry-After"]) == (503, "2")
    assert "127.0.0.1" not in listed.text
    gone.close()


def test_a_part_that_cannot_serve_is_named(seen_city: City) -> None:
    def broken() -> None:
        raise Temporary("x", code="gateway-down")

    services = replace(seen_city.services, checks={"gateway": broken}, registry=CollectorRegistry())
    problem = TestClient(create_app(services)).get("/readyz").json()
    assert problem["errors"] == [{"path": "gateway", "message": "gateway-down"}]


def test_a_face_for_people_may_render_a_problem_as_a_page(seen_city: City) -> None:
    from starlette.responses import HTMLResponse  # noqa: PLC0415 - only here

    services = replace(seen_city.services, registry=CollectorRegistry())
    app = create_app(
        services,
        render=lambda request, found, _: (
            HTMLResponse(f"<h1>{found.title}</h1>", found.status)
            if "text/html" in request.headers.get("accept", "")
            else None
        ),
    )
    page = TestClient(app).get("/nowhere", headers={"Accept": "text/html"})
    assert (page.status_code, page.text) == (404, "<h1>There is no such thing</h1>")
    assert TestClient(app).get("/nowhere").json()["code"] == "not-found"
