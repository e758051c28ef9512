"""A calendar of peaks taken apart, event by event: what can be asked for, and what cannot. Pure.

:func:`cloudmgr.scaling.icalendars.read` refuses a calendar for one bad event. Here that event is
told, and the others go on. One with a rule that we can say, too, is a series.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import recurring_ical_events
from icalendar import Calendar

from cloudmgr.errors import Invalid
from cloudmgr.scaling.icalendars import (
    LARGEST,
    MOST_EVENTS,
    Announced,
    announced,
    check,
    invalid,
)
from cloudmgr.scaling.recurrence import Every, Hours, Recurrence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from cloudmgr.interval import Interval
    from cloudmgr.scaling.recurrence import Workdays

_DAY = timedelta(days=1)
# A series says nothing of dates that differ.
_DIFFERS = ("EXDATE", "RDATE", "EXRULE", "RECURRENCE-ID")


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that nothing comes of, where it stands in the file, and why.

    :param line: of its beginning, from 1.
    """

    line: int
    uid: str
    summary: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Row:
    """What comes of an event: one time of it, or all as a series.

    :param announced: what it says; of a series its first time ahead.
    """

    line: int
    announced: Announced
    recurrence: Recurrence | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """All events of a calendar: each is in one of the two."""

    rows: tuple[Row, ...]
    refused: tuple[Refused, ...]


def sheet(text: str, once: Interval, often: Interval, zone: ZoneInfo, worked: Workdays) -> Sheet:
    """Every event of ``text``, by its place.

    :param once: in which events lie that do not come round. :param often: the same of those that
        do. :param zone: the city's.
    :raises Invalid: ``invalid-calendar``: no iCalendar at all, or too large.
    """
    if len(text) > LARGEST:
        raise invalid("", f"it has {len(text):,} letters; {LARGEST:,} at most")
    try:
        calendar = Calendar.from_ical(text)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise invalid("", f"this is no iCalendar: {error}") from error
    if not isinstance(calendar, Calendar):
        raise invalid("", "this is no iCalendar: it has no VCALENDAR")
    events = calendar.walk("VEVENT")
    if len(events) > MOST_EVENTS:
        raise invalid("", f"it has {len(events):,} events; {MOST_EVENTS:,} at most")
    lines = _lines(text)
    zones = calendar.walk("VTIMEZONE")
    rows: list[Row] = []
    refused: list[Refused] = []
    for group in _groups(events):
        line = lines[group[0][0]]
        parts = [event for _, event in group]
        try:
            for number, event in group:
                check(event, f"VEVENT[{number}]", zone)
            rows += _rows(line, parts, zones, (once, often), zone=zone, worked=worked)
        except Invalid as error:
            refused.append(Refused(line, *_names(parts[0]), error.message))
        except (ValueError, KeyError, TypeError, OverflowError, AttributeError) as error:
            sentence = f"it cannot be read: {error}"
            refused.append(Refused(line, *_names(parts[0]), sentence))
    return Sheet(tuple(rows), tuple(refused))


def _rows(
    line: int,
    parts: Sequence[Any],
    zones: Sequence[Any],
    spans: tuple[Interval, Interval],
    *,
    zone: ZoneInfo,
    worked: Workdays,
) -> list[Row]:
    often = any("RRULE" in event or "RDATE" in event for event in parts)
    within = spans[1] if often else spans[0]
    calendar = Calendar()
    for one in (*zones, *parts):
        calendar.add_component(one)
    found = recurring_ical_events.of(calendar, skip_bad_series=False).between(
        within.start.astimezone(zone), within.end.astimezone(zone)
    )
    times = sorted(
        (one for one in (announced(event, zone) for event in found)),
        key=lambda one: one.interval,
    )
    times = [one for one in times if one.interval.overlaps(within)]
    if not times:
        raise invalid("", "no time of it lies in the time that can be announced")
    recurrence = _recurrence(parts, zone) if often else None
    if recurrence is not None:
        ours = [one.interval for one in recurrence.occurrences(within, zone, worked)]
        # Only what comes round just as the calendar says.
        if ours == [one.interval for one in times]:
            return [Row(line, times[0], recurrence)]
    return [Row(line, one) for one in times]


def _recurrence(parts: Sequence[Any], zone: ZoneInfo) -> Recurrence | None:
    """The rule of an event in our words; None if they do not reach."""
    event = parts[0]
    rule = event.get("RRULE")
    if len(parts) > 1 or isinstance(rule, list) or any(name in event for name in _DIFFERS):
        return None
    first = announced(event, zone).interval
    if first.duration > _DAY:
        return None
    start, end = first.start.astimezone(zone), first.end.astimezone(zone)
    said = {key: value for key, value in rule.items() if key != "UNTIL"}
    text = ";".join(f"{key}={','.join(str(one) for one in value)}" for key, value in said.items())
    until = rule.get("UNTIL", [])
    if until:
        last = until[0]
        if isinstance(last, datetime):
            last = (last if last.tzinfo else last.replace(tzinfo=zone)).astimezone(zone).date()
        if isinstance(last, date):
            text += f";UNTIL={last:%Y%m%d}"
    try:
        return Recurrence(Every(text, start.date()), hours=Hours(start.time(), end.time()))
    except Invalid:
        return None


def _groups(events: Sequence[Any]) -> list[list[tuple[int, Any]]]:
    """Events by their UID, since one may change a time of another; without one each by itself."""
    found: dict[str, list[tuple[int, Any]]] = {}
    for number, event in enumerate(events):
        found.setdefault(str(event.get("UID", "")) or f"\0{number}", []).append((number, event))
    return list(found.values())


def _names(event: Any) -> tuple[str, str]:
    return str(event.get("UID", "")), str(event.get("SUMMARY", ""))


def _lines(text: str) -> list[int]:
    return [
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip().upper() == "BEGIN:VEVENT"
    ]
