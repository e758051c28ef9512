"""How many replicas, and in which words."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.scaling.autoscaler import Inputs, Term, decide

INPUTS = Inputs(
    minimum=1,
    ceiling=8,
    current=3,
    window_floor=6,
    room=100,
    in_flight=11.2,
    target_in_flight=4,
)

some_inputs = st.builds(
    Inputs,
    minimum=st.integers(1, 5),
    ceiling=st.integers(5, 40),
    current=st.integers(0, 40),
    window_floor=st.integers(0, 40),
    room=st.integers(-3, 40),
    manual=st.none() | st.integers(1, 40),
    woken=st.integers(0, 4),
    measured=st.booleans(),
    in_flight=st.none() | st.floats(0, 1000),
    foretold=st.none() | st.floats(0, 1000),
    settled=st.booleans(),
    target_in_flight=st.floats(0.1, 100),
    cap=st.none() | st.integers(0, 40),
)


def test_the_largest_of_what_is_asked_for_wins_and_says_so_in_both_languages() -> None:
    verdict = decide(INPUTS)
    assert verdict.replicas == 6
    assert verdict.en == "6 = max(window 6, reactive 3), ceiling 8"
    assert verdict.zh == "6 = max(高峰期 6，实时负载 3)，上限 8"
    assert verdict.terms["window"] == 6
    assert verdict.terms["in_flight"] == 11.2
    assert verdict.bounded_by is None


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (replace(INPUTS, window_floor=0), "3 = reactive 3, ceiling 8"),
        (
            replace(INPUTS, window_floor=0, in_flight=0.0),
            "1 = max(reactive 0, minimum 1), ceiling 8",
        ),
        (replace(INPUTS, window_floor=0, measured=False), "1 = minimum 1, ceiling 8"),
        (
            replace(INPUTS, window_floor=0, in_flight=None, settled=False),
            "3 = held (traffic unknown) 3, ceiling 8",
        ),
        (
            replace(INPUTS, in_flight=100.0),
            "8 = min(max(window 6, reactive 25), ceiling 8)",
        ),
        (
            replace(INPUTS, room=1),
            "4 = min(max(window 6, reactive 3), room 4), ceiling 8",
        ),
        (replace(INPUTS, manual=2, window_floor=0), "2 = manual 2, ceiling 8"),
        (replace(INPUTS, manual=2), "6 = max(window 6, manual 2), ceiling 8"),
        (
            replace(INPUTS, window_floor=0, in_flight=0.0, woken=2),
            "2 = max(reactive 0, woken 2), ceiling 8",
        ),
    ],
)
def test_an_explanation_names_what_decided_and_what_bounded_it(
    inputs: Inputs, sentence: str
) -> None:
    assert decide(inputs).en == sentence


def test_what_runs_is_held_while_traffic_is_unknown() -> None:
    assert decide(replace(INPUTS, window_floor=0, in_flight=None, settled=False)).replicas == 3


def test_what_runs_over_a_lowered_ceiling_comes_down() -> None:
    assert decide(replace(INPUTS, current=12, ceiling=5)).replicas == 5


def test_a_full_pool_takes_nothing_away() -> None:
    verdict = decide(replace(INPUTS, room=-2))
    assert verdict.replicas == 3
    assert verdict.bounded_by is Term.ROOM


def test_the_noise_of_a_float_does_not_cost_a_replica() -> None:
    assert decide(replace(INPUTS, window_floor=0, in_flight=12.0000000001)).replicas == 3


@given(some_inputs)
def test_it_never_goes_over_the_ceiling_or_the_room(inputs: Inputs) -> None:
    replicas = decide(inputs).replicas
    assert 0 <= replicas <= inputs.ceiling
    assert replicas <= inputs.current + max(inputs.room, 0)


@given(some_inputs)
def test_it_never_goes_under_the_window_unless_ceiling_or_room_bound_it(inputs: Inputs) -> None:
    verdict = decide(inputs)
    if verdict.replicas < inputs.window_floor:
        assert verdict.bounded_by in {Term.CEILING, Term.ROOM}
        limit = min(inputs.ceiling, inputs.current + max(inputs.room, 0))
        assert verdict.replicas == limit


@given(some_inputs)
def test_it_never_goes_under_the_minimum_unless_bound_or_ordered(inputs: Inputs) -> None:
    verdict = decide(inputs)
    if verdict.replicas < inputs.minimum:
        assert verdict.bounded_by is not None or inputs.manual is not None


@given(some_inputs, st.floats(0, 1000), st.floats(0, 1000))
def test_more_in_flight_never_means_fewer(inputs: Inputs, one: float, other: float) -> None:
    low, high = sorted([one, other])
    fewer = decide(replace(inputs, in_flight=low)).replicas
    assert fewer <= decide(replace(inputs, in_flight=high)).replicas


@given(some_inputs)
def test_deciding_again_on_the_result_changes_nothing(inputs: Inputs) -> None:
    first = decide(inputs)
    # What was added is taken from the room.
    taken = max(first.replicas - inputs.current, 0)
    again = decide(replace(inputs, current=first.replicas, room=inputs.room - taken))
    if inputs.settled or not inputs.measured:
        assert again.replicas == first.replicas
    else:
        assert again.replicas <= max(first.replicas, inputs.current)


@given(st.floats(0, 1e6), st.floats(0.1, 100))
def test_the_replicas_that_traffic_asks_for_carry_it(in_flight: float, target: float) -> None:
    inputs = Inputs(
        minimum=1,
        ceiling=10**9,
        current=0,
        window_floor=0,
        room=10**9,
        in_flight=in_flight,
        target_in_flight=target,
    )
    replicas = decide(inputs).replicas
    assert replicas * target >= in_flight * (1 - 1e-6) - 1e-6
    assert replicas <= max(1, math.ceil(in_flight / target))
