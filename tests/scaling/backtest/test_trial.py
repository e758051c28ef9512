"""A trial: nobody knows what comes, and who does best is told honestly."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval
from cloudmgr.scaling.backtest.policies import Ground, Setting
from cloudmgr.scaling.backtest.trial import (
    CRON,
    ORACLE,
    OURS,
    RULE,
    STATIC,
    Terms,
    Trial,
    ours,
    put_to_trial,
)
from cloudmgr.scaling.backtest.tuning import Candidate, Record, best_after
from cloudmgr.scaling.forecast.features import outlook
from cloudmgr.scaling.forecast.learned import library
from tests.scaling.forecast.histories import MONDAY, daily, demand

TERMS = Terms(timedelta(hours=1), ZoneInfo("UTC"), unit=4.0)
learned = pytest.mark.skipif(
    library() is None, reason="needs LightGBM and libgomp1: make test-deps"
)


def hours(first: float, end: float) -> Interval:
    return Interval(MONDAY + first * timedelta(hours=1), MONDAY + end * timedelta(hours=1))


def announced(days: int) -> list[Interval]:
    return [hours(24 * day + 9, 24 * day + 12) for day in range(days)]


@pytest.mark.parametrize("days", [6, 20])
@pytest.mark.parametrize("known", [0, 30], ids=["no calendar", "a calendar"])
def test_what_is_decided_at_a_step_depends_on_nothing_later(days: int, known: int) -> None:
    windows = announced(min(days, known))
    was = daily(days)
    trial = put_to_trial(was, TERMS, windows)
    cut = days * 36 + 19
    other = was.values.copy()
    other[cut:] = 4 * other[cut:] + 50
    changed = put_to_trial(demand(other, minutes=30), TERMS, windows)
    for line in trial.lines:
        if line.policy != ORACLE:
            after = changed.line(line.policy).capacity
            np.testing.assert_array_equal(line.capacity[: cut + 1], after[: cut + 1])
            assert (line.capacity[cut + 1 :] != after[cut + 1 :]).any() or line.policy == STATIC


@learned
def test_a_peak_that_comes_every_day_is_met_for_less_than_by_reaction() -> None:
    trial = put_to_trial(daily(40), TERMS)
    did, rule = trial.line(OURS).scored, trial.line(RULE).scored
    assert did.unmet < 0.01
    assert did.paid < 0.5 * rule.paid, "the rule can only keep it all the time"
    assert did.paid < 1.3 * trial.line(ORACLE).scored.paid
    assert "reaction" not in trial.line(OURS).setting
    assert trial.covered is not None
    assert 0.85 < trial.covered <= 1


@learned
def test_a_calendar_tells_what_no_other_day_does() -> None:
    """Peaks on days that nothing but the calendar tells apart."""
    chosen = np.random.default_rng(3).permutation(60)[:30]
    values = np.full(60 * 48, 10.0)
    for day in chosen:
        values[day * 48 + 18 : day * 48 + 24] = 100
    was = demand(values, minutes=30)
    windows = [hours(24 * int(day) + 9, 24 * int(day) + 12) for day in chosen]
    without, told = put_to_trial(was, TERMS), put_to_trial(was, TERMS, windows)
    assert told.line(OURS).scored.unmet <= TERMS.unmet
    assert told.line(OURS).scored.paid < 0.85 * without.line(OURS).scored.paid
    assert told.line(OURS).scored.paid < 1.2 * told.line(CRON).scored.paid


def test_what_was_seen_before_anything_could_be_learned_counts() -> None:
    """A peak of the first week alone: who forgot it would leave the next one unmet."""
    values = np.full(40 * 48, 10.0)
    values[3 * 48 : 3 * 48 + 6] = values[30 * 48 : 30 * 48 + 6] = 100.0
    trial = put_to_trial(demand(values, minutes=30), TERMS)
    kept, edges = ours(trial.course, Ground(outlook(trial.demand, 2, 0.2, TERMS.zone), 100.0))
    assert [one.since for one in kept] == [1, 0], "the first day has no day before"
    assert edges[0] == 0
    first, later = best_after(kept, 3, 0.0), best_after(kept, 5, 0.0)
    assert first.capacity(trial.course, 100.0)[10 * 48 :].min() < 20
    assert later.capacity(trial.course, 100.0)[10 * 48 :].min() >= 100


def test_ways_are_compared_over_what_is_known_of_all_of_them() -> None:
    """One that is known for longer is not blamed for what the other was spared."""
    one, two = (Candidate(name, Setting(name, np.ones(1)), 0.0) for name in "ab")
    spans, steps = np.ones(4), np.ones((1, 4))
    young = Record((one,), 3.0 * steps, 0 * steps, spans, spans, since=2)
    old = Record((two,), 2.0 * steps, np.array([[9.0, 9.0, 0, 0]]), spans, spans)
    assert best_after((young, old), 2, 0.0) is two, "nothing is known of the other"
    assert best_after((young, old), 4, 0.0) is two


def test_with_too_little_to_learn_from_it_goes_by_the_days_before_and_by_reaction() -> None:
    trial = put_to_trial(daily(6), TERMS)
    assert trial.covered is None
    assert trial.line(OURS).setting.startswith(("seasonal", "reaction"))
    assert trial.line(OURS).scored.unmet < 0.01


def test_every_policy_is_scored_on_the_same_part() -> None:
    trial = put_to_trial(daily(6), TERMS, announced(6))
    assert [line.policy for line in trial.lines] == [STATIC, RULE, CRON, OURS, ORACLE]
    assert (trial.scored.start, trial.scored.stop) == (144, 288)
    best = trial.line(ORACLE).scored
    assert best.unmet == 0
    for line in trial.lines:
        assert line.scored.paid >= best.paid or line.scored.unmet > 0


def test_gaps_are_not_held_against_anybody() -> None:
    values = daily(8).values.copy()
    values[200:230] = np.nan
    trial = put_to_trial(demand(values, minutes=30), TERMS)
    assert all(np.isfinite(line.scored.paid) for line in trial.lines)
    assert not trial.course.measured[200:230].any()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([1.0] * 20, "it has 20 steps; a trial takes 32"),
        ([0.0] * 40 + [5.0] * 40, "one of its halves asks for nothing"),
        ([5.0] * 40 + [0.0] * 40, "one of its halves asks for nothing"),
    ],
)
def test_what_cannot_be_judged_is_refused(values: list[float], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        put_to_trial(demand(values), TERMS)


def test_a_step_longer_than_the_start_up_is_one_step() -> None:
    def lag(trial: Trial) -> int:
        return trial.course.startup

    week = daily(7, minutes=60)
    assert lag(put_to_trial(week, Terms(timedelta(minutes=10), ZoneInfo("UTC")))) == 1
    assert lag(put_to_trial(week, Terms(timedelta(0), ZoneInfo("UTC")))) == 0
    assert lag(put_to_trial(week, Terms(timedelta(minutes=61), ZoneInfo("UTC")))) == 2
