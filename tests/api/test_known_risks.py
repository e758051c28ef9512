"""What is at risk is worked out once, and anew as soon as anything about it changes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.pools.capacity import Resources
from tests.api.test_promises import answering, asked
from tests.fakes import InstantPool

if TYPE_CHECKING:
    from httpx import Response

    from cloudmgr.planning.promise_words import PoolRisk
    from tests.api.city import City


def at_risk(city: City) -> PoolRisk:
    services = city.services
    with services.database.read() as tx:
        return services.promises.at_risk(tx, services.pools.get(tx, "pool_exam"))


def lost(city: City, *booked: Response) -> list[bool]:
    """Which of those that were booked is at risk."""
    ids = {promise.id for promise in at_risk(city).lost}
    return [one.json()["id"] in ids for one in booked]


def test_nothing_is_worked_out_twice_as_long_as_nothing_changes(city: City) -> None:
    operator = answering(city, 8).client("operator")
    assert operator.post("/api/v1/windows", json=asked(city.theirs)).status_code == 201
    first = at_risk(city)
    city.clock.advance(timedelta(minutes=1))
    assert at_risk(city) is first


def test_hosts_bookings_and_cancellations_are_seen_at_once(city: City) -> None:
    operator = answering(city, 8).client("operator")
    theirs = operator.post("/api/v1/windows", json=asked(city.theirs))
    assert lost(city, theirs) == [False]
    city.services.drivers["pool_exam"] = InstantPool(Resources(7_000, 65_536, 100))  # type: ignore[index]
    city.clock.advance(timedelta(minutes=1))
    insisted = asked(city.ours, force=True, reason="必须")
    ours = operator.post("/api/v1/windows", json=insisted)
    assert lost(city, theirs, ours) == [False, True], "the one that was booked last"
    operator.headers["If-Match"] = theirs.headers["ETag"]
    back = operator.post(f"/api/v1/windows/{theirs.json()['id']}/cancel", json={"reason": "改期"})
    assert back.status_code == 200, back.text
    assert lost(city, ours) == [False]
    city.services.drivers["pool_exam"] = InstantPool(Resources(5_000, 65_536, 100))  # type: ignore[index]
    assert lost(city, ours) == [True]


def test_what_is_over_is_at_risk_no_longer(city: City) -> None:
    operator = answering(city, 2).client("operator")
    insisted = asked(city.ours, force=True, reason="必须")
    ours = operator.post("/api/v1/windows", json=insisted)
    assert lost(city, ours) == [True]
    city.clock.advance(timedelta(days=31))
    assert lost(city, ours) == [False]
