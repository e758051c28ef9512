"""Who passes: tokens, their scopes and lives, and the portal's cookie."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cloudmgr.api.gate import SESSION_COOKIE
from cloudmgr.identity.user import Scope
from tests.builders import a_user

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from tests.api.city import City

ACCOUNTS = "/api/v1/billing-accounts"
BODY = {"name_zh": "区", "name_en": "District"}
ORIGIN = {"Origin": "http://testserver"}


def scoped(city: City, login: str, *scopes: Scope) -> TestClient:
    return city.client(None, Authorization=f"Bearer {city.token(login, *scopes)}")


def signed_in(city: City, login: str, **headers: str) -> TestClient:
    with city.database.write() as tx:
        user = city.services.users.by_login(tx, login)
        _, secret = city.services.authenticator.open_session(tx, user)
    return city.client(None, Cookie=f"{SESSION_COOKIE}={secret}", **headers)


def test_a_token_does_what_its_scopes_say(seen_city: City) -> None:
    client = scoped(seen_city, "root", Scope.READ)
    assert client.get(ACCOUNTS).status_code == 200
    answer = client.post(ACCOUNTS, json=BODY)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")
    assert "billing" in answer.json()["hint"]


def test_a_token_for_metrics_does_nothing_else(seen_city: City) -> None:
    client = scoped(seen_city, "operator", Scope.METRICS)
    assert client.get("/metrics").status_code == 200
    assert client.get("/api/v1/me").status_code == 403
    assert scoped(seen_city, "officer", Scope.METRICS).get("/metrics").status_code == 403


def test_a_role_that_lacks_is_told_which_has_it(seen_city: City) -> None:
    answer = seen_city.client("officer").get("/api/v1/users")
    assert (answer.status_code, answer.json()["code"]) == (403, "role-missing")
    assert "administrator" in answer.json()["hint"]


def test_an_expired_token_is_told_so(city: City) -> None:
    city.clock.advance(timedelta(days=30))
    answer = city.client("officer").get("/api/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "token-expired")


def test_whoever_was_made_inactive_is_out_at_once(city: City) -> None:
    with city.database.write() as tx:
        before = city.services.users.by_login(tx, "officer")
        city.services.users.change(tx, before, a_user(active=False, id=before.id))
    answer = city.client("officer").get("/api/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "user-inactive")


def test_the_last_use_of_a_token_is_noted_to_the_minute(stored_city: City) -> None:
    city, client = stored_city, stored_city.client("officer")

    def noted() -> str:
        # Asked for with another token, which notes nothing of the first one's use.
        items = scoped(city, "officer", Scope.READ).get("/api/v1/me/tokens").json()["items"]
        return str(next(t["last_used_at"] for t in items if t["name"] == "token of officer"))

    client.get("/api/v1/me")
    assert noted() == "2026-06-01T00:00:00Z"
    city.clock.advance(timedelta(seconds=59))
    client.get("/api/v1/me")
    assert noted() == "2026-06-01T00:00:00Z"
    city.clock.advance(timedelta(seconds=1))
    client.get("/api/v1/me")
    assert noted() == "2026-06-01T00:01:00Z"


def test_the_portals_session_passes_from_the_portals_own_pages(seen_city: City) -> None:
    client = signed_in(seen_city, "root", **ORIGIN)
    assert client.get("/api/v1/me").json()["scopes"] == ["portal"]
    assert client.post(ACCOUNTS, json=BODY).status_code == 201


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "http://evil.example",
        "http://testserver.evil.example",
        "http://testserver:81",
        "testserver",
        "http://testserver@evil.example",
    ],
)
def test_a_session_changes_nothing_from_elsewhere(seen_city: City, origin: str) -> None:
    client = signed_in(seen_city, "root", Origin=origin)
    assert client.get(ACCOUNTS).status_code == 200
    answer = client.post(ACCOUNTS, json=BODY)
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign-origin")


def test_a_token_beside_a_cookie_is_what_counts(seen_city: City) -> None:
    client = signed_in(seen_city, "root")
    client.headers["Authorization"] = f"Bearer {seen_city.secrets['finance']}"
    assert client.get("/api/v1/me").json()["user"]["login"] == "finance"
    client.headers["Authorization"] = "Bearer cmt_wrong"
    assert client.get("/api/v1/me").status_code == 401


def test_a_session_ends_after_a_working_day(city: City) -> None:
    client = signed_in(city, "officer")
    city.clock.advance(timedelta(hours=12))
    assert client.get("/api/v1/me").status_code == 401
