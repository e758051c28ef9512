"""When announced peaks come round."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as whatever
from hypothesis import strategies as st

from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval
from cloudmgr.policy.statutory import Country
from cloudmgr.scaling.recurrence import (
    About,
    Anchor,
    Every,
    Hours,
    Moon,
    Occurrence,
    Once,
    Recurrence,
    Yearly,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SHANGHAI, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")
CHINA = Country("CN")
OFFICE = Hours(time(9), time(17))


def year(number: int, zone: ZoneInfo = SHANGHAI) -> Interval:
    return Interval(datetime(number, 1, 1, tzinfo=zone), datetime(number + 1, 1, 1, tzinfo=zone))


def days_of(found: tuple[Occurrence, ...], zone: ZoneInfo = SHANGHAI) -> list[str]:
    return [f"{o.interval.start.astimezone(zone):%m-%d}" for o in found]


def days(anchor: Anchor, about: About = About(), number: int = 2026) -> list[str]:  # noqa: B008
    return days_of(Recurrence(anchor, about).occurrences(year(number), SHANGHAI, CHINA))


def test_the_last_five_working_days_before_the_30th_of_june_nine_to_five() -> None:
    peak = Recurrence(
        Yearly(6, 30), About(before=5, workdays=True, itself=False), Hours(time(9), time(17))
    )
    found = peak.occurrences(year(2026), SHANGHAI, CHINA)
    # The 19th is the Dragon Boat Festival, the 27th a Saturday.
    assert days_of(found) == ["06-23", "06-24", "06-25", "06-26", "06-29"]
    assert found[0].interval == Interval(
        datetime(2026, 6, 23, 1, tzinfo=UTC), datetime(2026, 6, 23, 9, tzinfo=UTC)
    )
    assert {o.anchor for o in found} == {date(2026, 6, 30)}
    assert {o.uncertain for o in found} == {()}


def test_days_that_are_worked_for_a_holiday_count_as_working_days() -> None:
    about = About(after=3, workdays=True, itself=False)
    assert days(Yearly(10, 7), about) == ["10-08", "10-09", "10-10"], "the 10th is a Saturday"
    assert days(Yearly(10, 7), About(after=3, itself=False)) == ["10-08", "10-09", "10-10"]
    assert days(Yearly(10, 3), About(workdays=True)) == [], "nobody works on that day"


@pytest.mark.parametrize(
    ("anchor", "number", "expected"),
    [
        (Moon(1, 15), 2026, ["03-03"]),
        (Moon(1, 1), 2026, ["02-17"]),
        (Moon(12, 30), 2026, ["02-16"]),  # a month of 29 days: its eve is the 29th
        (Moon(12, 30), 2027, ["02-05"]),
        (Moon(8, 15), 2025, ["10-06"]),  # after a leap month
        (Moon(6, 1), 2025, ["06-25"]),  # before it
        (Moon(12, 1), 2026, []),  # once in January 2026 …
        (Yearly(2, 29), 2026, ["02-28"]),
        (Yearly(2, 29), 2028, ["02-29"]),
        (Every("FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=1", date(2025, 1, 1)), 2026, None),
        (Every("RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=3", date(2026, 1, 1)), 2026, None),
        (Every("freq=weekly;until=20260115", date(2026, 1, 1)), 2026, ["01-01", "01-08", "01-15"]),
        (Every("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30", date(1999, 1, 1)), 2026, []),
        (Every("FREQ=YEARLY;COUNT=2", date(2024, 5, 1)), 2026, []),
        (Once((date(2026, 3, 2), date(2026, 3, 1), date(2027, 3, 1))), 2026, ["03-01", "03-02"]),
    ],
)
def test_anchors_are_where_the_calendar_has_them(
    anchor: Anchor, number: int, expected: list[str] | None
) -> None:
    if expected is None:
        quarters = ["01-01", "04-01", "07-01", "10-01"]
        fridays = ["01-30", "02-27", "03-27"]
        expected = quarters if "INTERVAL" in getattr(anchor, "rule", "") else fridays
    if anchor == Moon(12, 1):
        expected = ["01-19"]
    assert days(anchor, number=number) == expected


def test_hours_past_midnight_end_on_the_next_day_and_none_at_all_are_the_whole_day() -> None:
    night = Recurrence(Yearly(5, 1), hours=Hours(time(22), time(2)))
    (found,) = night.occurrences(year(2026), SHANGHAI, CHINA)
    assert found.interval.duration == timedelta(hours=4)
    (whole,) = Recurrence(Yearly(5, 1)).occurrences(year(2026), SHANGHAI, CHINA)
    assert whole.interval == Interval(
        datetime(2026, 5, 1, tzinfo=SHANGHAI), datetime(2026, 5, 2, tzinfo=SHANGHAI)
    )


def test_one_interval_may_hold_all_of_its_days_with_the_nights_between() -> None:
    hours = Hours(time(9), time(17), each_day=False)
    peak = Recurrence(Yearly(6, 30), About(before=5, workdays=True), hours)
    (found,) = peak.occurrences(year(2026), SHANGHAI, CHINA)
    assert found.interval == Interval(
        datetime(2026, 6, 23, 9, tzinfo=SHANGHAI), datetime(2026, 6, 30, 17, tzinfo=SHANGHAI)
    )


def test_a_window_that_hangs_over_the_edge_of_what_is_asked_for_is_told_whole() -> None:
    peak = Recurrence(Yearly(12, 31), hours=Hours(time(20), time(4)))
    found = peak.occurrences(year(2026), SHANGHAI, CHINA)
    assert days_of(found) == ["12-31", "12-31"], "that of 2025 ends in 2026"


def test_days_that_two_anchors_share_are_there_once() -> None:
    peak = Recurrence(Once((date(2026, 3, 2), date(2026, 3, 4))), About(before=2), OFFICE)
    found = peak.occurrences(year(2026), SHANGHAI, CHINA)
    assert days_of(found) == ["02-28", "03-01", "03-02", "03-03", "03-04"]


@pytest.mark.parametrize(
    ("day", "opens", "closes", "start", "end"),
    [
        # Forward at two: half past two never comes, nobody is late for it.
        (date(2026, 3, 8), time(2, 30), time(4), "06:30", "08:00"),
        (date(2026, 3, 8), time(1), time(2, 30), "06:00", "07:30"),
        # Back at two: half past one comes twice.
        (date(2026, 11, 1), time(1, 30), time(3), "05:30", "08:00"),
        (date(2026, 11, 1), time(0, 30), time(1, 30), "04:30", "06:30"),
        # A day of 23 hours, and one of 25.
        (date(2026, 3, 8), time(), time(), "05:00", "04:00"),
        (date(2026, 11, 1), time(), time(), "04:00", "05:00"),
    ],
)
def test_where_clocks_are_changed_it_is_there_early_and_long_enough(
    day: date, opens: time, closes: time, start: str, end: str
) -> None:
    peak = Recurrence(Once((day,)), hours=Hours(opens, closes))
    (found,) = peak.occurrences(year(2026, NEW_YORK), NEW_YORK, Country("US"))
    assert (f"{found.interval.start:%H:%M}", f"{found.interval.end:%H:%M}") == (start, end)


def test_what_depends_on_working_days_that_are_not_published_says_so() -> None:
    def uncertain(about: About, number: int) -> set[tuple[int, ...]]:
        found = Recurrence(Yearly(1, 4), about).occurrences(year(number), SHANGHAI, CHINA)
        return {o.uncertain for o in found if o.anchor.year == number}

    assert uncertain(About(before=3, workdays=True), 2026) == {()}
    assert uncertain(About(before=3, workdays=True), 2027) == {(2027,)}
    assert uncertain(About(before=3, workdays=True), 2028) == {(2027, 2028)}
    assert uncertain(About(before=3), 2028) == {()}


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("", "FREQ must be"),
        ("FREQ=SECONDLY", "FREQ must be"),
        ("FREQ=HOURLY;COUNT=3", "FREQ must be"),
        ("FREQ=DAILY;BYHOUR=9", "BYHOUR has no place here"),
        ("FREQ=DAILY;UNTIL=20261231T000000Z", "UNTIL is a day"),
        ("FREQ=DAILY;UNTIL=20261331", "UNTIL is a day"),
        ("FREQ=DAILY;COUNT=0", "at least 1"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "BYMONTH as MONTHLY or YEARLY"),
        ("FREQ=DAILY;COUNT=x", "COUNT a number"),
        ("FREQ=DAILY;BYDAY=XX", "cannot be read"),
        ("FREQ=DAILY;NONSENSE=1", "cannot be read"),
        ("FREQ=DAILY\nFREQ=DAILY", "one line"),
        ("FREQ=DAILY;INTERVAL=" + "1" * 400, "one line"),
    ],
)
def test_a_rule_that_is_none_is_refused_in_words(rule: str, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence) as refused:
        Every(rule, date(2026, 1, 1))
    assert (refused.value.code, refused.value.path) == ("invalid-recurrence", "rule")


@pytest.mark.parametrize(
    ("make", "given"),
    [
        (Once, {"days": ()}),
        (Yearly, {"month": 13, "day": 1}),
        (Yearly, {"month": 4, "day": 31}),
        (Moon, {"month": 0, "day": 1}),
        (Moon, {"month": 1, "day": 31}),
        (About, {"before": -1}),
        (About, {"after": 261}),
        (About, {"itself": False}),
    ],
    ids=str,
)
def test_days_that_there_are_not_are_refused(
    make: Callable[..., object], given: dict[str, Any]
) -> None:
    with pytest.raises(Invalid) as refused:
        make(**given)
    assert refused.value.code == "invalid-recurrence"


anchors: st.SearchStrategy[Anchor] = st.one_of(
    st.builds(Yearly, st.integers(1, 12), st.integers(1, 28)),
    st.builds(Moon, st.integers(1, 12), st.integers(1, 30)),
    st.builds(
        Every,
        st.sampled_from(["FREQ=MONTHLY", "FREQ=WEEKLY;INTERVAL=3", "FREQ=YEARLY;COUNT=2"]),
        st.dates(date(2024, 1, 1), date(2026, 12, 28)),
    ),
)
recurrences = st.builds(
    Recurrence,
    anchors,
    st.builds(About, st.integers(0, 8), st.integers(0, 8), st.booleans()),
    st.builds(Hours, st.times(), st.times(), st.booleans()),
)


@whatever(recurrences, st.datetimes(datetime(2025, 1, 1), datetime(2026, 12, 1)))  # noqa: DTZ001
def test_however_a_year_is_cut_the_same_peaks_come_of_it(peak: Recurrence, cut: datetime) -> None:
    zone = NEW_YORK
    start, end = datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    moment = cut.replace(tzinfo=UTC)
    whole = peak.occurrences(Interval(start, end), zone, CHINA)
    parts: set[Occurrence] = set()
    for within in Interval(start, end).split([moment]):
        found = peak.occurrences(within, zone, CHINA)
        assert all(o.interval.overlaps(within) for o in found)
        assert list(found) == sorted(found, key=lambda o: o.interval)
        parts |= set(found)
    assert {o.interval for o in parts} == {o.interval for o in whole}
