"""What was seen, in numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.cli.demo.figures import Sample, Span, asleep_seconds, percentile, spark, wakes
from cloudmgr.cli.demo.load.schedule import Act, Outcome


def sample(at: float, target: int, held: int | None = None) -> Sample:
    return Sample(at, "tax", target, target if held is None else held, target)


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


def test_a_sample_holds_until_the_next_one_and_only_the_span_counts() -> None:
    samples = [sample(0, 0), sample(4, 1), sample(6, 0), sample(20, 0)]
    assert asleep_seconds(samples, Span(2, 10)) == pytest.approx(2 + 4)
    assert Span(0, 10, speed=360).business_hours == pytest.approx(1)


def test_the_first_request_of_a_sleep_wakes_and_those_that_wait_with_it_do_not() -> None:
    samples = [sample(0, 1), sample(10, 0, held=1), sample(11, 0), sample(12.5, 1), sample(20, 0)]
    outcomes = [
        outcome(5, 5.1),
        outcome(10.5, 10.6),  # its replica still drains
        outcome(12, 12.7, Act.FILE),
        outcome(12.1, 12.7),
        outcome(15, 15.1),
        outcome(21, 21.9),
    ]
    found = wakes(outcomes, samples)
    assert [(w.asked, round(w.seconds, 1), w.person) for w in found] == [
        (12, 0.7, False),
        (21, 0.9, True),
    ]


def test_replicas_over_the_day_are_a_line_of_bars_with_dots_for_sleep() -> None:
    samples = [sample(0, 0), sample(1, 1), sample(2, 8), sample(3.9, 4)]
    assert spark(samples, Span(0, 5), 5, 8) == "·▁█▄ "
