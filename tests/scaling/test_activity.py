"""From counters to requests in flight."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.scaling.activity import STEPS, Activity, Sample, follow, remember

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
KEEP = timedelta(minutes=5)
SECOND = timedelta(seconds=1)
BEFORE = Activity("env_exam", requests=100, seconds=50.0, last_request_at=NOW - KEEP)


def test_the_mean_in_flight_is_the_seconds_gained_over_the_seconds_gone_by() -> None:
    after = follow(BEFORE, 140, 70.0, NOW, elapsed=5.0, keep=KEEP)
    assert after == Activity("env_exam", 140, 70.0, NOW, (Sample(NOW, 4.0),))


def test_counters_that_stand_still_are_no_activity() -> None:
    assert follow(BEFORE, 100, 50.0, NOW, elapsed=5.0, keep=KEEP) is BEFORE


def test_one_request_that_waited_long_is_not_a_crowd() -> None:
    after = follow(BEFORE, 101, 170.0, NOW, elapsed=5.0, keep=KEEP)
    assert after.recent == (Sample(NOW, 1.0),)


def test_counters_that_fell_began_anew_and_tell_of_requests_but_not_of_how_many_in_flight() -> None:
    after = follow(BEFORE, 3, 1.0, NOW, elapsed=5.0, keep=KEEP)
    assert after == Activity("env_exam", 3, 1.0, NOW, ())
    assert follow(BEFORE, 0, 0.0, NOW, elapsed=5.0, keep=KEEP) == replace(
        BEFORE, requests=0, seconds=0.0
    )


def test_without_an_earlier_reading_there_is_no_mean() -> None:
    after = follow(Activity("env_exam"), 9_000, 900.0, NOW, elapsed=None, keep=KEEP)
    assert after.recent == ()
    assert after.last_request_at == NOW


def test_a_clock_put_back_gives_no_mean_and_leaves_nothing_of_the_future() -> None:
    ahead = replace(BEFORE, recent=(Sample(NOW + timedelta(hours=1), 40.0),))
    assert follow(ahead, 101, 51.0, NOW, elapsed=-3600.0, keep=KEEP).last_request_at == NOW
    assert follow(ahead, 110, 55.0, NOW, elapsed=5.0, keep=KEEP).recent == (Sample(NOW, 1.0),)


def test_a_lower_value_counts_once_the_higher_is_too_old() -> None:
    recent: tuple[Sample, ...] = ()
    ten = timedelta(seconds=10)
    for number, value in enumerate([9.0, 5.0, 7.0, 2.0]):
        recent = remember(recent, Sample(NOW + number * ten, value), KEEP)
    activity = Activity("env_exam", recent=recent)
    assert [s.in_flight for s in recent] == [9.0, 7.0, 2.0]
    assert [activity.peak(NOW + n * ten) for n in (-1, 0, 1, 2, 3)] == [9.0, 7.0, 7.0, 2.0, 0.0]


@given(st.lists(st.tuples(st.integers(1, 30), st.floats(0, 50)), min_size=1, max_size=120))
def test_the_peak_is_never_below_what_was_measured_and_never_above_what_was_just_before(
    steps: list[tuple[int, float]],
) -> None:
    recent: tuple[Sample, ...] = ()
    now, measured = NOW, []
    for seconds, value in steps:
        now += seconds * SECOND
        measured.append((now, value))
        recent = remember(recent, Sample(now, value), KEEP)
    peak = Activity("env_exam", recent=recent).peak(now - KEEP)
    slack = KEEP / STEPS + 30 * SECOND
    assert peak >= max((v for at, v in measured if at > now - KEEP), default=0.0)
    assert peak <= max((v for at, v in measured if at > now - KEEP - slack), default=0.0)


def test_a_long_fall_is_remembered_in_few_entries() -> None:
    recent: tuple[Sample, ...] = ()
    for tick in range(3_000):
        at = NOW + tick * timedelta(milliseconds=100)
        recent = remember(recent, Sample(at, 3_000.0 - tick), KEEP)
    assert len(recent) <= STEPS + 2
