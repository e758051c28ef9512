"""Peaks that come round: which dates a series has, and what is to be done about them now. Pure.

A series is approved once; each of its dates within the horizon is a window, and thereby a
reservation. What is to be booked or taken back follows from the series, the city's calendar and the
windows that there are, so that looking again changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from cloudmgr.errors import Conflict, NotFound
from cloudmgr.hosting.expected import Expected
from cloudmgr.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    from cloudmgr.scaling.recurrence import Occurrence
    from cloudmgr.scaling.windows import PeakWindow


@dataclass(frozen=True, slots=True)
class Change:
    """One date, by the day of the city's on which it begins, that somebody decided on.

    :param instead: when it is instead; None: not at all.
    """

    day: date
    by: str
    at: datetime
    reason: str
    instead: Interval | None = None


@dataclass(frozen=True, slots=True)
class Unmet:
    """A date that its pool cannot promise, why, and what would fit instead.

    :param since: when that was found first.
    """

    day: date
    interval: Interval
    zh: str
    en: str
    since: datetime
    earlier: Interval | None = None
    later: Interval | None = None
    replicas: int | None = None

    def says_the_same(self, other: Unmet) -> bool:
        """But for since when."""
        return replace(self, since=other.since) == other


@dataclass(frozen=True, slots=True)
class PeakSeries:
    """``replicas`` of ``component`` each time that ``rule`` says; see :mod:`.series_dates`.

    ``changes`` and ``unmet`` are by their day.
    """

    id: str
    environment_id: str
    component: str
    rule: str
    replicas: int
    note: str
    created_by: str
    created_at: datetime
    request_id: str | None = None
    expected_rps: Decimal | None = None
    expected: Expected | None = None
    changes: tuple[Change, ...] = ()
    unmet: tuple[Unmet, ...] = ()
    ended_at: datetime | None = None
    version: int = 1

    def change(self, day: date) -> Change | None:
        return next((one for one in self.changes if one.day == day), None)

    def with_change(self, change: Change) -> PeakSeries:
        """In place of what was decided on that day before."""
        kept = (one for one in self.changes if one.day != change.day)
        return replace(self, changes=tuple(sorted((*kept, change), key=lambda one: one.day)))

    def without_change(self, day: date) -> PeakSeries:
        """:raises Conflict: ``nothing-to-undo``."""
        if self.change(day) is None:
            raise Conflict(
                f"nothing was decided on {day.isoformat()}: it is as its series says",
                code="nothing-to-undo",
            )
        return replace(self, changes=tuple(one for one in self.changes if one.day != day))


@dataclass(frozen=True, slots=True)
class Date:
    """One time that a series comes round.

    :param said: as the rule says. :param interval: as it is to be. :param waits_for: the years
        whose working days are to be published before it is booked.
    """

    day: date
    said: Interval
    interval: Interval
    waits_for: tuple[int, ...] = ()
    change: Change | None = None

    @property
    def skipped(self) -> bool:
        return self.change is not None and self.change.instead is None


@dataclass(frozen=True, slots=True)
class Step:
    """A date to be booked, in place of a window of the same day if there is one."""

    date: Date
    instead_of: PeakWindow | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be taken back, and then booked."""

    withdraw: tuple[PeakWindow, ...] = ()
    book: tuple[Step, ...] = ()


def dates(
    series: PeakSeries, occurrences: Iterable[Occurrence], zone: ZoneInfo
) -> tuple[Date, ...]:
    """Those of ``occurrences``, with what was decided on each."""
    found = []
    for one in occurrences:
        day = one.interval.start.astimezone(zone).date()
        change = series.change(day)
        moved = change.instead if change is not None and change.instead else one.interval
        # What a person has put somewhere waits for no table.
        waits = () if change is not None else one.uncertain
        found.append(Date(day, one.interval, moved, waits, change))
    return tuple(found)


def the_date(found: Iterable[Date], day: date) -> Date:
    """That of ``day``. :raises NotFound: ``no-such-date``."""
    one = next((one for one in found if one.day == day), None)
    if one is None:
        raise NotFound(
            f"the series has no date on {day.isoformat()}",
            code="no-such-date",
            hint="its dates are those within the time that is booked ahead",
        )
    return one


def plan(
    series: PeakSeries, found: Sequence[Date], windows: Iterable[PeakWindow], now: datetime
) -> Plan:
    """What makes ``windows``, those of the series ahead, be what it says.

    A window that has begun stays as it is, whatever is decided.
    """
    live = [w for w in windows if w.cancelled_at is None and w.interval.end > now]
    running = [w for w in live if w.interval.start <= now]
    coming = [w for w in live if w.interval.start > now]
    if series.ended_at is not None:
        return Plan(withdraw=tuple(coming))
    wanted = [one for one in found if not one.skipped and one.interval.end > now]
    there = {w.interval: w for w in coming if _as_said(series, w)}
    kept = {one.interval for one in wanted if one.interval in there}
    loose = [w for w in coming if w.interval not in kept or there[w.interval] is not w]
    steps: list[Step] = []
    for one in wanted:
        if one.interval in kept or one.waits_for:
            continue
        if any(w.interval.overlaps(one.interval) for w in running):
            continue
        # Taken back only if what comes in its place can be promised.
        same = next((w for w in loose if w.interval.overlaps(one.interval)), None)
        if same is not None:
            loose.remove(same)
        steps.append(Step(one, same))
    return Plan(tuple(loose), tuple(steps))


def _as_said(series: PeakSeries, window: PeakWindow) -> bool:
    return (window.component, window.replicas) == (series.component, series.replicas)
