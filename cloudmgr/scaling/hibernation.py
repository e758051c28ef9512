"""Whether an environment sleeps: gives all compute back and keeps its data and address. Pure.

Idleness is proven, not supposed: it counts from the last request to the last time that the gateway
was *read*, so that a gateway which cannot be asked puts nobody to sleep. Health probes go to a
service of their own and are not requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta


class Cause(StrEnum):
    """Why it sleeps or does not."""

    WINDOW = "window"
    ORDER = "order"
    MANUAL = "manual"
    WOKEN = "woken"
    NEEDED = "needed"
    AHEAD = "ahead"
    TEST = "test"
    TESTED = "tested"
    HOURS = "hours"
    NEVER = "never"
    ASLEEP = "asleep"
    UNKNOWN = "unknown"
    IDLE = "idle"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known of an environment.

    :param asleep: whether it sleeps now.
    :param floor: the most that any window asks for now, lead included.
    :param ordered: whether a person's order to sleep is in force.
    :param pinned: whether a person's order to run a number of replicas is in force.
    :param awake_until: no sleep before, whatever the traffic.
    :param held_until: no falling asleep before: the hours of its class.
    :param called: whether those hours call for it although nobody asks.
    :param ahead_until: until when it is awake ahead of its time; None: it is not.
    :param waiting: whether somebody called it and it has not begun to wake, until ``lapses_at``.
    :param testing: whether it wakes to see whether it does, until ``lapses_at``.
    :param tested: whether that is over, and nobody has come meanwhile.
    :param needed: whether an environment that is awake, or called, needs it.
    :param calls_at: when they will do so next.
    :param idle_after: how long without a request until it may sleep; None for never.
    :param idle_since: the last request, or later: since when it is awake and watched.
    :param seen_until: when its gateway was read last; None if requests are not counted here.
    """

    now: datetime
    asleep: bool
    floor: int = 0
    ordered: bool = False
    pinned: bool = False
    awake_until: datetime | None = None
    ahead_until: datetime | None = None
    waiting: bool = False
    testing: bool = False
    tested: bool = False
    lapses_at: datetime | None = None
    needed: bool = False
    held_until: datetime | None = None
    called: bool = False
    calls_at: datetime | None = None
    idle_after: timedelta | None = None
    idle_since: datetime | None = None
    seen_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rest:
    """Asleep or not, why, and when that may change by time alone."""

    asleep: bool
    cause: Cause
    zh: str = ""
    en: str = ""
    look_at: datetime | None = None


def rest(signals: Signals) -> Rest:  # noqa: PLR0911 - one line for each reason, in order of rank
    """Whether the environment ought to sleep now."""
    s = signals
    if s.floor > 0:
        return Rest(asleep=False, cause=Cause.WINDOW)
    if s.pinned:
        return Rest(asleep=False, cause=Cause.MANUAL)
    if s.testing:
        return Rest(asleep=False, cause=Cause.TEST, look_at=s.lapses_at)
    if s.ordered:
        return _sleep(Cause.ORDER, "按指令休眠", "hibernated by order", s.calls_at)
    if s.waiting:
        return Rest(asleep=False, cause=Cause.WOKEN, look_at=s.lapses_at)
    if s.awake_until is not None and s.now < s.awake_until:
        return Rest(asleep=False, cause=Cause.WOKEN, look_at=s.awake_until)
    return _by_rules(s)


def _by_rules(s: Signals) -> Rest:
    if s.idle_after is None:
        return Rest(asleep=False, cause=Cause.NEVER)
    if s.needed:
        return Rest(asleep=False, cause=Cause.NEEDED)
    if s.ahead_until is not None:
        return Rest(asleep=False, cause=Cause.AHEAD, look_at=s.ahead_until)
    return _by_hours(s, s.idle_after)


def _by_hours(s: Signals, idle_after: timedelta) -> Rest:
    # What was woken for a test slept when that began: only what is called for holds it.
    held = s.called or not (s.asleep or s.tested)
    if s.held_until is not None and s.now < s.held_until and held:
        return Rest(asleep=False, cause=Cause.HOURS, look_at=s.held_until)
    if s.asleep:
        return _sleep(Cause.ASLEEP, "休眠中", "asleep, nothing calls for it", s.calls_at)
    if s.tested:
        return _sleep(Cause.TESTED, "试唤醒已结束，继续休眠", "its test wake is over", s.calls_at)
    return _by_traffic(s, idle_after)


def _by_traffic(s: Signals, idle_after: timedelta) -> Rest:
    if s.idle_since is None or s.seen_until is None:
        return Rest(asleep=False, cause=Cause.UNKNOWN)
    idle = s.seen_until - s.idle_since
    if idle < idle_after:
        return Rest(asleep=False, cause=Cause.BUSY, look_at=s.idle_since + idle_after)
    return _sleep(
        Cause.IDLE,
        f"已有 {_minutes(idle)} 分钟没有请求（{_minutes(idle_after)} 分钟后休眠）",
        f"no request for {_minutes(idle)} min, idle after {_minutes(idle_after)} min",
        s.calls_at,
    )


def _sleep(cause: Cause, zh: str, en: str, look_at: datetime | None) -> Rest:
    return Rest(asleep=True, cause=cause, zh=zh, en=en, look_at=look_at)


def _minutes(span: timedelta) -> str:
    return (
        f"{span.total_seconds() / 60:.3g}"
        if span.total_seconds() < 6000
        else (f"{span.total_seconds() / 60:.0f}")
    )
