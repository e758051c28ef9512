"""What history tells of the demand that comes, as scaling takes it in. Pure, and without arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from cloudmgr.scaling.activity import Sample


@dataclass(frozen=True, slots=True)
class Figures:
    """How what is followed did on the second half of the history, chosen anew each day.

    :param days: of history. :param cost: capacity paid, relative to an oracle's.
    :param unmet: the share of demand that found no capacity, 0 to 1.
    """

    days: float
    cost: float
    unmet: float


@dataclass(frozen=True, slots=True)
class Lesson:
    """What was learned of an environment, to be followed for a day.

    :param family: ``forecast``, ``seasonal`` or ``reaction``: which way did best so far.
    :param numbers: its setting, as the policy of that name takes them.
    :param floor: never less than this, in requests in flight.
    :param startup: from the decision until a replica serves. :param unit: what a replica carries.
    :param calendar: whether it had windows to learn from.
    :param middle: what was learned of the middle, and ``high`` of the 95th of a hundred, as the
        library reads it; empty for other families.
    """

    environment_id: str
    learned_at: datetime
    family: str
    numbers: tuple[float, ...]
    floor: float
    startup: timedelta
    unit: float
    calendar: bool
    figures: Figures
    middle: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True)
class Foretold:
    """What is told of one environment now.

    :param until: nothing is said beyond it: who tells may have stopped.
    :param recent: what was told, as ``Activity.recent`` keeps what was measured; the present one
        is the last.
    """

    environment_id: str
    family: str
    until: datetime
    recent: tuple[Sample, ...]

    def in_flight(self, now: datetime, hold: timedelta) -> float | None:
        """The highest that was told within ``hold``, and what was told last; None out of date.

        The last counts until then: it may be older than a short ``hold``.
        """
        if now >= self.until:
            return None
        held = [s.in_flight for s in self.recent[:-1] if now - hold < s.at]
        return max([*held, *(s.in_flight for s in self.recent[-1:])], default=0.0)

    def moments(self, now: datetime, hold: timedelta) -> list[datetime]:
        """When that may change by time alone."""
        if now >= self.until:
            return []
        return [self.until, *(s.at + hold for s in self.recent[:-1] if s.at + hold > now)]
