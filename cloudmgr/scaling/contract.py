"""What holds for the sleep of one environment: what its class says, and where it stands. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.scaling.lead import by_class
from cloudmgr.scaling.line import BEGINS
from cloudmgr.scaling.wakes import condition

if TYPE_CHECKING:
    from datetime import datetime

    from cloudmgr.conditions import Condition
    from cloudmgr.policy.scaling_class import ScalingClass
    from cloudmgr.scaling.assessment import Scene
    from cloudmgr.scaling.lead import Lead
    from cloudmgr.scaling.line import Turn
    from cloudmgr.scaling.wakes import Wake


@dataclass(frozen=True, slots=True)
class Contract:
    """As it is at one moment.

    :param held_until: what is awake is not put to sleep before, by the hours of its class.
    :param awake_until: nor before this, since it was woken; None when that is over.
    :param wake: the last one, or the one that is under way.
    :param turn: what its wake waits for, if it does.
    :param needed: whether one that is awake, or called, needs it.
    :param lead: how long before a peak it starts, and what that comes of.
    :param condition: ``Woken``: whether that keeps its promise.
    :param wakes_at: when one that sleeps begins to wake by itself, for its hours or for a peak;
        None for one that is awake, and when nothing is planned.
    """

    scaling_class: ScalingClass
    asleep: bool
    lead: Lead
    held_until: datetime | None = None
    awake_until: datetime | None = None
    wakes_at: datetime | None = None
    wake: Wake | None = None
    condition: Condition | None = None
    needed: bool = False
    turn: Turn = BEGINS


def contract(scene: Scene, now: datetime, turn: Turn = BEGINS) -> Contract:
    """What holds for the environment of ``scene``, whose wake stands in line at ``turn``."""
    until = scene.state.awake_until
    return Contract(
        scaling_class=scene.scaling_class,
        asleep=scene.environment.hibernated,
        lead=scene.lead or by_class(scene.scaling_class),
        held_until=None if scene.environment.hibernated else scene.hours.held_until,
        awake_until=until if until is not None and until > now else None,
        wakes_at=_wakes_at(scene, now) if scene.environment.hibernated else None,
        wake=scene.wake,
        turn=turn,
        needed=scene.needed_since is not None,
        condition=condition(scene.wake, scene.environment.generation, now),
    )


def _wakes_at(scene: Scene, now: datetime) -> datetime | None:
    lead_time = scene.scaling_class.lead_time
    held = [o.until for o in scene.orders if o.hibernates and o.in_force(now) and o.until]
    moments = [w.interval.start - lead_time for w in scene.windows]
    if scene.state.starts_at is not None:
        moments.append(scene.state.starts_at)
    if scene.hours.calls_at is not None and not (held and scene.hours.calls_at < held[0]):
        moments.append(scene.hours.calls_at)
    return min((m for m in moments if m > now), default=None)
