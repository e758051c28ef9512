"""What a change freeze refuses, and what an operator lets through, as the API has it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.builders import a_window

if TYPE_CHECKING:
    from tests.api.city import City

HOUR = timedelta(hours=1)


def near(city: City) -> str:
    """The id of an environment of ours whose peak begins in two hours."""
    key, now = city.ours["environment_id"], city.clock.now()
    with city.database.write() as tx:
        window = a_window(now + 2 * HOUR, now + 3 * HOUR, id="win_near", environment_id=key)
        city.services.windows.add(tx, window)
    return key


def retirement(city: City) -> dict[str, Any]:
    return {
        "kind": "retire",
        "system_id": city.ours["system_id"],
        "environment_id": city.ours["environment_id"],
        "reason": "不再使用",
    }


def test_far_from_a_peak_nothing_is_frozen(city: City) -> None:
    path = f"/api/v1/environments/{city.ours['environment_id']}/freeze"
    city.clock.set(city.clock.now() - timedelta(days=1))
    assert city.client("officer").get(path).json() == {
        "frozen": False,
        "since": None,
        "until": None,
        "window_id": None,
        "lift": None,
    }
    answer = city.client("operator").post(f"{path}/lift", json={"reason": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "not-frozen")


def test_secrets_wait_until_an_operator_lets_them_through(city: City) -> None:
    key = near(city)
    officer, operator = city.client("officer"), city.client("operator")
    path = f"/api/v1/environments/{key}"
    assert officer.get(f"{path}/freeze").json()["frozen"] is True
    secret = f"{path}/secrets/{city.ours['secret']}"
    # The first value is let through: without it nothing runs when the peak comes.
    assert officer.put(secret, json={"value": "first"}).status_code == 200
    answer = officer.put(secret, json={"value": "new"})
    assert (answer.status_code, answer.json()["code"]) == (409, "change-frozen")
    assert "operator" in answer.json()["hint"]
    assert officer.post(f"{path}/freeze/lift", json={"reason": "泄露"}).status_code == 403
    let = operator.post(f"{path}/freeze/lift", json={"reason": "泄露"})
    assert let.status_code == 200, let.text
    assert let.json()["frozen"] is False
    assert let.json()["lift"]["reason"] == "泄露"
    assert officer.put(secret, json={"value": "new"}).status_code == 200
    assert operator.post(f"{path}/freeze/restore", json={"reason": "已换"}).json()["frozen"]
    answer = officer.put(secret, json={"value": "newer"})
    assert (answer.status_code, answer.json()["code"]) == (409, "change-frozen")
    events = city.client("auditor").get("/api/v1/audit-events").json()["items"]
    told = [one["action"] for one in events if one["object_id"] == key]
    assert {"environment.freeze-lift", "environment.freeze-restore"} <= set(told)


def test_a_retirement_may_be_asked_for_but_its_last_signature_waits(city: City) -> None:
    near(city)
    officer = city.client("officer")
    tried = officer.post("/api/v1/requests/dry-run", json=retirement(city))
    assert tried.status_code == 200, tried.text
    said = [one["rule"] for one in tried.json()["decision"]["reasons"]]
    assert "change-frozen" in said
    asked = officer.post("/api/v1/requests", json=retirement(city))
    assert asked.json()["state"] == "awaiting-approval"
    path = f"/api/v1/requests/{asked.json()['id']}"
    waiting = [one["role"] for one in asked.json()["pending"]]
    for role in waiting[:-1]:
        signer = city.client(role, **{"If-Match": "*"})
        assert signer.post(f"{path}/approve", json={"reason": "同意"}).status_code == 200
    last = city.client(waiting[-1], **{"If-Match": "*"})
    before = officer.get(path).json()
    refused = last.post(f"{path}/approve", json={"reason": "同意"})
    assert (refused.status_code, refused.json()["code"]) == (409, "change-frozen")
    assert officer.get(path).json() == before, "nothing was kept, and it may be signed later"
    city.clock.advance(3 * HOUR)
    signed = last.post(f"{path}/approve", json={"reason": "同意"})
    assert (signed.status_code, signed.json()["state"]) == (200, "fulfilled")
