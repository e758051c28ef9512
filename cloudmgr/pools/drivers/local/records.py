"""What the supervisor writes down of an environment, and its form as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.driver import (
    Allocation,
    ComponentWorkload,
    ObservedReplica,
    ReplicaState,
    Workload,
)
from cloudmgr.pools.drivers.written import component_of, known, workload_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class UnreadableError(Exception):
    """A file of the pool is there and is not what this program writes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was last applied; ``removed`` once :meth:`Driver.remove` has been called for it."""

    workload: Workload
    digest: str
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Replica:
    """One incarnation of a slot.

    It is recorded with ``pid`` 0 before its process is made, and again with the process's ``pid``,
    ``ticks`` (start in clock ticks since boot, field 22 of ``/proc/PID/stat``) and ``boot`` (the
    kernel's boot id), which together name one process for ever. ``component`` is what it was
    started from. ``failures`` counts failures in a row, for the back-off; ``restarts`` counts all
    restarts of the slot. ``note`` outlives the incarnation that gave cause for it.
    """

    id: str
    component: ComponentWorkload
    template: str
    slot: int
    department_id: str
    system_id: str
    state: ReplicaState
    port: int | None
    started_at: datetime
    ready_at: datetime | None = None
    pid: int = 0
    ticks: int = 0
    boot: str = ""
    restarts: int = 0
    failures: int = 0
    message: str = ""
    note: str = ""

    @property
    def label(self) -> str:
        return f"{self.component.name}/{self.slot}"

    @property
    def holds(self) -> bool:
        """Whether it takes room of the pool: everything that runs, is about to, or is drained."""
        return self.state is not ReplicaState.BACKOFF

    def observed(self) -> ObservedReplica:
        return ObservedReplica(
            id=self.id,
            component=self.component.name,
            slot=self.slot,
            state=self.state,
            address="127.0.0.1",
            port=self.port,
            started_at=self.started_at,
            ready_at=self.ready_at,
            restarts=self.restarts,
            message=self.message,
        )

    def allocation(self, environment_id: str, ended_at: datetime | None = None) -> Allocation:
        """What this run holds or held; an end before its start (a clock set back) is its start."""
        return Allocation(
            id=self.id,
            environment_id=environment_id,
            department_id=self.department_id,
            system_id=self.system_id,
            component=self.component.name,
            size=self.component.size,
            started_at=self.started_at,
            ended_at=None if ended_at is None else max(ended_at, self.started_at),
        )


@dataclass(frozen=True, slots=True)
class Storage:
    """The directory that a slot keeps; ``id`` changes with its size, the directory does not."""

    id: str
    component: str
    slot: int
    gib: int
    department_id: str
    system_id: str
    created_at: datetime

    def allocation(self, environment_id: str, ended_at: datetime | None = None) -> Allocation:
        return Allocation(
            id=self.id,
            environment_id=environment_id,
            department_id=self.department_id,
            system_id=self.system_id,
            component=self.component,
            size=Resources(storage_gib=self.gib),
            started_at=self.created_at,
            ended_at=None if ended_at is None else max(ended_at, self.created_at),
        )


@dataclass(frozen=True, slots=True)
class State:
    """All that the supervisor knows of one environment.

    ``ended`` are allocations that are on their way into files of their own: they are written here
    first, so that a crash between the two writes neither loses one nor gives it a second end.
    """

    environment_id: str
    replicas: tuple[Replica, ...] = ()
    storage: tuple[Storage, ...] = ()
    ended: tuple[Allocation, ...] = ()
    problems: tuple[str, ...] = ()
    limitations: tuple[str, ...] = ()

    def allocations(self) -> tuple[Allocation, ...]:
        """Held now, and ended but not yet in a file of its own.

        A replica that is recorded ahead of its process holds nothing yet.
        """
        running = (r for r in self.replicas if r.holds and r.pid)
        return (
            *(r.allocation(self.environment_id) for r in running),
            *(s.allocation(self.environment_id) for s in self.storage),
            *self.ended,
        )


def dump(value: Wanted | State | Allocation) -> bytes:
    """``value`` as JSON in UTF-8."""
    text = json.dumps(asdict(value), ensure_ascii=False, default=_plain, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    message = f"{type(value).__name__} has no form in these files"
    raise TypeError(message)


def load_wanted(data: bytes) -> Wanted:
    """:raises UnreadableError: if it is not what :func:`dump` wrote."""
    try:
        content = _object(data)
        return Wanted(
            workload_of(content["workload"]),
            str(content["digest"]),
            removed=bool(content["removed"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError(str(error)) from error


def load_state(data: bytes) -> State:
    """:raises UnreadableError: if it is not what :func:`dump` wrote."""
    try:
        content = _object(data)
        return State(
            environment_id=str(content["environment_id"]),
            replicas=tuple(_replica(r) for r in content["replicas"]),
            storage=tuple(_storage(s) for s in content["storage"]),
            ended=tuple(_allocation(a) for a in content["ended"]),
            problems=tuple(content["problems"]),
            limitations=tuple(content["limitations"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError(str(error)) from error


def load_allocation(data: bytes) -> Allocation:
    """:raises UnreadableError: if it is not what :func:`dump` wrote."""
    try:
        return _allocation(_object(data))
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError(str(error)) from error


def _object(data: bytes) -> dict[str, Any]:
    content = json.loads(data.decode("utf-8", "surrogatepass"))
    if not isinstance(content, dict):
        message = "not an object"
        raise TypeError(message)
    return content


def _time(content: str | None) -> datetime | None:
    return None if content is None else datetime.fromisoformat(content)


def _replica(content: Mapping[str, Any]) -> Replica:
    found = known(Replica, content)
    return Replica(
        **{
            **found,
            "component": component_of(found["component"]),
            "state": ReplicaState(found["state"]),
            "started_at": datetime.fromisoformat(found["started_at"]),
            "ready_at": _time(found["ready_at"]),
        }
    )


def _storage(content: Mapping[str, Any]) -> Storage:
    found = known(Storage, content)
    return Storage(**{**found, "created_at": datetime.fromisoformat(found["created_at"])})


def _allocation(content: Mapping[str, Any]) -> Allocation:
    found = known(Allocation, content)
    return Allocation(
        **{
            **found,
            "size": Resources(**known(Resources, found["size"])),
            "started_at": datetime.fromisoformat(found["started_at"]),
            "ended_at": _time(found["ended_at"]),
        }
    )
