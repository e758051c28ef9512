"""The few stand-ins that tests use for the world outside; never for our own code."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cloudmgr.errors import NotFound
from cloudmgr.metering.usage import Owner
from cloudmgr.pools.capacity import ANY_SIZE, Capacity, Host, Resources, Sizes
from cloudmgr.pools.drivers.driver import (
    Allocation,
    ObservedReplica,
    ObservedWorkload,
    ReplicaState,
    Workload,
)
from cloudmgr.scaling.gateway.metrics import Counters, GatewayReading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cloudmgr.errors import CloudmgrError
    from cloudmgr.pools.drivers.besides import Account


class ManualClock:
    """Time that moves only when a test says so; ``sleep`` moves it and returns at once."""

    def __init__(self, now: datetime = datetime(2026, 6, 1, tzinfo=UTC)) -> None:
        self._now = now
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        self.advance(timedelta(seconds=seconds))

    def elapsed(self, span: timedelta) -> float:
        return span.total_seconds()

    def advance(self, span: timedelta) -> None:
        with self._lock:
            self._now += span
            self._elapsed += span.total_seconds()

    def set(self, now: datetime) -> None:
        self._now = now


class Unfenced:
    """The right to act on anything: for tests that are not about leases."""

    def check(self, _tx: object) -> None:
        return None


class InstantPool:
    """A pool whose replicas are Ready at once; ``writes`` are the calls that changed it.

    ``failing`` is raised by every call until it is taken away.

    :param sizes: the only ones that a replica may have.
    """

    kind = "instant"

    def __init__(self, room: Resources | None = None, sizes: Sizes = ANY_SIZE) -> None:
        room = room or Resources(64_000, 262_144, 10_000)
        self._capacity = Capacity((Host("one", room),), sizes=sizes)
        self.workloads: dict[str, Workload] = {}
        self.states: dict[str, ReplicaState] = {}
        self.writes: list[str] = []
        self.failing: CloudmgrError | None = None

    def start(self, changed: Callable[[str], None]) -> None: ...

    def close(self) -> None: ...

    def capacity(self) -> Capacity:
        self._may()
        return self._capacity

    def apply(self, workload: Workload) -> None:
        self._may()
        self.writes.append(f"apply {workload.environment_id}")
        self.workloads[workload.environment_id] = workload

    def remove(self, environment_id: str) -> None:
        self._may()
        self.writes.append(f"remove {environment_id}")
        self.workloads.pop(environment_id, None)

    def observe(self, environment_id: str) -> ObservedWorkload | None:
        self._may()
        workload = self.workloads.get(environment_id)
        if workload is None:
            return None
        state = self.states.get(environment_id, ReplicaState.READY)
        return ObservedWorkload(
            environment_id,
            workload.digest,
            tuple(
                ObservedReplica(
                    f"{environment_id}-{c.name}-{slot}",
                    c.name,
                    slot,
                    state,
                    "127.0.0.1",
                    20_000 + slot if c.port else None,
                    datetime(2026, 6, 1, tzinfo=UTC),
                )
                for c in workload.components
                for slot in range(c.replicas)
            ),
        )

    def observe_all(self) -> Iterable[ObservedWorkload]:
        return [seen for key in list(self.workloads) if (seen := self.observe(key))]

    def allocations(self) -> Iterable[Allocation]:
        return []

    def forget(self, allocation_ids: Iterable[str]) -> None: ...

    def log(self, environment_id: str, component: str, slot: int, lines: int) -> Sequence[str]:
        raise NotFound(f"no log of {environment_id} {component} {slot} ({lines})")

    def _may(self) -> None:
        if self.failing is not None:
            raise self.failing


class LedgerPool(InstantPool):
    """A pool that holds what a test says in ``held``; ``forgotten`` are the ids it dropped."""

    kind = "ledger"

    def __init__(self, *held: Allocation) -> None:
        super().__init__()
        self.held = {allocation.id: allocation for allocation in held}
        self.forgotten: list[str] = []

    def hold(self, allocation: Allocation) -> None:
        self.held[allocation.id] = allocation

    def end(self, allocation_id: str, ended_at: datetime) -> None:
        self.held[allocation_id] = replace(self.held[allocation_id], ended_at=ended_at)

    def allocations(self) -> Iterable[Allocation]:
        self._may()
        return list(self.held.values())

    def forget(self, allocation_ids: Iterable[str]) -> None:
        self._may()
        for allocation_id in allocation_ids:
            self.held.pop(allocation_id, None)
            self.forgotten.append(allocation_id)


class AccountedPool(LedgerPool):
    """A ledger's pool that keeps accounts of its own: those that a test gives it."""

    kind = "accounted"

    def __init__(self, *held: Allocation, accounts: Sequence[Account] = ()) -> None:
        super().__init__(*held)
        self.kept = list(accounts)

    def accounts(self, since: datetime) -> Sequence[Account]:
        self._may()
        return [one for one in self.kept if one.ended_at is None or one.ended_at > since]

    def server_of(self, allocation_id: str) -> str:
        return allocation_id.partition(".")[0]


class CountingGateway:
    """A gateway whose counters a test moves; ``failing`` is raised until it is taken away."""

    def __init__(self, epoch: str = "1") -> None:
        self.epoch = epoch
        self.requests: dict[str, int] = {}
        self.failing: CloudmgrError | None = None

    def serve(self, environment_id: str, requests: int) -> None:
        self.requests[environment_id] = self.requests.get(environment_id, 0) + requests

    def restart(self) -> None:
        self.epoch = f"{self.epoch}+"
        self.requests = {}

    def read(self) -> GatewayReading:
        if self.failing is not None:
            raise self.failing
        return GatewayReading(
            self.epoch, {key: Counters(count, count / 100) for key, count in self.requests.items()}
        )


class City:
    """What the collector asks of pools and environments: every pool is on the extranet, and every
    environment belongs to the department that ``departments`` says, else to ``dep_exam``.
    """

    def __init__(self, **departments: str) -> None:
        self.departments = departments
        self.unknown: set[str] = set()

    def zone_of_pool(self, _tx: object, _pool_id: str) -> str:
        return "extranet"

    def owners(self, _tx: object, environment_ids: Iterable[str]) -> Mapping[str, Owner]:
        return {
            key: Owner(key, "sys_exam", self.departments.get(key, "dep_exam"), "extranet", "pool_a")
            for key in environment_ids
            if key not in self.unknown
        }
