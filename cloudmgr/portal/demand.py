"""Demand as a chart draws it: the replicas that it asks for, in no more points than can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.interval import Interval
from cloudmgr.scaling.demand import STEP, begin

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from cloudmgr.scaling.demand import Slot

POINTS = 400


def asked(
    over: Interval, slots: Iterable[Slot], gaps: Sequence[Interval], target_in_flight: float
) -> list[tuple[datetime, float | None]]:
    """The most of each part of ``over``; None where nobody counted any of it.

    :param target_in_flight: requests in flight that one replica is to carry.
    """
    start = begin(over.start)
    steps = -(-(over.end - start) // STEP)
    width = STEP * max(1, -(-steps // POINTS))
    count = -(-(over.end - start) // width)
    most: list[float | None] = [0.0] * count
    for number in range(count):
        first = start + number * width
        # The part that is not over yet is known as far as it goes.
        part = Interval(first, min(first + width, over.end))
        if any(g.start <= part.start and part.end <= g.end for g in gaps):
            most[number] = None
    for slot in slots:
        number = (slot.starts_at - start) // width
        if 0 <= number < count:
            most[number] = max(most[number] or 0.0, slot.in_flight / target_in_flight)
    return [(start + number * width, value) for number, value in enumerate(most)]
