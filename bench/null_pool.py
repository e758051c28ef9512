"""A pool that costs nothing, so that what is measured is the loop and the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.city import CREATED
from cloudmgr.errors import NotFound
from cloudmgr.pools.capacity import Capacity, Host, Resources
from cloudmgr.pools.drivers.driver import ObservedReplica, ObservedWorkload, ReplicaState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cloudmgr.pools.drivers.driver import Allocation, Workload


class NullPool:
    """Whatever is applied is Ready at once; ``applied`` counts the orders."""

    kind = "null"

    def __init__(self) -> None:
        self.applied = 0
        self._seen: dict[str, ObservedWorkload] = {}

    def start(self, changed: Callable[[str], None]) -> None: ...

    def close(self) -> None: ...

    def capacity(self) -> Capacity:
        return Capacity((Host("null", Resources(10**9, 10**9, 10**9)),))

    def apply(self, workload: Workload) -> None:
        self.applied += 1
        self._seen[workload.environment_id] = ObservedWorkload(
            workload.environment_id,
            workload.digest,
            tuple(
                ObservedReplica(
                    id=f"{workload.environment_id}-{slot}",
                    component=component.name,
                    slot=slot,
                    state=ReplicaState.READY,
                    address="127.0.0.1",
                    port=20_000 + slot,
                    started_at=CREATED,
                )
                for component in workload.components
                for slot in range(component.replicas)
            ),
        )

    def remove(self, environment_id: str) -> None:
        self._seen.pop(environment_id, None)

    def observe(self, environment_id: str) -> ObservedWorkload | None:
        return self._seen.get(environment_id)

    def observe_all(self) -> Iterable[ObservedWorkload]:
        return list(self._seen.values())

    def allocations(self) -> Iterable[Allocation]:
        return []

    def forget(self, allocation_ids: Iterable[str]) -> None: ...

    def log(self, environment_id: str, component: str, slot: int, lines: int) -> Sequence[str]:
        raise NotFound(f"no log of {environment_id} {component} {slot} ({lines})")
