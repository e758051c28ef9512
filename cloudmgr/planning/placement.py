"""Which pool takes an environment: pure."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from cloudmgr.hosting.environments import held
from cloudmgr.pools.capacity import Capacity, Resources, Room

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudmgr.hosting.environments import Component
    from cloudmgr.policy.decision import Reason
    from cloudmgr.pools.pool import Pool

UNREACHABLE = "pool-unreachable"


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool as seen now: what it has, and what the environments on it hold by their targets."""

    pool: Pool
    capacity: Capacity
    allocated: Resources

    @property
    def free(self) -> Resources:
        return self.capacity.allocatable - self.allocated

    @property
    def room(self) -> Room:
        return Room(self.free, self.capacity.sizes)


@dataclass(frozen=True, slots=True)
class Considered:
    """One pool that was looked at, with the reasons against it; none means that it would do."""

    pool_id: str
    pool_name: str
    against: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where it goes, or None, and every pool that was considered."""

    pool_id: str | None
    considered: tuple[Considered, ...]


def choose(
    views: Sequence[PoolView],
    components: Sequence[Component],
    accepts: Callable[[Pool], tuple[Reason, ...]],
    lacks: Callable[[str, str, str], Reason],
) -> Placement:
    """The acceptable pool with the largest share of its memory left afterwards (worst fit).

    Worst fit keeps head-room for peaks everywhere; packing by peaks comes with planning.

    :param accepts: reasons of policy against a pool; none when it may.
    :param lacks: makes a reason of our own from a rule name and its Chinese and English sentence.
    """
    least = {c.name: c.min_replicas for c in components}
    considered: list[Considered] = []
    best: tuple[Fraction, str] | None = None
    for view in sorted(views, key=lambda v: v.pool.name):
        need = held(components, least, view.capacity.sizes)
        against = list(accepts(view.pool))
        if not view.capacity.hosts:
            unknown = lacks(
                UNREACHABLE,
                "资源池目前无法访问",
                "the pool does not answer now",
            )
            considered.append(Considered(view.pool.id, view.pool.name, (*against, unknown)))
            continue
        against += [
            lacks(
                "no-host-fits",
                f"组件 {c.name} 的单个副本超过该资源池任何一台主机的容量",
                f"one replica of {c.name} is larger than any host of this pool",
            )
            for c in components
            if not view.capacity.has_host_for(c.size)
        ]
        if not need.fits(view.free):
            against.append(
                lacks(
                    "no-room",
                    "资源池剩余容量不足",
                    "the pool has not enough capacity left",
                )
            )
        considered.append(Considered(view.pool.id, view.pool.name, tuple(against)))
        if against:
            continue
        total = view.capacity.allocatable.memory_mib or 1
        left = Fraction(view.free.memory_mib - need.memory_mib, total)
        if best is None or left > best[0]:
            best = (left, view.pool.id)
    return Placement(best[1] if best else None, tuple(considered))
