"""What is known of an environment, as the decision whether it sleeps takes it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmgr.scaling.hibernation import Signals
from cloudmgr.scaling.starting import awaited
from cloudmgr.scaling.wakes import PEOPLE, WakeCause

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cloudmgr.scaling.assessment import Scene
    from cloudmgr.scaling.orders import Order
    from cloudmgr.scaling.wakes import Wake


def signals(scene: Scene, floors: Mapping[str, int], now: datetime) -> Signals:
    """What whether it sleeps is decided by; ``floors`` are what windows ask for now."""
    environment, state = scene.environment, scene.state
    counting = in_force(scene, now)
    seen = scene.traffic if environment.web is not None else None
    idle_since = None
    if seen is not None:
        moments = [seen.since, state.awake_since or environment.created_at]
        if scene.activity is not None and scene.activity.last_request_at is not None:
            moments.append(scene.activity.last_request_at)
        idle_since = max(moments)
    return Signals(
        now=now,
        asleep=environment.hibernated and state.generation > 0,
        floor=max(floors.values(), default=0),
        ordered=any(o.hibernates for o in counting),
        pinned=any(not o.hibernates for o in counting),
        awake_until=state.awake_until,
        needed=scene.needed_since is not None,
        ahead_until=state.ahead_until if awaited(scene, now) else None,
        **_called_for(scene, now),
        held_until=scene.hours.held_until,
        called=scene.hours.called_since is not None,
        calls_at=scene.hours.calls_at,
        idle_after=scene.scaling_class.idle_after,
        idle_since=idle_since,
        seen_until=seen.at if seen is not None else None,
    )


def _called_for(scene: Scene, now: datetime) -> dict[str, Any]:
    """What its last wake says."""
    wake = scene.wake
    if wake is None:
        return {}
    kept = wake.lapses_at is None or now < wake.lapses_at
    test = wake.cause is WakeCause.TEST
    return {
        "waiting": kept and wake.waiting and wake.cause in PEOPLE,
        "testing": kept and wake.open and test,
        "tested": test and not (wake.open and kept) and _untouched(scene, wake),
        "lapses_at": wake.lapses_at,
    }


def _untouched(scene: Scene, wake: Wake) -> bool:
    """Whether it is known that nobody asked anything of it since it was woken for a test."""
    if scene.environment.web is None:
        return True
    last = scene.activity.last_request_at if scene.activity else None
    over = wake.ready_at or wake.ended_at or wake.lapses_at or wake.asked_at
    seen = scene.traffic is not None and scene.traffic.at >= over
    return seen and (last is None or last < wake.asked_at)


def in_force(scene: Scene, now: datetime) -> list[Order]:
    """Those that count: a resize may have taken the component of one away."""
    names = {c.name for c in scene.environment.components}
    return [
        o
        for o in scene.orders
        if o.in_force(now) and (_sleeps_on(o, scene) if o.hibernates else o.component in names)
    ]


def _sleeps_on(order: Order, scene: Scene) -> bool:
    """Whether an order to sleep outlasts the hours: those it was given in, or to its own end.

    It does not outlast the call of one that needs it.
    """
    if scene.needed_since is not None and order.at < scene.needed_since:
        return False
    called = scene.hours.called_since
    return order.until is not None or called is None or called <= order.at
