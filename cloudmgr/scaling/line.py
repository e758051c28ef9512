"""Who wakes next on a pool, when more are called than may wake at once. Pure.

A call waits for its turn, for what it needs, or for room. In line stand first the more critical,
then people before rules, then whose promise is due first, then who was called first; tests stand
behind all others. What is needed stands before whoever needs it, and as high as the highest of
those. Who waits for room or for what it needs keeps nobody else from waking.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from cloudmgr.scaling.wakes import PEOPLE, WakeCause

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from cloudmgr.scaling.wakes import Wake

Rank: TypeAlias = "tuple[bool, int, bool, datetime, datetime, str]"


class WaitsFor(StrEnum):
    """Why a call has not begun to wake."""

    TURN = "turn"
    NEEDS = "needs"
    ROOM = "room"


@dataclass(frozen=True, slots=True)
class Call:
    """A wake that is under way, as the line sees it.

    :param needs: those that it needs and that are not up: asleep, or waking themselves.
    :param patience: how long after it was asked for it waits for them; then it begins anyhow.
    :param holds: how long after it began it counts as waking at most: what does not come up must
        not keep others from it for ever.
    """

    wake: Wake
    pool_id: str
    criticality: int
    needs: tuple[str, ...]
    patience: timedelta
    holds: timedelta

    @property
    def id(self) -> str:
        return self.wake.environment_id

    @property
    def waiting(self) -> bool:
        return self.wake.begun_at is None

    def waking(self, now: datetime) -> bool:
        """Whether it takes one of the places of those that wake at once."""
        begun = self.wake.begun_at
        return begun is not None and now < begun + self.holds

    def held_up(self, now: datetime) -> bool:
        """Whether it waits for what it needs."""
        return bool(self.needs) and now < self.patient_until

    @property
    def patient_until(self) -> datetime:
        return self.wake.asked_at + self.patience

    @property
    def rank(self) -> Rank:
        w = self.wake
        return (
            w.cause is WakeCause.TEST,
            -self.criticality,
            w.cause not in PEOPLE,
            w.promised_by,
            w.asked_at,
            self.id,
        )


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a call stands.

    :param waits: what it waits for; None: it is its turn.
    :param place: 1 for the next one; of those that wait on its pool.
    :param waking: how many wake there now, and ``at_once`` how many may.
    :param needs: what it needs and is not up, whether it waits for that or begins anyhow.
    :param until: when it no longer waits for that.
    """

    waits: WaitsFor | None = None
    place: int = 0
    of: int = 0
    waking: int = 0
    at_once: int = 0
    needs: tuple[str, ...] = ()
    until: datetime | None = None

    @property
    def words(self) -> tuple[str, str]:
        """What is to be said of it in a decision, in Chinese and English; empty for nothing."""
        needs, place = ", ".join(self.needs), f"{self.place}/{self.of}"
        if self.waits is WaitsFor.TURN:
            now, most = self.waking, self.at_once
            return (
                f"排队等待唤醒，第 {place} 位；{now} 个正在唤醒，最多同时 {most} 个",
                f"waits for its turn, place {place}; {now} wake, {most} may at once",
            )
        if self.waits is WaitsFor.NEEDS:
            return f"等待所依赖的 {needs} 就绪", f"waits until {needs}, which it needs, is ready"
        if self.waits is WaitsFor.ROOM:
            return "等待资源池腾出空间", "waits for room in its pool"
        if needs:
            return (
                f"所依赖的 {needs} 尚未就绪，不再等待",
                f"starts although {needs}, which it needs, is not ready",
            )
        return "", ""


BEGINS = Turn()


def turn(calls: Sequence[Call], environment_id: str, at_once: int, now: datetime) -> Turn:
    """Where the call of ``environment_id``, which is one of ``calls``, stands.

    :param calls: all that are open, of all pools.
    """
    mine = next(c for c in calls if c.id == environment_id)
    line = [c for c in _ordered(calls) if c.pool_id == mine.pool_id]
    waking = sum(c.waking(now) for c in calls if c.pool_id == mine.pool_id)
    place = line.index(mine)
    ahead = sum(_ready_to_begin(c, now) for c in line[:place])
    waits = None
    if mine.held_up(now):
        waits = WaitsFor.NEEDS
    elif waking + ahead >= at_once:
        waits = WaitsFor.TURN
    until = mine.patient_until if waits is WaitsFor.NEEDS else None
    needs = mine.needs if mine.patience else ()
    return Turn(waits, place + 1, len(line), waking, at_once, needs, until)


def offers(calls: Sequence[Call], at_once: int, now: datetime) -> list[str]:
    """Ids of those that may begin now, and of the first that wait for room."""
    lines: dict[str, list[Call]] = {}
    for call in _ordered(calls):
        lines.setdefault(call.pool_id, []).append(call)
    found: list[str] = []
    for pool_id, line in lines.items():
        free = at_once - sum(c.waking(now) for c in calls if c.pool_id == pool_id)
        if free <= 0:
            continue
        found += [c.id for c in line if _ready_to_begin(c, now)][:free]
        roomless = [c for c in line if c.wake.waits == WaitsFor.ROOM and not c.held_up(now)]
        found += [c.id for c in roomless[:at_once]]
    return found


def _ready_to_begin(call: Call, now: datetime) -> bool:
    return not call.held_up(now) and call.wake.waits != WaitsFor.ROOM


def _ordered(calls: Iterable[Call]) -> list[Call]:
    """Those that wait, the next one first."""
    waiting = {c.id: c for c in calls if c.waiting}
    ranks = {key: c.rank for key, c in waiting.items()}
    # From the highest down: each lifts what it needs, which is never lifted again after that.
    for key in sorted(ranks, key=ranks.__getitem__):
        ahead = list(waiting[key].needs)
        while ahead:
            other = ahead.pop()
            if other in ranks and ranks[key] < ranks[other]:
                ranks[other] = ranks[key]
                ahead += waiting[other].needs
    depths: dict[str, int] = {}
    for key in waiting:
        _deepen(key, waiting, depths)
    return sorted(waiting.values(), key=lambda c: (ranks[c.id], depths[c.id], c.rank))


def _deepen(key: str, waiting: Mapping[str, Call], depths: dict[str, int]) -> int:
    """How long the longest way is through what it needs and waits as well."""
    if key not in depths:
        depths[key] = 0  # a circle, which cannot be, ends here
        below = [_deepen(n, waiting, depths) for n in waiting[key].needs if n in waiting]
        depths[key] = 1 + max(below, default=-1)
    return depths[key]
