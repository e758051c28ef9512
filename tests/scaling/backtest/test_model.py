"""Capacity follows decisions after the start-up time, and is paid for from the decision on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from cloudmgr.scaling.backtest.model import Course, score

demands = some.lists(some.integers(0, 50).map(float), min_size=3, max_size=40)
ALL = slice(None)


def course(values: list[float], startup: int = 2, unit: float = 10.0) -> Course:
    demand = np.array(values)
    return Course(demand, np.ones(len(demand), dtype=bool), startup, unit)


def test_what_is_added_serves_after_its_start_and_what_is_given_up_is_gone_at_once() -> None:
    decided = np.array([10, 30, 30, 30, 30, 10, 30.0])
    assert course([0] * 7).serving(decided).tolist() == [10, 10, 10, 30, 30, 10, 10]


def test_a_score_tells_what_was_paid_and_what_was_missed() -> None:
    ground = course([10, 25, 25, 25])
    found = score(ground, np.array([10, 30, 30, 30.0]), ALL)
    assert found.paid == 25
    assert found.unmet == pytest.approx(30 / 85)
    assert found.steps == 0.5


def test_a_gap_is_neither_paid_for_nor_missed() -> None:
    ground = Course(np.array([10.0, 90, 10]), np.array([True, False, True]), 0, 10)
    found = score(ground, np.array([10.0, 10, 20]), ALL)
    assert (found.paid, found.unmet) == (15, 0)


def test_replicas_are_whole_and_one_is_always_there() -> None:
    ground = course([0], unit=0.1)
    asked = np.array([0, 0.1, 0.3, 0.30001, 1.2])
    assert (ground.whole(asked) / 0.1).round(6).tolist() == [1, 1, 3, 4, 12]


@given(demands, some.integers(0, 5))
def test_the_oracle_misses_nothing_and_nothing_less_would_do(
    values: list[float], startup: int
) -> None:
    ground = course(values, startup)
    best = ground.oracle
    assert score(ground, best, ALL).unmet == 0
    for step in range(len(values) - startup):
        if best[step] > 10:
            less = best.copy()
            less[step] -= 10
            assert score(ground, less, ALL).unmet > 0
