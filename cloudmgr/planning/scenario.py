"""What if: a pool's calendar of promises over a span, with other hosts, and with hosts that fail.

Pure. What counts of whom is as in :mod:`cloudmgr.planning.holders`; what is added to it, systems
that are not there yet and windows that nobody asked for, stands in the ledger that is given.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from cloudmgr.interval import Interval
from cloudmgr.planning.filling import fill
from cloudmgr.planning.promises import Shortage, merged
from cloudmgr.pools.capacity import Resources

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from cloudmgr.planning.holders import Holder, Promise
    from cloudmgr.planning.hosts import Failure, Hosts
    from cloudmgr.planning.promises import Ledger

# More than any pool has of anything.
_ENDLESS = 1 << 60


@dataclass(frozen=True, slots=True)
class Scenario:
    """:param more: so many hosts more than there are; below 0, fewer."""

    span: Interval
    more: int = 0
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that could not be kept, with the most that it lacks at once."""

    promise: Promise
    missing: Resources


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which nothing changes: what all would take, what there is, how many are away."""

    interval: Interval
    asked: Resources
    room: Resources
    away: int


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What would come of it.

    :param held: what environments take outside windows, of all that is asked for.
    :param hosts: that could be used. :param spare: so many of them may fail.
    :param least: the fewest hosts that would carry the span, with what is kept back beside; None if
        no number would.
    :param broken: the least critical first, of these those that were booked last.
    :param shortages: when all together would take more than there is, in the order of time.
    :param stretches: the whole span.
    """

    scenario: Scenario
    held: Resources
    hosts: int
    spare: int
    least: int | None
    broken: tuple[Broken, ...]
    shortages: tuple[Shortage, ...]
    stretches: tuple[Stretch, ...]
    holders: Mapping[str, Holder]

    @property
    def fits(self) -> bool:
        return not self.shortages

    @property
    def to_buy(self) -> int | None:
        """Hosts that are missing for all to fit; None if no number would do."""
        return None if self.least is None else max(0, self.least - self.hosts)

    @property
    def held_fits(self) -> bool:
        """Whether what is held outside windows has its room, without which no promise counts."""
        return all(self.held.fits(one.room) for one in self.stretches)

    @property
    def tightest(self) -> Stretch:
        """When the largest part of what there is would be taken, the first of such."""
        return max(self.stretches, key=lambda one: share(one.asked, one.room))


def foresee(ledger: Ledger, hosts: Hosts, scenario: Scenario) -> Foreseen:
    """What comes of ``ledger``, whose own ``allocatable`` does not count, on ``hosts``."""
    span = scenario.span
    stretches = tuple(_stretches(ledger, hosts, scenario))
    edges = [one.interval.start for one in stretches]
    base = ledger.base
    free = [
        (one.room.cpu_millis - base.cpu_millis, one.room.memory_mib - base.memory_mib)
        for one in stretches
    ]
    # A promise that outlasts the span is judged within it.
    endless = (_ENDLESS, _ENDLESS)
    ahead = [
        p
        for p in ledger.promises
        if p.environment_id in ledger.holders and p.interval.overlaps(span)
    ]
    shortages = _shortages(stretches)
    lost = (
        fill(ledger.holders, ahead, [*edges, span.end], [endless, *free, endless], span.start).lost
        if shortages
        else ()
    )
    most: dict[int, Resources] = {}
    for one in stretches:
        most[one.away] = _larger(most.get(one.away, Resources()), one.asked)
    return Foreseen(
        scenario=scenario,
        held=base,
        hosts=hosts.there + scenario.more,
        spare=hosts.capacity.spare,
        least=hosts.least((amount, away) for away, amount in most.items()),
        broken=tuple(Broken(promise, Resources(*lacks)) for promise, lacks in reversed(lost)),
        shortages=shortages,
        stretches=stretches,
        holders=ledger.holders,
    )


def share(asked: Resources, room: Resources) -> float:
    """The larger share of processors or memory that is asked for: 1 is all that there is."""
    return max(
        asked.cpu_millis / max(1, room.cpu_millis), asked.memory_mib / max(1, room.memory_mib)
    )


def drawn_at_most(stretches: Sequence[Stretch], count: int) -> list[Stretch]:
    """In at most ``count`` equal parts: of each the most that is asked for, and the least room."""
    if len(stretches) <= count:
        return list(stretches)
    start, end = stretches[0].interval.start, stretches[-1].interval.end
    width: timedelta = (end - start) / count
    cuts = [start + number * width for number in range(1, count)]
    starts = [one.interval.start for one in stretches]
    found = []
    for first, last in pairwise([start, *cuts, end]):
        within = stretches[bisect_right(starts, first) - 1 : bisect_left(starts, last)]
        asked, room = within[0].asked, within[0].room
        for one in within[1:]:
            asked, room = _larger(asked, one.asked), _smaller(room, one.room)
        found.append(Stretch(Interval(first, last), asked, room, max(w.away for w in within)))
    return found


def _stretches(ledger: Ledger, hosts: Hosts, scenario: Scenario) -> Iterable[Stretch]:
    span = scenario.span
    away = _away(scenario.failures)
    profile = ledger.profile
    moments = [at for at, _ in profile]
    turns = [at for at, _ in away]
    # Of each promise, also where one gives way to another and the sum stays the same.
    edges = (at for p in ledger.promises for at in (p.interval.start, p.interval.end))
    inside = {at for at in (*edges, *turns) if at in span}
    rooms: dict[int, Resources] = {}
    for start, end in pairwise(sorted({span.start, *inside, span.end})):
        before = bisect_right(moments, start)
        lost = bisect_right(turns, start)
        count = away[lost - 1][1] if lost else 0
        if count not in rooms:
            rooms[count] = hosts.room(scenario.more, count)
        yield Stretch(
            Interval(start, end),
            profile[before - 1][1] if before else ledger.base,
            rooms[count],
            count,
        )


def _away(failures: Iterable[Failure]) -> list[tuple[datetime, int]]:
    """How many are away from each moment on at which that changes."""
    changes: dict[datetime, int] = {}
    for one in failures:
        changes[one.interval.start] = changes.get(one.interval.start, 0) + one.hosts
        changes[one.interval.end] = changes.get(one.interval.end, 0) - one.hosts
    count = 0
    found = []
    for at in sorted(changes):
        count += changes[at]
        found.append((at, count))
    return found


def _shortages(stretches: Iterable[Stretch]) -> tuple[Shortage, ...]:
    return merged(
        Shortage(one.interval, _larger(Resources(), one.asked - one.room))
        for one in stretches
        if not one.asked.fits(one.room)
    )


def _larger(one: Resources, other: Resources) -> Resources:
    return Resources(max(one.cpu_millis, other.cpu_millis), max(one.memory_mib, other.memory_mib))


def _smaller(one: Resources, other: Resources) -> Resources:
    return Resources(min(one.cpu_millis, other.cpu_millis), min(one.memory_mib, other.memory_mib))
