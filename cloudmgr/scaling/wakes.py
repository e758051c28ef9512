"""What was promised when an environment was called out of its sleep, and how it came. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from cloudmgr.conditions import Condition, Status
from cloudmgr.hosting.workload import readiness
from cloudmgr.scaling.hibernation import Cause
from cloudmgr.scaling.starting import lead_now, lead_of

if TYPE_CHECKING:
    from datetime import datetime

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.scaling.assessment import Assessment, Scene
    from cloudmgr.scaling.hibernation import Rest

LONGEST_WHY_NOT = 500
# Who asks when a request comes to a sleeping environment.
WAKER = "waker"


class WakeCause(StrEnum):
    """What called for it."""

    REQUEST = "request"
    ORDER = "order"
    WINDOW = "window"
    HOURS = "hours"
    NEEDED = "needed"  # by another one that is called
    TEST = "test"  # to see whether it would
    RULES = "rules"  # its class, or an order to sleep that ended


# Somebody waits.
PEOPLE = frozenset({WakeCause.REQUEST, WakeCause.ORDER})

_KINDS = {
    Cause.WOKEN: WakeCause.ORDER,
    Cause.MANUAL: WakeCause.ORDER,
    Cause.NEEDED: WakeCause.NEEDED,
}


def asked_by(actor: str | None) -> WakeCause:
    """The cause of a wake that ``actor`` asked for."""
    return WakeCause.REQUEST if actor == WAKER else WakeCause.ORDER


class Fate(StrEnum):
    """How a wake stands by its promise."""

    WAITING = "waiting"
    LATE = "late"  # not Ready, and it ought to be
    KEPT = "kept"
    MISSED = "missed"
    DROPPED = "dropped"  # put to sleep again before the promise was due


@dataclass(frozen=True, slots=True)
class Wake:
    """One call, kept for ever.

    :param asked_at: when it was called for; a scheduled one: when it ought to have begun.
    :param promised_by: Ready by then.
    :param ready_at: when it was Ready; None: not yet, or never.
    :param ended_at: when nothing called for it any more, without its having been Ready.
    :param begun_at: when the pool was asked for its replicas; None: it waits, or never was.
    :param waits: what for: a value of :class:`cloudmgr.scaling.line.WaitsFor`.
    :param why_not: what was seen of it when it ended without its having been Ready.
    :param lapses_at: one that waits is given up then; None: it is kept until it is answered.
    :param actor: who asked, as in an order; None for the rules.
    """

    environment_id: str
    cause: WakeCause
    asked_at: datetime
    promised_by: datetime
    ready_at: datetime | None = None
    ended_at: datetime | None = None
    actor: str | None = None
    why: str | None = None
    begun_at: datetime | None = None
    waits: str | None = None
    lapses_at: datetime | None = None
    why_not: str | None = None
    id: str = ""

    @property
    def open(self) -> bool:
        return self.ready_at is None and self.ended_at is None

    @property
    def waiting(self) -> bool:
        """Whether it has not begun yet."""
        return self.open and self.begun_at is None

    def fate(self, now: datetime) -> Fate:
        if self.ready_at is not None:
            return Fate.KEPT if self.ready_at <= self.promised_by else Fate.MISSED
        if self.ended_at is not None:
            return Fate.DROPPED if self.ended_at < self.promised_by else Fate.MISSED
        return Fate.WAITING if now <= self.promised_by else Fate.LATE


def follow(scene: Scene, assessment: Assessment, now: datetime) -> Wake | None:
    """The wake that begins, succeeds or ends with this look; None if there is nothing to keep."""
    environment, last = scene.environment, scene.wake
    if last is not None and last.open:
        after = _followed(scene, last, assessment, now)
        return None if after == last else after
    if not environment.hibernated or scene.state.generation == 0:
        return None
    if assessment.rest.asleep:
        return _slept_through(scene, now)
    return _begun(called(scene, assessment.rest, now), assessment, now)


def _followed(scene: Scene, last: Wake, assessment: Assessment, now: datetime) -> Wake:
    environment = scene.environment
    if assessment.rest.asleep:
        return replace(
            last,
            ended_at=max(now, last.asked_at),
            waits=None,
            why_not=_why_not(environment, last),
        )
    if environment.hibernated:
        return _begun(last, assessment, now)
    if last.begun_at is None:
        # Somebody else has begun it: what runs stands in no line.
        last = replace(last, begun_at=now, waits=None)
    found = readiness(environment)
    if not _serves(environment) or found.status is not Status.TRUE:
        return last
    # One that never ceased to be Ready, as far as anybody saw, is so by now.
    at = found.since if found.since > last.asked_at else now
    return replace(last, ready_at=max(at, last.asked_at))


def _why_not(environment: Environment, last: Wake) -> str:
    if last.begun_at is None:
        return f"it waited for {last.waits}" if last.waits else "it had not begun"
    found = readiness(environment)
    said = f"{found.reason}: {found.message}" if found.message else found.reason
    return said[:LONGEST_WHY_NOT]


def _begun(wake: Wake, assessment: Assessment, now: datetime) -> Wake:
    """As it goes on from being asleep: its replicas are asked for, or it waits."""
    if any(assessment.target.values()):
        return replace(wake, begun_at=now, waits=None)
    waits = assessment.turn.waits
    return replace(wake, begun_at=None, waits=None if waits is None else waits.value)


def condition(last: Wake | None, generation: int, now: datetime) -> Condition | None:
    """``Woken``: whether the last wake kept its promise; None if nothing is to be said."""
    if last is None:
        return None
    fate = last.fate(now)
    at = last.promised_by.isoformat(timespec="seconds")
    if fate is Fate.LATE:
        message = f"it was to be ready by {at} and is not"
        return Condition("Woken", Status.FALSE, "WakeLate", message, generation, last.promised_by)
    if fate is Fate.MISSED:
        ended = last.ready_at or last.ended_at or now
        when = ended.isoformat(timespec="seconds")
        message = f"it was to be ready by {at} and was at {when}"
        if last.ready_at is None:
            message = f"it was to be ready by {at} and was not"
        return Condition("Woken", Status.FALSE, "WakeMissed", message, generation, ended)
    if fate is Fate.WAITING:
        message = f"it is to be ready by {at}"
        return Condition("Woken", Status.UNKNOWN, "Waking", message, generation, last.asked_at)
    since = last.ready_at or last.asked_at
    return Condition("Woken", Status.TRUE, "WokenInTime", "", generation, since)


def _serves(environment: Environment) -> bool:
    """Whether somebody can be answered: an approved minimum of none is Ready with nobody there."""
    web = environment.web
    if environment.hibernated or web is None:
        return not environment.hibernated
    return any(one.component == web.name for one in environment.status.endpoints)


def called(scene: Scene, rest: Rest, now: datetime) -> Wake:
    """The call that comes of ``rest``, which wakes what sleeps."""
    key, within = scene.environment.id, scene.scaling_class.wake_within
    cause = rest.cause
    if cause is Cause.WINDOW:
        lead_time, ahead = lead_of(scene.scaling_class), lead_now(scene, now)
        begun = [
            w.interval.start
            if w.created_at <= w.interval.start - lead_time
            else max(w.interval.start, w.created_at + within)
            for w in scene.windows
            if w.interval.start - ahead <= now < w.interval.end
        ]
        by = min(begun, default=now + within)
        return Wake(key, WakeCause.WINDOW, min(now, by), by)
    hours, told = scene.hours, scene.state.calls_at
    if cause is Cause.HOURS and hours.called_since is not None and hours.promised_by is not None:
        if told == hours.called_since and not _overruled(scene, told):
            return Wake(key, WakeCause.HOURS, told, hours.promised_by)
        return Wake(key, WakeCause.HOURS, now, now + within)
    state = scene.state
    if cause is Cause.AHEAD and state.ahead_for is not None:
        # What is needed is to be up before whoever needs it begins, which is then.
        needed = state.ahead_for == WakeCause.NEEDED
        by = state.ahead_until if not needed and state.ahead_until is not None else now + within
        return Wake(key, WakeCause(state.ahead_for), now, by)
    lapses_at = None
    if cause is Cause.MANUAL:
        untils = [o.until for o in scene.orders if not o.hibernates]
        lapses_at = None if None in untils else max(filter(None, untils), default=None)
    kind = _KINDS.get(cause, WakeCause.RULES)
    return Wake(key, kind, now, now + within, lapses_at=lapses_at)


def _overruled(scene: Scene, moment: datetime) -> bool:
    """Whether an order to sleep, with an end of its own, held at ``moment``."""
    return any(
        o.hibernates and o.until is not None and o.at < moment < o.until for o in scene.orders
    )


def _slept_through(scene: Scene, now: datetime) -> Wake | None:
    """Its hours came and went without anybody here to wake it."""
    told = scene.state.calls_at
    if told is None or told > now or scene.hours.called_since is not None:
        return None
    if _overruled(scene, told):
        return None
    by = told + scene.scaling_class.wake_within
    return Wake(scene.environment.id, WakeCause.HOURS, told, by, ended_at=now)
