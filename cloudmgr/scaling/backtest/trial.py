"""A series put to the trial: policies are tuned on its first half and scored on its second. Pure.

The others keep the setting that was best on the first half. Ours is chosen anew each day by how all
settings of its ways did so far, as it is in earnest; a forecast that has not earned trust is not
chosen, and reaction is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cloudmgr.errors import Invalid
from cloudmgr.scaling.backtest import policies
from cloudmgr.scaling.backtest.model import Course, Score, score
from cloudmgr.scaling.backtest.policies import Ground
from cloudmgr.scaling.backtest.tuning import chosen_daily, record
from cloudmgr.scaling.forecast.features import outlook
from cloudmgr.scaling.forecast.learned import learn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import timedelta
    from zoneinfo import ZoneInfo

    from cloudmgr.interval import Interval
    from cloudmgr.scaling.backtest.policies import Setting
    from cloudmgr.scaling.backtest.tuning import Candidate, Record
    from cloudmgr.scaling.forecast.demand import Demand, Floats

# The second half is not the first: what stays as it is, is tuned for a little less.
_CAUTION = 0.8
# Replicas that the highest demand would take, if it is not said what one carries.
REPLICAS = 25
# Of a replica: demand that counts for nothing.
LEAST_DEMAND = 0.05
LEAST_STEPS = 32
FORECAST, SEASONAL, REACTION = "forecast", "seasonal", "reaction"
STATIC, RULE, CRON, OURS, ORACLE = "static peak", "HPA", "cron + HPA", "cloudmgr", "oracle"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a trial is held under.

    :param startup: from the decision until what was added serves.
    :param unmet: the share of demand that may find no capacity, 0 to 1.
    :param unit: demand that a replica carries; None for a 25th of the highest that is tuned on.
    """

    startup: timedelta
    zone: ZoneInfo
    unmet: float = 0.001
    unit: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One policy: how it was set, how it did where it was tuned, and where it is judged.

    :param capacity: as decided, ``(n,)``.
    """

    policy: str
    setting: str
    tuned: Score
    scored: Score
    capacity: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """:param scored: the steps that are judged.
    :param windows: announced peaks in steps, ``[first, end)``.
    :param covered: how often demand stayed below the forecast's 95th of a hundred, where judged;
        None where nothing was learned.
    """

    demand: Demand
    course: Course
    scored: slice
    lines: tuple[Line, ...]
    windows: tuple[tuple[int, int], ...]
    covered: float | None

    def line(self, policy: str) -> Line:
        return next(line for line in self.lines if line.policy == policy)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A series as policies see it: what was learned of it does not depend on what is allowed."""

    demand: Demand
    course: Course
    ground: Ground
    windows: tuple[tuple[int, int], ...]

    def trial(self, allowed: float) -> Trial:
        """:param allowed: the share of demand that may be left unmet, 0 to 1."""
        count = len(self.demand)
        half = count // 2
        early, late = slice(0, half), slice(half, count)
        course, ground = self.course, self.ground

        def fixed(policy: str, way: Callable[[Ground], Iterable[Setting]]) -> Line:
            settings = ((policy, setting) for setting in way(ground))
            kept = record(course, settings, ground.peak, np.zeros(1), half)
            best = kept.candidates[kept.best(_CAUTION * allowed, np.ones(1))]
            return line(policy, best.said, best.capacity(course, ground.peak))

        def line(policy: str, said: str, capacity: Floats) -> Line:
            tuned, scored = (score(course, capacity, part) for part in (early, late))
            return Line(policy, said, tuned, scored, capacity)

        lines = [fixed(STATIC, policies.static), fixed(RULE, policies.rule)]
        if self.windows:
            lines.append(fixed(CRON, policies.scheduled))
        lines += [
            line(OURS, *_ours(course, ground, allowed)),
            line(ORACLE, "knows what comes", course.oracle),
        ]
        covered = _covered(ground, late)
        return Trial(self.demand, course, late, tuple(lines), self.windows, covered)


def put_to_trial(demand: Demand, terms: Terms, windows: Sequence[Interval] = ()) -> Trial:
    """:raises Invalid: as :func:`prepare`."""
    return prepare(demand, terms, windows).trial(terms.unmet)


def prepare(demand: Demand, terms: Terms, windows: Sequence[Interval] = ()) -> Prepared:
    """:raises Invalid: ``no-trial``: fewer than :data:`LEAST_STEPS`, or a half without demand."""
    count = len(demand)
    half = count // 2
    peak = float(demand.filled[:half].max(initial=0.0))
    if count < LEAST_STEPS:
        raise _refused(demand, f"it has {count} steps; a trial takes {LEAST_STEPS}")
    if peak <= 0 or not np.nansum(demand.values[half:]) > 0:
        raise _refused(demand, "one of its halves asks for nothing")
    startup = -(-terms.startup // demand.step)
    unit = terms.unit or peak / REPLICAS
    course = Course(demand.filled, ~np.isnan(demand.values), startup, unit)
    spans = tuple(demand.within(windows))
    seen = outlook(demand, startup, unit * LEAST_DEMAND, terms.zone, spans)
    return Prepared(demand, course, Ground(seen, peak, learn(seen, half // 2)), spans)


def _ours(course: Course, ground: Ground, allowed: float) -> tuple[str, Floats]:
    kept, edges = ours(course, ground)
    chosen = chosen_daily(kept, allowed)
    half = len(course) // 2
    judged = [one for one, edge in zip(chosen, edges, strict=True) if edge >= half] or chosen
    families = Counter(one.family for one in judged).most_common()
    shares = ", ".join(f"{name} on {count} days" for name, count in families)
    said = f"{shares}; at last {chosen[-1].said}"
    return said, followed(course, ground, edges, chosen)


def ours(course: Course, ground: Ground) -> tuple[tuple[Record, ...], Floats]:
    """How each setting of our ways did, day by day, and the steps at which those days begin.

    Reaction needs no past, and is known from the beginning; the days before need one.
    """
    learned = len(course) // 4
    day = ground.seen.day
    edges = np.arange(learned % day, len(course), day, dtype=np.float64)
    if edges[0] > 0:
        edges = np.concatenate([[0.0], edges])
    since = int(np.searchsorted(edges, learned))
    ways: list[tuple[str, Callable[[Ground], Iterable[Setting]], int]] = [
        (SEASONAL, policies.seasonal, min(int(np.searchsorted(edges, day)), since)),
        (REACTION, policies.rule, 0),
    ]
    if ground.learned is not None:
        ways.insert(0, (FORECAST, policies.forecast, since))
    kept = []
    for name, way, known in ways:
        settings = ((name, setting) for setting in way(ground))
        kept.append(record(course, settings, ground.peak, edges, len(course), since=known))
    return tuple(kept), edges


def followed(course: Course, ground: Ground, edges: Floats, chosen: Sequence[Candidate]) -> Floats:
    """The capacity that comes of the candidates ``chosen`` for each day, ``(n,)``."""
    capacity = np.empty(len(course))
    made: dict[int, Floats] = {}
    begins = [int(edge) for edge in edges]
    for one, begin, end in zip(chosen, begins, [*begins[1:], len(course)], strict=True):
        if id(one) not in made:
            made[id(one)] = one.capacity(course, ground.peak)
        capacity[begin:end] = made[id(one)][begin:end]
    return capacity


def _covered(ground: Ground, part: slice) -> float | None:
    if ground.learned is None:
        return None
    rise = ground.seen.rise[part]
    return float((rise <= ground.learned.high[part]).mean())


def _refused(demand: Demand, why: str) -> Invalid:
    return Invalid(
        f"{demand.series_id or 'the series'} cannot be put to the trial: {why}",
        code="no-trial",
        hint="give a longer history, or another series",
    )
