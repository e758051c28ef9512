"""What a forecast is made from: the past of a series, seen relative to where it stands now. Pure.

All are logarithms of ratios to the mean of the last three steps, so that a system that has doubled
looks as it did before, and many systems are alike.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cloudmgr.scaling.forecast.demand import ahead, highest, later

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from cloudmgr.scaling.forecast.demand import Demand, Floats

# Of the days before, at the same time.
_DAYS_BACK = 7
_NO_WINDOW = 999.0
# What is seen of a window before it begins and after it ends, as shares of a day.
_BEFORE, _AFTER = 1 / 24, 1 / 12
# How the last windows went: the highest of so many, or the middle of them.
_SHAPES = ((1, 1.0), (3, 1.0), (8, 1.0), (6, 0.5))


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """A series as a forecaster sees it at each step.

    :param level: mean of the last three steps that are known.
    :param seen: features, of shape ``(n, f)``; NaN where the past does not reach.
    :param ahead: the highest demand from a step to ``startup`` steps later, which is forecast.
    :param least: demand that counts for nothing: added before logarithms are taken.
    :param windows: of announced peaks, ``[first, end)``.
    """

    demand: Floats
    known: Floats
    level: Floats
    seen: Floats
    ahead: Floats
    startup: int
    day: int
    least: float
    windows: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.demand)

    @property
    def rise(self) -> Floats:
        """What is learned: the logarithm of ``ahead`` relative to ``level``."""
        return self.log(self.ahead) - self.log(self.level)

    def log(self, values: Floats) -> Floats:
        found: Floats = np.log(values + self.least)
        return found

    def raised(self, rise: Floats) -> Floats:
        """The demand that is ``rise`` above the level."""
        found: Floats = np.exp(rise + self.log(self.level)) - self.least
        return found


def outlook(
    demand: Demand,
    startup: int,
    least: float,
    zone: ZoneInfo,
    windows: Sequence[tuple[int, int]] = (),
) -> Outlook:
    """What may be told of ``demand`` at each of its steps.

    :param startup: steps until capacity that is asked for serves.
    :param least: demand that counts for nothing, above 0.
    :param zone: where its users live.
    """
    filled = demand.filled
    known = later(filled, 1, 0.0)
    level = _mean(known, 3)
    made = Outlook(
        filled,
        known,
        level,
        np.empty((len(filled), 0)),
        ahead(filled, startup),
        startup,
        demand.day,
        least,
        tuple(windows),
    )
    columns = [*_recent(made), *_same_time(made), *demand.day_and_time(zone), made.log(level)]
    if windows:
        columns += _calendar(made)
    return Outlook(
        made.demand,
        known,
        level,
        np.stack(columns, axis=1),
        made.ahead,
        startup,
        demand.day,
        least,
        made.windows,
    )


def last_windows(seen: Outlook, count: int, share: float = 1.0) -> Floats:
    """What the last ``count`` windows ask for at this distance from their beginning.

    Of a window that begins more than the start-up time before this one, all that this looks at
    is known by now. 0 where no window is near or none was before.

    :param share: the quantile over those windows; 1 for the highest.
    """
    found = np.zeros(len(seen))
    before, after = round(_BEFORE * seen.day), round(_AFTER * seen.day)
    begun = np.array([first for first, _ in seen.windows])
    for first, end in seen.windows:
        past = begun[begun < first - seen.startup][-count:]
        part = np.arange(max(0, first - before - seen.startup), min(len(seen), end + after))
        if not len(past) or not len(part):
            continue
        at = past[:, None] + (part - first)[None, :]
        rows = np.where(at >= 0, seen.ahead[np.maximum(at, 0)], 0.0)
        shape = rows.max(axis=0) if share == 1 else np.quantile(rows, share, axis=0)
        found[part] = np.maximum(found[part], shape)
    return found


def _recent(seen: Outlook) -> list[Floats]:
    known, day = seen.known, seen.day
    base = seen.log(seen.level)
    spans = [2, 6, 12, 36, max(2, day // 2), day, 7 * day]
    columns = [seen.log(known) - base]
    columns += [seen.log(_mean(known, span)) - base for span in spans]
    columns += [seen.log(highest(known, span)) - base for span in (3, 12, 36, day)]
    return columns + [seen.log(later(known, by, 0.0)) - base for by in (1, 2, 3)]


def _same_time(seen: Outlook) -> list[Floats]:
    """At this time of the days before: of each only what is known by now."""
    base = seen.log(seen.level)
    days = [n for n in range(1, _DAYS_BACK + 1) if n * seen.day > seen.startup]
    came = [seen.log(later(seen.ahead, n * seen.day)) for n in days]
    rose = [later(seen.rise, n * seen.day) for n in days]
    stood = [seen.log(later(seen.known, n * seen.day)) - base for n in (1, 7)]
    empty = np.full(len(seen), np.nan)
    columns = [came[0] - base if came else empty, came[-1] - base if came else empty, *stood]
    if not rose:
        return [*columns, empty, empty]
    with warnings.catch_warnings():
        # The first day has no day before: NaN is meant.
        warnings.simplefilter("ignore", RuntimeWarning)
        return [*columns, np.nanmax(rose, axis=0), np.nanmean(rose, axis=0)]


def _calendar(seen: Outlook) -> list[Floats]:
    begun = np.array([first for first, _ in seen.windows])
    steps = np.arange(len(seen))
    at = np.searchsorted(begun, steps, side="right")
    since = np.where(at > 0, steps - begun[np.maximum(at - 1, 0)], _NO_WINDOW)
    until = np.where(at < len(begun), begun[np.minimum(at, len(begun) - 1)] - steps, _NO_WINDOW)
    base = seen.log(seen.level)
    shapes = [last_windows(seen, count, share) for count, share in _SHAPES]
    return [
        np.minimum(since, seen.day / 6),
        np.minimum(until, seen.day / 8),
        *(np.where(shape > 0, seen.log(shape) - base, -9.0) for shape in shapes),
    ]


def _mean(values: Floats, steps: int) -> Floats:
    """Of the last ``steps`` values, or of as many as there are."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    end = np.arange(1, len(values) + 1)
    first = np.maximum(end - steps, 0)
    # A sum of many that are taken away again may end below zero by a rounding.
    mean: Floats = np.maximum((total[end] - total[first]) / (end - first), 0.0)
    return mean


def renewals(first: int, end: int, day: int, windows: Sequence[tuple[int, int]]) -> list[int]:
    """When a forecaster learns anew, from ``first`` on: on the day after a window, or as soon as
    there is half as much history again.

    More history matters as a share of what there is; how a peak went matters for the next one.
    """
    over = np.array(sorted(end for _, end in windows))
    moments = [first]
    while True:
        last = moments[-1]
        following = over[over > last]
        grown = last + max(day, last // 2)
        after_window = max(last + day, int(following[0])) if len(following) else end
        if min(grown, after_window) >= end:
            return moments
        moments.append(min(grown, after_window))
