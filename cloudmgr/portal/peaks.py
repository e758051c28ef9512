"""What is to be said of announced peaks: ahead, being prepared, now, and whether it is ready."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.scaling.windows import PeakWindow


@dataclass(frozen=True, slots=True)
class Outlook:
    """A peak, its state in one word, when preparing begins, and how many replicas are ready."""

    window: PeakWindow
    state: str
    prepares_at: datetime
    ready: int

    @property
    def met(self) -> bool:
        return self.ready >= self.window.replicas


def outlook(
    window: PeakWindow, environment: Environment | None, lead: timedelta, now: datetime
) -> Outlook:
    """How ``window``, which begins to be prepared ``lead`` before its start, stands at ``now``."""
    prepares_at = window.interval.start - lead
    if window.cancelled_at is not None:
        state = "cancelled"
    elif window.interval.end <= now:
        state = "over"
    elif window.interval.start <= now:
        state = "now"
    else:
        state = "preparing" if prepares_at <= now else "ahead"
    ready = environment.status.ready.get(window.component, 0) if environment else 0
    return Outlook(window, state, prepares_at, ready)
