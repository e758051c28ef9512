"""What a pool has promised, and whether it can promise more. Pure.

What counts of whom is told in :mod:`cloudmgr.planning.holders`. Room is that of the whole pool, not
of each host; traffic above what was promised, and people's orders, take what is free and are
promised nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from cloudmgr.interval import Interval
from cloudmgr.planning.filling import fill
from cloudmgr.planning.holders import NOTHING, floors_at, raised, steps
from cloudmgr.pools.capacity import Resources

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from cloudmgr.planning.holders import Amount, Holder, Promise

FURTHEST_SHIFT = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Shortage:
    """What the pool lacks during ``interval``; of what it has enough, 0."""

    interval: Interval
    missing: Resources


@dataclass(frozen=True, slots=True)
class Collision:
    """What another environment was promised where there is a shortage: its most, and when."""

    holder: Holder
    interval: Interval
    takes: Resources


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether ``promise`` fits, and if it does not, why, with whom it collides, and what would do.

    :param shortages: in the order of time. :param collisions: the largest first.
    :param earlier: so much before the time asked for it would fit, as the nearest of 14 days; None
        if there is none. :param later: the same, after it.
    :param replicas: the most that would fit when it is asked for; 0 for none beyond what the
        environment has anyway.
    """

    promise: Promise
    shortages: tuple[Shortage, ...] = ()
    collisions: tuple[Collision, ...] = ()
    earlier: timedelta | None = None
    later: timedelta | None = None
    replicas: int = 0

    @property
    def fits(self) -> bool:
        return not self.shortages

    @property
    def worst(self) -> Shortage:
        """The largest shortage, the first of such; only of one that does not fit."""
        return max(self.shortages, key=lambda s: (s.missing.cpu_millis, s.missing.memory_mib))


@dataclass(frozen=True, slots=True)
class Risk:
    """The promises that cannot be kept, the least critical first, and all that are.

    The most critical are kept first, of these the oldest.
    """

    kept: Ledger
    lost: tuple[Promise, ...] = ()

    def told(self, promise: Promise, now: datetime) -> Answer:
        """Why one of ``lost`` cannot be kept beside those that are, and what would do."""
        return self.kept.ask(promise, now)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A time in which nothing changes: all that is held, and what windows of one's own ask for."""

    interval: Interval
    level: Amount
    floors: Mapping[str, int] | None


@dataclass(frozen=True)
class Ledger:
    """What one pool has, and what it has promised.

    :param allocatable: without what is kept back for hosts that may fail.
    :param holders: by the environment's id.
    :param promises: those of others than the holders are not counted.
    """

    allocatable: Resources
    holders: Mapping[str, Holder]
    promises: tuple[Promise, ...] = ()
    _own: dict[str, list[Promise]] = field(init=False, repr=False, compare=False)
    _times: list[datetime] = field(init=False, repr=False, compare=False)
    _levels: list[Amount] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        own: dict[str, list[Promise]] = {}
        for promise in self.promises:
            if promise.environment_id in self.holders:
                own.setdefault(promise.environment_id, []).append(promise)
        changes: dict[datetime, Amount] = {}
        for environment_id, promised in own.items():
            for interval, (cpu, memory) in steps(self.holders[environment_id], promised):
                at = changes.get(interval.start, NOTHING)
                changes[interval.start] = (at[0] + cpu, at[1] + memory)
                at = changes.get(interval.end, NOTHING)
                changes[interval.end] = (at[0] - cpu, at[1] - memory)
            # Also where nothing changes for the pool: between two of these, windows stay the same.
            for promise in promised:
                changes.setdefault(promise.interval.start, NOTHING)
                changes.setdefault(promise.interval.end, NOTHING)
        bases = [holder.base for holder in self.holders.values()]
        level = (sum(cpu for cpu, _ in bases), sum(memory for _, memory in bases))
        levels = [level]
        times = sorted(changes)
        for moment in times:
            change = changes[moment]
            level = (level[0] + change[0], level[1] + change[1])
            levels.append(level)
        object.__setattr__(self, "_own", own)
        object.__setattr__(self, "_times", times)
        object.__setattr__(self, "_levels", levels)

    @property
    def base(self) -> Resources:
        """What is held outside all windows."""
        return Resources(*self._levels[0])

    @property
    def profile(self) -> tuple[tuple[datetime, Resources], ...]:
        """What is held from each moment on at which that changes; before the first, the base."""
        moments = zip(self._times, pairwise(self._levels), strict=True)
        return tuple((at, Resources(*after)) for at, (before, after) in moments if before != after)

    def with_promise(self, promise: Promise) -> Ledger:
        """As it is once ``promise`` is given."""
        return replace(self, promises=(*self.promises, promise))

    def with_holder(self, holder: Holder) -> Ledger:
        """As it is once ``holder`` is there, or has become what this says."""
        return replace(self, holders={**self.holders, holder.environment_id: holder})

    def ask(self, promise: Promise, now: datetime) -> Answer:
        """Whether ``promise`` fits beside all others from ``now`` on; only what it adds is judged.

        :raises KeyError: its environment is none of the holders.
        """
        if promise.interval.end <= now:
            return Answer(promise)
        ahead = Interval(max(now, promise.interval.start), promise.interval.end)
        asked = self._stretches(promise, ahead)
        shortages = [
            Shortage(s.interval, missing)
            for s in asked
            if (missing := self._missing(s, promise)) is not None
        ]
        if not shortages:
            return Answer(promise)
        earlier, later = self._shifts(promise, now)
        together = merged(shortages)
        return Answer(
            promise,
            together,
            self._collisions(promise, together),
            earlier,
            later,
            self._most(promise, asked),
        )

    def outgrown(self, before: Ledger, now: datetime) -> Shortage | None:
        """The first shortage from ``now`` on to which it adds, as against ``before``.

        For what changes the base: another environment, another size.
        """
        edges = {now, *self._times, *before._times}
        for moment in sorted(edge for edge in edges if edge >= now):
            level, was = self._level(moment), before._level(moment)
            missing = _beyond(level, self.allocatable)
            if missing is not None and (level[0] > was[0] or level[1] > was[1]):
                at = bisect_right(self._times, moment)
                end = self._times[at] if at < len(self._times) else moment + FURTHEST_SHIFT
                return Shortage(Interval(moment, end), missing)
        return None

    def risk(self, now: datetime) -> Risk:
        """Which promises ahead cannot be kept, in what the pool has now."""
        first, have = bisect_right(self._times, now), self.allocatable
        if all(_beyond(level, have) is None for level in self._levels[first:]):
            return Risk(self)

        free = (have.cpu_millis - self.base.cpu_millis, have.memory_mib - self.base.memory_mib)
        ahead = [p for own in self._own.values() for p in own if p.interval.end > now]
        filled = fill(self.holders, ahead, self._times, [free] * len(self._levels), now)
        lost = tuple(promise for promise, _ in reversed(filled.lost))
        return Risk(replace(self, promises=filled.kept), lost)

    def _level(self, moment: datetime) -> Amount:
        return self._levels[bisect_right(self._times, moment)]

    def _stretches(self, promise: Promise, during: Interval) -> list[_Stretch]:
        first = bisect_right(self._times, during.start)
        last = bisect_left(self._times, during.end)
        edges = [during.start, *self._times[first:last], during.end]
        own = self._own.get(promise.environment_id, ())
        turns = {t for p in own for t in (p.interval.start, p.interval.end)} | {during.start}
        floors: Mapping[str, int] | None = None
        found: list[_Stretch] = []
        for n, (start, end) in enumerate(pairwise(edges)):
            if start in turns:
                floors = floors_at(own, start)
            found.append(_Stretch(Interval(start, end), self._levels[first + n], floors))
        return found

    def _missing(self, stretch: _Stretch, promise: Promise) -> Resources | None:
        """What would be missing then if ``promise`` counted; None if it adds nothing to that."""
        holder, floors, level = self.holders[promise.environment_id], stretch.floors, stretch.level
        before = holder.base if floors is None else holder.awake(floors)
        after = holder.awake(raised(floors or {}, promise.component, promise.replicas))
        if after == before:
            return None
        total = (level[0] + after[0] - before[0], level[1] + after[1] - before[1])
        return _beyond(total, self.allocatable)

    def _collisions(self, promise: Promise, shortages: Sequence[Shortage]) -> tuple[Collision, ...]:
        found: dict[str, Collision] = {}
        span = Interval(shortages[0].interval.start, shortages[-1].interval.end)
        for environment_id, own in self._own.items():
            near = [p for p in own if p.interval.overlaps(span)]
            if environment_id == promise.environment_id or not near:
                continue
            holder = self.holders[environment_id]
            for interval, amount in steps(holder, near):
                if not any(interval.overlaps(s.interval) for s in shortages):
                    continue
                one = Collision(holder, interval, Resources(*amount))
                known = found.get(environment_id)
                if known is None or _size(known) < _size(one):
                    found[environment_id] = one
        by_id = sorted(found.values(), key=lambda c: c.holder.environment_id)
        return tuple(sorted(by_id, key=_size, reverse=True))

    def _shifts(self, promise: Promise, now: datetime) -> tuple[timedelta | None, timedelta | None]:
        """How far before and after is the nearest time that no shortage touches."""
        asked = promise.interval
        first = min(asked.start, max(now, asked.start - FURTHEST_SHIFT))
        short = [
            s.interval
            for s in self._stretches(promise, Interval(first, asked.end + FURTHEST_SHIFT))
            if s.interval.end > now and self._missing(s, promise) is not None
        ]
        start = asked.start
        for one in short:
            if one.end > start and one.start < start + asked.duration:
                start = one.end
        end = asked.end
        for one in reversed(short):
            if one.start < end and one.end > end - asked.duration:
                end = one.start
        return (
            asked.end - end if end - asked.duration >= first else None,
            start - asked.start if start - asked.start <= FURTHEST_SHIFT else None,
        )

    def _most(self, promise: Promise, asked: Sequence[_Stretch]) -> int:
        def fit(replicas: int) -> bool:
            smaller = replace(promise, replicas=replicas)
            return all(self._missing(s, smaller) is None for s in asked)

        holder = self.holders[promise.environment_id]
        part = holder.parts.get(promise.component)
        # Asking for what it has anyway promises nothing.
        low = part.least if part is not None and not holder.sleeps else 0
        high = promise.replicas - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fit(middle) else (low, middle - 1)
        least = part.least if part is not None else 0
        return low if low > (least if not holder.sleeps else 0) and fit(low) else 0


def _beyond(level: Amount, have: Resources) -> Resources | None:
    cpu, memory = level[0] - have.cpu_millis, level[1] - have.memory_mib
    return Resources(max(0, cpu), max(0, memory)) if cpu > 0 or memory > 0 else None


def merged(shortages: Iterable[Shortage]) -> tuple[Shortage, ...]:
    """Those that touch as one, of the most that is missing anywhere in it."""
    found: list[Shortage] = []
    for one in shortages:
        if found and found[-1].interval.end == one.interval.start:
            last = found.pop()
            missing = Resources(
                max(last.missing.cpu_millis, one.missing.cpu_millis),
                max(last.missing.memory_mib, one.missing.memory_mib),
            )
            found.append(Shortage(Interval(last.interval.start, one.interval.end), missing))
        else:
            found.append(one)
    return tuple(found)


def _size(collision: Collision) -> Amount:
    return collision.takes.cpu_millis, collision.takes.memory_mib
