from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.identity.user import Scope
from tests.api.city import OURS, PASSWORD

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from tests.api.city import City

URL = "/api/v1/users"


def new(**changes: Any) -> dict[str, Any]:
    return {
        "login": "wang",
        "name": "王芳",
        "roles": ["department-officer"],
        "department_id": OURS,
        **changes,
    }


def patch(client: TestClient, user: str, **body: Any) -> Any:
    tag = client.get(f"{URL}/{user}").headers["ETag"]
    return client.patch(f"{URL}/{user}", json=body, headers={"If-Match": tag})


def test_a_user_is_made_and_signs_in(stored_city: City) -> None:
    client = stored_city.client("root")
    made = client.post(URL, json=new(password=PASSWORD))
    assert made.status_code == 201
    assert PASSWORD not in made.text
    assert client.get(made.headers["Location"]).json() == made.json()
    with stored_city.database.read() as tx:
        user = stored_city.services.authenticator.check(tx, "wang", PASSWORD)
    assert user.id == made.json()["id"]


@pytest.mark.parametrize(
    ("body", "status", "code", "path"),
    [
        (new(login="officer"), 409, "login-taken", "login"),
        (new(department_id=None), 422, "department-missing", "department_id"),
        (new(department_id="dep_none"), 422, "no-such-department", "department_id"),
        (new(roles=[]), 422, "invalid", "roles"),
        (new(roles=["king"]), 422, "invalid", "roles[0]"),
        (new(roles=["auditor", "auditor"]), 422, "invalid", "roles"),
        (new(password="short"), 422, "invalid", "password"),
        (new(locale="fr"), 422, "invalid", "locale"),
    ],
)
def test_a_user_that_cannot_be_is_refused(
    seen_city: City, body: dict[str, Any], status: int, code: str, path: str
) -> None:
    answer = seen_city.client("root").post(URL, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["errors"][0]["path"] == path


def test_roles_change_and_the_trail_tells_from_what_to_what(city: City) -> None:
    client = city.client("root")
    answer = patch(client, "usr_officer", roles=["approver", "department-officer"], name="李")
    assert answer.status_code == 200
    assert answer.json()["roles"] == ["approver", "department-officer"]
    event = client.get("/api/v1/audit-events?action=user.change").json()["items"][0]
    assert event["detail"] == {
        "name": {"from": "officer", "to": "李"},
        "roles": {"from": ["department-officer"], "to": ["approver", "department-officer"]},
    }


def test_what_is_left_out_stays_and_only_a_department_can_be_taken_away(city: City) -> None:
    client = city.client("root")
    assert patch(client, "usr_approver", name=None, active=None).json()["name"] == "approver"
    assert patch(client, "usr_approver").json()["department_id"] == OURS
    assert patch(client, "usr_approver", department_id=None).json()["department_id"] is None
    assert patch(client, "usr_officer", department_id=None).status_code == 422


@pytest.mark.parametrize(
    "body", [{"roles": ["administrator", "finance"]}, {"active": False}, {"department_id": OURS}]
)
def test_nobody_changes_ones_own_rights(seen_city: City, body: dict[str, Any]) -> None:
    answer = patch(seen_city.client("root"), "usr_root", **body)
    assert (answer.status_code, answer.json()["code"]) == (403, "own-rights")


def test_one_may_change_ones_own_name(city: City) -> None:
    assert patch(city.client("root"), "usr_root", name="新").json()["name"] == "新"


def test_whoever_is_made_inactive_is_signed_out(city: City) -> None:
    patch(city.client("root"), "usr_officer", active=False)
    assert city.client("officer").get("/api/v1/me").json()["code"] == "user-inactive"


def test_a_new_password_is_not_in_the_trail(city: City) -> None:
    client = city.client("root")
    secret = "a quite new password"
    assert patch(client, "usr_officer", password=secret).status_code == 200
    events = client.get("/api/v1/audit-events")
    assert secret not in events.text
    assert events.json()["items"][0]["detail"] == {"password": {"changed": True}}
    with city.database.read() as tx:
        city.services.authenticator.check(tx, "officer", secret)


@pytest.mark.parametrize(("headers", "status"), [({}, 428), ({"If-Match": '"9"'}, 412)])
def test_a_change_needs_the_version_that_was_seen(
    seen_city: City, headers: dict[str, str], status: int
) -> None:
    client = seen_city.client("root")
    answer = client.patch(f"{URL}/usr_officer", json={"name": "x"}, headers=headers)
    assert answer.status_code == status


def test_me_is_whoever_asks(seen_city: City) -> None:
    found = seen_city.client("approver").get("/api/v1/me").json()
    assert found["user"]["login"] == "approver"
    assert found["user"]["department_id"] == OURS


def make(client: TestClient, **body: Any) -> Any:
    return client.post("/api/v1/me/tokens", json={"name": "t", "scopes": ["read"], **body})


def test_a_token_is_made_used_and_revoked(stored_city: City) -> None:
    client = stored_city.client("officer")
    made = make(client, days=10)
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    assert made.json()["expires_at"] == "2026-06-11T00:00:00Z"
    child = stored_city.client(None, Authorization=f"Bearer {made.json()['secret']}")
    assert child.get("/api/v1/me").status_code == 200
    listed = client.get("/api/v1/me/tokens")
    assert made.json()["secret"] not in listed.text
    gone = client.delete(f"/api/v1/me/tokens/{made.json()['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert child.get("/api/v1/me").json()["code"] == "token-revoked"
    assert client.delete(f"/api/v1/me/tokens/{made.json()['id']}").status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        {"days": 0},
        {"days": 367},
        {"days": "90"},
        {"scopes": []},
        {"scopes": ["portal"]},
        {"scopes": ["root"]},
        {"name": ""},
    ],
)
def test_a_token_that_cannot_be_is_refused(seen_city: City, body: dict[str, Any]) -> None:
    assert make(seen_city.client("officer"), **body).status_code == 422


def test_a_token_makes_none_that_can_more(seen_city: City) -> None:
    secret = seen_city.token("officer", Scope.WRITE)
    client = seen_city.client(None, Authorization=f"Bearer {secret}")
    answer = make(client, scopes=["admin"])
    assert (answer.status_code, answer.json()["code"]) == (403, "more-than-own")


def test_a_password_is_changed_by_whoever_knows_it(city: City) -> None:
    client = city.client("officer")
    body = {"current": "wrong wrong wrong", "new": "another horse battery"}
    refused = client.put("/api/v1/me/password", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong-password")
    body["current"] = PASSWORD
    assert client.put("/api/v1/me/password", json=body).status_code == 204
    with city.database.read() as tx:
        city.services.authenticator.check(tx, "officer", "another horse battery")


def test_the_trail_is_found_by_what_was_done_to_what_by_whom(seen_city: City) -> None:
    client = seen_city.client("auditor")
    url = "/api/v1/audit-events"

    def found(**query: str) -> list[str]:
        return [e["object_id"] for e in client.get(url, params=query).json()["items"]]

    assert "dep_exam" in found(action="department.create", department_id="dep_exam")
    assert found(actor_id="usr_nobody") == []
    assert found(object_kind="department", object_id="dep_tax") == ["dep_tax"]
    assert found(until="2026-05-31T00:00:00Z") == []
    assert client.get(url, params={"since": "yesterday"}).status_code == 422
