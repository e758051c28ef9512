"""The demand that is replayed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmgr.cli.demo.city import DAY, PLANS, moment, thinning
from cloudmgr.cli.demo.traces import (
    DAY_SECONDS,
    EXAM,
    Trace,
    arrivals,
    read_matches,
    read_traces,
)

TRACES = read_traces()


def test_every_plan_has_a_whole_day_of_demand() -> None:
    for plan in PLANS:
        trace = TRACES[plan.trace]
        assert len(trace.values) * trace.step_seconds == DAY_SECONDS


def test_the_exam_trace_is_the_last_of_june_1998() -> None:
    assert TRACES[EXAM].total == 73_291_779
    assert max(TRACES[EXAM].values) == 215_241
    # The busiest minute is the end of the second match, as Paris had it on its clocks.
    assert TRACES[EXAM].values.index(215_241) // 60 == 23


def test_the_announced_matches_are_where_the_crowd_is() -> None:
    exam = TRACES[EXAM].values
    matches = read_matches()
    inside = [v for i, v in enumerate(exam) if any(i * 60 in match for match in matches)]
    outside = [v for i, v in enumerate(exam) if not any(i * 60 in match for match in matches)]
    assert sum(inside) / len(inside) > 4 * sum(outside) / len(outside)
    assert [(match.starts // 60, match.ends // 60) for match in matches] == [
        (990, 1170),
        (1260, 1440),
    ]


def test_a_second_of_the_day_is_by_the_clock_in_shanghai() -> None:
    assert moment(16.5 * 3600).isoformat() == "2026-06-30T08:30:00+00:00"
    assert DAY.utcoffset() is not None


def test_a_slower_day_replays_more_of_the_trace_so_that_a_real_second_carries_the_same() -> None:
    for plan in PLANS:
        rate = TRACES[plan.trace].peak_rate()
        assert rate * 360 / thinning(plan, 360) == pytest.approx(
            rate * 180 / thinning(plan, 180), rel=0.01
        )
    assert all(thinning(plan, 0.001) == 1 for plan in PLANS)


def test_the_thinned_trace_follows_the_trace() -> None:
    trace = TRACES[EXAM]
    found = list(arrivals(trace, 16_000, "seed", 0, DAY_SECONDS))
    assert len(found) == pytest.approx(trace.total / 16_000, rel=0.05)
    at_night = sum(3600 * 4 <= second < 3600 * 8 for second in found)
    in_the_second_match = sum(3600 * 21 <= second < 3600 * 24 for second in found)
    assert in_the_second_match == pytest.approx(sum(trace.values[1260:]) / 16_000, rel=0.1)
    assert at_night == pytest.approx(sum(trace.values[240:480]) / 16_000, rel=0.25)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.integers(0, 300), min_size=1, max_size=24),
    per=st.floats(0.5, 50),
    seed=st.text(max_size=5),
    cut=st.integers(0, 24 * 60),
)
def test_arrivals_are_in_order_inside_busy_steps_and_the_same_when_a_day_is_cut_in_two(
    values: list[int], per: float, seed: str, cut: int
) -> None:
    trace = Trace("x", "x.csv", 60, tuple(values))
    whole = list(arrivals(trace, per, seed, 0, 24 * 60))
    assert whole == sorted(whole)
    assert all(values[int(second // 60)] > 0 for second in whole)
    halves = [*arrivals(trace, per, seed, 0, cut), *arrivals(trace, per, seed, cut, 24 * 60)]
    assert halves == whole
