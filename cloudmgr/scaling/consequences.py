"""What has to be written after a look. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cloudmgr.scaling import wakes
from cloudmgr.scaling.assessment import ScalingState
from cloudmgr.scaling.hibernation import Cause

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cloudmgr.scaling.assessment import Assessment, Scene
    from cloudmgr.scaling.wakes import Wake


@dataclass(frozen=True, slots=True)
class Consequences:
    """What has to be written after a look; nothing when :attr:`none`.

    :param target: the new target, or None when it stays, and all that is held beside it.
    :param told: components whose decision is kept.
    :param state: what to remember; its generation is right only when the target stays.
    :param wake: one that begins, succeeds or ends.
    """

    target: Mapping[str, int] | None
    told: tuple[str, ...]
    state: ScalingState
    none: bool
    wake: Wake | None = None


def consequences(scene: Scene, assessment: Assessment, now: datetime, digest: str) -> Consequences:
    """What follows from ``assessment``, made under the policy ``digest``.

    A decision is kept when the target of a component moves, and when a window begins or ceases to
    ask for it, even if other terms hide that; also when it begins to wait.
    """
    environment, before = scene.environment, scene.state
    after = assessment.target
    moved = (
        after != dict(environment.target)
        or dict(assessment.reserved) != dict(environment.reserved)
        or scene.scaling_class.elastic != environment.elastic
        or scene.scaling_class.corrects_drift != environment.corrects_drift
    )
    told = tuple(
        name
        for name in after
        if after[name] != environment.target.get(name, 0)
        or assessment.floors.get(name, 0) != before.floors.get(name, 0)
    )
    wake = wakes.follow(scene, assessment, now)
    if not told and wake is not None and wake.waits not in {None, scene.wake and scene.wake.waits}:
        told = (scene.environment.first.name,)
    up = any(after.values())
    if not up:
        awake_since = None
    elif environment.hibernated:
        awake_since = now
    else:
        awake_since = before.awake_since or environment.created_at
    until = before.awake_until
    if up and environment.hibernated and assessment.rest.cause is Cause.WOKEN:
        # As long as it waited is not time that anybody had of it.
        until = max(until or now, now + (scene.scaling_class.idle_after or timedelta(0)))
    # What ought to be awake and is not stands in line, and that looks again; what was never awake
    # before does not, so that whoever looks next must.
    known = wake or scene.wake
    lost = not up and not assessment.rest.asleep and not (known is not None and known.open)
    state = ScalingState(
        environment.id,
        generation=environment.generation,
        digest="" if lost else digest,
        awake_since=awake_since,
        awake_until=until
        if until is not None and until > now and not assessment.rest.asleep
        else None,
        calls_at=assessment.rest.look_at if assessment.rest.asleep or not up else None,
        floors=assessment.floors,
        **_ahead(scene, assessment, now),
    )
    quiet = not moved and not told and not assessment.void and wake is None
    return Consequences(after if moved else None, told, state, quiet and state == before, wake)


def _ahead(scene: Scene, assessment: Assessment, now: datetime) -> dict[str, Any]:
    """What is remembered of a wake ahead of its time, until that is over or came to nothing."""
    before = scene.state
    begun = before.starts_at is not None and before.starts_at <= now
    over = before.ahead_until is None or before.ahead_until <= now
    if over or (begun and assessment.rest.asleep):
        return {}
    return {
        "starts_at": before.starts_at,
        "ahead_until": before.ahead_until,
        "ahead_for": before.ahead_for,
    }
