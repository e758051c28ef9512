"""The volumes of a cloud, as they were last told: by looks at it and by answers to our requests."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudmgr.pools.drivers.openstack import volumes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from cloudmgr.pools.drivers.driver import Allocation
    from cloudmgr.pools.drivers.openstack.volumes import Volume


class Shelf:
    """Any thread may read and write.

    :param changed: called with the environment of whatever moved, under no lock.
    """

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._lock = threading.Lock()
        self._volumes: dict[str, Volume] = {}
        self._touched: dict[str, int] = {}
        self._number = 0
        self._ended: dict[str, Allocation] = {}
        # What is still there, and has been recorded: a size that was outgrown.
        self._forgotten: set[str] = set()

    # --------------------------------------------------------------------------------- writing

    def begin(self) -> int:
        """A look at the cloud begins: what is written from now on is newer than what it finds."""
        with self._lock:
            return self._number

    def missing(self, found: Iterable[Volume], began: int) -> list[Volume]:
        """Those that a look did not find any more."""
        listed = {one.id for one in found}
        with self._lock:
            return [
                one
                for one in self._volumes.values()
                if one.id not in listed and self._touched.get(one.id, -1) <= began
            ]

    def see(
        self, found: Iterable[Volume], began: int, gone: Iterable[Volume], now: datetime
    ) -> None:
        """All that there are; ``gone`` are those that are not any more."""
        moved: set[str] = set()
        with self._lock:
            for one in found:
                if self._touched.get(one.id, -1) > began:
                    continue
                self._touched.pop(one.id, None)
                if self._volumes.get(one.id) != one:
                    self._volumes[one.id] = one
                    moved.add(one.environment_id)
            for one in gone:
                known = self._volumes.pop(one.id, one)
                self._touched.pop(one.id, None)
                over = volumes.allocations(replace(known, gone_at=now))
                self._ended |= {each.id: each for each in over if each.id not in self._forgotten}
                moved.add(one.environment_id)
        for environment_id in moved:
            self._changed(environment_id)

    def put(self, one: Volume) -> None:
        """What an answer to a request of ours says."""
        with self._lock:
            self._number += 1
            self._touched[one.id] = self._number
            self._volumes[one.id] = one
        self._changed(one.environment_id)

    def noted(self, one: Volume, said: Mapping[str, str], status: str | None = None) -> None:
        """``said`` was written into its metadata, or it is about something."""
        self.put(replace(one, metadata={**one.metadata, **said}, status=status or one.status))

    def forget(self, allocation_ids: Iterable[str]) -> None:
        wanted = set(allocation_ids)
        with self._lock:
            for one in wanted:
                self._ended.pop(one, None)
            told = {
                each.id
                for one in self._volumes.values()
                for each in volumes.allocations(one)
                if each.ended_at is not None
            }
            self._forgotten = (self._forgotten | wanted) & told

    # --------------------------------------------------------------------------------- reading

    @property
    def moves(self) -> bool:
        """Whether something is on its way with one of them."""
        with self._lock:
            return any(not one.at_rest for one in self._volumes.values())

    def of(self, environment_id: str) -> list[Volume]:
        with self._lock:
            found = [v for v in self._volumes.values() if v.environment_id == environment_id]
        return sorted(found, key=lambda v: (v.component, v.slot, v.created, v.id))

    def allocations(self) -> list[Allocation]:
        with self._lock:
            there, over = list(self._volumes.values()), list(self._ended.values())
            held = [each for one in there for each in volumes.allocations(one)]
            found = {each.id: each for each in (*held, *over)}
            return [each for each in found.values() if each.id not in self._forgotten]
