"""Demand in the picture of an environment: what was asked beside what ran."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cloudmgr.interval import Interval
from cloudmgr.portal.demand import POINTS, asked
from cloudmgr.scaling.demand import STEP, Slot

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)


def test_a_point_is_what_was_asked_in_replicas_and_broken_where_nobody_counted() -> None:
    slots = [Slot("env", NOW, 30, 2400.0), Slot("env", NOW + 3 * STEP, 30, 600.0)]
    gap = Interval(NOW + STEP - timedelta(minutes=1), NOW + 2 * STEP + timedelta(minutes=1))
    points = asked(Interval(NOW, NOW + 4 * STEP), slots, [gap], 4.0)
    assert points == [
        (NOW, 2.0),
        (NOW + STEP, None),
        (NOW + 2 * STEP, 0.0),
        (NOW + 3 * STEP, 0.5),
    ]


def test_what_is_long_is_drawn_by_the_most_of_each_part() -> None:
    over = Interval(NOW, NOW + timedelta(days=30))
    slots = [Slot("env", NOW + n * STEP, 1, 300.0 * (40 if n == 5000 else 4)) for n in range(8640)]
    points = asked(over, slots, [], 4.0)
    assert 0.5 * POINTS < len(points) <= POINTS
    assert max(value or 0.0 for _, value in points) == 10.0
    assert {value for _, value in points} == {1.0, 10.0}
