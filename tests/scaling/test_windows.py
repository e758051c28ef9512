"""Declared peaks: what may be booked, and what they ask for when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.errors import Invalid
from cloudmgr.hosting.requests import WindowAsk
from cloudmgr.interval import Interval
from cloudmgr.scaling.windows import checked, floor, next_boundary
from tests.builders import a_component, a_window

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
LEAD = timedelta(minutes=10)
HOUR = timedelta(hours=1)


def an_ask(**changes: Any) -> WindowAsk:
    return replace(WindowAsk("web", NOW + HOUR, NOW + 2 * HOUR, 6), **changes)


def test_a_window_in_the_future_is_accepted() -> None:
    assert checked(an_ask(), [a_component()], NOW) == Interval(NOW + HOUR, NOW + 2 * HOUR)


def test_a_window_that_has_begun_and_is_not_over_is_accepted() -> None:
    assert NOW in checked(an_ask(starts_at=NOW - HOUR), [a_component()], NOW)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"ends_at": NOW}, "ends_at"),
        ({"ends_at": NOW + HOUR}, "ends_at"),
        ({"starts_at": NOW - 2 * HOUR, "ends_at": NOW - HOUR}, "ends_at"),
        ({"ends_at": NOW + HOUR + timedelta(days=31, seconds=1)}, "ends_at"),
        ({"ends_at": datetime.max.replace(tzinfo=UTC)}, "ends_at"),
        (
            {
                "starts_at": NOW + timedelta(days=9999),
                "ends_at": NOW + timedelta(days=9999, hours=1),
            },
            "starts_at",
        ),
        ({"starts_at": datetime(2026, 6, 1, 9)}, "starts_at"),  # noqa: DTZ001 - naive on purpose
        ({"replicas": 9}, "replicas"),
        ({"replicas": 0}, "replicas"),
        ({"replicas": -1}, "replicas"),
        ({"replicas": 10**30}, "replicas"),
        ({"component": "batch"}, "component"),
        ({"expected_rps": Decimal(-1)}, "expected_rps"),
        ({"expected_rps": Decimal("1e30")}, "expected_rps"),
        ({"expected_rps": Decimal("NaN")}, "expected_rps"),
        ({"expected_rps": Decimal("sNaN")}, "expected_rps"),
        ({"note": "x" * 10_000}, "note"),
        ({"note": "bell\a"}, "note"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused_with_the_place(
    changes: dict[str, Any], path: str
) -> None:
    with pytest.raises(Invalid) as caught:
        checked(an_ask(**changes), [a_component()], NOW)
    assert caught.value.code == "invalid-window"
    assert path in [where for where, _ in caught.value.problems]


def test_all_faults_of_a_window_are_told_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        checked(an_ask(ends_at=NOW, replicas=99, component="web", note="\0"), [a_component()], NOW)
    assert {path for path, _ in caught.value.problems} == {"ends_at", "replicas", "note"}


def test_a_window_counts_from_its_lead_until_its_end_which_is_not_part_of_it() -> None:
    window = a_window(NOW + HOUR, NOW + 2 * HOUR)
    tick = timedelta(microseconds=1)
    asked = [
        floor([window], "web", moment, LEAD)
        for moment in (
            NOW + HOUR - LEAD - tick,
            NOW + HOUR - LEAD,
            NOW + 2 * HOUR - tick,
            NOW + 2 * HOUR,
        )
    ]
    assert asked == [0, 6, 6, 0]


def test_where_windows_overlap_the_largest_counts() -> None:
    windows = [
        a_window(NOW, NOW + 3 * HOUR, replicas=3),
        a_window(NOW + HOUR, NOW + 2 * HOUR, replicas=7),
    ]
    hours = [NOW + HOUR / 2 + n * HOUR for n in range(4)]
    assert [floor(windows, "web", moment, LEAD) for moment in hours] == [3, 7, 3, 0]


def test_windows_that_touch_leave_no_gap() -> None:
    windows = [a_window(NOW, NOW + HOUR), a_window(NOW + HOUR, NOW + 2 * HOUR)]
    moments = [NOW + n * timedelta(seconds=30) for n in range(240)]
    assert {floor(windows, "web", moment, timedelta(0)) for moment in moments} == {6}


def test_a_cancelled_window_and_one_of_another_component_do_not_count() -> None:
    windows = [
        a_window(NOW, NOW + HOUR, cancelled_at=NOW),
        a_window(NOW, NOW + HOUR, component="batch"),
    ]
    assert floor(windows, "web", NOW, LEAD) == 0
    assert next_boundary(windows[:1], NOW, LEAD) is None


def test_a_window_over_the_change_to_summer_time_lasts_what_the_wall_clock_says() -> None:
    # Berlin loses 02:00 to 03:00 on 29 March 2026: from 01:00 to 04:00 are two hours.
    berlin = ZoneInfo("Europe/Berlin")
    night = datetime(2026, 3, 28, tzinfo=UTC)
    interval = checked(
        an_ask(
            starts_at=datetime(2026, 3, 29, 1, tzinfo=berlin),
            ends_at=datetime(2026, 3, 29, 4, tzinfo=berlin),
        ),
        [a_component()],
        night,
    )
    assert interval.duration == 2 * HOUR
    window = a_window(interval.start, interval.end)
    four = datetime(2026, 3, 29, 4, tzinfo=berlin)
    assert floor([window], "web", four.astimezone(UTC) - timedelta(seconds=1), LEAD) == 6
    assert floor([window], "web", four.astimezone(UTC), LEAD) == 0
    # In autumn the hour comes twice: a window over both is three hours, not two.
    autumn = checked(
        an_ask(
            starts_at=datetime(2026, 10, 25, 1, tzinfo=berlin),
            ends_at=datetime(2026, 10, 25, 3, tzinfo=berlin),
        ),
        [a_component()],
        night,
    )
    assert autumn.duration == 3 * HOUR


@given(
    spans=st.lists(
        st.tuples(st.integers(0, 300), st.integers(1, 100), st.integers(1, 8)), max_size=6
    ),
    at=st.integers(0, 400),
)
def test_nothing_changes_before_the_next_boundary(
    spans: list[tuple[int, int, int]], at: int
) -> None:
    minute = timedelta(minutes=1)
    windows = [
        a_window(NOW + start * minute, NOW + (start + length) * minute, replicas=replicas)
        for start, length, replicas in spans
    ]
    now = NOW + at * minute
    boundary = next_boundary(windows, now, LEAD)
    after = (boundary - now) // minute if boundary else 500
    asked = {floor(windows, "web", now + n * minute, LEAD) for n in range(after)}
    assert asked == {floor(windows, "web", now, LEAD)}
