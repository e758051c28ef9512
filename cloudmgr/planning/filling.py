"""A pool that is filled anew, promise by promise, the most critical first. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.interval import Interval
from cloudmgr.planning.holders import NOTHING, floors_at, raised

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from cloudmgr.planning.holders import Amount, Holder, Promise


@dataclass(frozen=True, slots=True)
class Filled:
    """Which promises found room, in the order in which they were asked, and which did not.

    :param lost: each with the most that it lacked at once, beside those before it that found room.
    """

    kept: tuple[Promise, ...]
    lost: tuple[tuple[Promise, Amount], ...]


def fill(
    holders: Mapping[str, Holder],
    promises: Iterable[Promise],
    times: Sequence[datetime],
    free: Sequence[Amount],
    now: datetime,
) -> Filled:
    """The most critical of ``promises`` first, of these the oldest; all are of ``holders``.

    :param times: at which anything changes, in order.
    :param free: beside what is held outside windows: before the first of ``times``, and from each
        of them on.
    :param now: what was before it is over.
    """

    def rank(promise: Promise) -> tuple[int, datetime, str]:
        return -holders[promise.environment_id].criticality, promise.booked_at, promise.id

    filling = _Filling(holders, times, free, now)
    kept: list[Promise] = []
    lost: list[tuple[Promise, Amount]] = []
    for promise in sorted(promises, key=rank):
        lacks = filling.takes(promise)
        if lacks == NOTHING:
            kept.append(promise)
        else:
            lost.append((promise, lacks))
    return Filled(tuple(kept), tuple(lost))


class _Filling:
    """What is left, over boundaries that are known before."""

    def __init__(
        self,
        holders: Mapping[str, Holder],
        times: Sequence[datetime],
        free: Sequence[Amount],
        now: datetime,
    ) -> None:
        # Only where there is too little, or who asks what if; a control plane should stay small.
        import numpy as np  # noqa: PLC0415

        self._holders, self._times, self._now = holders, times, now
        # Two rows, of processors and of memory: a year of a city has more boundaries than Python
        # likes to walk.
        self._free = np.array(free, dtype=np.int64).T.copy()
        self._in: dict[str, list[Promise]] = {}

    def takes(self, promise: Promise) -> Amount:
        """What it lacks beside those that are in; if that is nothing it is in."""
        own = self._in.setdefault(promise.environment_id, [])
        added = list(self._added(promise, own))
        cpu = memory = 0
        for span, (more_cpu, more_memory) in added:
            left_cpu, left_memory = self._free[:, span].min(axis=1)
            cpu = max(cpu, more_cpu - int(left_cpu))
            memory = max(memory, more_memory - int(left_memory))
        if cpu or memory:
            return cpu, memory
        for span, amount in added:
            for row, more in zip(self._free, amount, strict=True):
                row[span] -= more
        own.append(promise)
        return NOTHING

    def _added(self, promise: Promise, own: Sequence[Promise]) -> Iterator[tuple[slice, Amount]]:
        """Over which boundaries it adds how much to what those of its environment hold."""
        holder = self._holders[promise.environment_id]
        ahead = Interval(max(self._now, promise.interval.start), promise.interval.end)
        cuts = [t for p in own for t in (p.interval.start, p.interval.end)]
        for piece in ahead.split(cuts):
            floors = floors_at(own, piece.start)
            before = holder.base if floors is None else holder.awake(floors)
            after = holder.awake(raised(floors or {}, promise.component, promise.replicas))
            if after != before:
                span = slice(
                    bisect_right(self._times, piece.start), bisect_left(self._times, piece.end) + 1
                )
                yield span, (after[0] - before[0], after[1] - before[1])
