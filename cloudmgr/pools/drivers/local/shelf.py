"""The storage of one environment's slots: what is kept, and what that holds."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from cloudmgr.pools.drivers.local.records import Storage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from cloudmgr.pools.drivers.driver import Allocation, ComponentWorkload, Workload


class Shelf:
    """At most one storage for each (component, slot); nothing is put back but all at once."""

    def __init__(self, environment_id: str, kept: Iterable[Storage] = ()) -> None:
        self._environment_id = environment_id
        self._kept = {(s.component, s.slot): s for s in kept}

    @property
    def kept(self) -> tuple[Storage, ...]:
        return tuple(self._kept[key] for key in sorted(self._kept))

    def more(self, component: ComponentWorkload, slot: int) -> int:
        """GiB that the slot needs beyond what it has."""
        old = self._kept.get((component.name, slot))
        return max(0, component.storage_gib - (old.gib if old else 0))

    def keep(
        self, component: ComponentWorkload, slot: int, of: Workload, now: datetime
    ) -> tuple[Allocation, ...]:
        """Have the slot keep what its component asks for; what it held in another size has ended.

        A component that asks for no storage any more keeps what it had: it may be asked for again.
        """
        old = self._kept.get((component.name, slot))
        if component.storage_gib <= 0 or (old is not None and old.gib == component.storage_gib):
            return ()
        self._kept[component.name, slot] = Storage(
            id=f"sto_{uuid.uuid4().hex[:16]}",
            component=component.name,
            slot=slot,
            gib=component.storage_gib,
            department_id=of.department_id,
            system_id=of.system_id,
            created_at=now,
        )
        return () if old is None else (old.allocation(self._environment_id, now),)

    def clear(self, now: datetime) -> tuple[Allocation, ...]:
        """Keep nothing any more."""
        ended = tuple(s.allocation(self._environment_id, now) for s in self.kept)
        self._kept = {}
        return ended
