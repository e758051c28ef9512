"""The policies that are compared. Pure.

Each decides by a few numbers that are tuned, from the same grids. What one of them decides is
``(n,)``, before floors, and before it is rounded to whole replicas.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cloudmgr.scaling.forecast.demand import highest, later
from cloudmgr.scaling.forecast.features import last_windows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cloudmgr.scaling.forecast.demand import Floats
    from cloudmgr.scaling.forecast.features import Outlook
    from cloudmgr.scaling.forecast.learned import Quantiles

MARGINS = (1.0, 1.1, 1.2, 1.3, 1.43, 1.6, 1.8, 2.0, 2.5, 3.0)
HOURS_HELD = (0.0, 0.25, 0.5, 1.0, 3.0, 24.0)
# Of the highest demand of the part that is tuned on.
FLOORS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5)
# How many times the distance from the middle to the 95th of a hundred is kept in hand.
SPREADS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)
# … and how many times more while a window is announced.
INSIDE = (1.0, 1.5, 2.0)
# Of what the last windows asked for, while one is announced.
SHAPES = (0.0, 0.8, 1.0, 1.2, 1.4)
_WINDOWS_BACK = 5
SEASONS = (0.5, 0.75, 0.9, 1.0)
LEADS = (1.0, 1.2, 1.43)
_DAYS_BACK = 7


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """What is decided, and by which numbers; ``said`` is for people, in English.

    :param numbers: with each of them alone in its grid, in the order of the policy's parameters,
        the policy yields this setting and no other.
    """

    said: str
    decided: Floats
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What policies go by.

    :param peak: the highest demand of the part that is tuned on.
    :param learned: None where nothing could be learned.
    """

    seen: Outlook
    peak: float
    learned: Quantiles | None = None

    @property
    def announced(self) -> NDArray[np.bool_]:
        """At which steps capacity is there for a window, or on its way; ``(n,)``."""
        found = np.zeros(len(self.seen), dtype=bool)
        for first, end in self.seen.windows:
            found[max(0, first - self.seen.startup) : max(0, end)] = True
        return found

    def held(self, hours: float) -> Floats:
        """The highest that is known of so many hours."""
        return highest(self.seen.known, max(1, round(hours * self.seen.day / 24)))


def static(ground: Ground) -> Iterator[Setting]:
    """As much as ever, what a department buys: a floor is all that it has."""
    yield Setting("always the same", np.zeros(len(ground.seen)))


def rule(
    ground: Ground, hours: Sequence[float] = HOURS_HELD, margins: Sequence[float] = MARGINS
) -> Iterator[Setting]:
    """The rule of Kubernetes' HorizontalPodAutoscaler: load over a target share, held a while."""
    for held, margin in itertools.product(hours, margins):
        said = f"target {1 / margin:.0%}, held {held:g} h"
        yield Setting(said, margin * ground.held(held), (held, margin))


def scheduled(ground: Ground) -> Iterator[Setting]:
    """:func:`rule`, and a number of replicas that a person sets for the windows: cron."""
    announced = ground.announced
    levels = [(level, np.where(announced, level * ground.peak, 0.0)) for level in FLOORS[4:]]
    for setting in rule(ground):
        for level, least in levels:
            said = f"{level:g} of the peak in windows, {setting.said}"
            yield Setting(said, np.maximum(setting.decided, least))


def seasonal(
    ground: Ground,
    shares: Sequence[float] = SEASONS,
    margins: Sequence[float] = MARGINS,
    leads: Sequence[float] = LEADS,
) -> Iterator[Setting]:
    """A quantile of the same time on the last seven days, and reaction."""
    seen = ground.seen
    days = [n * seen.day for n in range(1, _DAYS_BACK + 1) if n * seen.day > seen.startup]
    # Where a day is shorter than the start-up time, the present is all that is known.
    rows = np.stack([later(seen.ahead, by, 0.0) for by in days] or [seen.known])
    for share in shares:
        usual = np.quantile(rows, share, axis=0)
        for margin, lead in itertools.product(margins, leads):
            said = f"{share:.0%} of the last days × {margin:g}, target {1 / lead:.0%}"
            coming = np.maximum(margin * usual, lead * seen.known)
            yield Setting(said, coming, (share, margin, lead))


def forecast(
    ground: Ground,
    spreads: Sequence[float] = SPREADS,
    insides: Sequence[float] = INSIDE,
    shapes: Sequence[float] = SHAPES,
) -> Iterator[Setting]:
    """A learned quantile, and what the last windows asked for while one is announced."""
    told, seen = ground.learned, ground.seen
    if told is None:
        return
    if not seen.windows:
        for spread in spreads:
            # Before anything was learned nothing is told, and nothing of it is used.
            coming = seen.raised(np.nan_to_num(told.middle + spread * told.spread))
            yield Setting(f"middle + {spread:g} × spread", coming, (spread, 1.0, 0.0))
        return
    announced = ground.announced
    shape = np.where(announced, last_windows(seen, _WINDOWS_BACK), 0.0)
    for spread, inside in itertools.product(spreads, insides):
        of_steps = np.where(announced, inside * spread, spread)
        coming = seen.raised(np.nan_to_num(told.middle + of_steps * told.spread))
        for share in shapes:
            said = (
                f"middle + {spread:g} × spread, × {inside * spread:g} and {share:g} of the last "
                "ones in windows"
            )
            yield Setting(said, np.maximum(coming, share * shape), (spread, inside, share))
