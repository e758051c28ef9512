"""What a driver must do: these docstrings are the contract.

``tests/pools/test_driver_contract.py`` holds each driver to it. A driver is
level-triggered: it is told the whole workload that ought to be there and converges on it by itself,
repairing what breaks, until it is told something else. It may be called by several threads and by
several control planes at once.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from cloudmgr.pools.capacity import Capacity, Resources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class SecretValue:
    """What a component is told and nobody may read.

    ``revision`` names the value and says nothing of it; only what has to hand it on has the value
    itself, which is None elsewhere and no part of any digest.
    """

    revision: str
    value: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SharedService:
    """A service that a component is bound to; ``name`` is a DNS label.

    Either it is at ``host`` and ``port``, outside of the pool, where a pool that closes networks
    lets the component reach the ``addresses`` (CIDR); or the ``component`` of ``environment_id`` in
    the same pool offers it on ``port``, and only the pool knows the host.
    """

    name: str
    port: int
    host: str = ""
    addresses: tuple[str, ...] = ()
    environment_id: str = ""
    component: str = ""

    @property
    def prefix(self) -> str:
        """What the variables begin with that tell a replica of it."""
        return self.name.upper().replace("-", "_")

    def variables(self, host: str, port: int) -> dict[str, str]:
        """What a replica is told of it, where it is at ``host`` and ``port``."""
        return {f"{self.prefix}_HOST": host, f"{self.prefix}_PORT": str(port)}


@dataclass(frozen=True, slots=True)
class ComponentWorkload:
    """One component, with the number of replicas that ought to run now.

    ``name`` is a DNS label. Exactly one of ``command`` (for pools that run processes) and
    ``image`` is given. A component with a ``port`` serves HTTP: each replica is told the port to
    listen on by the environment variable ``PORT`` and is Ready once ``GET health_path`` answers 2xx
    or 3xx. Without a port a replica is Ready once it runs. A replica that is not Ready
    ``startup_seconds`` after its start is replaced, with back-off. With ``storage_gib`` each
    replica slot keeps a directory or volume, named by the environment variable ``DATA_DIR``, over
    restarts and hibernation.

    ``ceiling`` is the number of replicas that was approved, for pools that can hold a tenant to it;
    0 says that it is not told. ``reserved`` is the number of replicas for which a pool that can do
    so holds room ahead of a peak, those that run included. An ``elastic`` component is scaled by
    the pool itself, between ``replicas`` and ``ceiling``, where a pool can do that.

    ``files`` are texts by their path: one that begins with / lies exactly there, for pools of
    images; any other in the directory that the environment variable ``CONFIG_DIR`` names. Each
    secret is told as an environment variable of its name. Of a shared service X-Y a replica is told
    ``X_Y_HOST`` and ``X_Y_PORT``; a pool that closes networks lets it reach that and no more.
    ``offers`` are the shared services that the component itself is, for others in the pool.

    A replica is told ``variables``, the above, ``CLOUDMGR_REPLICA`` (its
    :attr:`ObservedReplica.id`), and nothing that the control plane itself keeps in its environment.
    The names given here win over ``variables``.
    """

    name: str
    replicas: int
    cpu_millis: int
    memory_mib: int
    command: tuple[str, ...] = ()
    image: str = ""
    port: int | None = None
    health_path: str = "/"
    startup_seconds: int = 60
    drain_seconds: int = 10
    storage_gib: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)
    ceiling: int = 0
    reserved: int = 0
    elastic: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, SecretValue] = field(default_factory=dict)
    services: tuple[SharedService, ...] = ()
    offers: tuple[str, ...] = ()

    @property
    def size(self) -> Resources:
        """What one replica holds while it runs."""
        return Resources(self.cpu_millis, self.memory_mib)

    @property
    def template_digest(self) -> str:
        """Names everything but the number of replicas: a change of it replaces running replicas."""
        content = _fields_of(self)
        for name in ("replicas", "drain_seconds", "ceiling", "reserved", "elastic", "offers"):
            del content[name]
        return _digest(content)


@dataclass(frozen=True, slots=True)
class Workload:
    """What ought to run for one environment; ``name`` is a DNS label, unique in the city.

    ``criticality`` says who goes first when a pool runs out: 1 (low) to 4 (vital), 0 if it is not
    told. With ``corrects_drift`` a pool writes again what others changed of what was applied, and
    without it only tells; replicas are always put right.
    """

    environment_id: str
    name: str
    department_id: str
    system_id: str
    zone: str
    components: tuple[ComponentWorkload, ...]
    criticality: int = 0
    corrects_drift: bool = True

    @property
    def digest(self) -> str:
        """Names this workload exactly, replicas included."""
        return _digest(self)


def _digest(content: object) -> str:
    text = json.dumps(
        content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_fields_of
    )
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _fields_of(value: Any) -> dict[str, Any]:
    """As ``asdict``, but one level: that copies all there is, and every step compares digests."""
    if isinstance(value, SecretValue):
        return {"revision": value.revision}
    if not is_dataclass(value):
        return dict(value)
    return {field.name: getattr(value, field.name) for field in fields(value)}


class ReplicaState(StrEnum):
    """What a replica is about. Exactly those that are Ready may get new traffic."""

    STARTING = "Starting"  # runs, not yet healthy
    READY = "Ready"  # may get traffic
    UNHEALTHY = "Unhealthy"  # was Ready, fails its checks now
    BACKOFF = "Backoff"  # died or never became healthy; waits before the next try
    DRAINING = "Draining"  # must get no new traffic; ends when its requests have


@dataclass(frozen=True, slots=True)
class ObservedReplica:
    """One incarnation of a replica slot as the pool has it now; ``id`` names it for ever.

    A slot may have several at once: one that drains, one that serves, one that is to replace it.
    A driver that starts anew knows the slots of those with storage; the others it may count again.
    Whether a run after a failure is another incarnation is the pool's: where its room is kept for
    it meanwhile it is the same one, and its allocation goes on.
    ``restarts`` counts how often the slot was started again after a failure; ``message`` is a
    sentence on why it is not Ready, or on what it went through until it was.
    """

    id: str
    component: str
    slot: int
    state: ReplicaState
    address: str
    port: int | None
    started_at: datetime
    ready_at: datetime | None = None
    restarts: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class ObservedWorkload:
    """What a pool holds for one environment.

    ``digest`` is that of the workload last applied, whether the pool has got to it or not; empty
    if that cannot be told. ``problems`` are sentences on what stands in the way of the whole
    workload (a quota that is full, no room for a replica, nobody who converges the pool); what a
    single replica suffers from is in its own ``message``. ``limitations`` are sentences on what a
    person may expect and this pool does not do (a limit that cannot be enforced here): no fault.
    ``drift`` are sentences on what others changed of what was applied: who, and what.
    """

    environment_id: str
    digest: str
    replicas: tuple[ObservedReplica, ...] = ()
    problems: tuple[str, ...] = ()
    limitations: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Allocation:
    """Something a pool held or holds for an environment, from a first to a last instant.

    ``id`` is unique for ever and deterministic to observe: asking twice gives the same. ``size`` is
    constant over the interval (a resize ends one allocation and starts another). ``ended_at`` is
    None while it is held, then never before ``started_at`` and never another: where nobody watched
    it end, it is the moment when that was noticed. It may equal ``started_at``. ``addresses`` are
    those that a pool keeps for a replica over its sleep, apart from all that it gives back.
    """

    id: str
    environment_id: str
    department_id: str
    system_id: str
    component: str
    size: Resources
    started_at: datetime
    ended_at: datetime | None = None
    addresses: int = 0


class Driver(Protocol):
    """One pool, spoken to.

    Every method raises :class:`~cloudmgr.errors.Temporary` when the pool cannot be reached now and
    :class:`~cloudmgr.errors.Permanent` when it refuses for good; nothing else of an SDK's errors
    passes through.
    """

    kind: str

    def start(self, changed: Callable[[str], None]) -> None:
        """Begin to converge and watch; call ``changed(environment_id)`` soon after something moved.

        A call of ``changed`` is a hint: the caller also polls. Adopts whatever runs already.
        """
        ...

    def close(self) -> None:
        """Stop watching and let go of files and threads. What runs keeps running."""
        ...

    def capacity(self) -> Capacity:
        """What the pool has now.

        Asked inside transactions that hold locks: a driver that speaks over a network answers at
        once, from what it last saw, and says that the pool cannot be reached when that is old.
        """
        ...

    def apply(self, workload: Workload) -> None:
        """Make ``workload`` what ought to be there; returns once that is recorded, not done.

        Idempotent. More replicas: new slots are started, lowest free slot first. Fewer: the newest
        slots are drained, then ended. Another template: each replica is replaced in its slot, one
        at a time, the new one Ready before the old one drains; with storage, the old one ends
        before the new one starts, since two must not write to one directory. A slot's storage is
        kept over everything but :meth:`remove`: zero replicas, and a component that is left out.
        More ``storage_gib`` makes it grow with what is in it; less is refused where it cannot be.

        What fits no host is refused; what finds no room just now is recorded, started as soon as
        there is some, and a problem until then.

        :raises Permanent: ``does-not-fit`` when no host could hold one replica; ``unsupported``
            when this kind of pool cannot do it (an image on a pool of processes, a smaller volume);
            ``invalid-workload`` when none could (a name with a slash). Nothing was changed.
        :raises Temporary: nothing was changed either.
        """
        ...

    def remove(self, environment_id: str) -> None:
        """Drain and end every replica, delete storage. Done when :meth:`observe` says None.

        Unknown environments are no error.
        """
        ...

    def observe(self, environment_id: str) -> ObservedWorkload | None:
        """What is there now, or None when nothing is left; so for an id that cannot be one, too."""
        ...

    def observe_all(self) -> Iterable[ObservedWorkload]:
        """All that the pool holds for this control plane, known to it or not."""
        ...

    def allocations(self) -> Iterable[Allocation]:
        """What is held, and what was held and has not been forgotten yet.

        One allocation for each replica's run (CPU and memory, from its start to its end) and one
        for each storage slot (storage, from its creation to its deletion) and each address that is
        kept. A replica that drains still holds; one in Backoff only where its room is kept for it.
        What was listed as held is listed as ended, once it has, until it is forgotten.
        """
        ...

    def forget(self, allocation_ids: Iterable[str]) -> None:
        """These ended allocations have been recorded and need not be kept.

        Unknown ids are no error, and neither are those that are still held: they stay. One that has
        ended this very moment may be listed again, just as before: forget it again. So may what
        ended lately, by a driver that starts anew.
        """
        ...

    def log(self, environment_id: str, component: str, slot: int, lines: int) -> Sequence[str]:
        """The last ``lines`` lines that the slot wrote, oldest first, over its restarts: all of
        them, or at least the last.

        :raises NotFound: for a slot that never ran.
        """
        ...
