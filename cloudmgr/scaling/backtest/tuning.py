"""Which setting of a policy is best: once, by a part that is over, or anew each day. Pure.

The best is the cheapest, where what is left unmet beyond what is allowed is :data:`DEAR` times as
dear as capacity. It is no hard bound: a miss that nobody could have foreseen, such as the first
peak of its kind, would else be paid for ever after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cloudmgr.scaling.backtest.policies import FLOORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudmgr.scaling.backtest.model import Course
    from cloudmgr.scaling.backtest.policies import Setting
    from cloudmgr.scaling.forecast.demand import Floats

DEAR = 500.0
# What was ten days ago counts half.
HALF_LIFE = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A setting with one of the floors."""

    family: str
    setting: Setting
    floor: float

    @property
    def said(self) -> str:
        return f"{self.setting.said}, at least {self.floor:g} of the peak"

    def capacity(self, course: Course, peak: float) -> Floats:
        """What it decides, ``(n,)``, in whole replicas."""
        return course.whole(np.maximum(self.setting.decided, self.floor * peak))


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """How candidates did, span by span.

    :param paid: capacity × steps, of shape ``(candidates, spans)``.
    :param missed: demand × steps that found no capacity, likewise.
    :param asked: demand × steps, ``(spans,)``.
    :param steps: that were measured, ``(spans,)``.
    :param since: the first span of which they tell anything: before, nothing was learned.
    """

    candidates: tuple[Candidate, ...]
    paid: Floats
    missed: Floats
    asked: Floats
    steps: Floats
    since: int = 0

    def best(self, allowed: float, weights: Floats) -> int:
        """The number of the best candidate, spans counting by ``weights``.

        :param allowed: the share of demand that may be left unmet, 0 to 1.
        """
        return int(np.argmin(self.costs(allowed, weights)))

    def costs(self, allowed: float, weights: Floats) -> Floats:
        """Of each candidate, ``(candidates,)``, for a step: all 0 where nothing was asked for."""
        asked = float(self.asked @ weights)
        steps = float(self.steps @ weights)
        if not asked or not steps:
            return np.zeros(len(self.candidates))
        beyond = np.maximum(self.missed @ weights - allowed * asked, 0.0)
        cost: Floats = (self.paid @ weights + DEAR * beyond) / steps
        return cost


def record(
    course: Course,
    settings: Iterable[tuple[str, Setting]],
    peak: float,
    edges: Floats,
    end: int,
    *,
    since: int = 0,
) -> Record:
    """:param edges: where spans begin; the last one ends at ``end``."""
    first = int(edges[0])
    at = np.asarray(edges, dtype=np.intp) - first
    measured = course.measured[first:end]
    demand = course.demand[first:end] * measured
    floors = [float(course.whole(np.array([floor * peak]))[0]) for floor in FLOORS]
    candidates, paid, missed = [], [], []
    for family, setting in settings:
        # Floors may come last: the least of some numbers, none below a floor, is not below it.
        decided = course.whole(setting.decided[:end])
        serving = course.serving(decided)[first:]
        decided = decided[first:]
        for floor, least in zip(FLOORS, floors, strict=True):
            candidates.append(Candidate(family, setting, floor))
            paid.append(np.add.reduceat(np.maximum(decided, least) * measured, at))
            short = np.maximum(demand - np.maximum(serving, least), 0.0)
            missed.append(np.add.reduceat(short, at))
    return Record(
        tuple(candidates),
        np.array(paid),
        np.array(missed),
        np.add.reduceat(demand, at),
        np.add.reduceat(measured.astype(np.float64), at),
        since,
    )


def chosen_daily(kept: Sequence[Record], allowed: float) -> list[Candidate]:
    """For each span the candidate that was best before it, the recent counting more.

    In the first, when nothing is known of any, it is the last one without a floor.
    """
    candidates = kept[-1].candidates
    first = candidates[len(candidates) - len(FLOORS)]
    return [first, *(best_after(kept, day, allowed) for day in range(1, len(kept[-1].steps)))]


def best_after(kept: Sequence[Record], days: int, allowed: float) -> Candidate:
    """The candidate that was best in the first ``days`` spans: 1 or more.

    Of each way the setting is taken that was best over all that is known of the way; between ways
    counts only what is known of all of them.

    :param kept: of the same spans, one for each way; the last tells from the first span on.
    """
    spans = np.arange(len(kept[-1].steps))
    weights = np.where(spans < days, 0.5 ** ((days - 1.0 - spans) / HALF_LIFE), 0.0)
    known = [one for one in kept if one.since < days]
    best = [one.best(allowed, np.where(spans >= one.since, weights, 0.0)) for one in known]
    since = max(one.since for one in known)
    common = np.where(spans >= since, weights, 0.0)
    costs = [one.costs(allowed, common)[number] for one, number in zip(known, best, strict=True)]
    way = int(np.argmin(costs))
    return known[way].candidates[best[way]]
