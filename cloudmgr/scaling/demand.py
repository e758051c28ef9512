"""What was asked of environments, by even steps of five minutes. Pure.

The unit is requests in flight, which replicas are sized by: the mean over a step is the seconds
that requests spent in it, over its length (Little's law). A step without a request has no record;
whether it was quiet or nobody looked is told by the gaps of its zone.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudmgr.interval import Interval

STEP = timedelta(minutes=5)
# So long demand is kept: last year's deadline, and what led to it.
KEPT = timedelta(days=400)
# So long is looked back on; older demand is not learned from.
LOOKS_BACK = timedelta(days=28)
# How far announced windows are looked ahead at; what is learned of them reaches no further.
LOOKS_AHEAD = timedelta(hours=3)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Slot:
    """One environment in the step that begins at ``starts_at``.

    :param requests: that ended in it.
    :param seconds: that requests spent in it, in business time, all together.
    :param highest: the highest mean in flight between two readings in it.
    """

    environment_id: str
    starts_at: datetime
    requests: int
    seconds: float
    highest: float = 0.0

    @property
    def in_flight(self) -> float:
        """The mean over the step."""
        return self.seconds / STEP.total_seconds()


def begin(moment: datetime) -> datetime:
    """When the step that ``moment`` lies in begins."""
    return EPOCH + (moment - EPOCH) // STEP * STEP


def spread(
    environment_id: str, over: Interval, requests: int, in_flight: float, highest: float
) -> list[Slot]:
    """What came within ``over``, shared evenly among the steps that it touches.

    :param in_flight: the mean over all of it. :param highest: that is kept of it in each step.
    """
    slots, given = [], 0
    whole = over.end - over.start
    start = begin(over.start)
    while start < over.end:
        end = min(start + STEP, over.end)
        # Whole requests, and all of them: by what is due until the end of each step.
        due = round(requests * ((end - over.start) / whole))
        seconds = in_flight * (end - max(start, over.start)).total_seconds()
        slots.append(Slot(environment_id, start, due - given, seconds, highest))
        start, given = start + STEP, due
    return slots


def gathered(slots: Iterable[Slot]) -> list[Slot]:
    """Those of the same environment and step as one."""
    found: dict[tuple[str, datetime], list[Slot]] = defaultdict(list)
    for slot in slots:
        found[slot.environment_id, slot.starts_at].append(slot)
    return [
        Slot(
            key,
            at,
            sum(s.requests for s in parts),
            sum(s.seconds for s in parts),
            max(s.highest for s in parts),
        )
        for (key, at), parts in found.items()
    ]
