"""Announced peaks as files of people's own calendars."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval
from cloudmgr.scaling.icalendars import LARGEST, MOST_EVENTS, Announced, read, write

SHANGHAI = ZoneInfo("Asia/Shanghai")
YEAR = Interval(datetime(2026, 1, 1, tzinfo=SHANGHAI), datetime(2027, 1, 1, tzinfo=SHANGHAI))
START, END = "DTSTART:20260105T090000", "DTEND:20260105T170000"


def calendar(*lines: str) -> str:
    event = ("BEGIN:VEVENT", "UID:a@city", *lines, "END:VEVENT")
    return "\r\n".join(("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", *event, "END:VCALENDAR", ""))


def starts(*lines: str) -> list[str]:
    found = read(calendar(*lines), YEAR, SHANGHAI)
    return [f"{one.interval.start.astimezone(SHANGHAI):%m-%dT%H:%M}" for one in found]


def test_an_event_is_a_peak_with_what_it_says_and_no_more() -> None:
    text = calendar(START, END, "SUMMARY:年报申报", "X-CLOUDMGR-REPLICAS:6", "LOCATION:大厅")
    assert read(text, YEAR, SHANGHAI) == (
        Announced(
            "a@city",
            Interval(datetime(2026, 1, 5, 1, tzinfo=UTC), datetime(2026, 1, 5, 9, tzinfo=UTC)),
            "年报申报",
            replicas=6,
        ),
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((START, END, "RRULE:FREQ=WEEKLY;COUNT=3"), ["01-05T09:00", "01-12T09:00", "01-19T09:00"]),
        ((START, END, "RRULE:FREQ=WEEKLY;COUNT=2", "EXDATE:20260112T090000"), ["01-05T09:00"]),
        (("DTSTART;VALUE=DATE:20260105",), ["01-05T00:00"]),
        (("DTSTART:20260105T010000Z", "DURATION:PT8H"), ["01-05T09:00"]),
        (("DTSTART;TZID=America/New_York:20260105T090000", "DURATION:PT2H"), ["01-05T22:00"]),
        (("DTSTART:20251231T230000", "DURATION:PT2H"), ["12-31T23:00"]),
        (("DTSTART:20250105T090000", "DURATION:PT2H"), []),
        (("DTSTART:20200105T090000", "DURATION:PT2H", "RRULE:FREQ=YEARLY"), ["01-05T09:00"]),
    ],
)
def test_it_is_there_each_time_that_it_comes_round(
    lines: tuple[str, ...], expected: list[str]
) -> None:
    assert starts(*lines) == expected


def test_a_whole_day_is_one_of_the_citys() -> None:
    (one,) = read(calendar("DTSTART;VALUE=DATE:20260105"), YEAR, SHANGHAI)
    assert one.interval.duration == timedelta(days=1)


@pytest.mark.parametrize(
    ("lines", "path", "sentence"),
    [
        ((), "VEVENT[0].DTSTART", "no beginning"),
        ((START,), "VEVENT[0].DTEND", "no end"),
        ((START, "DTEND:20260105T090000"), "VEVENT[0].DTEND", "ends before it begins"),
        ((START, "DURATION:-PT1H"), "VEVENT[0].DURATION", "ends before it begins"),
        (("DTSTART:2026", END), "VEVENT[0].DTSTART", "2026"),
        (
            ("DTSTART;TZID=Nowhere/Here:20260105T090000", END),
            "VEVENT[0].DTSTART",
            "no time zone Nowhere/Here",
        ),
        ((START, END, "RRULE:FREQ=SECONDLY"), "VEVENT[0].RRULE", "FREQ must be"),
        ((START, END, "RRULE:FREQ=NOPE"), "VEVENT[0].RRULE", "NOPE"),
        ((START, END, "RRULE:FREQ=DAILY;BYMONTH=2"), "VEVENT[0].RRULE", "as MONTHLY or YEARLY"),
        ((START, END, "RRULE:FREQ=DAILY;BYHOUR=1,2"), "VEVENT[0].RRULE", "more than once a day"),
        (
            (START, END, "X-CLOUDMGR-REPLICAS:six"),
            "VEVENT[0].X-CLOUDMGR-REPLICAS",
            "six is no number",
        ),
        (
            (START, END, "X-CLOUDMGR-EXPECTED-RPS:NaN"),
            "VEVENT[0].X-CLOUDMGR-EXPECTED-RPS",
            "no rate",
        ),
    ],
)
def test_an_event_that_is_none_is_refused_by_its_place(
    lines: tuple[str, ...], path: str, sentence: str
) -> None:
    with pytest.raises(Invalid, match=sentence) as refused:
        read(calendar(*lines), YEAR, SHANGHAI)
    assert (refused.value.code, refused.value.path) == ("invalid-calendar", path)


@pytest.mark.parametrize("text", ["", "x", "BEGIN:VEVENT\r\nEND:VEVENT\r\n", "\0", "统计"])
def test_what_is_no_calendar_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="no iCalendar"):
        read(text, YEAR, SHANGHAI)


def test_what_is_too_much_is_refused() -> None:
    def many(count: int, *lines: str) -> str:
        events = "".join(
            "\r\n".join(("BEGIN:VEVENT", f"UID:{n}", START, END, *lines, "END:VEVENT", ""))
            for n in range(count)
        )
        return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{events}END:VCALENDAR\r\n"

    for text, sentence in (
        (calendar(f"X-LONG:{'x' * LARGEST}"), "1,000,000 at most"),
        (many(MOST_EVENTS + 1), "5,001 events; 5,000 at most"),
        (many(60, "RRULE:FREQ=DAILY"), "come round 21,660 times"),
    ):
        with pytest.raises(Invalid, match=sentence):
            read(text, YEAR, SHANGHAI)


# What a calendar's text may hold; other programs drop the rest.
words = st.text(
    st.characters(categories=("L", "N", "P", "S", "Zs"), exclude_characters="\xa0"), max_size=60
).map(str.strip)
# A backslash before an N is a line break to the library, in whatever it writes.
words = words.filter(lambda text: r"\N" not in text)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 30)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
peaks = st.builds(
    Announced,
    uid=st.uuids().map(str),
    interval=st.builds(
        lambda start, seconds: Interval(start, start + timedelta(seconds=seconds)),
        moments,
        st.integers(1, 10**6),
    ),
    summary=words,
    note=words,
    environment_id=st.none() | st.just("env_1"),
    component=st.none() | st.just("web"),
    replicas=st.none() | st.integers(1, 10**6 - 1),
    expected_rps=st.none() | st.decimals(Decimal("0.1"), 10**6, places=1),
)


@given(st.lists(peaks, max_size=5, unique_by=lambda one: one.uid))
def test_what_was_written_is_read_alike(announced: list[Announced]) -> None:
    text = write(announced, name="高峰", now=datetime(2026, 1, 1, tzinfo=UTC))
    found = read(text, YEAR, SHANGHAI)
    assert found == tuple(sorted(announced, key=lambda one: (one.interval, one.uid)))
