"""When an environment is left as it is, since a peak is near: the change freeze. Pure.

It holds what people change of it: another size, its retirement, its secrets. Scaling goes on; that
is what the peak is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.errors import Conflict
from cloudmgr.policy.decision import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from cloudmgr.scaling.windows import PeakWindow

FROZEN = "change-frozen"


@dataclass(frozen=True, slots=True)
class Freeze:
    """From ``since`` until ``until``, for the window ``window_id`` and those that follow on it."""

    since: datetime
    until: datetime
    window_id: str


@dataclass(frozen=True, slots=True)
class Lift:
    """``actor`` let changes through at ``at``, until ``until``, with a reason."""

    environment_id: str
    until: datetime
    actor: str
    why: str
    at: datetime


def freeze(windows: Iterable[PeakWindow], now: datetime, before: timedelta | None) -> Freeze | None:
    """The freeze that holds now; None if none does.

    :param windows: those of one environment.
    :param before: how long before a window it begins; None where the class has none.
    """
    if before is None:
        return None
    held = sorted(
        (w for w in windows if w.cancelled_at is None and w.interval.end > now),
        key=lambda w: (w.interval.start, w.id),
    )
    found: Freeze | None = None
    for window in held:
        since = window.interval.start - before
        if found is None:
            if since <= now:
                found = Freeze(since, window.interval.end, window.id)
        elif since <= found.until:
            # No pause between two of them.
            found = Freeze(found.since, max(found.until, window.interval.end), found.window_id)
    return found


def reason(found: Freeze) -> Reason:
    """What is said of it beside a decision, in both languages."""
    until = found.until.isoformat()
    return Reason(
        FROZEN,
        f"高峰期变更冻结，至 {until} 为止不执行",
        f"changes are frozen for a peak until {until}: it is not carried out before",
    )


def check(found: Freeze | None, lift: Lift | None, now: datetime) -> None:
    """:raises Conflict: ``change-frozen``, unless somebody has let changes through."""
    if found is None or lifted(lift, now):
        return
    raise Conflict(
        f"changes are frozen for a peak until {found.until.isoformat()}",
        code=FROZEN,
        hint="wait until it is over, or have an operator lift the freeze",
        zh=f"高峰期变更冻结，至 {found.until.isoformat()} 为止",
    )


def lifted(lift: Lift | None, now: datetime) -> bool:
    """Whether changes are let through now."""
    return lift is not None and now < lift.until
