"""What is learned for the coming day is what a trial would follow, and looks at nothing later."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cloudmgr.interval import Interval
from cloudmgr.scaling.backtest import policies
from cloudmgr.scaling.backtest.policies import Ground
from cloudmgr.scaling.backtest.study import foretell, study
from cloudmgr.scaling.backtest.trial import FORECAST, REACTION, SEASONAL, Terms
from cloudmgr.scaling.forecast.demand import Demand
from cloudmgr.scaling.forecast.features import outlook
from cloudmgr.scaling.forecast.learned import learn, library
from tests.scaling.forecast.histories import MONDAY, daily, demand, weekly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudmgr.scaling.backtest.policies import Setting

UTC = ZoneInfo("UTC")
TERMS = Terms(timedelta(hours=1), UTC, unit=4.0)
DAY = 48  # steps
AHEAD = 6
learned = pytest.mark.skipif(
    library() is None, reason="needs LightGBM and libgomp1: make test-deps"
)


def going_on(was: Demand, steps: int, value: float = 0.0) -> Demand:
    """``was`` with so many steps more."""
    values = np.concatenate([was.values, np.full(steps, value)])
    return Demand(was.series_id, was.start, was.step, values)


@learned
@pytest.mark.parametrize("later", [0.0, 5000.0, np.nan])
@pytest.mark.parametrize(("history", "way"), [(daily, SEASONAL), (weekly, FORECAST)])
def test_what_is_foretold_at_a_step_depends_on_nothing_from_it_on(
    history: Callable[[int], Demand], way: str, later: float
) -> None:
    was = history(42)
    lesson = study(was, TERMS, (), MONDAY)
    assert lesson is not None
    assert lesson.family == way
    told = [
        foretell(lesson, going_on(was, AHEAD, value), len(was), UTC, ()) for value in (later, 7.0)
    ]
    assert told[0] == told[1]


@learned
def test_a_day_that_is_like_the_others_is_foretold() -> None:
    whole = daily(21)
    was = Demand("exam", whole.start, whole.step, whole.values[: 20 * DAY])
    lesson = study(was, TERMS, (), MONDAY)
    assert lesson is not None
    assert lesson.family == SEASONAL
    quiet, busy = (
        foretell(lesson, whole, 20 * DAY + at, UTC, ()) for at in (DAY // 4, DAY * 9 // 24)
    )
    assert quiet is not None
    assert busy is not None
    assert 9 < quiet < 60
    assert 99 < busy < 400


@learned
def test_a_day_of_the_week_that_is_unlike_the_last_days_is_foretold_by_what_was_learned() -> None:
    whole = weekly(49)
    was = Demand("exam", whole.start, whole.step, whole.values[: 42 * DAY])
    lesson = study(was, TERMS, (), MONDAY)
    assert lesson is not None
    assert lesson.family == FORECAST
    quiet, busy = (
        foretell(lesson, whole, 42 * DAY + at, UTC, ()) for at in (DAY // 4, DAY * 9 // 24)
    )
    assert quiet is not None
    assert busy is not None
    assert quiet < 60
    assert 95 < busy < 400


def test_reaction_asks_for_what_the_chosen_setting_asks_for() -> None:
    rng = np.random.default_rng(5)
    was = demand(np.repeat(rng.uniform(10, 100, 120), 8), minutes=30)
    lesson = study(was, TERMS, (), MONDAY)
    assert lesson is not None
    chosen = replace(lesson, family=REACTION, numbers=(1.0, 1.2), floor=3.0)
    longer, at = going_on(was, AHEAD), len(was)
    setting = next(policies.rule(Ground(outlook(longer, 2, 0.2, UTC), 100.0), (1.0,), (1.2,)))
    told = foretell(chosen, longer, at, UTC, ())
    assert told == pytest.approx(1.2 * was.values[-2:].max())
    assert told == setting.decided[at]
    assert foretell(replace(chosen, floor=999.0), longer, at, UTC, ()) == 999.0


@learned
@pytest.mark.parametrize("policy", [policies.rule, policies.seasonal, policies.forecast])
def test_the_numbers_of_a_setting_give_that_setting_again(
    policy: Callable[..., Iterator[Setting]],
) -> None:
    was = daily(6)
    windows = [(48 * n + 18, 48 * n + 24) for n in range(6)]
    seen = outlook(was, 2, 0.2, UTC, windows)
    ground = Ground(seen, 100.0, learn(seen, 210))
    settings = list(policy(ground))
    assert len(settings) > 50
    for setting in settings[::7]:
        (again,) = policy(ground, *[(n,) for n in setting.numbers])
        assert again.said == setting.said
        np.testing.assert_array_equal(again.decided, setting.decided)


def test_too_little_and_too_quiet_teach_nothing() -> None:
    assert study(daily(2), TERMS, (), MONDAY) is None
    assert study(demand(np.zeros(2000)), TERMS, (), MONDAY) is None


@learned
def test_what_was_learned_without_a_calendar_is_of_use_when_there_is_one() -> None:
    was = weekly(42)
    lesson = study(was, TERMS, (), MONDAY)
    assert lesson is not None
    assert lesson.family == FORECAST
    assert not lesson.calendar
    soon = Interval(was.start + 42 * timedelta(days=1), was.start + 43 * timedelta(days=1))
    told = foretell(lesson, going_on(was, AHEAD), len(was), UTC, [soon])
    assert told == foretell(lesson, going_on(was, AHEAD), len(was), UTC, ())


@learned
def test_what_was_learned_with_a_calendar_is_silent_when_there_is_none() -> None:
    was = weekly(42)
    windows = [
        Interval(MONDAY + timedelta(days=n, hours=9), MONDAY + timedelta(days=n, hours=17))
        for n in range(42)
        if n % 7 < 3
    ]
    lesson = study(was, TERMS, windows, MONDAY)
    assert lesson is not None
    assert lesson.calendar
    assert lesson.family == FORECAST
    assert foretell(lesson, going_on(was, AHEAD), len(was), UTC, ()) is None
    assert foretell(lesson, going_on(was, AHEAD), len(was), UTC, windows) is not None
