"""Announced peaks as iCalendar (RFC 5545), from and for the calendars that people keep. Pure.

A time without a zone is the city's; a day is a day of the city's. What iCalendar has no word for
stands in properties of ours, which other programs keep and ignore.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import recurring_ical_events
from icalendar import Calendar, Event

from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval
from cloudmgr.scaling.recurrence import FREQUENCIES, NOT_DAILY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

LARGEST = 1_000_000  # letters of a file
MOST_EVENTS = 5_000
MOST_OCCURRENCES = 20_000
_ENVIRONMENT, _COMPONENT = "X-CLOUDMGR-ENVIRONMENT", "X-CLOUDMGR-COMPONENT"
_REPLICAS, _RATE = "X-CLOUDMGR-REPLICAS", "X-CLOUDMGR-EXPECTED-RPS"


@dataclass(frozen=True, slots=True)
class Announced:
    """One time of one event; what it does not say is None or empty.

    :param expected_rps: requests a second.
    """

    uid: str
    interval: Interval
    summary: str = ""
    note: str = ""
    environment_id: str | None = None
    component: str | None = None
    replicas: int | None = None
    expected_rps: Decimal | None = None


def read(text: str, within: Interval, zone: ZoneInfo) -> tuple[Announced, ...]:
    """All events that overlap ``within``, each time that they come round, by their beginning.

    :param zone: the city's.
    :raises Invalid: ``invalid-calendar`` with the event it is about: no iCalendar, too large, an
        event without an end, one that comes round more often than once a day, a number that is
        none.
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
    for number, event in enumerate(events):
        check(event, f"VEVENT[{number}]", zone)
    try:
        found = recurring_ical_events.of(calendar, skip_bad_series=False).between(
            within.start.astimezone(zone), within.end.astimezone(zone)
        )
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise invalid("", f"its events cannot be told apart: {error}") from error
    if len(found) > MOST_OCCURRENCES:
        raise invalid("", f"its events come round {len(found):,} times; be less far-sighted")
    read_ones = [announced(event, zone) for event in found]
    return tuple(
        sorted(
            (one for one in read_ones if one.interval.overlaps(within)),
            key=lambda one: (one.interval, one.uid),
        )
    )


def write(announced: Iterable[Announced], *, name: str, now: datetime) -> str:
    """A calendar that :func:`read` reads alike.

    :param name: what a person's program shows it as.
    :param now: when it was written, which each event has to say.
    """
    calendar = Calendar()
    calendar.add("PRODID", "-//cloudmgr//peaks//")
    calendar.add("VERSION", "2.0")
    calendar.add("X-WR-CALNAME", name)
    for one in announced:
        event = Event()
        event.add("UID", one.uid)
        event.add("DTSTAMP", now.astimezone(UTC))
        event.add("DTSTART", one.interval.start)
        event.add("DTEND", one.interval.end)
        said: dict[str, object] = {
            "SUMMARY": one.summary,
            "DESCRIPTION": one.note,
            _ENVIRONMENT: one.environment_id,
            _COMPONENT: one.component,
            _REPLICAS: one.replicas,
            _RATE: one.expected_rps,
        }
        for key, value in said.items():
            if value is not None and value != "":
                event.add(key, str(value))
        calendar.add_component(event)
    written: bytes = calendar.to_ical()
    return written.decode()


def check(event: Any, path: str, zone: ZoneInfo) -> None:
    """Before anything is expanded, which a rule of seconds would do for ever.

    :raises Invalid: ``invalid-calendar``.
    """
    if event.errors:
        name, sentence = event.errors[0]
        raise invalid(f"{path}.{name}", str(sentence))
    _check_times(event, path, zone)
    rules = event.get("RRULE", [])
    for rule in rules if isinstance(rules, list) else [rules]:
        frequencies = {str(word).upper() for word in rule.get("FREQ", [""])}
        if not frequencies <= FREQUENCIES:
            raise invalid(f"{path}.RRULE", "FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY")
        if {"BYHOUR", "BYMINUTE", "BYSECOND"} & rule.keys():
            raise invalid(f"{path}.RRULE", "it comes round more than once a day: make it several")
        if "DAILY" in frequencies and (rare := sorted(NOT_DAILY & rule.keys())):
            raise invalid(f"{path}.RRULE", f"say what has {rare[0]} as MONTHLY or YEARLY")
    replicas = event.get(_REPLICAS)
    if replicas is not None and not (replicas.isdecimal() and 0 < int(replicas) < 10**6):
        raise invalid(f"{path}.{_REPLICAS}", f"{replicas} is no number of replicas")
    if event.get(_RATE) is not None and _rate(event) is None:
        raise invalid(f"{path}.{_RATE}", f"{event[_RATE]} is no rate above 0")


def _check_times(event: Any, path: str, zone: ZoneInfo) -> None:
    if "DTSTART" not in event:
        raise invalid(f"{path}.DTSTART", "the event has no beginning")
    start = event["DTSTART"]
    if "DTEND" not in event and "DURATION" not in event and isinstance(start.dt, datetime):
        raise invalid(f"{path}.DTEND", "the event has no end")
    for name in {"DTSTART", "DTEND"} & event.keys():
        zone_name = event[name].params.get("TZID")
        if zone_name and isinstance(event[name].dt, datetime) and event[name].dt.tzinfo is None:
            raise invalid(f"{path}.{name}", f"there is no time zone {zone_name}")
    if "DTEND" in event and _instant(event["DTEND"].dt, zone) <= _instant(start.dt, zone):
        raise invalid(f"{path}.DTEND", "the event ends before it begins")
    if "DURATION" in event and event["DURATION"].dt <= timedelta():
        raise invalid(f"{path}.DURATION", "the event ends before it begins")


def announced(event: Any, zone: ZoneInfo) -> Announced:
    """One time of an event that was checked."""
    replicas = event.get(_REPLICAS)
    return Announced(
        uid=str(event.get("UID", "")),
        interval=Interval(_instant(event["DTSTART"].dt, zone), _instant(event["DTEND"].dt, zone)),
        summary=str(event.get("SUMMARY", "")),
        note=str(event.get("DESCRIPTION", "")),
        environment_id=_text(event, _ENVIRONMENT),
        component=_text(event, _COMPONENT),
        replicas=None if replicas is None else int(replicas),
        expected_rps=_rate(event),
    )


def _rate(event: Any) -> Decimal | None:
    try:
        found = Decimal(str(event.get(_RATE)))
    except InvalidOperation:
        return None
    return found if found.is_finite() and 0 < found < 10**7 else None


def _text(event: Any, key: str) -> str | None:
    said = event.get(key)
    return None if said is None else str(said)


def _instant(value: date, zone: ZoneInfo) -> datetime:
    if not isinstance(value, datetime):
        return datetime.combine(value, time(), zone).astimezone(UTC)
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


def invalid(path: str, sentence: str) -> Invalid:
    """What is wrong with a calendar."""
    return Invalid(sentence, code="invalid-calendar", path=path)
