"""What a pool may promise: what counts, what is refused, what is offered instead, what is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.hosting.environments import Criticality
from cloudmgr.interval import Interval
from cloudmgr.planning.holders import Holder, Part, Promise, part
from cloudmgr.planning.promises import Ledger
from cloudmgr.pools.capacity import Resources, Sizes
from tests.builders import a_component

NOW = datetime(2027, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE = Resources(1_000, 1_024)


def a_holder(name: str, *, sleeps: bool = True, **changes: Any) -> Holder:
    values: dict[str, Any] = {
        "environment_id": name,
        "system_id": f"sys_{name}",
        "department_id": f"dep_{name}",
        "criticality": Criticality.NORMAL,
        "parts": {"web": Part(ONE, 1, 20)},
        "sleeps": sleeps,
    }
    return Holder(**(values | changes))


def a_promise(environment: str, start: float, end: float, replicas: int, **changes: Any) -> Promise:
    """``replicas`` of its web component from the hour ``start`` until ``end``."""
    values: dict[str, Any] = {
        "id": f"{environment}-{start}-{end}-{replicas}",
        "environment_id": environment,
        "component": "web",
        "interval": Interval(NOW + start * HOUR, NOW + end * HOUR),
        "replicas": replicas,
        "booked_at": NOW,
    }
    return Promise(**(values | changes))


def a_ledger(room: int, *promises: Promise, **sleeps: bool) -> Ledger:
    """A pool for ``room`` replicas, with the environments ``a``, ``b`` and ``c``."""
    holders = {name: a_holder(name, sleeps=sleeps.get(name, True)) for name in "abc"}
    return Ledger(ONE.times(room), holders, promises)


# ----------------------------------------------------------------------------- what counts


def test_one_that_never_hibernates_holds_its_minimum_and_a_sleeper_nothing() -> None:
    assert a_ledger(9).base == Resources()
    assert a_ledger(9, a=False, b=False).base == ONE.times(2)


def test_a_promise_takes_what_is_above_the_base() -> None:
    assert a_ledger(9, a_promise("a", 1, 2, 6), a=False).profile == (
        (NOW + HOUR, ONE.times(6)),
        (NOW + 2 * HOUR, ONE),
    )


def test_overlapping_windows_of_a_component_count_by_the_largest_and_never_the_sum() -> None:
    ledger = a_ledger(9, a_promise("a", 1, 4, 3), a_promise("a", 2, 3, 5))
    assert [held.cpu_millis for _, held in ledger.profile] == [3_000, 5_000, 3_000, 0]


def test_windows_of_two_environments_count_together() -> None:
    ledger = a_ledger(9, a_promise("a", 1, 4, 3), a_promise("b", 2, 3, 5))
    assert [held.cpu_millis for _, held in ledger.profile] == [3_000, 8_000, 3_000, 0]


def test_all_of_a_sleepers_components_are_awake_during_its_window() -> None:
    both = {"web": Part(ONE, 1, 20), "db": Part(Resources(4_000, 8_192), 1, 1)}
    ledger = Ledger(ONE.times(9), {"a": a_holder("a", parts=both)}, (a_promise("a", 1, 2, 2),))
    assert ledger.profile[0][1] == Resources(6_000, 10_240)


def test_a_window_above_the_ceiling_of_a_resize_counts_up_to_the_ceiling() -> None:
    ledger = Ledger(
        ONE.times(9),
        {"a": a_holder("a", parts={"web": Part(ONE, 1, 4)})},
        (a_promise("a", 1, 2, 6),),
    )
    assert ledger.profile[0][1] == ONE.times(4)


def test_a_replica_counts_with_the_flavor_that_it_takes_and_without_its_storage() -> None:
    component = a_component(cpu_millis=1_500, memory_mib=1_000, storage_gib=8)
    found = part(component, Sizes((Resources(1_000, 2_048), Resources(2_000, 4_096))))
    assert found.takes == Resources(2_000, 4_096)
    assert found.least == component.min_replicas


def test_what_the_pools_autoscaler_may_raise_counts_up_to_the_ceiling() -> None:
    assert part(a_component(min_replicas=1, max_replicas=7), elastic=True).least == 7


@pytest.mark.parametrize(
    ("least", "most", "kept", "runs"), [(1, 7, 2, 2), (3, 7, 2, 3), (0, 1, 2, 1)]
)
def test_what_a_wake_by_itself_starts_is_held_up_to_the_ceiling(
    least: int, most: int, kept: int, runs: int
) -> None:
    assert part(a_component(min_replicas=least, max_replicas=most), kept=kept).least == runs


# ----------------------------------------------------------------------------- what is refused


def test_what_fits_exactly_is_promised() -> None:
    assert a_ledger(9, a_promise("b", 0, 5, 4)).ask(a_promise("a", 1, 2, 5), NOW).fits


def test_windows_that_only_touch_do_not_collide() -> None:
    ledger = a_ledger(5, a_promise("b", 0, 1, 5), a_promise("c", 2, 3, 5))
    assert ledger.ask(a_promise("a", 1, 2, 5), NOW).fits


def test_what_does_not_fit_is_told_by_when_and_how_much_is_missing() -> None:
    ledger = a_ledger(9, a_promise("b", 0, 2, 5), a_promise("c", 3, 4, 7))
    answer = ledger.ask(a_promise("a", 1, 6, 6), NOW)
    assert [(s.interval, s.missing) for s in answer.shortages] == [
        (Interval(NOW + HOUR, NOW + 2 * HOUR), ONE.times(2)),
        (Interval(NOW + 3 * HOUR, NOW + 4 * HOUR), ONE.times(4)),
    ]
    assert answer.worst.missing == ONE.times(4)


def test_shortages_that_touch_are_told_as_one_of_the_most_that_is_missing() -> None:
    ledger = a_ledger(6, a_promise("b", 1, 2, 3), a_promise("b", 2, 3, 5))
    (only,) = ledger.ask(a_promise("a", 0, 9, 4), NOW).shortages
    assert (only.interval, only.missing) == (
        Interval(NOW + HOUR, NOW + 3 * HOUR),
        ONE.times(3),
    )


def test_it_collides_with_those_that_are_promised_something_then_the_largest_first() -> None:
    ledger = Ledger(
        ONE.times(9),
        {name: a_holder(name) for name in "abcd"},
        (a_promise("b", 0, 5, 3), a_promise("c", 1, 5, 4), a_promise("d", 8, 9, 9)),
    )
    answer = ledger.ask(a_promise("a", 2, 9, 8), NOW)
    assert [(c.holder.environment_id, c.takes) for c in answer.collisions] == [
        ("d", ONE.times(9)),
        ("c", ONE.times(4)),
        ("b", ONE.times(3)),
    ]


def test_a_smaller_window_under_ones_own_larger_one_fits_even_in_a_full_pool() -> None:
    full = a_ledger(3, a_promise("a", 0, 5, 3), a_promise("b", 1, 2, 3))
    assert full.ask(a_promise("a", 1, 2, 2), NOW).fits


def test_what_is_over_of_a_window_is_not_looked_at() -> None:
    ledger = a_ledger(5, a_promise("b", -3, 0, 5))
    assert ledger.ask(a_promise("a", -2, 3, 5), NOW).fits
    assert not ledger.ask(a_promise("a", -2, 3, 5), NOW - HOUR).fits


# ----------------------------------------------------------------------------- what would do


def test_the_nearest_times_before_and_after_that_fit_are_offered() -> None:
    ledger = a_ledger(5, a_promise("b", 10, 12, 5), a_promise("b", 13, 15, 5))
    answer = ledger.ask(a_promise("a", 11, 13, 2), NOW)
    assert (answer.earlier, answer.later) == (3 * HOUR, 4 * HOUR)


def test_no_time_before_now_is_offered() -> None:
    answer = a_ledger(5, a_promise("b", 1, 9, 5)).ask(a_promise("a", 2, 4, 2), NOW)
    assert answer.earlier is None
    assert answer.later == 7 * HOUR


@pytest.mark.parametrize(("end", "found"), [(24 * 14 + 30, 336), (24 * 14 + 31, None)])
def test_a_later_time_is_looked_for_within_14_days(end: int, found: int | None) -> None:
    answer = a_ledger(5, a_promise("b", 0, end, 5)).ask(a_promise("a", 30, 31, 2), NOW)
    assert answer.later == (None if found is None else found * HOUR)


def test_the_most_replicas_that_would_fit_are_offered() -> None:
    ledger = a_ledger(9, a_promise("b", 1, 2, 5), a_promise("b", 2, 3, 7))
    assert ledger.ask(a_promise("a", 1, 3, 6), NOW).replicas == 2


def test_as_many_as_it_has_anyway_are_no_offer() -> None:
    ledger = a_ledger(9, a_promise("b", 1, 2, 8), a=False)
    assert ledger.ask(a_promise("a", 1, 2, 6), NOW).replicas == 0


def test_nothing_is_offered_where_not_even_one_more_would_fit() -> None:
    ledger = a_ledger(9, a_promise("b", 1, 2, 9))
    assert ledger.ask(a_promise("a", 1, 2, 6), NOW).replicas == 0


# ----------------------------------------------------------------------------- what is lost


def test_in_a_pool_that_has_enough_nothing_is_at_risk() -> None:
    ledger = a_ledger(9, a_promise("a", 1, 2, 4), a_promise("b", 1, 2, 5))
    assert ledger.risk(NOW).lost == ()


def test_when_hosts_are_lost_the_least_critical_promise_is_at_risk_first() -> None:
    holders = {
        "a": a_holder("a", criticality=Criticality.VITAL),
        "b": a_holder("b", criticality=Criticality.LOW),
        "c": a_holder("c", criticality=Criticality.HIGH),
    }
    promises = tuple(a_promise(name, 1, 2, 4) for name in "abc")
    lost = Ledger(ONE.times(12), holders, promises).risk(NOW).lost
    assert lost == ()
    for room, expected in ((11, ["b"]), (7, ["b", "c"]), (3, ["b", "c", "a"])):
        risk = Ledger(ONE.times(room), holders, promises).risk(NOW)
        assert [p.environment_id for p in risk.lost] == expected


def test_among_equals_the_one_that_was_booked_last_is_at_risk() -> None:
    first, second = a_promise("a", 1, 2, 4), a_promise("b", 1, 2, 4, booked_at=NOW + HOUR)
    assert a_ledger(7, second, first).risk(NOW).lost == (second,)


def test_what_is_at_risk_is_told_with_what_is_missing_and_what_would_do() -> None:
    kept, lost = a_promise("a", 1, 3, 4), a_promise("b", 2, 4, 4, booked_at=NOW + HOUR)
    risk = a_ledger(7, kept, lost).risk(NOW)
    answer = risk.told(lost, NOW)
    assert answer.worst.missing == ONE
    assert [c.holder.environment_id for c in answer.collisions] == ["a"]
    assert (answer.later, answer.replicas) == (HOUR, 3)


def test_a_window_that_is_over_is_no_longer_at_risk() -> None:
    ledger = a_ledger(3, a_promise("a", 1, 2, 4))
    assert len(ledger.risk(NOW).lost) == 1
    assert ledger.risk(NOW + 2 * HOUR).lost == ()


# ----------------------------------------------------------------------------- another base


def test_a_new_environment_may_not_take_room_that_is_promised_ahead() -> None:
    before = a_ledger(9, a_promise("a", 100, 101, 8))
    new = a_holder("new", sleeps=False, parts={"web": Part(ONE, 2, 5)})
    short = before.with_holder(new).outgrown(before, NOW)
    assert short is not None
    assert (short.interval, short.missing) == (
        Interval(NOW + 100 * HOUR, NOW + 101 * HOUR),
        ONE,
    )
    small = a_holder("new", sleeps=False)
    assert before.with_holder(small).outgrown(before, NOW) is None
    assert before.with_holder(replace(new, sleeps=True)).outgrown(before, NOW) is None


def test_a_pool_that_is_short_already_lets_a_smaller_size_in() -> None:
    before = a_ledger(1, a=False, b=False)
    smaller = a_holder("a", sleeps=False, parts={"web": Part(Resources(500, 512), 1, 9)})
    assert before.with_holder(smaller).outgrown(before, NOW) is None
    larger = a_holder("a", sleeps=False, parts={"web": Part(ONE, 2, 9)})
    assert before.with_holder(larger).outgrown(before, NOW) is not None


# ----------------------------------------------------------------------------- what always holds

ASKED = st.builds(
    lambda name, start, length, replicas: a_promise(name, start, start + length, replicas),
    st.sampled_from("abc"),
    st.integers(0, 30),
    st.integers(1, 12),
    st.integers(1, 12),
)
ROOM = st.integers(3, 14)
NEVER = st.frozensets(st.sampled_from("abc"))


def accepted(ledger: Ledger, asked: list[Promise]) -> Ledger:
    for promise in asked:
        if ledger.ask(promise, NOW).fits:
            ledger = ledger.with_promise(promise)
    return ledger


def by_hand(ledger: Ledger, moment: datetime) -> int:
    """Replicas held at ``moment``, counted without any of what is tested."""
    total = 0
    for name, holder in ledger.holders.items():
        own = [
            p.replicas for p in ledger.promises if p.environment_id == name and moment in p.interval
        ]
        total += max(1, *own, 0) if own or not holder.sleeps else 0
    return total


@given(ROOM, NEVER, st.lists(ASKED, max_size=12))
def test_of_promises_given_one_by_one_never_more_is_held_than_there_is(
    room: int, never: frozenset[str], asked: list[Promise]
) -> None:
    ledger = accepted(a_ledger(room, **dict.fromkeys(never, False)), asked)
    assert all(held.fits(ledger.allocatable) for _, held in ledger.profile)
    assert ledger.risk(NOW).lost == ()
    for hour in range(45):
        assert by_hand(ledger, NOW + hour * HOUR) <= room


@given(ROOM, NEVER, st.lists(ASKED, max_size=8), ASKED)
def test_it_is_refused_exactly_when_some_moment_has_no_room(
    room: int, never: frozenset[str], asked: list[Promise], last: Promise
) -> None:
    ledger = accepted(a_ledger(room, **dict.fromkeys(never, False)), asked)
    with_it = ledger.with_promise(last)
    most = max(by_hand(with_it, NOW + hour * HOUR) for hour in range(45))
    assert ledger.ask(last, NOW).fits is (most <= room)


@given(ROOM, NEVER, st.lists(ASKED, max_size=12), ASKED)
def test_whatever_is_offered_really_fits_and_nothing_nearer_or_larger_does(
    room: int, never: frozenset[str], asked: list[Promise], last: Promise
) -> None:
    ledger = accepted(a_ledger(room, **dict.fromkeys(never, False)), asked)
    answer = ledger.ask(last, NOW)
    if answer.fits:
        return
    assert answer.later is None or answer.later > timedelta()
    for sign, shift in ((-1, answer.earlier), (1, answer.later)):
        nearer = HOUR
        while nearer < (shift if shift is not None else 50 * HOUR):
            if last.interval.start + sign * nearer >= NOW:
                assert not ledger.ask(moved(last, sign * nearer), NOW).fits
            nearer += HOUR
        if shift is not None:
            assert ledger.ask(moved(last, sign * shift), NOW).fits
    if answer.replicas:
        assert ledger.ask(replace(last, replicas=answer.replicas), NOW).fits
        assert not ledger.ask(replace(last, replicas=answer.replicas + 1), NOW).fits


@given(ROOM, st.lists(ASKED, max_size=12, unique_by=lambda p: p.id), st.randoms())
def test_the_order_in_which_promises_came_changes_neither_what_is_held_nor_what_is_lost(
    room: int, promises: list[Promise], random: Any
) -> None:
    shuffled = list(promises)
    random.shuffle(shuffled)
    one, other = a_ledger(room, *promises), a_ledger(room, *shuffled)
    assert one.profile == other.profile
    assert one.risk(NOW).lost == other.risk(NOW).lost


@given(ROOM, st.lists(ASKED, max_size=12, unique_by=lambda p: p.id))
def test_what_is_not_at_risk_fits_and_what_is_does_not_fit_beside_it(
    room: int, promises: list[Promise]
) -> None:
    risk = a_ledger(room, *promises).risk(NOW)
    assert all(held.fits(risk.kept.allocatable) for _, held in risk.kept.profile)
    assert all(not risk.told(promise, NOW).fits for promise in risk.lost)
    assert len(risk.lost) + len(risk.kept.promises) == len(promises)


def moved(promise: Promise, shift: timedelta) -> Promise:
    interval = promise.interval
    return replace(promise, interval=Interval(interval.start + shift, interval.end + shift))
