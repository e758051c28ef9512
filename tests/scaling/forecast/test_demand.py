"""Series at even steps, and what is known of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from cloudmgr.interval import Interval
from cloudmgr.scaling.forecast.demand import Demand, ahead, highest, later, lowest, pooled
from tests.scaling.forecast.histories import MONDAY, demand

NOTHING = float("nan")
numbers = some.lists(some.integers(0, 9).map(float), min_size=1, max_size=30)


def test_a_gap_is_filled_with_what_was_last_known_and_the_beginning_with_nothing() -> None:
    found = demand([NOTHING, 3, NOTHING, NOTHING, 5]).filled
    assert found.tolist() == [0, 3, 3, 3, 5]


@given(numbers, some.integers(1, 35))
def test_the_highest_of_the_last_and_of_those_ahead(values: list[float], steps: int) -> None:
    series = np.array(values)
    last = [max(values[max(0, i - steps + 1) : i + 1]) for i in range(len(values))]
    least = [min(values[max(0, i - steps + 1) : i + 1]) for i in range(len(values))]
    coming = [max(values[i : i + steps + 1]) for i in range(len(values))]
    assert highest(series, steps).tolist() == last
    assert lowest(series, steps).tolist() == least
    assert ahead(series, steps).tolist() == coming


@given(numbers, some.integers(0, 35))
def test_what_was_earlier_reaches_back_as_far_as_there_is_anything(
    values: list[float], steps: int
) -> None:
    found = later(np.array(values), steps, -1.0)
    assert found.tolist() == ([-1.0] * steps + values)[: len(values)]


def test_windows_are_told_in_steps_as_far_as_they_touch_the_series() -> None:
    def window(first: float, end: float) -> Interval:
        minute = timedelta(minutes=1)
        return Interval(MONDAY + first * minute, MONDAY + end * minute)

    series = demand([1] * 12)
    windows = [window(30, 37), window(-10, 5), window(-20, 0), window(60, 70), window(55, 90)]
    assert series.within(windows) == [(-2, 1), (6, 8), (11, 18)]


def test_the_sum_of_series_begins_with_the_first_and_counts_what_is_measured() -> None:
    early = demand([1, NOTHING, 2, NOTHING], name="a")
    late = Demand(
        "b", MONDAY + timedelta(minutes=10), timedelta(minutes=5), np.array([10, NOTHING, 30.0])
    )
    both = pooled([late, early], "both")
    assert (both.series_id, both.start, len(both)) == ("both", MONDAY, 5)
    np.testing.assert_array_equal(both.values, [1, NOTHING, 12, NOTHING, 30])


@pytest.mark.parametrize(
    ("zone", "first", "share"),
    [("UTC", 0, 0.0), ("Asia/Shanghai", 0, 1 / 3), ("Etc/GMT+3", 6, 21 / 24)],
)
def test_weekday_and_time_are_those_of_its_people(zone: str, first: int, share: float) -> None:
    weekday, time = demand([1] * 3, minutes=60).day_and_time(ZoneInfo(zone))
    assert weekday[0] == first
    assert time[0] == pytest.approx(share)


def test_the_time_follows_a_change_of_the_clocks() -> None:
    start = datetime(2026, 3, 28, 5, tzinfo=UTC)  # Berlin's clocks go forward on the 29th
    series = Demand("", start, timedelta(days=1), np.ones(3))
    _, time = series.day_and_time(ZoneInfo("Europe/Berlin"))
    assert (24 * time).round(6).tolist() == [6, 7, 7]
