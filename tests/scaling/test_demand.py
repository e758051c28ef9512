"""What was asked, step by step: from the gateway's counters to a series with its gaps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.interval import Interval
from cloudmgr.scaling.demand import EPOCH, STEP, Slot, begin, gathered, spread
from cloudmgr.scaling.forecast.recorded import series
from cloudmgr.scaling.gateway.metrics import Counters
from tests.scaling.rig import HOUR, KEY, MINUTE, NOW, Rig

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database

DAY = Interval(NOW - 24 * HOUR, NOW + 24 * HOUR)


@pytest.fixture
def rig(database: Database) -> Rig:
    """Looked at and read once, with a request long ago."""
    rig = Rig(database).host()
    rig.look()
    rig.requests(1, 1.0)
    rig.read()
    return rig


def slots(rig: Rig, key: str = KEY) -> list[Slot]:
    """Seconds without the noise of adding floats."""
    with rig.database.read() as tx:
        found = rig.stores.demand.of(tx, key, DAY)
    return [replace(slot, seconds=round(slot.seconds, 6)) for slot in found]


def gaps(rig: Rig) -> list[Interval]:
    with rig.database.read() as tx:
        return rig.stores.demand.gaps(tx, "extranet", DAY)


@given(
    offset=st.integers(0, 600),
    length=st.integers(1, 4_000),
    requests=st.integers(0, 10_000),
    in_flight=st.floats(0, 1_000),
)
def test_whatever_is_spread_stays_whole(
    offset: int, length: int, requests: int, in_flight: float
) -> None:
    start = NOW + timedelta(seconds=offset)
    over = Interval(start, start + timedelta(seconds=length))
    found = spread(KEY, over, requests, in_flight, 3.0)
    assert sum(s.requests for s in found) == requests
    assert sum(s.seconds for s in found) == pytest.approx(in_flight * length)
    assert all(begin(s.starts_at) == s.starts_at and s.requests >= 0 for s in found)
    assert begin(over.start) == found[0].starts_at
    assert found[-1].starts_at < over.end <= found[-1].starts_at + STEP


def test_parts_of_one_step_become_one_with_the_highest_of_them() -> None:
    first, second = Slot(KEY, NOW, 3, 6.0, 2.0), Slot(KEY, NOW, 1, 1.5, 5.0)
    assert gathered([first, second]) == [Slot(KEY, NOW, 4, 7.5, 5.0)]


def test_a_series_tells_what_was_quiet_from_what_nobody_counted() -> None:
    over = Interval(NOW, NOW + 5 * STEP)
    asked = [Slot(KEY, NOW + STEP, 30, 600.0), Slot(KEY, NOW - STEP, 9, 9.0)]
    unseen = [
        Interval(NOW + 2 * STEP + MINUTE, NOW + 3 * STEP),
        Interval(EPOCH, NOW),
        Interval(NOW + 9 * STEP, NOW + 10 * STEP),
    ]
    made = series(KEY, over, asked, unseen)
    np.testing.assert_array_equal(made.values, [0.0, 2.0, np.nan, 0.0, 0.0])
    assert (made.start, made.step) == (NOW, STEP)


def test_readings_add_up_to_steps_of_five_minutes(rig: Rig) -> None:
    for _ in range(30):
        rig.clock.advance(timedelta(seconds=20))
        rig.requests(10, 40.0)
        rig.read()
    assert slots(rig) == [
        Slot(KEY, NOW, 150, 600.0, 2.0),
        Slot(KEY, NOW + STEP, 150, 600.0, 2.0),
    ]
    assert slots(rig)[0].in_flight == 2.0


def test_a_reading_that_comes_late_is_shared_among_the_steps_that_it_covers(rig: Rig) -> None:
    rig.clock.advance(3 * STEP)
    rig.requests(90, 900.0)
    rig.read()
    assert [(s.requests, s.in_flight) for s in slots(rig)] == [(30, 1.0)] * 3


def test_a_long_request_counts_for_as_long_as_it_was_there(rig: Rig) -> None:
    rig.clock.advance(timedelta(seconds=299))
    rig.read()
    rig.clock.advance(timedelta(seconds=1))
    rig.requests(1, 60.0)
    rig.read()
    assert [s.seconds for s in slots(rig)] == [60.0]


def test_quiet_steps_leave_no_record(rig: Rig) -> None:
    for _ in range(5):
        rig.clock.advance(STEP)
        rig.read()
    assert slots(rig) == []
    assert gaps(rig) == [Interval(EPOCH, NOW)]


def test_a_gateway_that_began_anew_leaves_a_gap_and_no_demand(rig: Rig) -> None:
    rig.clock.advance(STEP)
    rig.epoch, rig.counters = "2", {}
    rig.requests(500, 900.0)
    rig.read()
    assert slots(rig) == []
    assert gaps(rig) == [Interval(EPOCH, NOW), Interval(NOW, NOW + STEP)]


def test_a_service_that_counts_anew_is_taken_at_what_it_counts(rig: Rig) -> None:
    rig.clock.advance(STEP)
    rig.requests(50, 50.0)
    rig.read()
    rig.counters[KEY] = Counters(7, 3.0)
    rig.clock.advance(STEP)
    rig.read()
    assert [(s.requests, s.seconds) for s in slots(rig)] == [
        (50, 50.0),
        (7, 3.0),
    ]


def test_a_restarted_control_plane_adds_to_the_step_that_the_other_began(rig: Rig) -> None:
    for _ in range(2):
        rig.clock.advance(MINUTE)
        rig.requests(6, 60.0)
        rig.read()
        rig.restart()
    assert slots(rig) == [Slot(KEY, NOW, 12, 120.0, 1.0)]


def test_what_no_environment_of_ours_was_asked_is_not_kept(rig: Rig) -> None:
    rig.clock.advance(STEP)
    rig.requests(50, 50.0, key="env_gone")
    rig.read()
    assert slots(rig, "env_gone") == []


def test_a_clock_that_is_put_back_loses_the_reading_and_nothing_else(rig: Rig) -> None:
    rig.clock.advance(STEP)
    rig.requests(5, 5.0)
    rig.read()
    rig.clock.set(NOW - HOUR)
    rig.requests(5, 5.0)
    rig.read()
    rig.clock.advance(STEP)
    rig.requests(5, 5.0)
    rig.read()
    assert [(s.starts_at, s.requests) for s in slots(rig)] == [(NOW - HOUR, 5), (NOW, 5)]


def test_old_steps_and_gaps_are_forgotten(rig: Rig) -> None:
    for _ in range(3):
        rig.clock.advance(STEP)
        rig.requests(5, 5.0)
        rig.read()
    with rig.database.write() as tx:
        assert rig.stores.demand.purge(tx, NOW + STEP) == 1
    assert [s.starts_at for s in slots(rig)] == [NOW + STEP, NOW + 2 * STEP]
    assert gaps(rig) == []


def test_moments_of_another_zone_lie_in_the_same_steps() -> None:
    assert begin(datetime(2026, 6, 1, 8, 3, 59, tzinfo=UTC)) == NOW
