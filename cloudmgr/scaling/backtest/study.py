"""What is learned of one system for the coming day, and what that tells at a moment. Pure.

It is what a backtest puts to the trial, kept up: each day all settings of all ways are weighed by
how they did so far, and the best is followed for a day. A forecast that has not earned it is not
chosen; then reaction is, tuned by the same history. With less than :data:`LEAST` nothing is said.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid
from cloudmgr.scaling.backtest import policies
from cloudmgr.scaling.backtest.model import score
from cloudmgr.scaling.backtest.policies import Ground
from cloudmgr.scaling.backtest.trial import (
    FORECAST,
    LEAST_DEMAND,
    REACTION,
    SEASONAL,
    followed,
    ours,
    prepare,
)
from cloudmgr.scaling.backtest.tuning import best_after, chosen_daily
from cloudmgr.scaling.forecast.features import outlook
from cloudmgr.scaling.forecast.learned import Learned, learned
from cloudmgr.scaling.foretold import Figures, Lesson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from cloudmgr.interval import Interval
    from cloudmgr.scaling.backtest.policies import Setting
    from cloudmgr.scaling.backtest.trial import Terms
    from cloudmgr.scaling.forecast.demand import Demand

# Less is no history: three days of steps.
LEAST = timedelta(days=3)
_WAYS: dict[str, Callable[..., Iterator[Setting]]] = {
    FORECAST: policies.forecast,
    SEASONAL: policies.seasonal,
    REACTION: policies.rule,
}


def study(
    demand: Demand, terms: Terms, windows: Sequence[Interval], now: datetime
) -> Lesson | None:
    """What ``demand`` teaches; None if there is too little of it, or half of it is quiet.

    :param terms: with the unit, in requests in flight.
    """
    if len(demand) * demand.step < LEAST:
        return None
    try:
        known = prepare(demand, terms, windows)
    except Invalid:
        return None
    course, ground = known.course, known.ground
    kept, edges = ours(course, ground)
    best = best_after(kept, len(edges), terms.unmet)
    half = slice(len(demand) // 2, len(demand))
    chosen = chosen_daily(kept, terms.unmet)
    did = score(course, followed(course, ground, edges, chosen), half)
    oracle = score(course, course.oracle, half)
    taught = learned(ground.seen) if best.family == FORECAST else None
    return Lesson(
        environment_id=demand.series_id,
        learned_at=now,
        family=best.family,
        numbers=best.setting.numbers,
        floor=best.floor * ground.peak,
        startup=terms.startup,
        unit=course.unit,
        calendar=bool(known.windows),
        figures=Figures(
            days=round(len(demand) / demand.day, 1),
            cost=round(did.paid / oracle.paid, 3),
            unmet=round(did.unmet, 6),
        ),
        middle=taught.middle if taught else "",
        high=taught.high if taught else "",
    )


def foretell(
    lesson: Lesson, demand: Demand, at: int, zone: ZoneInfo, windows: Sequence[Interval]
) -> float | None:
    """Demand that capacity is to be there for from step ``at`` to the start-up time after it.

    :param demand: with some hours after ``at``, of which nothing is known, so that windows that
        begin soon are seen.
    :param at: the step that is being lived through; it is not looked at.
    :returns: None if what was learned cannot be used any more.
    """
    startup = -(-lesson.startup // demand.step)
    # What was learned without a calendar knows nothing of one.
    spans = tuple(demand.within(windows)) if lesson.calendar else ()
    seen = outlook(demand, startup, lesson.unit * LEAST_DEMAND, zone, spans)
    told = None
    if lesson.family == FORECAST:
        told = Learned(lesson.middle, lesson.high).told(seen, at)
        if told is None:
            return None
    ground = Ground(seen, lesson.unit, told)
    alone = [(number,) for number in lesson.numbers]
    setting = next(_WAYS[lesson.family](ground, *alone))
    return max(float(setting.decided[at]), lesson.floor, 0.0)
