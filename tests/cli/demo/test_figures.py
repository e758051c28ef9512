"""What was seen, in numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.cli.demo.figures import Change, Sample, Span, percentile, sleeps, spark, wakes
from cloudmgr.cli.demo.load.schedule import Act, Outcome


def sample(at: float, target: int, held: int | None = None) -> Sample:
    return Sample(at, "tax", target, target if held is None else held, target)


def change(at: float, before: int, after: int) -> Change:
    return Change(at, "tax", before, after)


def outcome(sent: float, done: float, act: Act = Act.PAGE) -> Outcome:
    return Outcome(sent, sent, done, "tax", act, 200, 0, "")


def test_a_percentile_is_a_value_that_was_seen() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([1.0, 2.0], 0.95) == 2.0
    assert percentile([], 0.5) is None
    with pytest.raises(ValueError, match="share"):
        percentile([1.0], 0)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_at_least_its_share_does_not_exceed_a_percentile(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found is not None
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9


def test_a_system_sleeps_between_two_decisions_and_only_the_span_counts() -> None:
    changes = [change(4, 1, 0), change(6, 0, 1), change(7, 1, 3), change(8, 3, 0)]
    found = sleeps(reversed(changes), Span(5, 10, 360))
    assert [(s.start, s.end) for s in found] == [(5, 6), (8, 10)]
    assert sum(s.business_hours for s in found) == pytest.approx(0.3)
    assert sleeps(changes, Span(0, 4)) == []


def test_what_waited_longest_for_a_wake_is_what_it_took() -> None:
    changes = [change(10, 1, 0), change(12.05, 0, 1), change(20, 1, 0), change(30, 0, 5)]
    outcomes = [
        outcome(5, 5.1),
        outcome(12, 12.7, Act.FILE),
        outcome(12.04, 12.7),
        outcome(12.06, 12.7),
        outcome(15, 15.1),
    ]
    found = wakes(outcomes, changes)
    # The second one was woken for a window: nobody waited.
    assert [(w.asked, round(w.seconds, 1), w.person) for w in found] == [(12, 0.7, False)]


def test_replicas_over_the_day_are_a_line_of_bars_with_dots_for_sleep() -> None:
    samples = [sample(0, 0), sample(1, 1), sample(2, 8), sample(3.9, 4)]
    assert spark(samples, Span(0, 5), 5, 8) == "·▁█▄ "
