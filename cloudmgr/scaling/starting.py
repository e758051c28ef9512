"""When what is dated begins to start: by its lead, or ahead of that. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from cloudmgr.policy.scaling_class import ScalingClass
    from cloudmgr.scaling.assessment import Scene


def lead_of(scaling_class: ScalingClass) -> timedelta:
    """How long before a peak its capacity is there."""
    return scaling_class.lead_time


def awaited(scene: Scene, now: datetime) -> bool:
    """Whether it is to be awake ahead of its time."""
    state = scene.state
    if state.starts_at is None or state.ahead_until is None:
        return False
    return state.starts_at <= now < state.ahead_until


def lead_now(scene: Scene, now: datetime) -> timedelta:
    """The lead of the windows of ``scene``: longer while it is awake ahead of its time."""
    state, lead = scene.state, lead_of(scene.scaling_class)
    if state.starts_at is None or state.ahead_until is None or not awaited(scene, now):
        return lead
    return max(lead, state.ahead_until - state.starts_at)
