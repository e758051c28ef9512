"""A calendar taken apart, event by event."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval
from cloudmgr.policy.statutory import Country
from cloudmgr.scaling.icalendars import read
from cloudmgr.scaling.recurrence import Every, Hours
from cloudmgr.scaling.sheets import Sheet, sheet

SHANGHAI = ZoneInfo("Asia/Shanghai")
CHINA = Country("CN")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
YEARS = Interval(NOW, NOW + timedelta(days=1830))
AHEAD = Interval(NOW, NOW + timedelta(days=396))
GOOD = ("DTSTART:20260630T090000", "DTEND:20260630T170000", "SUMMARY:年报")


def event(uid: str, *lines: str) -> list[str]:
    return ["BEGIN:VEVENT", f"UID:{uid}", *lines, "END:VEVENT"]


def calendar(*events: list[str]) -> str:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", *(line for one in events for line in one)]
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def taken(*events: list[str]) -> Sheet:
    return sheet(calendar(*events), YEARS, AHEAD, SHANGHAI, CHINA)


def test_a_bad_event_is_told_by_line_and_uid_and_the_others_go_on() -> None:
    found = taken(
        event("good", *GOOD),
        event("endless", "DTSTART:20260701T090000", "SUMMARY:没有结束"),
        event("often", *GOOD, "RRULE:FREQ=SECONDLY"),
        event("late", "DTSTART:20400701T090000", "DTEND:20400701T100000"),
        event("too", *GOOD),
    )
    assert [(row.line, row.announced.uid) for row in found.rows] == [(3, "good"), (26, "too")]
    told = {one.uid: (one.line, one.sentence) for one in found.refused}
    assert told["endless"] == (9, "the event has no end")
    assert told["often"][1].startswith("FREQ must be")
    assert told["late"][1] == "no time of it lies in the time that can be announced"
    assert {one.summary for one in found.refused} >= {"没有结束", "年报"}


def test_a_rule_that_we_can_say_is_one_series() -> None:
    weekly = event("w", *GOOD[:2], "RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20261231T010000Z")
    (row,) = taken(weekly).rows
    assert row.recurrence is not None
    assert row.recurrence.anchor == Every("FREQ=WEEKLY;BYDAY=TU;UNTIL=20261231", date(2026, 6, 30))
    assert row.recurrence.hours == Hours(time(9), time(17))
    assert row.announced.interval.start == datetime(2026, 6, 30, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "more",
    [
        ("RRULE:FREQ=MONTHLY;COUNT=4", "EXDATE:20260730T090000"),
        ("RDATE:20260731T090000",),
    ],
)
def test_dates_that_differ_are_single_windows(more: tuple[str, ...]) -> None:
    found = taken(event("m", *GOOD[:2], *more))
    assert len(found.rows) >= 2
    assert all(row.recurrence is None for row in found.rows)


def test_a_time_that_was_moved_in_the_calendar_is_where_it_was_moved_to() -> None:
    found = taken(
        event("m", *GOOD[:2], "RRULE:FREQ=MONTHLY;COUNT=3"),
        event(
            "m",
            "RECURRENCE-ID:20260730T090000",
            "DTSTART:20260731T090000",
            "DTEND:20260731T170000",
        ),
    )
    starts = [row.announced.interval.start for row in found.rows]
    assert datetime(2026, 7, 31, 1, tzinfo=UTC) in starts
    assert datetime(2026, 7, 30, 1, tzinfo=UTC) not in starts
    assert found.refused == ()


def test_an_event_of_another_zone_comes_round_by_that_zones_clock() -> None:
    abroad = event(
        "ny",
        "DTSTART;TZID=America/New_York:20260930T090000",
        "DTEND;TZID=America/New_York:20260930T100000",
        "RRULE:FREQ=MONTHLY;COUNT=4",
    )
    found = taken(abroad)
    assert [row.recurrence for row in found.rows] == [None] * 4, "Shanghai has no summer time"
    assert {row.announced.interval.start.hour for row in found.rows} == {13, 14}


def test_it_reads_single_events_as_the_strict_reading_does() -> None:
    text = calendar(event("a", *GOOD), event("b", "DTSTART;VALUE=DATE:20260105"))
    strict = read(text, YEARS, SHANGHAI)
    loose = sheet(text, YEARS, AHEAD, SHANGHAI, CHINA)
    assert sorted(row.announced.interval for row in loose.rows) == [one.interval for one in strict]


@pytest.mark.parametrize("text", ["", "x", "BEGIN:VEVENT\r\nEND:VEVENT\r\n", "\0"])
def test_what_is_no_calendar_at_all_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="no iCalendar"):
        sheet(text, YEARS, AHEAD, SHANGHAI, CHINA)


def test_no_event_at_all_is_an_empty_sheet() -> None:
    assert taken() == Sheet((), ())
