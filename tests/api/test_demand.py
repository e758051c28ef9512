"""What was asked of an environment, and what its history tells, as the API says it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.interval import Interval
from cloudmgr.scaling.demand import STEP, begin

if TYPE_CHECKING:
    from tests.api.city import City


def path(city: City) -> str:
    return f"/api/v1/environments/{city.ours['environment_id']}"


def test_demand_is_told_by_steps_with_its_gaps(city: City) -> None:
    client, now = city.client("officer"), begin(city.clock.now())
    with city.database.write() as tx:
        zone = city.services.environments.get(tx, city.ours["environment_id"]).zone
        city.services.demand.miss(tx, zone.value, Interval(now - 4 * STEP, now - 3 * STEP))
        city.services.demand.miss(tx, zone.value, Interval(now - timedelta(days=9), now - 8 * STEP))
    told = client.get(f"{path(city)}/demand").json()
    assert [(s["requests"], s["in_flight"]) for s in told["steps"]] == [(120, 6.0), (60, 3.0)]
    assert [g["ends_at"] for g in told["gaps"]] == [
        f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (now - 8 * STEP, now - 3 * STEP)
    ]
    assert told["gaps"][0]["starts_at"] == told["starts_at"]
    assert told["step_minutes"] == 5
    later = client.get(f"{path(city)}/demand", params={"starts_at": (now - STEP).isoformat()})
    assert [s["requests"] for s in later.json()["steps"]] == [60]


def test_a_span_that_is_none_or_too_long_is_refused(city: City) -> None:
    client, now = city.client("officer"), city.clock.now()
    for start in (now + STEP, now - timedelta(days=32)):
        answer = client.get(f"{path(city)}/demand", params={"starts_at": start.isoformat()})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad-span")


def test_what_is_followed_is_told_with_how_it_did(city: City) -> None:
    client = city.client("officer")
    told = client.get(f"{path(city)}/forecast").json()
    assert told["learned"] == {
        "learned_at": told["learned"]["learned_at"],
        "way": "seasonal",
        "days": 28.0,
        "cost_to_oracle": 1.25,
        "unmet": 0.0004,
        "startup_minutes": 10.0,
    }
    assert told["told"]["in_flight"] == 6.5
    city.clock.advance(3 * STEP)
    assert client.get(f"{path(city)}/forecast").json()["told"] is None
    with city.database.write() as tx:
        city.services.forecasts.forget(tx, city.ours["environment_id"])
    assert client.get(f"{path(city)}/forecast").json() == {"learned": None, "told": None}
