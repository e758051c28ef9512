"""What is kept of each object that a cluster tells of: only what is looked at. Pure.

A city has tens of thousands of objects; kept whole they would take gigabytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.kubernetes import names as words
from cloudmgr.pools.drivers.kubernetes.kinds import COUNTS, Kind
from cloudmgr.pools.drivers.kubernetes.ownership import Foreign, foreign

Object = dict[str, Any]

_QUANTITY = re.compile(r"(?P<number>[0-9.]+(?:[eE][+-]?[0-9]+)?)(?P<unit>[a-zA-Z]*)")
_UNITS = {
    "": Decimal(1), "n": Decimal(10) ** -9, "u": Decimal(10) ** -6, "m": Decimal(10) ** -3,
    "k": Decimal(10) ** 3, "M": Decimal(10) ** 6, "G": Decimal(10) ** 9, "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15, "E": Decimal(10) ** 18, "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20, "Gi": Decimal(2) ** 30, "Ti": Decimal(2) ** 40, "Pi": Decimal(2) ** 50,
    "Ei": Decimal(2) ** 60,
}  # fmt: skip
_MIB, _GIB = Decimal(2) ** 20, Decimal(2) ** 30
# What a container waits for whose image cannot be had.
_PULLS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})


@dataclass(frozen=True, slots=True)
class Owned:
    """An object that was made from a workload.

    ``workload`` is the annotation of a namespace. ``replicas`` and ``trouble`` are of what has
    replicas: how many ought to run, and why the cluster makes none; ``storage_gib`` is what a
    StatefulSet asks for each. ``foreign`` are the fields that
    others wrote and we did not.
    """

    kind: Kind
    namespace: str
    name: str
    uid: str
    version: int
    environment_id: str
    digest: str
    deleting: bool
    workload: str = ""
    replicas: int = 0
    trouble: str = ""
    storage_gib: int = 0
    foreign: tuple[Foreign, ...] = ()


@dataclass(frozen=True, slots=True)
class SeenPod:
    """One pod, ours or not. ``environment_id`` is empty if it is not ours, and if it only holds
    room for the environment ``holds``.

    ``born`` orders pods that were made in the same second. ``chosen``: it goes when there are to be
    fewer. ``waiting`` is why its container does
    not run, ``unscheduled`` why it has no node; both empty if it does and has.
    """

    namespace: str
    name: str
    uid: str
    version: int
    born: int
    environment_id: str
    department_id: str
    system_id: str
    component: str
    node: str
    size: Resources
    created_at: datetime
    scheduled_at: datetime | None
    over: bool
    ended_at: datetime | None
    deleting: bool
    chosen: bool
    ready: bool
    ready_since: datetime | None
    started: bool
    started_at: datetime | None
    restarts: int
    waiting: str
    unscheduled: str
    address: str
    port: int | None
    holds: str = ""


@dataclass(frozen=True, slots=True)
class SeenClaim:
    """One claim of a slot's storage.

    ``was`` is what it had before it grew: the GiB, and until when.
    """

    namespace: str
    name: str
    uid: str
    version: int
    environment_id: str
    department_id: str
    system_id: str
    component: str
    size: Resources
    created_at: datetime
    deleted_at: datetime | None
    was: tuple[tuple[int, datetime], ...] = ()


@dataclass(frozen=True, slots=True)
class SeenNode:
    """One node. ``matches``: it belongs to the pool."""

    name: str
    uid: str
    version: int
    allocatable: Resources
    ready: bool
    schedulable: bool
    matches: bool


@dataclass(frozen=True, slots=True)
class Warned:
    """The last that was said of an object: why it does not get on."""

    uid: str
    version: int
    about: str
    message: str


Seen = Owned | SeenPod | SeenClaim | SeenNode | Warned


def quantity(text: object) -> Decimal:
    """A Kubernetes quantity as a number: ``250m`` is 0.25, ``1Gi`` is 1073741824.

    :raises ValueError: if it is none.
    """
    found = _QUANTITY.fullmatch(str(text))
    if not found or found["unit"] not in _UNITS:
        message = f"{text!r} is no quantity"
        raise ValueError(message)
    return Decimal(found["number"]) * _UNITS[found["unit"]]


def owned(kind: Kind, raw: Object) -> Owned | None:
    """None for what bears no environment's name."""
    meta = raw["metadata"]
    environment_id = meta.get("labels", {}).get(words.ENVIRONMENT, "")
    if not environment_id:
        return None
    notes = meta.get("annotations") or {}
    return Owned(
        kind,
        meta.get("namespace", meta["name"]),
        meta["name"],
        meta["uid"],
        int(meta["resourceVersion"]),
        environment_id,
        notes.get(words.DIGEST, ""),
        "deletionTimestamp" in meta,
        notes.get(words.WORKLOAD, ""),
        raw.get("spec", {}).get(COUNTS[kind], 0) if kind in COUNTS else 0,
        _trouble(raw),
        _storage(raw["spec"]["volumeClaimTemplates"][0]["spec"]) if kind is Kind.STATEFUL else 0,
        foreign(meta.get("managedFields") or ()),
    )


def pod(raw: Object, pool: str) -> SeenPod:
    """:param pool: the prefix of ours: what bears another pool's is a stranger's."""
    meta, spec, status = raw["metadata"], raw["spec"], raw.get("status", {})
    labels = meta.get("labels") or {}
    if labels.get(words.POOL) != pool:
        labels = {}
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    scheduled, ready = conditions.get("PodScheduled", {}), conditions.get("Ready", {})
    container: Object = next(iter(status.get("containerStatuses") or ()), {})
    state = container.get("state", {})
    ports = spec["containers"][0].get("ports") or ()
    return SeenPod(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        version=int(meta["resourceVersion"]),
        born=int(meta["resourceVersion"]),
        environment_id=labels.get(words.ENVIRONMENT, ""),
        department_id=labels.get(words.DEPARTMENT, ""),
        system_id=labels.get(words.SYSTEM, ""),
        component=labels.get(words.COMPONENT, ""),
        node=spec.get("nodeName", ""),
        size=_requests(spec),
        created_at=_time(meta["creationTimestamp"]),
        scheduled_at=_since(scheduled) if spec.get("nodeName") else None,
        over=status.get("phase") in {"Succeeded", "Failed"},
        ended_at=_ended_at(meta, status),
        deleting="deletionTimestamp" in meta,
        chosen=(meta.get("annotations") or {}).get(words.COST) == words.FIRST_TO_GO,
        ready=ready.get("status") == "True",
        ready_since=_since(ready) if ready.get("status") == "True" else None,
        started=bool(container.get("started")),
        started_at=_optional(state.get("running", {}).get("startedAt")),
        restarts=container.get("restartCount", 0),
        waiting=_waiting(container),
        unscheduled="" if spec.get("nodeName") else scheduled.get("message", ""),
        address=status.get("podIP", ""),
        port=ports[0]["containerPort"] if ports else None,
        holds=labels.get(words.HOLDS, ""),
    )


def claim(raw: Object) -> SeenClaim | None:
    """None for what is not ours."""
    meta = raw["metadata"]
    labels = meta.get("labels") or {}
    if not labels.get(words.ENVIRONMENT):
        return None
    was = (meta.get("annotations") or {}).get(words.SIZES, "")
    return SeenClaim(
        meta["namespace"],
        meta["name"],
        meta["uid"],
        int(meta["resourceVersion"]),
        labels[words.ENVIRONMENT],
        labels.get(words.DEPARTMENT, ""),
        labels.get(words.SYSTEM, ""),
        labels.get(words.COMPONENT, ""),
        Resources(storage_gib=_storage(raw["spec"])),
        _time(meta["creationTimestamp"]),
        _optional(meta.get("deletionTimestamp")),
        tuple((int(gib), _time(until)) for gib, until in (size.split("@") for size in was.split())),
    )


def node(raw: Object, selector: dict[str, str]) -> SeenNode:
    meta, status = raw["metadata"], raw.get("status", {})
    labels = meta.get("labels") or {}
    room = status.get("allocatable", {})
    taints = raw.get("spec", {}).get("taints") or ()
    return SeenNode(
        meta["name"],
        meta["uid"],
        int(meta["resourceVersion"]),
        Resources(
            int(quantity(room.get("cpu", 0)) * 1000), int(quantity(room.get("memory", 0)) / _MIB)
        ),
        any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ()),
        not raw.get("spec", {}).get("unschedulable", False)
        and not any(t.get("effect") in {"NoSchedule", "NoExecute"} for t in taints),
        all(labels.get(name) == value for name, value in selector.items()),
    )


def warned(raw: Object) -> Warned | None:
    """None for what says no more than the pod itself does."""
    meta = raw["metadata"]
    if raw.get("reason") == "BackOff":
        return None
    return Warned(
        meta["uid"],
        int(meta["resourceVersion"]),
        raw["involvedObject"].get("uid", ""),
        str(raw.get("message", ""))[:1000],
    )


def _storage(claim: Object) -> int:
    """GiB that a claim's ``spec`` asks for."""
    return _up(quantity(claim["resources"]["requests"]["storage"]) / _GIB)


def _trouble(raw: Object) -> str:
    for condition in raw.get("status", {}).get("conditions") or ():
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return str(condition.get("message", ""))[:1000]
    return ""


def _requests(spec: Object) -> Resources:
    """What the scheduler sets aside for a pod, as Kubernetes computes it."""
    cpu = memory = Decimal(0)
    for container in spec["containers"]:
        asked = (container.get("resources") or {}).get("requests") or {}
        cpu += quantity(asked.get("cpu", 0))
        memory += quantity(asked.get("memory", 0))
    for container in spec.get("initContainers") or ():
        asked = (container.get("resources") or {}).get("requests") or {}
        if container.get("restartPolicy") == "Always":
            cpu += quantity(asked.get("cpu", 0))
            memory += quantity(asked.get("memory", 0))
        else:
            cpu = max(cpu, quantity(asked.get("cpu", 0)))
            memory = max(memory, quantity(asked.get("memory", 0)))
    more = spec.get("overhead") or {}
    cpu += quantity(more.get("cpu", 0))
    memory += quantity(more.get("memory", 0))
    return Resources(_up(cpu * 1000), _up(memory / _MIB))


def _waiting(container: Object) -> str:
    """Why a container does not run, in a sentence; empty while it does, or is just being made."""
    state = container.get("state", {})
    waits, ended = state.get("waiting", {}), state.get("terminated", {})
    reason = waits.get("reason", "")
    if not ended and reason in {"", "ContainerCreating", "PodInitializing"}:
        return ""
    parts = []
    if before := ended or container.get("lastState", {}).get("terminated", {}):
        parts.append(_end(before, container.get("restartCount", 0)))
    said = f"{reason}: {waits.get('message', '')}".rstrip(": ")
    if reason == "CrashLoopBackOff":
        parts.append(f"it is started again by itself, each time later ({said})")
    elif reason in _PULLS:
        parts.append(
            f"its image {container.get('image', '')} cannot be pulled: see that there is one of "
            f"that name and that the cluster may pull it ({said})"
        )
    elif reason:
        parts.append(f"its container cannot be started ({said})")
    return "; ".join(parts)[:500]


def _end(terminated: Object, restarts: int) -> str:
    how = f"it ended with exit status {terminated['exitCode']}"
    if terminated.get("reason") == "OOMKilled":
        how = "it took more memory than was approved for it and was ended"
    if not restarts:
        return how
    return f"{how}, and was started again {restarts} {'time' if restarts == 1 else 'times'}"


def _ended_at(meta: Object, status: Object) -> datetime | None:
    """When the pod gave its room back: all its containers had ended, and it was told to go.

    A pod that waits to be started again keeps its room, so that an end of its container is no end
    of what it holds. Where no container says when it ended, it is when the pod was to be gone.
    """
    gone = _optional(meta.get("deletionTimestamp"))
    ends = [
        _time(container["state"]["terminated"]["finishedAt"])
        for container in status.get("containerStatuses") or ()
        if container.get("state", {}).get("terminated", {}).get("finishedAt")
    ]
    if status.get("phase") not in {"Succeeded", "Failed"} or not ends:
        return gone
    if gone is not None:
        ends.append(gone - timedelta(seconds=meta.get("deletionGracePeriodSeconds") or 0))
    return max(ends)


def _since(condition: Object) -> datetime | None:
    return _optional(condition.get("lastTransitionTime"))


def _optional(text: str | None) -> datetime | None:
    return None if text is None else _time(text)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _up(amount: Decimal) -> int:
    """The next whole number: what is held is never told for less."""
    return int(amount.to_integral_value(rounding="ROUND_CEILING"))
