from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.clock import AcceleratedClock, SystemClock

START = datetime(1998, 6, 10, tzinfo=UTC)


def _bounds() -> datetime:
    return datetime.now(UTC)


def test_the_system_clock_says_what_the_machine_says_in_utc() -> None:
    before = _bounds()
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert before <= now <= _bounds()


def test_sleeping_lets_elapsed_time_pass() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0.001)
    assert clock.monotonic() - before >= 0.001


def test_business_time_runs_as_many_times_as_fast_as_the_speed_says() -> None:
    epoch = _bounds()
    clock = AcceleratedClock(START, epoch, speed=360)
    before = _bounds()
    now = clock.now()
    after = _bounds()
    assert START + (before - epoch) * 360 <= now <= START + (after - epoch) * 360


def test_an_accelerated_clock_goes_on_over_a_restart() -> None:
    epoch = _bounds() - timedelta(seconds=100)
    before_the_restart = AcceleratedClock(START, epoch, speed=360).now()
    after_the_restart = AcceleratedClock(START, epoch, speed=360).now()
    assert before_the_restart >= START + timedelta(hours=10)
    assert before_the_restart <= after_the_restart


@given(
    st.floats(min_value=0.01, max_value=10_000),
    st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)),
)
def test_elapsed_time_is_business_time_divided_by_the_speed(speed: float, span: timedelta) -> None:
    clock = AcceleratedClock(START, START, speed)
    assert clock.elapsed(span) * speed == pytest.approx(span.total_seconds())


def test_business_time_is_utc_whatever_zone_it_was_given_in() -> None:
    shanghai = timezone(timedelta(hours=8))
    clock = AcceleratedClock(START.astimezone(shanghai), _bounds(), speed=1)
    assert clock.now().tzinfo is UTC


@pytest.mark.parametrize("speed", [0, -1])
def test_a_clock_that_stands_still_or_runs_back_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        AcceleratedClock(START, START, speed)


def test_a_clock_with_a_naive_time_is_refused() -> None:
    naive = START.replace(tzinfo=None)
    with pytest.raises(ValueError, match="aware"):
        AcceleratedClock(naive, START, speed=1)
    with pytest.raises(ValueError, match="aware"):
        AcceleratedClock(START, naive, speed=1)
