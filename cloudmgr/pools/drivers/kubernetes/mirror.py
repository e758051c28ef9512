"""What a cluster holds, as it was last told: fed by watches and by the answers to our writes."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.driver import Allocation
from cloudmgr.pools.drivers.kubernetes.kinds import Kind
from cloudmgr.pools.drivers.kubernetes.seen import (
    Owned,
    SeenClaim,
    SeenNode,
    SeenPod,
    Warned,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from cloudmgr.clock import Clock
    from cloudmgr.pools.drivers.kubernetes.seen import Seen

# An end that nobody asks for is kept for so long: another control plane collects, most likely.
_KEPT = timedelta(days=7)
# The answer to a write may come after the news that what it wrote is gone.
_GRAVES = 5_000


class Mirror:
    """Any thread may read and write.

    :param changed: called with the environment of whatever moved, under no lock.
    """

    def __init__(self, clock: Clock, changed: Callable[[str], None]) -> None:
        self._clock = clock
        self._changed = changed
        self._lock = threading.Lock()
        self._objects: dict[Kind, dict[str, Seen]] = defaultdict(dict)
        self._owned: dict[str, dict[tuple[Kind, str], Owned]] = defaultdict(dict)
        self._pods: dict[str, dict[str, SeenPod]] = defaultdict(dict)
        self._holding: dict[str, dict[str, SeenPod]] = defaultdict(dict)
        self._claims: dict[str, dict[str, SeenClaim]] = defaultdict(dict)
        self._warnings: dict[str, Warned] = {}
        self._ended: dict[str, Allocation] = {}
        self._gone: dict[str, int] = {}
        self._moves = 0

    # -------------------------------------------------------------------------------- writing

    def put(self, kind: Kind, seen: Seen) -> None:
        """What is older than what is there already is not taken."""
        with self._lock:
            known = self._objects[kind].get(seen.uid)
            newest = known.version if known is not None else self._gone.get(seen.uid, 0)
            if newest >= seen.version:
                return
            self._moves += _outside(seen) or _outside(known)
            moved = self._put(kind, seen, known)
        if moved:
            self._changed(moved)

    def drop(self, kind: Kind, seen: Seen) -> None:
        """It is gone; ``seen`` is the last that was seen of it."""
        with self._lock:
            known = self._objects[kind].pop(seen.uid, None)
            self._gone.pop(seen.uid, None)
            self._gone[seen.uid] = seen.version
            if len(self._gone) > _GRAVES:
                del self._gone[next(iter(self._gone))]
            self._moves += _outside(seen) or _outside(known)
            moved = self._drop(seen if known is None else _later(seen, known))
        if moved:
            self._changed(moved)

    def lose(self, kind: Kind, uid: str, version: int) -> None:
        """It is there, but has stopped to be one of ours."""
        with self._lock:
            known = self._objects[kind].get(uid)
        if known is not None:
            self.drop(kind, replace(known, version=version))

    def replace(self, kind: Kind, all_there_is: Iterable[Seen], version: int) -> None:
        """Take a whole list, of ``version``: what is older and not in it is gone."""
        listed = {seen.uid: seen for seen in all_there_is}
        with self._lock:
            gone = [
                seen
                for uid, seen in self._objects[kind].items()
                if uid not in listed and seen.version <= version
            ]
        for seen in gone:
            self.drop(kind, seen)
        for seen in listed.values():
            self.put(kind, seen)

    def forget(self, allocation_ids: Iterable[str]) -> None:
        with self._lock:
            for allocation_id in allocation_ids:
                self._ended.pop(allocation_id, None)

    # -------------------------------------------------------------------------------- reading

    def environments(self) -> list[str]:
        with self._lock:
            return sorted({*self._owned, *self._pods, *self._claims})

    def owned(self, environment_id: str) -> dict[tuple[Kind, str], Owned]:
        with self._lock:
            return dict(self._owned.get(environment_id, {}))

    def pods(self, environment_id: str) -> list[SeenPod]:
        """Oldest first."""
        with self._lock:
            found = list(self._pods.get(environment_id, {}).values())
        return sorted(found, key=lambda p: (p.created_at, p.born, p.name))

    def holding(self, environment_id: str) -> list[SeenPod]:
        """The pods that hold room for it."""
        with self._lock:
            return list(self._holding.get(environment_id, {}).values())

    def claims(self, environment_id: str) -> list[SeenClaim]:
        with self._lock:
            return list(self._claims.get(environment_id, {}).values())

    def warning(self, uid: str) -> str:
        with self._lock:
            found = self._warnings.get(uid)
        return found.message if found else ""

    @property
    def moves(self) -> int:
        """How often nodes, or pods that are not ours, have moved: all that capacity follows."""
        return self._moves

    def nodes(self) -> list[SeenNode]:
        with self._lock:
            found = list(self._objects[Kind.NODE].values())
        return [node for node in found if isinstance(node, SeenNode)]

    def strangers(self) -> list[SeenPod]:
        """Pods that run on nodes and are not ours. Those that hold room give way to any."""
        with self._lock:
            found = list(self._objects[Kind.POD].values())
        return [
            pod
            for pod in found
            if isinstance(pod, SeenPod) and _is_stranger(pod) and pod.node and not pod.over
        ]

    def allocations(self) -> list[Allocation]:
        with self._lock:
            pods = [pod for pods in self._pods.values() for pod in pods.values()]
            claims = [claim for claims in self._claims.values() for claim in claims.values()]
            ended = dict(self._ended)
        held = [allocation_of_pod(pod) for pod in pods if pod.scheduled_at and not pod.over]
        held += [allocations_of_claim(claim)[-1] for claim in claims]
        # One that ended while this was put together is told as ended.
        found = {**{a.id: a for a in held if a}, **ended}.values()
        return sorted(found, key=lambda a: (a.started_at, a.id))

    # --------------------------------------------------------------------------------- inside

    def _put(self, kind: Kind, seen: Seen, known: Seen | None) -> str:
        match seen:
            case SeenPod():
                seen = self._put_pod(seen, known)
            case SeenClaim():
                self._claims[seen.environment_id][seen.uid] = seen
                self._outgrow(seen)
            case Owned():
                self._owned[seen.environment_id][seen.kind, seen.name] = seen
            case Warned():
                last = self._warnings.get(seen.about)
                if last is None or last.version < seen.version:
                    self._warnings[seen.about] = seen
            case SeenNode():
                pass
        self._objects[kind][seen.uid] = seen
        return getattr(seen, "environment_id", "") or getattr(seen, "holds", "")

    def _put_pod(self, pod: SeenPod, known: Seen | None) -> SeenPod:
        if isinstance(known, SeenPod):
            pod = _continued(pod, known)
        if pod.environment_id:
            self._pods[pod.environment_id][pod.uid] = pod
            if pod.over:
                self._end(allocation_of_pod(pod), pod.ended_at)
        if pod.holds:
            self._holding[pod.holds][pod.uid] = pod
        return pod

    def _drop(self, seen: Seen) -> str:
        match seen:
            case SeenPod():
                _remove(self._pods, seen.environment_id, seen.uid)
                _remove(self._holding, seen.holds, seen.uid)
                self._warnings.pop(seen.uid, None)
                if seen.environment_id and not seen.over:
                    self._end(allocation_of_pod(seen), seen.ended_at)
            case SeenClaim():
                _remove(self._claims, seen.environment_id, seen.uid)
                self._end(allocations_of_claim(seen)[-1], seen.deleted_at)
            case Owned():
                there = self._owned.get(seen.environment_id, {}).get((seen.kind, seen.name))
                if there is not None and there.uid == seen.uid:
                    _remove(self._owned, seen.environment_id, (seen.kind, seen.name))
            case Warned():
                last = self._warnings.get(seen.about)
                if last is not None and last.uid == seen.uid:
                    del self._warnings[seen.about]
            case SeenNode():
                pass
        return getattr(seen, "environment_id", "") or getattr(seen, "holds", "")

    def _outgrow(self, claim: SeenClaim) -> None:
        for smaller in allocations_of_claim(claim)[:-1]:
            self._end(smaller, smaller.ended_at)

    def _end(self, allocation: Allocation | None, ended_at: datetime | None) -> None:
        if allocation is None or allocation.id in self._ended:
            return
        now = self._clock.now()
        ended_at = max(allocation.started_at, ended_at or now)
        self._ended[allocation.id] = replace(allocation, ended_at=ended_at)
        while (oldest := next(iter(self._ended.values()))).ended_at and (
            oldest.ended_at < now - _KEPT
        ):
            del self._ended[oldest.id]


def _outside(seen: Seen | None) -> bool:
    return isinstance(seen, SeenNode) or (isinstance(seen, SeenPod) and _is_stranger(seen))


def _is_stranger(pod: SeenPod) -> bool:
    return not (pod.environment_id or pod.holds)


def allocation_of_pod(pod: SeenPod) -> Allocation | None:
    """What a pod holds from when it was given a node; None if it never was."""
    if pod.scheduled_at is None:
        return None
    return Allocation(
        pod.uid,
        pod.environment_id,
        pod.department_id,
        pod.system_id,
        pod.component,
        pod.size,
        pod.scheduled_at,
    )


def allocations_of_claim(claim: SeenClaim) -> list[Allocation]:
    """One for each size that it had, the last for that of now; it only grows."""
    made: list[Allocation] = []
    begins = claim.created_at
    for gib, until in [*claim.was, (claim.size.storage_gib, None)]:
        made.append(
            Allocation(
                f"{claim.uid}.{gib}" if made else claim.uid,
                claim.environment_id,
                claim.department_id,
                claim.system_id,
                claim.component,
                Resources(storage_gib=gib),
                begins,
                until,
            )
        )
        begins = until or begins
    return made


def _continued(pod: SeenPod, before: SeenPod) -> SeenPod:
    """``pod`` with what only its past tells: when it was made, and first Ready in this run."""
    ready = before.ready_since if before.restarts == pod.restarts else None
    return replace(pod, born=before.born, ready_since=ready or pod.ready_since)


def _later(one: Seen, other: Seen) -> Seen:
    return one if one.version >= other.version else other


def _remove(index: dict[str, dict[Any, Any]], outer: str, inner: object) -> None:
    found = index.get(outer)
    if found is not None:
        found.pop(inner, None)
        if not found:
            del index[outer]
