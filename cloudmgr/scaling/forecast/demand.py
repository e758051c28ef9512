"""Demand over time: a series at even steps, and what may be known of it when one decides. Pure.

In all of this folder, and in ``scaling.backtest``, arrays are of shape ``(n,)`` with one number for
each step. What is decided at step ``t`` may use the demand of the steps before ``t``, and nothing
else: ``known[t]`` is the demand of step ``t - 1``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from cloudmgr.interval import Interval

Floats: TypeAlias = NDArray[np.float64]

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """What was asked of one system, in any unit that replicas share.

    :param start: when the first step begins; UTC.
    :param values: the mean over each step, 0 or more; NaN where nothing was measured.
    """

    series_id: str
    start: datetime
    step: timedelta
    values: Floats

    def __len__(self) -> int:
        return len(self.values)

    @property
    def filled(self) -> Floats:
        """As a controller sees it: the last measurement holds until the next; 0 before the first.

        Shape ``(n,)``.
        """
        there = ~np.isnan(self.values)
        last = np.maximum.accumulate(np.where(there, np.arange(len(self)), -1))
        return np.where(last >= 0, np.nan_to_num(self.values)[last], 0.0)

    @property
    def trimmed(self) -> Demand:
        """From the first step at which anything was asked: before, it may not have been in use."""
        first = int(np.argmax(np.nan_to_num(self.values) > 0))
        return Demand(
            self.series_id, self.start + first * self.step, self.step, self.values[first:]
        )

    @property
    def day(self) -> int:
        """How many steps a day has."""
        return max(1, round(_DAY / self.step))

    def within(self, windows: Sequence[Interval]) -> list[tuple[int, int]]:
        """The steps ``[first, end)`` that windows touch, as far as any of them is in the series."""
        spans = [
            (
                (window.start - self.start) // self.step,
                -((self.start - window.end) // self.step),
            )
            for window in windows
        ]
        return sorted({(a, b) for a, b in spans if b > 0 and a < len(self)})

    def day_and_time(self, zone: ZoneInfo) -> tuple[Floats, Floats]:
        """Weekday (0 for Monday) and the share of the day that is over, each ``(n,)``, in ``zone``.

        The offset of a day is that of its noon: on a day of change a few hours are off by one.
        """
        seconds = self.start.timestamp() + self.step.total_seconds() * np.arange(len(self))
        days = np.floor(seconds / 86_400).astype(np.int64)
        first, last = int(days[0]), int(days[-1])
        noon = self.start.replace(hour=12, minute=0, second=0, microsecond=0)
        offsets = np.array(
            [
                ((noon + _DAY * n).astimezone(zone).utcoffset() or timedelta()).total_seconds()
                for n in range(last - first + 1)
            ]
        )
        local = seconds + offsets[days - first]
        return (local // 86_400 + 3) % 7, local % 86_400 / 86_400


def pooled(series: Sequence[Demand], series_id: str) -> Demand:
    """The sum of all, from the first step of any to the last; what is not measured adds nothing.

    :param series: of one step, each starting on a multiple of it; at least one.
    """
    step = series[0].step
    start = min(one.start for one in series)
    count = max((one.start - start) // step + len(one) for one in series)
    total, known = np.zeros(count), np.zeros(count, dtype=bool)
    for one in series:
        first = (one.start - start) // step
        there = ~np.isnan(one.values)
        total[first : first + len(one)] += np.nan_to_num(one.values)
        known[first : first + len(one)] |= there
    return Demand(series_id, start, step, np.where(known, total, np.nan))


def later(values: Floats, steps: int, fill: float = np.nan) -> Floats:
    """``values`` as they were ``steps`` earlier; ``fill`` before the first."""
    if steps == 0:
        return values
    moved = np.full(len(values), fill)
    moved[steps:] = values[:-steps]
    return moved


def highest(values: Floats, steps: int) -> Floats:
    """The highest of the last ``steps`` values, this one included."""
    found, have = values, 1
    while have < steps:
        by = min(have, steps - have)
        found = np.maximum(found, later(found, by, -np.inf))
        have += by
    return found


def lowest(values: Floats, steps: int) -> Floats:
    """The lowest of the last ``steps`` values, this one included."""
    return -highest(-values, steps)


def ahead(values: Floats, steps: int) -> Floats:
    """The highest of this value and the ``steps`` after it."""
    return highest(values[::-1], steps + 1)[::-1]
