"""From what was seen of a cloud to what the contract of drivers speaks of. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.pools.capacity import ANY_SIZE, Capacity, Host, Resources, Sizes
from cloudmgr.pools.drivers.driver import ObservedReplica, ReplicaState
from cloudmgr.pools.drivers.openstack import names as words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from cloudmgr.pools.drivers.driver import ComponentWorkload
    from cloudmgr.pools.drivers.openstack.seen import Server
    from cloudmgr.pools.drivers.openstack.settings import Timing

# Nova's words for a server that is there and holds room, but is not what it ought to be yet.
_COMING = {
    "BUILD",
    "REBOOT",
    "HARD_REBOOT",
    "RESIZE",
    "VERIFY_RESIZE",
    "REVERT_RESIZE",
    "MIGRATING",
}


@dataclass(frozen=True, slots=True)
class Health:
    """What the checks of a replica say: ``fault`` is empty while it answers.

    ``failed`` counts the checks in a row that it did not answer; ``checked`` is whether there was
    one at all.
    """

    fault: str = ""
    failed: int = 0
    checked: bool = False


NOT_CHECKED = Health()


def is_replica(server: Server) -> bool:
    """Whether it counts as one: not while it sleeps, nor once nothing is left of it."""
    return not server.shelved and server.status not in {"DELETED", "SOFT_DELETED"}


def is_well(server: Server, health: Health, port: int | None) -> bool:
    """Whether it runs and, where it serves, answers."""
    if server.status != "ACTIVE" or server.busy in {"powering-off", "deleting"}:
        return False
    if port is None:
        return not server.host_lost
    return health.checked and not health.fault


def state(server: Server, health: Health, port: int | None, bearable: int) -> ReplicaState:
    """:param bearable: so many failed checks in a row are no illness yet."""
    if server.draining:
        return ReplicaState.DRAINING
    if words.FAILED in server.metadata or server.status in {"ERROR", "SHUTOFF"}:
        return ReplicaState.BACKOFF
    if words.READY not in server.metadata or server.status in _COMING:
        return ReplicaState.STARTING
    if is_well(server, health, port):
        return ReplicaState.READY
    # Who has just begun to look takes the word of who looked before.
    patient = not health.checked or health.failed < bearable
    if patient and server.status == "ACTIVE" and not server.host_lost:
        return ReplicaState.READY
    return ReplicaState.UNHEALTHY


def replica(
    server: Server, health: Health, component: ComponentWorkload | None, bearable: int
) -> ObservedReplica:
    port = component.port if component else None
    how = state(server, health, port, bearable)
    return ObservedReplica(
        id=server.id,
        component=server.component,
        slot=server.slot,
        state=how,
        address=server.address,
        port=port,
        started_at=server.launched or server.created,
        ready_at=server.since(words.READY),
        restarts=server.restarts,
        message="" if how is ReplicaState.READY else _message(server, health),
    )


def _message(server: Server, health: Health) -> str:
    said = [server.metadata.get(words.WHY, ""), server.fault, health.fault]
    if "No valid host" in server.fault:
        said[:0] = ["no host of the pool takes it at the moment; it is tried again by itself"]
    if server.host_lost:
        said.append("its host does not answer")
    return "; ".join(dict.fromkeys(part for part in said if part))


def backoff(restarts: int, first: float, longest: float) -> timedelta:
    """Before the next try; the first one is made after ``first`` seconds."""
    return timedelta(seconds=min(longest, first * 2 ** min(max(0, restarts - 1), 20)))


def rested(server: Server, now: datetime, timing: Timing) -> bool:
    """Whether one that failed may be tried again."""
    failed = server.since(words.FAILED)
    pause = backoff(server.restarts, timing.first_backoff, timing.longest_backoff)
    return failed is not None and now >= failed + pause


def spared(server: Server, now: datetime, timing: Timing) -> bool:
    """Whether one that nova gave up may be made anew."""
    pause = backoff(server.restarts + 1, timing.first_backoff, timing.longest_backoff)
    return now >= server.updated + pause


@dataclass(frozen=True, slots=True)
class Provider:
    """A host as placement has it: what it has at most, and what each consumer takes of it.

    ``generation`` is another after each change, but for what is given back.
    """

    id: str
    name: str
    generation: int
    room: Resources = field(default_factory=Resources)
    taken: Mapping[str, Resources] = field(default_factory=dict)
    up: bool = True
    enabled: bool = True

    def is_old(self, generation: int, used: Resources | None) -> bool:
        """Whether it is another by now.

        :param used: what placement says that is taken of it; None where no vCPU is left.
        """
        known = sum(self.taken.values(), start=Resources())
        if used is None:
            return generation != self.generation or known.cpu_millis < self.room.cpu_millis
        # Placement may only have told of the kinds of resources that were asked for.
        return generation != self.generation or known.cpu_millis != used.cpu_millis


def amounts(inventories: Mapping[str, Mapping[str, float]]) -> Resources:
    """(total − reserved) × allocation ratio, as placement reckons it."""

    def of(kind: str) -> int:
        found = inventories.get(kind)
        if found is None:
            return 0
        return int((found["total"] - found["reserved"]) * found["allocation_ratio"])

    return Resources(1000 * of("VCPU"), of("MEMORY_MB"))


def taken(resources: Mapping[str, int]) -> Resources:
    return Resources(1000 * resources.get("VCPU", 0), resources.get("MEMORY_MB", 0))


def capacity(
    providers: Iterable[Provider],
    ours: Collection[str],
    spare: int,
    sizes: Sizes = ANY_SIZE,
    storage_gib: int = 0,
) -> Capacity:
    """What the pool's hosts have beyond what is taken there and is not ours.

    :param ours: the consumers that are ours.
    :param sizes: those of its flavors.
    :param storage_gib: what all of them share.
    """
    hosts = sorted(providers, key=lambda p: p.name)
    left = [Host(one.name, _left(one, ours), one.up and one.enabled) for one in hosts]
    said = [
        f"host {one.name} is lost: its compute service does not answer"
        for one in hosts
        if not one.up
    ]
    said += [
        f"host {one.name} is closed for new servers" for one in hosts if one.up and not one.enabled
    ]
    shared = Resources(storage_gib=storage_gib)
    return Capacity(tuple(left), shared, spare, tuple(said), sizes)


def _left(one: Provider, ours: Collection[str]) -> Resources:
    theirs = [size for consumer, size in one.taken.items() if consumer not in ours]
    left = one.room - sum(theirs, start=Resources())
    return Resources(max(0, left.cpu_millis), max(0, left.memory_mib))
