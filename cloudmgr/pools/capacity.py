"""Amounts of compute and what a pool has of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Resources:
    """CPU in thousandths of a core, memory in MiB, storage in GiB."""

    cpu_millis: int = 0
    memory_mib: int = 0
    storage_gib: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.cpu_millis + other.cpu_millis,
            self.memory_mib + other.memory_mib,
            self.storage_gib + other.storage_gib,
        )

    def __sub__(self, other: Self) -> Self:
        return type(self)(
            self.cpu_millis - other.cpu_millis,
            self.memory_mib - other.memory_mib,
            self.storage_gib - other.storage_gib,
        )

    def times(self, count: int) -> Self:
        return type(self)(
            self.cpu_millis * count, self.memory_mib * count, self.storage_gib * count
        )

    def fits(self, room: Self) -> bool:
        return (
            self.cpu_millis <= room.cpu_millis
            and self.memory_mib <= room.memory_mib
            and self.storage_gib <= room.storage_gib
        )

    def copies_in(self, room: Self) -> int:
        """How many of this fit into ``room``; storage included, 0 if none or if this is nothing."""
        counts = [
            have // need
            for need, have in (
                (self.cpu_millis, room.cpu_millis),
                (self.memory_mib, room.memory_mib),
                (self.storage_gib, room.storage_gib),
            )
            if need > 0
        ]
        return max(0, min(counts, default=0))


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes that a replica may have on a pool, smallest first; any, where there are none."""

    known: tuple[Resources, ...] = ()

    def takes(self, replica: Resources) -> Resources:
        """What ``replica`` takes there: the first that holds it; itself if none does."""
        asked = Resources(replica.cpu_millis, replica.memory_mib)
        size = next((one for one in self.known if asked.fits(one)), asked)
        return size + Resources(storage_gib=replica.storage_gib)

    def hold(self, replica: Resources) -> bool:
        """Whether there is one for it."""
        asked = Resources(replica.cpu_millis, replica.memory_mib)
        return not self.known or any(asked.fits(one) for one in self.known)


ANY_SIZE = Sizes()


@dataclass(frozen=True, slots=True)
class Room:
    """What a pool has left, and the ``sizes`` that it is given away in."""

    left: Resources = Resources()
    sizes: Sizes = ANY_SIZE


@dataclass(frozen=True, slots=True)
class Host:
    """One machine of a pool: what it could give a single replica at most."""

    name: str
    allocatable: Resources
    schedulable: bool = True


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a pool has, as its driver observes it.

    ``allocatable`` is (physical − system reserved) × overcommit over hosts that may be used, and
    what all of them share (storage behind a network), without what is kept back for the ``spare``
    hosts that may fail at once (N+1 where that is one): of each resource the most that so many
    hosts have. ``problems`` are sentences on what the pool lacks at the moment, ``sizes`` what a
    replica may take of it: where they are flavors, it takes more than it asked for.
    """

    hosts: tuple[Host, ...]
    shared: Resources = Resources()
    spare: int = 0
    problems: tuple[str, ...] = ()
    sizes: Sizes = ANY_SIZE

    @property
    def allocatable(self) -> Resources:
        return sum((host.allocatable for host in self._usable), start=self.shared) - self.kept_back

    @property
    def kept_back(self) -> Resources:
        """What must stay free so that ``spare`` hosts can fail and all still has its room."""
        rooms = [host.allocatable for host in self._usable]

        def most(amounts: Iterable[int]) -> int:
            return sum(sorted(amounts, reverse=True)[: self.spare])

        return Resources(
            most(room.cpu_millis for room in rooms),
            most(room.memory_mib for room in rooms),
            most(room.storage_gib for room in rooms),
        )

    @property
    def largest(self) -> Resources:
        """The most of each resource that any single host could give, once it may be used."""
        rooms = [host.allocatable + self.shared for host in self.hosts] or [Resources()]
        return Resources(
            max(room.cpu_millis for room in rooms),
            max(room.memory_mib for room in rooms),
            max(room.storage_gib for room in rooms),
        )

    def has_host_for(self, replica: Resources) -> bool:
        """Whether any single host could ever hold ``replica``: one that is lost may come back."""
        if not self.sizes.hold(replica):
            return False
        size = self.sizes.takes(replica)
        return any(size.fits(host.allocatable + self.shared) for host in self.hosts)

    @property
    def _usable(self) -> list[Host]:
        return [host for host in self.hosts if host.schedulable]
