"""What if: systems whose demand is known share a pool, and hosts of it fail. Pure.

Each system asks for replicas as its policy decided (see ``scaling.backtest``). Where the pool has
room for all, each gets what it asks for. Where it has not, what was announced comes first, and the
rest is shared by what each asks for beyond that, the largest remainders rounded up. A replica that
gets no room serves nobody; one that gets it back starts anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cloudmgr.interval import Interval
from cloudmgr.scaling.forecast.demand import lowest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from numpy.typing import NDArray

    from cloudmgr.planning.hosts import Failure
    from cloudmgr.scaling.forecast.demand import Floats

    Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Estate:
    """The pool: equal hosts, each of which holds ``each`` replicas; ``spare`` of them may fail."""

    hosts: int
    each: int
    spare: int = 1
    failures: tuple[Failure, ...] = ()

    def room(self, start: datetime, step: timedelta, count: int) -> Counts:
        """Replicas that there is room for at each step; a host that is away for a part of it is."""
        lost = np.zeros(count, dtype=np.int64)
        for failure in self.failures:
            first = max(0, (failure.interval.start - start) // step)
            end = max(0, -((start - failure.interval.end) // step))
            lost[first:end] += failure.hosts
        return np.maximum(self.hosts - lost, 0) * self.each


@dataclass(frozen=True, slots=True, eq=False)
class Tenant:
    """One system, step by step; all arrays ``(n,)`` of one grid.

    :param demand: what was asked of it; NaN where that is not known, which counts for nothing.
    :param asked: replicas that its policy decided. :param announced: of these, by windows.
    :param unit: demand that a replica carries. :param startup: steps until one serves.
    """

    name: str
    demand: Floats
    asked: Counts
    announced: Counts
    unit: float
    startup: int


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which the pool had too little.

    :param missing: the most replicas that found no room at once.
    :param tenants: whom it met, with the most that each lacked, the largest first.
    """

    interval: Interval
    missing: int
    tenants: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    :param most: replicas that were asked for at once, and :attr:`most_at`, when first.
    :param hosts_needed: that would have had room for all, with the spare ones beside.
    :param short: of steps, how many had too little room.
    :param unmet: of all demand, the share that found no capacity; :attr:`unmet_for_room`, the part
        of it that an endless pool would have served. 0 to 1.
    """

    most: int
    most_at: datetime
    hosts_needed: int
    steps: int
    short: int
    unmet: float
    unmet_for_room: float
    spells: tuple[Spell, ...]

    @property
    def fits(self) -> bool:
        return not self.short


def replay(tenants: Sequence[Tenant], estate: Estate, start: datetime, step: timedelta) -> Outcome:
    """Run ``tenants``, at least one, on ``estate`` from ``start`` on."""
    asked = np.stack([one.asked for one in tenants])
    announced = np.minimum(np.stack([one.announced for one in tenants]), asked)
    count = asked.shape[1]
    room = estate.room(start, step, count)
    wanted = asked.sum(axis=0)
    given = asked.copy()
    short = np.flatnonzero(wanted > room)
    for at in short:
        given[:, at] = _shared(asked[:, at], announced[:, at], int(room[at]))
    total = missed = needless = 0.0
    for row, one in enumerate(tenants):
        demand = np.nan_to_num(one.demand)
        total += float(demand.sum())
        served = lowest(given[row].astype(np.float64), one.startup + 1) * one.unit
        alone = lowest(asked[row].astype(np.float64), one.startup + 1) * one.unit
        missed += float(np.maximum(demand - served, 0.0).sum())
        needless += float(np.maximum(demand - alone, 0.0).sum())
    most_at = int(wanted.argmax())
    needed = -(-int(wanted.max()) // estate.each) + estate.spare
    return Outcome(
        most=int(wanted.max()),
        most_at=start + most_at * step,
        hosts_needed=needed,
        steps=count,
        short=len(short),
        unmet=missed / total if total else 0.0,
        unmet_for_room=(missed - needless) / total if total else 0.0,
        spells=tuple(_spells(tenants, asked - given, start, step)),
    )


def _shared(asked: Counts, announced: Counts, room: int) -> Counts:
    """``room`` replicas, those announced first, the rest in proportion."""
    first = announced if announced.sum() <= room else _proportion(announced, room)
    left = room - int(first.sum())
    return first + _proportion(asked - first, left)


def _proportion(asked: Counts, room: int) -> Counts:
    """``room`` by ``asked``, the largest remainders rounded up; never more than is asked for."""
    total = int(asked.sum())
    if total <= room:
        return asked
    shares = asked * room
    given = shares // total
    rest = room - int(given.sum())
    largest = np.argsort(-(shares % total), kind="stable")[:rest]
    given[largest] += 1
    return given


def _spells(
    tenants: Sequence[Tenant], missing: Counts, start: datetime, step: timedelta
) -> list[Spell]:
    """Steps in a row that had too little, the worst first."""
    lacks = missing.sum(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (lacks > 0).astype(np.int8), [0]])))
    found = []
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        each = missing[:, first:end].max(axis=1)
        met = [(tenants[row].name, int(each[row])) for row in np.argsort(-each, kind="stable")]
        interval = Interval(start + int(first) * step, start + int(end) * step)
        found.append(Spell(interval, int(lacks[first:end].max()), tuple(m for m in met if m[1])))
    return sorted(found, key=lambda spell: (-spell.missing, spell.interval))
