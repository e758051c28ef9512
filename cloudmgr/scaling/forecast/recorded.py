"""A series from what was kept step by step; apart, since numbers in arrays take memory. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cloudmgr.scaling.demand import STEP, begin
from cloudmgr.scaling.forecast.demand import Demand

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from cloudmgr.interval import Interval
    from cloudmgr.scaling.demand import Slot


def series(
    environment_id: str, over: Interval, slots: Iterable[Slot], gaps: Sequence[Interval]
) -> Demand:
    """The demand of an environment at each step that begins within ``over``.

    NaN where a gap touches the step, 0 where nothing was asked.
    """
    start = begin(over.start)
    count = -(-(over.end - start) // STEP)
    values = np.zeros(count)
    for slot in slots:
        at = (slot.starts_at - start) // STEP
        if 0 <= at < count:
            values[at] = slot.in_flight
    for gap in gaps:
        first = max((gap.start - start) // STEP, 0)
        last = -((start - gap.end) // STEP)
        if last > 0:
            values[first:last] = np.nan
    return Demand(environment_id, start, STEP, values)


def continued(before: Demand, after: Demand, since: datetime) -> Demand:
    """``after``, with the values of ``before`` in its steps that begin earlier than ``since``.

    :param before: that reaches from the start of ``after`` to ``since`` at least.
    """
    count = (since - after.start) // STEP
    first = (after.start - before.start) // STEP
    values = after.values.copy()
    values[:count] = before.values[first : first + count]
    return Demand(after.series_id, after.start, STEP, values)
