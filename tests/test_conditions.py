from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.conditions import Condition, Status, merge, ready

EARLY = datetime(2026, 6, 1, tzinfo=UTC)
LATE = EARLY + timedelta(hours=1)


def condition(
    type_: str = "Placed",
    status: Status = Status.TRUE,
    generation: int = 1,
    since: datetime = EARLY,
    reason: str = "Because",
) -> Condition:
    return Condition(type_, status, reason, "in words", generation, since)


conditions = st.builds(
    condition,
    type_=st.sampled_from(["Placed", "Applied", "Available"]),
    status=st.sampled_from(Status),
    generation=st.integers(1, 3),
    since=st.sampled_from([EARLY, LATE]),
)


def test_a_condition_keeps_its_since_while_its_status_stays() -> None:
    (merged,) = merge([condition()], [condition(since=LATE, generation=2, reason="Again")])
    assert (merged.since, merged.observed_generation, merged.reason) == (EARLY, 2, "Again")


def test_a_condition_that_changes_status_takes_the_new_since() -> None:
    (merged,) = merge([condition()], [condition(status=Status.FALSE, since=LATE)])
    assert merged.since == LATE


@given(st.lists(conditions), st.lists(conditions))
def test_merging_gives_one_condition_of_each_type_in_order_and_twice_is_once(
    current: list[Condition], changed: list[Condition]
) -> None:
    once = merge(current, changed)
    types = [each.type for each in once]
    assert types == sorted({each.type for each in current + changed})
    if len({each.type for each in changed}) == len(changed):
        assert merge(once, changed) == once


def test_ready_is_true_when_all_that_is_required_is_true_for_this_generation() -> None:
    found = ready([condition("Placed"), condition("Applied", since=LATE)], ["Placed", "Applied"], 1)
    assert (found.type, found.status, found.since) == ("Ready", Status.TRUE, LATE)


def test_a_stale_condition_makes_ready_unknown() -> None:
    found = ready([condition(generation=1)], ["Placed"], 2)
    assert (found.status, found.reason) == (Status.UNKNOWN, "Stale")


def test_a_stale_false_does_not_speak_for_the_new_generation() -> None:
    found = ready([condition(status=Status.FALSE, generation=1)], ["Placed"], 2)
    assert found.status is Status.UNKNOWN


def test_a_false_condition_lends_ready_its_reason_before_any_unknown_one() -> None:
    found = ready(
        [
            condition("Applied", Status.UNKNOWN),
            condition("Placed", Status.FALSE, reason="NoPoolAllows"),
        ],
        ["Applied", "Placed"],
        1,
    )
    assert (found.type, found.status, found.reason) == ("Ready", Status.FALSE, "NoPoolAllows")


def test_a_missing_condition_makes_ready_unknown_and_is_named() -> None:
    found = ready([condition("Placed")], ["Placed", "Available"], 1)
    assert found.status is Status.UNKNOWN
    assert "Available" in found.message


def test_ready_cannot_be_derived_from_nothing() -> None:
    with pytest.raises(ValueError, match="derived from something"):
        ready([condition()], [], 1)


@given(st.lists(conditions, unique_by=lambda each: each.type), st.integers(1, 3))
def test_ready_is_true_exactly_when_every_required_one_is_true_and_fresh(
    have: list[Condition], generation: int
) -> None:
    required = ["Placed", "Applied", "Available"]
    good = {
        each.type
        for each in have
        if each.status is Status.TRUE and each.observed_generation >= generation
    }
    found = ready(have, required, generation)
    assert (found.status is Status.TRUE) == (good == set(required))
