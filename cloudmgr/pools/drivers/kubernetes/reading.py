"""From what the mirror shows to what the driver says of it. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudmgr.pools.capacity import Capacity, Host, Resources
from cloudmgr.pools.drivers.driver import ObservedReplica, ObservedWorkload, ReplicaState
from cloudmgr.pools.drivers.kubernetes.kinds import SCALABLE, Kind
from cloudmgr.pools.drivers.kubernetes.names import secret_of
from cloudmgr.pools.drivers.kubernetes.ownership import changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cloudmgr.pools.drivers.driver import Workload
    from cloudmgr.pools.drivers.kubernetes.manifests import Manifest
    from cloudmgr.pools.drivers.kubernetes.ownership import Foreign
    from cloudmgr.pools.drivers.kubernetes.seen import Owned, SeenNode, SeenPod

_REPLICAS = ("f:spec", "f:replicas")
# As every apiserver words it.
_FULL = re.compile(
    r"exceeded quota: (?P<name>\S+), requested: (?P<asked>\S+), used: (?P<used>\S+), "
    r"limited: (?P<most>\S+)"
)

Found = dict[tuple[Kind, str], "Owned"]


def applied(
    workload: Workload | None, expected: Sequence[Manifest], found: Mapping[tuple[Kind, str], Owned]
) -> str:
    """The digest of what stands in the cluster, if all of it does and nothing more; else empty.

    :param workload: what the namespace says it is for, without replicas.
    :param expected: the objects of that workload.
    """
    if workload is None or missing(expected, found) or surplus(expected, found):
        return ""
    counts = _counts(workload, found)
    components = tuple(replace(c, replicas=counts[c.name]) for c in workload.components)
    room = {c.name: max(0, c.reserved - c.replicas) for c in components}
    if any(m.holds and found[m.key].replicas != room[m.holds] for m in expected):
        return ""
    return replace(workload, components=components).digest


def _counts(workload: Workload, found: Mapping[tuple[Kind, str], Owned]) -> dict[str, int]:
    """How many replicas each component is told to have, without those that the cluster adds."""
    running = {key[1]: there.replicas for key, there in found.items() if key[0] in SCALABLE}
    for c in workload.components:
        least = found.get((Kind.AUTOSCALER, c.name))
        if least is not None and least.replicas <= running[c.name] <= c.ceiling:
            running[c.name] = least.replicas
    return running


def missing(
    expected: Iterable[Manifest], found: Mapping[tuple[Kind, str], Owned]
) -> list[Manifest]:
    """What is not there, or was made from something else."""
    return [
        manifest
        for manifest in expected
        if (there := found.get(manifest.key)) is None
        or there.digest != manifest.digest
        or there.deleting
    ]


def lacking(
    workload: Workload, expected: Sequence[Manifest], found: Mapping[tuple[Kind, str], Owned]
) -> set[tuple[Kind, str]]:
    """What is to be written: what is not there as it ought to be, and what drifted."""
    keys = {manifest.key for manifest in missing(expected, found)}
    if workload.corrects_drift:
        keys |= {manifest.key for manifest, _ in drifted(expected, found)}
    return keys


def without_secret(pods: Iterable[SeenPod]) -> set[str]:
    """Components of which a pod cannot start, since somebody has taken their Secret away.

    Secrets are not watched: it is seen by what a kubelet says.
    """
    return {
        pod.component
        for pod in pods
        if f'secret "{secret_of(pod.component)}" not found' in pod.waiting and not pod.deleting
    }


def drifted(
    expected: Iterable[Manifest], found: Mapping[tuple[Kind, str], Owned]
) -> list[tuple[Manifest, list[Foreign]]]:
    """What others changed of what we wrote."""
    changes = [
        (manifest, changed(there.foreign, manifest.body))
        for manifest in expected
        if (there := found.get(manifest.key)) is not None and there.foreign
    ]
    return [
        (manifest, kept)
        for manifest, fields in changes
        # Replicas that were handed over on purpose are no drift.
        if (kept := [one for one in fields if not (manifest.most and one.path == _REPLICAS)])
    ]


def surplus(expected: Iterable[Manifest], found: Mapping[tuple[Kind, str], Owned]) -> list[Owned]:
    """What is there and belongs to nothing that ought to be."""
    wanted = {manifest.key for manifest in expected}
    return [there for key, there in found.items() if key not in wanted and not there.deleting]


def replicas(pods: Iterable[SeenPod], warning: Callable[[str], str]) -> tuple[ObservedReplica, ...]:
    """Those that have a node, by component and slot.

    A pod of a StatefulSet has its slot in its name; those of a Deployment are counted by age.

    :param pods: oldest first.
    :param warning: the last that was said of a pod, by its uid.
    """
    counted: dict[str, int] = {}
    made: list[ObservedReplica] = []
    for pod in pods:
        if pod.scheduled_at is None or pod.over:
            continue
        slot = slot_of(pod)
        if slot is None:
            slot = counted.get(pod.component, 0)
            counted[pod.component] = slot + 1
        state = _state(pod)
        message = "" if state is ReplicaState.READY else _message(pod, warning(pod.uid))
        made.append(
            ObservedReplica(
                id=pod.uid,
                component=pod.component,
                slot=slot,
                state=state,
                address=pod.address,
                port=pod.port,
                started_at=pod.scheduled_at,
                ready_at=pod.ready_since,
                restarts=pod.restarts,
                message=message,
            )
        )
    return tuple(sorted(made, key=lambda r: (r.component, r.slot)))


def slot_of(pod: SeenPod) -> int | None:
    """The slot of a StatefulSet's pod; None for one whose name says none."""
    head, _, tail = pod.name.rpartition("-")
    return int(tail) if head == pod.component and tail.isdecimal() else None


def observed(
    environment_id: str,
    digest: str,
    pods: Sequence[SeenPod],
    found: Mapping[tuple[Kind, str], Owned],
    *,
    warning: Callable[[str], str],
    drift: Sequence[tuple[Manifest, list[Foreign]]] = (),
    holding: Sequence[SeenPod] = (),
) -> ObservedWorkload:
    problems = [
        f"{there.name}: the cluster makes no more replicas: {_in_words(trouble)}"
        for there in found.values()
        if (trouble := _trouble(there, pods, warning))
    ]
    homeless = Counter(
        (pod.component, pod.size, pod.unscheduled)
        for pod in pods
        if pod.unscheduled and not pod.deleting
    )
    problems += sorted(
        f"{component}: finds no room for {count} {'replica' if count == 1 else 'replicas'} with "
        f"{size.cpu_millis / 1000:g} CPU and {size.memory_mib} MiB; they start by themselves once "
        f"there is some ({said})"
        for (component, size, said), count in homeless.items()
    )
    problems += sorted({
        f"{pod.component}: room that was promised to it is not there yet: {pod.unscheduled}"
        for pod in holding
        if pod.unscheduled and not pod.deleting
    })  # fmt: skip
    return ObservedWorkload(
        environment_id,
        digest,
        replicas(pods, warning),
        tuple(problems),
        drift=tuple(
            f"{manifest.kind} {manifest.name}: {', '.join(map(str, fields))}"
            for manifest, fields in drift
        ),
    )


def capacity(
    nodes: Iterable[SeenNode], strangers: Iterable[SeenPod], storage_gib: int, spare: int = 0
) -> Capacity:
    """What the pool's nodes have beyond what runs there and is not ours.

    :param spare: so many nodes may fail at once.
    """
    ours = sorted((node for node in nodes if node.matches), key=lambda n: n.name)
    taken: dict[str, Resources] = {}
    for pod in strangers:
        taken[pod.node] = taken.get(pod.node, Resources()) + pod.size
    hosts = [
        Host(
            node.name,
            _left(node.allocatable, taken.get(node.name)),
            node.ready and node.schedulable,
        )
        for node in ours
    ]
    problems = [f"node {node.name} is lost: it is not Ready" for node in ours if not node.ready]
    problems += [
        f"node {node.name} is closed for new pods"
        for node in ours
        if node.ready and not node.schedulable
    ]
    return Capacity(tuple(hosts), Resources(storage_gib=storage_gib), spare, tuple(problems))


def victims(pods: Iterable[SeenPod], component: str, keep: int) -> list[SeenPod]:
    """The pods that are to go when ``keep`` stay: the newest.

    :param pods: oldest first.
    """
    living = [p for p in pods if p.component == component and not p.deleting and not p.over]
    return living[keep:]


def _trouble(there: Owned, pods: Iterable[SeenPod], warning: Callable[[str], str]) -> str:
    """Why there are too few replicas: a StatefulSet says it by events alone."""
    if there.kind is Kind.STATEFUL:
        # An event outlives what it tells of.
        made = sum(pod.component == there.name for pod in pods)
        return warning(there.uid) if made < there.replicas else ""
    return there.trouble


def _in_words(trouble: str) -> str:
    """A quota that is full is told in words, before those of the cluster."""
    full = _FULL.search(trouble)
    if full is None:
        return trouble
    asked, used, most = (
        dict(part.partition("=")[::2] for part in full[name].split(","))
        for name in ("asked", "used", "most")
    )
    each = ", ".join(
        f"{used.get(what, '?')} of {most.get(what, '?')} {what} are taken, {more} more are needed"
        for what, more in asked.items()
    )
    return f"the quota {full['name']} of its namespace is full: {each} ({trouble})"


def _state(pod: SeenPod) -> ReplicaState:
    if pod.deleting:
        return ReplicaState.DRAINING
    if pod.ready:
        return ReplicaState.READY
    if pod.waiting:
        return ReplicaState.BACKOFF
    return ReplicaState.UNHEALTHY if pod.started else ReplicaState.STARTING


def _message(pod: SeenPod, warning: str) -> str:
    return "; ".join(part for part in (pod.waiting, warning) if part)


def _left(room: Resources, taken: Resources | None) -> Resources:
    left = room - (taken or Resources())
    return Resources(max(0, left.cpu_millis), max(0, left.memory_mib), max(0, left.storage_gib))
