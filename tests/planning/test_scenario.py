"""What if: a calendar of promises over a span, on other hosts, of which some fail."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cloudmgr.hosting.environments import Criticality
from cloudmgr.interval import Interval
from cloudmgr.planning.additions import copies
from cloudmgr.planning.hosts import Failure, Hosts
from cloudmgr.planning.promises import Ledger
from cloudmgr.planning.scenario import Scenario, drawn_at_most, foresee
from cloudmgr.pools.capacity import Capacity, Host, Resources
from tests.planning.test_promises import HOUR, NOW, ONE, a_holder, a_promise

if TYPE_CHECKING:
    from datetime import datetime

    from cloudmgr.planning.holders import Promise
    from cloudmgr.planning.scenario import Foreseen

SPAN = Interval(NOW, NOW + 24 * HOUR)


def hosts(*each: int, spare: int = 0, **more: object) -> Hosts:
    """Hosts that hold so many replicas each."""
    there = tuple(Host(f"host-{n}", ONE.times(count)) for n, count in enumerate(each))
    return Hosts(Capacity(there, spare=spare, **more))  # type: ignore[arg-type]


def ledger(*promises: Promise, **sleeps: bool) -> Ledger:
    holders = {name: a_holder(name, sleeps=sleeps.get(name, True)) for name in "abc"}
    return Ledger(Resources(), holders, promises)


def away(first: float, end: float, count: int = 1) -> Failure:
    return Failure(Interval(NOW + first * HOUR, NOW + end * HOUR), count)


def seen(
    there: Hosts, *promises: Promise, more: int = 0, failures: tuple[Failure, ...] = ()
) -> Foreseen:
    return foresee(ledger(*promises), there, Scenario(SPAN, more, failures))


def rank(promise: Promise) -> tuple[datetime, str]:
    """The later, the less it matters; all are as critical."""
    return promise.booked_at, promise.id


# ----------------------------------------------------------------------------- hosts


def test_hosts_that_are_kept_back_are_there_for_those_that_fail() -> None:
    there = hosts(4, 4, 4, spare=1)
    assert [there.room(0, count) for count in range(5)] == [
        *(ONE.times(n) for n in (8, 8, 4, 0, 0))
    ]
    assert there.room() == there.capacity.allocatable


def test_the_largest_fail_and_one_that_is_bought_is_like_most() -> None:
    there = hosts(8, 2, 2, 4)
    assert there.bought == ONE.times(2)
    assert there.room(0, 1) == ONE.times(8)
    assert there.room(2) == ONE.times(20)
    assert there.room(-1) == ONE.times(8)
    assert there.room(-1, 2) == ONE.times(2)


def test_a_host_that_is_lost_already_is_no_room_and_what_all_share_is() -> None:
    lost = Capacity(
        (Host("one", ONE), Host("two", ONE, schedulable=False)), shared=ONE.times(3), spare=0
    )
    assert (Hosts(lost).there, Hosts(lost).room()) == (1, ONE.times(4))


@given(
    some.lists(some.integers(1, 9), min_size=1, max_size=6),
    some.integers(0, 3),
    some.integers(-8, 8),
    some.integers(0, 8),
)
def test_what_hosts_leave_is_what_counting_them_one_by_one_leaves(
    each: list[int], spare: int, more: int, failing: int
) -> None:
    there = hosts(*each, spare=spare)
    one = there.bought.cpu_millis // ONE.cpu_millis
    listed = sorted([*each, *[one] * max(0, more)], reverse=True)
    left = listed[max(spare, failing) + max(0, -more) :]
    assert there.room(more, failing) == ONE.times(sum(left))


# ----------------------------------------------------------------------------- what comes of it


def test_what_fits_breaks_nothing_and_tells_how_few_hosts_would_do() -> None:
    found = seen(hosts(4, 4, 4, spare=1), a_promise("a", 1, 3, 3), a_promise("b", 2, 4, 1))
    assert found.fits
    assert (found.broken, found.shortages) == ((), ())
    assert (found.hosts, found.least, found.to_buy) == (3, 2, 0)
    assert found.tightest.interval == Interval(NOW + 2 * HOUR, NOW + 3 * HOUR)
    assert found.tightest.asked == ONE.times(4)


def test_what_breaks_is_told_by_how_much_the_least_critical_first() -> None:
    found = foresee(
        replace(
            ledger(a_promise("a", 1, 3, 6), a_promise("b", 2, 4, 5), a_promise("c", 2, 4, 7)),
            holders={
                "a": a_holder("a", criticality=Criticality.VITAL),
                "b": a_holder("b", criticality=Criticality.LOW),
                "c": a_holder("c"),
            },
        ),
        hosts(4, 4),
        Scenario(SPAN),
    )
    assert [(b.promise.environment_id, b.missing) for b in found.broken] == [
        ("b", ONE.times(3)),
        ("c", ONE.times(5)),
    ]
    (short,) = found.shortages
    assert short.interval == Interval(NOW + 2 * HOUR, NOW + 4 * HOUR)
    assert short.missing == ONE.times(10)
    assert (found.least, found.to_buy) == (5, 3)


def test_hosts_that_fail_break_what_is_promised_while_they_are_away_and_nothing_else() -> None:
    promised = (a_promise("a", 1, 3, 8), a_promise("b", 5, 6, 8))
    found = seen(hosts(4, 4), *promised, failures=(away(2, 5, 1),))
    assert [b.promise for b in found.broken] == [promised[0]]
    assert [s.interval for s in found.shortages] == [Interval(NOW + 2 * HOUR, NOW + 3 * HOUR)]
    assert found.to_buy == 1
    spared = seen(hosts(4, 4, 4, spare=1), *promised, failures=(away(2, 5, 1),))
    assert spared.fits, "that is what one is kept back for"


def test_failures_that_overlap_add_up() -> None:
    found = seen(hosts(4, 4, 4), failures=(away(1, 3), away(2, 4, 2)))
    assert [(s.away, s.room) for s in found.stretches] == [
        (0, ONE.times(12)),
        (1, ONE.times(8)),
        (3, Resources()),
        (2, ONE.times(4)),
        (0, ONE.times(12)),
    ]


def test_one_that_gives_way_as_another_begins_collides_with_neither() -> None:
    promised = (a_promise("a", 1, 2, 4), a_promise("b", 2, 3, 4), a_promise("c", 2, 3, 9))
    found = seen(hosts(4), *promised)
    assert [b.promise for b in found.broken] == [promised[2]]


def test_what_is_held_outside_windows_may_be_too_much_alone() -> None:
    found = foresee(ledger(a=False, b=False), hosts(1), Scenario(SPAN))
    assert not found.fits
    assert (found.held_fits, found.broken, found.to_buy) == (False, (), 1)


def test_what_outlasts_the_span_is_judged_within_it() -> None:
    late = a_promise("a", 20, 40, 4), a_promise("b", 30, 50, 4)
    assert seen(hosts(4), *late).fits


def test_no_number_of_hosts_gives_what_none_has() -> None:
    there = Hosts(Capacity((Host("one", Resources(4_000, 0)),)))
    found = foresee(ledger(a_promise("a", 1, 2, 1)), there, Scenario(SPAN))
    assert (found.least, found.to_buy) == (None, None)


def test_copies_are_environments_of_their_own_with_the_same_peaks() -> None:
    holders, promises = copies(a_holder("a"), [a_promise("a", 1, 2, 3)], 30, "like-a")
    assert len(holders) == len(promises) == len({p.id for p in promises}) == 30
    more = replace(ledger(), holders=holders, promises=tuple(promises))
    found = foresee(more, hosts(*[10] * 9), Scenario(SPAN))
    assert found.tightest.asked == ONE.times(90)
    assert found.fits


@pytest.mark.parametrize("count", [1, 2, 5, 48])
def test_a_picture_of_few_parts_hides_neither_the_most_nor_the_least(count: int) -> None:
    promised = [a_promise("a", hour, hour + 0.5, 1 + hour % 7) for hour in range(23)]
    found = seen(hosts(4, 4), *promised, failures=(away(3.25, 3.3),))
    drawn = drawn_at_most(found.stretches, count)
    assert len(drawn) <= max(count, 1)
    assert (drawn[0].interval.start, drawn[-1].interval.end) == (SPAN.start, SPAN.end)
    assert all(one.interval.end == next_.interval.start for one, next_ in pairwise(drawn))
    assert max(s.asked.cpu_millis for s in drawn) == 7_000
    assert min(s.room.cpu_millis for s in drawn) == 4_000


# ----------------------------------------------------------------------------- what always holds

promises = some.lists(
    some.builds(
        lambda name, start, length, replicas, age: a_promise(
            name, start, start + length, replicas, booked_at=NOW - age * HOUR
        ),
        some.sampled_from("abc"),
        some.integers(0, 20),
        some.integers(1, 6),
        some.integers(1, 9),
        some.integers(0, 50),
    ),
    max_size=8,
    unique_by=lambda promise: promise.id,
)
rooms = some.lists(some.integers(1, 9), min_size=1, max_size=4)
failing = some.lists(
    some.builds(
        lambda start, length, count: away(start, start + length, count),
        some.integers(0, 20),
        some.integers(1, 6),
        some.integers(1, 3),
    ),
    max_size=3,
)


@given(promises, rooms, some.integers(0, 2))
def test_without_failures_or_extras_it_says_what_the_promises_at_risk_say(
    promised: list[Promise], each: list[int], spare: int
) -> None:
    there = hosts(*each, spare=spare)
    same = replace(ledger(*promised, a=False), allocatable=there.capacity.allocatable)
    found = foresee(same, there, Scenario(Interval(NOW, NOW + 48 * HOUR)))
    assert tuple(one.promise for one in found.broken) == same.risk(NOW).lost
    assert found.fits == (found.held_fits and not found.broken)


@given(promises, rooms, failing, some.integers(-3, 6))
def test_what_is_broken_or_too_little_alone_is_what_does_not_fit(
    promised: list[Promise], each: list[int], failures: list[Failure], more: int
) -> None:
    found = foresee(
        ledger(*promised, b=False),
        hosts(*each),
        Scenario(SPAN, max(more, -len(each)), tuple(failures)),
    )
    assert found.fits == (found.held_fits and not found.broken)
    assert all(one.missing != Resources() for one in found.broken)


@given(promises, rooms, failing, some.integers(-3, 6))
def test_one_host_more_never_lacks_anything_more(
    promised: list[Promise], each: list[int], failures: list[Failure], more: int
) -> None:
    def with_hosts(count: int) -> Foreseen:
        return foresee(
            ledger(*promised, c=False), hosts(*each), Scenario(SPAN, count, tuple(failures))
        )

    more = max(more, -len(each))
    fewer, larger = with_hosts(more), with_hosts(more + 1)
    assert larger.fits or not fewer.fits
    for before, after in zip(fewer.stretches, larger.stretches, strict=True):
        assert (before.interval, before.asked) == (after.interval, after.asked)
        assert before.room.fits(after.room)
    # Not fewer promises: one that is kept then may be in the way of two that matter less.
    if larger.broken:
        assert rank(larger.broken[-1].promise) >= rank(fewer.broken[-1].promise)
    assert fewer.least == larger.least, "it does not depend on how many there are"


@given(promises, rooms, failing, some.integers(0, 2))
def test_the_least_number_of_hosts_carries_the_span_and_one_fewer_does_not(
    promised: list[Promise], each: list[int], failures: list[Failure], spare: int
) -> None:
    there = hosts(*each, spare=spare)
    asked = ledger(*promised, a=False)

    def fits(count: int) -> bool:
        return foresee(asked, there, Scenario(SPAN, count - there.there, tuple(failures))).fits

    least = foresee(asked, there, Scenario(SPAN, 0, tuple(failures))).least
    assert least is not None
    assert fits(least)
    assert least == 0 or not fits(least - 1)


@given(promises, rooms, failing, some.timedeltas(timedelta(hours=1), timedelta(hours=12)))
def test_a_span_within_another_lacks_nothing_that_the_other_has(
    promised: list[Promise], each: list[int], failures: list[Failure], first: timedelta
) -> None:
    whole = foresee(ledger(*promised), hosts(*each), Scenario(SPAN, 0, tuple(failures)))
    part = Scenario(Interval(NOW + first, SPAN.end), 0, tuple(failures))
    assert foresee(ledger(*promised), hosts(*each), part).fits or not whole.fits
