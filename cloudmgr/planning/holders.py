"""Who holds what of a pool: outside windows (its base), and while windows count. Pure.

**Base**: what environments hold outside their windows. One whose class never hibernates holds its
minimum of every component (its ceiling, where the pool's own autoscaler may go there). So does one
whose class wakes it by a time of the day although nobody asks: all of these are awake in the same
hours, those of most peaks, and that they could sleep at other hours promises nobody room. Any
other that may hibernate holds no compute: it is promised nothing until somebody calls it, and then
takes what is free or waits. If each of a thousand sleepers counted, the city would have to buy what
pooling saves; and if only those counted that are awake now, the same question would be answered
one way at noon and another way at night. Storage is held always and by all, so that no window takes
any.

**Promise**: a peak window, from ``lead_time`` before its start until its end. All of its
environment is awake then: its own component has the replicas of the largest window that counts
(never the sum), every other one at least its minimum. What a promise takes is what that is above
the base.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from cloudmgr.interval import Interval
from cloudmgr.pools.capacity import ANY_SIZE, Resources

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from cloudmgr.hosting.environments import Component, Criticality
    from cloudmgr.pools.capacity import Sizes

# Processors in thousandths of a core and memory in MiB: a year of a city is many sums.
Amount = tuple[int, int]
NOTHING: Amount = (0, 0)


@dataclass(frozen=True, slots=True)
class Part:
    """One component: what a replica takes on the pool, its fewest and its most replicas."""

    takes: Resources
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Holder:
    """An environment as far as promises go, with what a person calls its system."""

    environment_id: str
    system_id: str
    department_id: str
    criticality: Criticality
    parts: Mapping[str, Part]
    sleeps: bool
    system_code: str = ""
    system_zh: str = ""
    system_en: str = ""

    def awake(self, floors: Mapping[str, int]) -> Amount:
        """What it takes while it is awake and windows ask for ``floors``, by component."""
        cpu = memory = 0
        for name, part in self.parts.items():
            count = max(part.least, min(floors.get(name, 0), part.most))
            cpu += part.takes.cpu_millis * count
            memory += part.takes.memory_mib * count
        return cpu, memory

    @property
    def base(self) -> Amount:
        """What it takes outside its windows."""
        return NOTHING if self.sleeps else self.awake({})


@dataclass(frozen=True, slots=True)
class Promise:
    """``replicas`` of ``component`` during ``interval``, which begins with the lead time."""

    id: str
    environment_id: str
    component: str
    interval: Interval
    replicas: int
    booked_at: datetime


def part(
    component: Component, sizes: Sizes = ANY_SIZE, *, elastic: bool = False, kept: int = 0
) -> Part:
    """``component`` on a pool of ``sizes``; ``elastic`` where the pool's autoscaler scales it.

    :param kept: replicas that run at least, as far as its ceiling allows, whatever its minimum.
    """
    takes = replace(sizes.takes(component.size), storage_gib=0)
    least = max(component.min_replicas, min(kept, component.max_replicas))
    least = component.max_replicas if elastic else least
    return Part(takes, least, component.max_replicas)


def steps(holder: Holder, own: Sequence[Promise]) -> Iterable[tuple[Interval, Amount]]:
    """What one environment takes above its base, by stretches in which that does not change."""
    base = holder.base
    edges = sorted({t for p in own for t in (p.interval.start, p.interval.end)})
    for start, end in pairwise(edges):
        floors = floors_at(own, start)
        if floors is None:
            continue
        cpu, memory = holder.awake(floors)
        if (cpu, memory) != base:
            yield Interval(start, end), (cpu - base[0], memory - base[1])


def floors_at(own: Iterable[Promise], moment: datetime) -> dict[str, int] | None:
    """What windows ask for at ``moment``, by component; None if none counts."""
    floors: dict[str, int] = {}
    for promise in own:
        if promise.interval.start <= moment < promise.interval.end:
            floors = raised(floors, promise.component, promise.replicas)
    return floors or None


def raised(floors: Mapping[str, int], component: str, replicas: int) -> dict[str, int]:
    return {**floors, component: max(floors.get(component, 0), replicas)}
