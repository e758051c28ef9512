"""Peaks that are announced as users, requests per second or times the normal, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.scaling.demand import STEP, Slot, begin
from tests.api.test_promises import answering, asked

if TYPE_CHECKING:
    from tests.api.city import City

USERS: dict[str, Any] = {
    "unit": "users",
    "low": "600",
    "high": "1200",
    "seconds_per_request": "0.4",
    "requests_per_user_minute": "3",
}


def expecting(city: City, **more: Any) -> dict[str, Any]:
    body = asked(city.ours, expected={**USERS, **more})
    del body["replicas"]
    return body


def unmeasured(city: City) -> None:
    with city.database.write() as tx:
        city.services.demand.purge(tx, city.clock.now() + STEP)


def measured(city: City, *, steps: int = 20, requests: int = 300, in_flight: float = 4.0) -> None:
    """The environment of ours was asked so much in each of its last steps."""
    now = begin(city.clock.now())
    seconds = in_flight * STEP.total_seconds()
    key = city.ours["environment_id"]
    with city.database.write() as tx:
        slots = [Slot(key, now - (n + 1) * STEP, requests, seconds) for n in range(steps)]
        city.services.demand.add(tx, slots)


def test_users_at_once_are_checked_and_booked_as_replicas(city: City) -> None:
    operator = answering(city, 8).client("operator")
    checked = operator.post("/api/v1/windows/check", json=expecting(city)).json()
    assert (checked["fits"], checked["replicas"]) == (True, 3)
    assert checked["expected"]["en"] == (
        "600 to 1,200 users at once, about 3 requests per user and minute, 0.4 s each (as stated): "
        "24 in flight, 8 to a replica: 3 replicas; likely 3, at least 2"
    )
    booked = operator.post("/api/v1/windows", json=expecting(city))
    assert booked.status_code == 201, booked.text
    window = operator.get(booked.headers["Location"]).json()
    assert window["replicas"] == 3
    assert window["expected_rps"] == "60.00"
    assert window["expected"] == checked["expected"]
    assert "同时在线 600 至 1,200 人" in window["expected"]["zh"]


def test_what_was_measured_is_used_and_does_not_change_a_promise_later(city: City) -> None:
    operator = answering(city, 8).client("operator")
    unmeasured(city)
    body = expecting(city, seconds_per_request=None)
    silent = operator.post("/api/v1/windows", json=body)
    problem = silent.json()
    assert (silent.status_code, problem["code"]) == (422, "nothing-measured")
    assert problem["errors"][0]["path"] == "expected.seconds_per_request"
    assert "say how many seconds a request takes" in problem["hint"]
    measured(city, requests=3000)
    booked = operator.post("/api/v1/windows", json=body).json()
    assert "0.4 s each (measured)" in booked["expected"]["en"]
    measured(city, requests=300)
    assert operator.get(f"/api/v1/windows/{booked['id']}").json() == booked


def test_times_the_normal_goes_by_the_recorded_demand(city: City) -> None:
    operator = answering(city, 8).client("operator")
    unmeasured(city)
    body = expecting(city, unit="times", low="2", high="5", seconds_per_request=None)
    body["expected"]["requests_per_user_minute"] = None
    assert operator.post("/api/v1/windows/check", json=body).json()["code"] == "nothing-measured"
    measured(city)
    assert operator.post("/api/v1/windows/check", json=body).json()["replicas"] == 3


def test_above_the_ceiling_says_what_it_takes(city: City) -> None:
    operator = answering(city, 800).client("operator")
    refused = operator.post("/api/v1/windows/check", json=expecting(city, high="90000"))
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "above-the-ceiling")
    assert "that takes 225 replicas of web" in refused.text


@pytest.mark.parametrize(
    "changes",
    [
        {"high": "0"},
        {"high": "-3"},
        {"high": "NaN"},
        {"high": None},
        {"low": "2000"},
        {"unit": "bananas"},
        {"seconds_per_request": "9999"},
    ],
)
def test_an_expectation_without_sense_is_refused(city: City, changes: dict[str, Any]) -> None:
    answer = city.client("operator").post("/api/v1/windows/check", json=expecting(city, **changes))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"].startswith("expected")


def test_replicas_and_expectation_at_once_or_neither_are_refused(city: City) -> None:
    operator = city.client("operator")
    both = {**expecting(city), "replicas": 3}
    neither = expecting(city)
    del neither["expected"]
    for body in (both, neither):
        answer = operator.post("/api/v1/windows/check", json=body)
        assert answer.status_code == 422
        assert "give either replicas or what is expected" in answer.text


def request(city: City, **more: Any) -> dict[str, Any]:
    window = expecting(city, **more)
    del window["environment_id"]
    return {
        "kind": "peak",
        "system_id": city.ours["system_id"],
        "environment_id": city.ours["environment_id"],
        "windows": [window],
        "reason": "报名",
    }


def test_a_request_keeps_what_was_expected_and_what_was_made_of_it(stored_city: City) -> None:
    city = answering(stored_city, 8)
    officer = city.client("officer")
    tried = officer.post("/api/v1/requests/dry-run", json=request(city)).json()
    (window,) = tried["windows"]
    assert (window["replicas"], window["expected"]["replicas_low"]) == (3, 2)
    assert [one["fits"] for one in tried["promises"]] == [True]
    made = officer.post("/api/v1/requests", json=request(city))
    assert made.status_code == 201, made.text
    kept = officer.get(made.headers["Location"]).json()
    assert kept["windows"][0]["replicas"] == 3
    assert kept["windows"][0]["expected"]["replicas_low"] == 2
    if kept["state"] == "awaiting-approval":
        kept = (
            city.client("approver")
            .post(f"{made.headers['Location']}/approve", json={}, headers={"If-Match": "*"})
            .json()
        )
    assert kept["state"] == "fulfilled"
    listed = officer.get("/api/v1/windows").json()["items"]
    assert [w["expected"]["high"] for w in listed if w["request_id"] == kept["id"]] == ["1200"]


def test_a_fault_in_a_request_names_its_window(city: City) -> None:
    refused = city.client("officer").post("/api/v1/requests", json=request(city, low="5000"))
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["path"] == "windows[0].expected.high"


def test_a_peak_of_a_new_environment_needs_a_stated_figure(city: City) -> None:
    officer = city.client("officer")
    body = request(city)
    window = body["windows"][0]
    new = {
        "kind": "new",
        "system_id": city.ours["system_id"],
        "environment": {
            "name": "next",
            "purpose": "production",
            "components": [
                {
                    "name": "web",
                    "command": ["serve"],
                    "cpu_millis": 100,
                    "memory_mib": 64,
                    "max_replicas": 8,
                }
            ],
        },
        "windows": [window],
    }
    tried = officer.post("/api/v1/requests/dry-run", json=new)
    assert tried.status_code == 200, tried.text
    assert tried.json()["windows"][0]["replicas"] >= 2
    window["expected"]["seconds_per_request"] = None
    silent = officer.post("/api/v1/requests/dry-run", json=new).json()
    assert silent["code"] == "nothing-measured"
