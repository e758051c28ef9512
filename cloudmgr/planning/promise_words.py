"""What is said of an announced peak that fits into its pool or does not. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmgr.errors import Conflict
from cloudmgr.interval import Interval
from cloudmgr.policy.decision import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo

    from cloudmgr.planning.holders import Holder, Promise
    from cloudmgr.planning.promises import Answer, Collision, Risk, Shortage
    from cloudmgr.pools.capacity import Resources
    from cloudmgr.pools.pool import Pool

DOES_NOT_FIT = "promise-does-not-fit"
PROMISED = "room-is-promised"
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Told:
    """What the pool answers to one window, with its own times: those of the answer have the lead.

    :param zone: in which sentences tell times.
    """

    answer: Answer
    lead: timedelta
    pool_id: str
    pool_name: str
    zone: ZoneInfo

    @property
    def fits(self) -> bool:
        return self.answer.fits

    @property
    def interval(self) -> Interval:
        """The window's own, without its lead."""
        asked = self.answer.promise.interval
        return Interval(asked.start + self.lead, asked.end)

    @property
    def earlier(self) -> Interval | None:
        shift = self.answer.earlier
        return None if shift is None else _moved(self.interval, -shift)

    @property
    def later(self) -> Interval | None:
        shift = self.answer.later
        return None if shift is None else _moved(self.interval, shift)

    @property
    def reason(self) -> Reason:
        """Why it is refused, with whom it collides and what would do, as one reason."""
        promise, worst = self.answer.promise, self.answer.worst
        name, count = promise.component, promise.replicas
        zh = (
            f"组件 {name} 的 {count} 个副本（{self._span(self.interval, ' 至 ')}）在资源池 "
            f"{self.pool_name} 中放不下：{self._span(worst.interval, ' 至 ')} 缺 "
            f"{amount_zh(worst.missing)}（已扣除为主机故障预留的容量）。{self._with_zh()}"
            f"{self._instead_zh()}"
        )
        en = (
            f"{_replicas(count)} of {name} from {self._span(self.interval, ' to ')} "
            f"{'does' if count == 1 else 'do'} not fit into the pool {self.pool_name}: "
            f"from {self._span(worst.interval, ' to ')} it lacks {amount_en(worst.missing)}, "
            "beside what is kept back for hosts that may fail. "
            f"{self._with_en()}{self._instead_en()}"
        )
        return Reason(DOES_NOT_FIT, zh, en)

    def _with_zh(self) -> str:
        found = self.answer.collisions
        if not found:
            return "其他高峰期均不与之重叠，资源池的容量本身不足。"
        named = "、".join(f"{_zh(c)}（{amount_zh(c.takes)}）" for c in found[:_NAMED])
        more = f"等 {len(found)} 个系统环境" if len(found) > _NAMED else ""
        return f"与以下系统的高峰期冲突：{named}{more}。"

    def _with_en(self) -> str:
        found = self.answer.collisions
        if not found:
            return "No other peak overlaps it: the pool itself is too small. "
        named = ", ".join(f"{_en(c)} ({amount_en(c.takes)})" for c in found[:_NAMED])
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        return f"It collides with peaks of {named}{more}. "

    def _instead_zh(self) -> str:
        ways = [f"改为 {self._at(i.start)} 开始" for i in (self.earlier, self.later) if i]
        if self.answer.replicas:
            ways.append(f"同一时间最多 {self.answer.replicas} 个副本")
        if not ways:
            return "前后 14 天内没有可行的时间，也没有可行的更小规模。"
        return f"可行的调整：{'，或'.join(ways)}。"

    def _instead_en(self) -> str:
        ways = [f"from {self._at(i.start)}" for i in (self.earlier, self.later) if i]
        if self.answer.replicas:
            ways.append(f"then with at most {_replicas(self.answer.replicas)}")
        if not ways:
            return "No time within 14 days and no smaller size would fit"
        return f"It would fit {', or '.join(ways)}"

    def _at(self, moment: datetime) -> str:
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M}"

    def _span(self, interval: Interval, until: str) -> str:
        first, last = interval.start.astimezone(self.zone), interval.end.astimezone(self.zone)
        end = f"{last:%H:%M}" if first.date() == last.date() else self._at(last)
        return f"{self._at(first)}{until}{end}"


@dataclass(frozen=True, slots=True)
class PoolRisk:
    """A pool and those of its promises that cannot be kept; ``risk`` is None if nobody can tell.

    ``leads`` are the lead times of its environments.
    """

    pool: Pool
    risk: Risk | None
    leads: Mapping[str, timedelta]
    zone: ZoneInfo

    @property
    def lost(self) -> tuple[Promise, ...]:
        """The least critical first."""
        return self.risk.lost if self.risk else ()

    def holder(self, promise: Promise) -> Holder:
        assert self.risk is not None  # noqa: S101 - it has lost one
        return self.risk.kept.holders[promise.environment_id]

    def told(self, promise: Promise, now: datetime) -> Told:
        """Why one that is lost cannot be kept, and what would do."""
        assert self.risk is not None  # noqa: S101 - it has lost one
        return Told(
            self.risk.told(promise, now),
            self.leads[promise.environment_id],
            self.pool.id,
            self.pool.name,
            self.zone,
        )


def refuse(told: Sequence[Told]) -> None:
    """:raises Conflict: ``promise-does-not-fit`` with all that is known, if any does not fit."""
    against = [one for one in told if not one.fits]
    if not against:
        return
    reasons = [one.reason for one in against]
    raise Conflict(
        "; ".join(reason.en for reason in reasons),
        code=DOES_NOT_FIT,
        hint="choose another time or fewer replicas, or ask the operators for room",
        zh="".join(reason.zh for reason in reasons),
        members={
            "zh": "".join(reason.zh for reason in reasons),
            **members(against[0]),
        },
    )


def members(told: Told) -> dict[str, Any]:
    """Shortages, collisions and alternatives as JSON has them.

    CPU in thousandths of a core, memory in MiB; times in UTC.
    """
    answer = told.answer
    return {
        "shortages": [{**_times(s.interval), **_amount(s.missing)} for s in answer.shortages],
        "collisions": [
            {
                "system_code": c.holder.system_code,
                "system_zh": c.holder.system_zh,
                "system_en": c.holder.system_en,
                **_times(c.interval),
                **_amount(c.takes),
            }
            for c in answer.collisions
        ],
        "alternatives": {
            "earlier": _times(told.earlier) if told.earlier else None,
            "later": _times(told.later) if told.later else None,
            "replicas": answer.replicas or None,
        },
    }


def outgrown(short: Shortage, pool_name: str, zone: ZoneInfo) -> Reason:
    """Why a base cannot be: what it would take is promised to peaks, or is the base of others."""
    at = f"{short.interval.start.astimezone(zone):%Y-%m-%d %H:%M}"
    return Reason(
        PROMISED,
        f"资源池 {pool_name} 自 {at} 起的容量已承诺他用，缺 {amount_zh(short.missing)}",
        f"what the pool {pool_name} has is promised already from {at} on: "
        f"{amount_en(short.missing)} would be missing",
    )


def amount_zh(amount: Resources) -> str:
    said = [f"{amount.cpu_millis / 1000:g} 核"] if amount.cpu_millis else []
    said += [f"{_memory(amount.memory_mib)} 内存"] if amount.memory_mib else []
    return "、".join(said)


def amount_en(amount: Resources) -> str:
    cores = f"{amount.cpu_millis / 1000:g}"
    said = [f"{cores} core{'' if cores == '1' else 's'}"] if amount.cpu_millis else []
    said += [f"{_memory(amount.memory_mib)} of memory"] if amount.memory_mib else []
    return " and ".join(said)


def _replicas(count: int) -> str:
    return f"{count} replica{'' if count == 1 else 's'}"


def _memory(mib: int) -> str:
    return f"{mib / 1024:g} GiB" if mib % 256 == 0 else f"{mib} MiB"


def _zh(collision: Collision) -> str:
    holder = collision.holder
    return holder.system_zh or holder.system_en or holder.system_code


def _en(collision: Collision) -> str:
    holder = collision.holder
    return holder.system_en or holder.system_zh or holder.system_code


def _moved(interval: Interval, shift: timedelta) -> Interval:
    return Interval(interval.start + shift, interval.end + shift)


def _times(interval: Interval) -> dict[str, str]:
    return {
        "starts_at": _iso(interval.start),
        "ends_at": _iso(interval.end),
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _amount(amount: Resources) -> dict[str, int]:
    return {"cpu_millis": amount.cpu_millis, "memory_mib": amount.memory_mib}
