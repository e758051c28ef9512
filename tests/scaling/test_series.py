"""What is to be booked of a series, and taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.errors import Conflict, Invalid, NotFound
from cloudmgr.hosting.requests import SeriesAsk
from cloudmgr.interval import Interval
from cloudmgr.policy.statutory import Country
from cloudmgr.scaling.recurrence import About, Every, Hours, Moon, Once, Recurrence, Yearly
from cloudmgr.scaling.series import Change, PeakSeries, Plan, dates, plan, the_date
from cloudmgr.scaling.series_dates import MOST_DATES, coming, read, written
from tests.builders import a_window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmgr.scaling.recurrence import Workdays
    from cloudmgr.scaling.series import Date
    from cloudmgr.scaling.windows import PeakWindow

SHANGHAI, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")
CHINA = Country("CN")
NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
AHEAD = Interval(NOW, NOW + 396 * DAY)
OFFICE = Hours(time(9), time(17))
JUNE = Recurrence(Yearly(6, 30), About(before=5, workdays=True, itself=False), OFFICE)


def a_series(recurrence: Recurrence = JUNE, **changes: Any) -> PeakSeries:
    series = PeakSeries(
        id="ser_1",
        environment_id="env_exam",
        component="web",
        rule=written(recurrence),
        replicas=6,
        note="年报",
        created_by="usr_officer",
        created_at=NOW,
    )
    return replace(series, **changes)


def dates_of(
    series: PeakSeries,
    zone: ZoneInfo = SHANGHAI,
    worked: Workdays = CHINA,
    within: Interval = AHEAD,
) -> tuple[Date, ...]:
    return dates(series, read(series.rule).occurrences(within, zone, worked), zone)


def booked(found: Sequence[Date], **changes: Any) -> list[PeakWindow]:
    return [
        a_window(one.interval.start, one.interval.end, id=f"win_{n}", series_id="ser_1", **changes)
        for n, one in enumerate(found)
        if not one.skipped and not one.waits_for
    ]


def test_each_date_is_booked_and_looking_again_changes_nothing() -> None:
    series = a_series()
    found = dates_of(series)
    this_year = [one for one in found if one.day.year == 2026]
    first = plan(series, found, (), NOW)
    assert [step.date for step in first.book] == this_year
    assert [one.day.day for one in this_year] == [23, 24, 25, 26, 29]
    assert plan(series, found, booked(found), NOW) == Plan()


def test_a_year_whose_working_days_are_not_published_waits_and_says_so() -> None:
    found = dates_of(a_series())
    waiting = [one for one in found if one.day.year == 2027]
    assert waiting
    assert {one.waits_for for one in waiting} == {(2027,)}
    (series_coming,) = coming(
        [SeriesAsk("web", written(JUNE), 6, note="年报")], AHEAD, SHANGHAI, CHINA
    )
    assert series_coming.waits_for == (2027,)
    assert len(series_coming.windows) == 5
    assert {w.note for w in series_coming.windows} == {"年报"}


class Table:
    """Days off, and the years that they are known of."""

    def __init__(self, off: set[date], years: set[int]) -> None:
        self._off, self._years = off, years

    def is_workday(self, day: date) -> bool:
        return day.weekday() < 5 and day not in self._off

    def covers(self, year: int) -> bool:
        return year in self._years


def test_a_calendar_that_changes_moves_what_has_not_begun() -> None:
    series = a_series()
    before = dates_of(series, worked=Table(set(), {2026}))
    after = dates_of(series, worked=Table({date(2026, 6, 25)}, {2026}))
    found = plan(series, after, booked(before), NOW)
    assert [w.interval.start.day for w in found.withdraw] == [25]
    assert [step.date.day for step in found.book] == [date(2026, 6, 22)]
    during = datetime(2026, 6, 25, 2, tzinfo=UTC)
    assert plan(series, after, booked(before), during).withdraw == (), "it has begun"


def test_a_date_that_is_left_out_is_taken_back_and_one_that_is_moved_is_moved() -> None:
    series = a_series()
    there = booked(dates_of(series))
    moved = Interval(datetime(2026, 7, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, 9, tzinfo=UTC))
    changed = series.with_change(Change(date(2026, 6, 24), "usr_1", NOW, "停电"))
    changed = changed.with_change(Change(date(2026, 6, 29), "usr_1", NOW, "延期", moved))
    found = plan(changed, dates_of(changed), there, NOW)
    assert [w.interval.start.day for w in found.withdraw] == [24, 29]
    assert [step.date.interval for step in found.book] == [moved]
    undone = changed.without_change(date(2026, 6, 24)).without_change(date(2026, 6, 29))
    assert undone == series
    with pytest.raises(Conflict) as refused:
        undone.without_change(date(2026, 6, 24))
    assert refused.value.code == "nothing-to-undo"


def test_deciding_anew_on_a_day_takes_the_place_of_what_was_decided() -> None:
    day = date(2026, 6, 24)
    series = a_series().with_change(Change(day, "usr_1", NOW, "一"))
    series = series.with_change(Change(day, "usr_2", NOW, "二"))
    assert [one.by for one in series.changes] == ["usr_2"]
    assert the_date(dates_of(series), day).skipped
    with pytest.raises(NotFound) as refused:
        the_date(dates_of(series), date(2026, 6, 1))
    assert refused.value.code == "no-such-date"


def test_another_size_takes_the_place_of_each_window_that_has_not_begun() -> None:
    series = a_series(replicas=9)
    found = dates_of(series)
    there = booked(found)
    now = there[0].interval.start + timedelta(hours=1)
    steps = plan(series, found, there, now).book
    assert [step.instead_of for step in steps] == there[1:]
    assert plan(series, found, there, now).withdraw == ()


def test_other_hours_count_from_now_on_and_leave_the_one_that_runs_alone() -> None:
    there = booked(dates_of(a_series()))
    later = a_series(replace(JUNE, hours=Hours(time(10), time(18))))
    now = there[0].interval.start + timedelta(minutes=1)
    found = plan(later, dates_of(later), there, now)
    assert [step.instead_of for step in found.book] == there[1:]


def test_one_that_has_ended_takes_back_all_that_has_not_begun() -> None:
    series = a_series(ended_at=NOW)
    there = booked(dates_of(series))
    now = there[0].interval.start
    assert plan(series, dates_of(series), there, now) == Plan(withdraw=tuple(there[1:]))


def test_two_dates_that_touch_are_two_windows() -> None:
    series = a_series(Recurrence(Once((date(2026, 7, 1), date(2026, 7, 2)))))
    found = dates_of(series)
    assert len(found) == 2
    assert found[0].interval.end == found[1].interval.start
    assert plan(series, found, booked(found), NOW) == Plan()
    alone = plan(series, found, booked(found)[:1], NOW)
    assert [step.instead_of for step in alone.book] == [None]


def test_a_date_over_a_change_of_clocks_keeps_its_hours() -> None:
    sunday = Recurrence(Every("FREQ=WEEKLY;BYDAY=SU", date(2026, 10, 4)), About(), OFFICE)
    found = dates_of(a_series(sunday), zone=NEW_YORK)
    hours = {one.day: one.interval.start.hour for one in found}
    assert hours[date(2026, 10, 25)] == 13
    assert hours[date(2026, 11, 1)] == 14, "the clocks were put back that night"
    there = booked(found)
    assert plan(a_series(sunday), found, there, NOW) == Plan()


def test_a_day_of_the_moon_comes_round_each_year_on_another_day_of_the_sun() -> None:
    lantern = Recurrence(Moon(1, 15), About(), Hours(time(18), time(22)))
    within = Interval(datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC))
    found = dates_of(a_series(lantern), within=within)
    assert [one.day for one in found] == [date(2026, 3, 3), date(2027, 2, 20)]
    assert {one.waits_for for one in found} == {()}, "the moon waits for no table"


def test_more_dates_than_a_pool_can_be_asked_for_are_refused() -> None:
    often = Recurrence(
        Once(tuple(date(2026, 7, 1) + 3 * n * DAY for n in range(250))), About(after=2)
    )
    with pytest.raises(Invalid) as refused:
        coming(
            [SeriesAsk("web", written(often), 1)] * 2,
            Interval(NOW, NOW + 1000 * DAY),
            SHANGHAI,
            CHINA,
        )
    assert refused.value.code == "too-many-dates"
    assert MOST_DATES == 400


recurrences = st.builds(
    Recurrence,
    st.one_of(
        st.builds(Yearly, st.integers(1, 12), st.integers(1, 28)),
        st.builds(Moon, st.integers(1, 12), st.integers(1, 30)),
        st.lists(st.dates(date(2026, 1, 1), date(2027, 12, 31)), min_size=1, max_size=5).map(
            lambda found: Once(tuple(sorted(set(found))))
        ),
        st.builds(
            Every,
            st.sampled_from(["FREQ=WEEKLY;BYDAY=MO,WE", "FREQ=MONTHLY;BYMONTHDAY=-1"]),
            st.dates(date(2026, 1, 1), date(2026, 12, 31)),
        ),
    ),
    st.builds(About, st.integers(0, 5), st.integers(0, 5), st.booleans()),
    st.builds(Hours, st.times(), st.times(), st.booleans()),
)


@given(recurrence=recurrences)
def test_a_rule_comes_back_as_it_was_written(recurrence: Recurrence) -> None:
    assert read(written(recurrence)) == recurrence


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"yearly": {"month": 13, "day": 1}}', "null"])
def test_a_rule_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(text)
    assert refused.value.code == "invalid-recurrence"


@given(recurrence=recurrences, hours=st.integers(0, 9000))
def test_what_was_carried_out_needs_nothing_more(recurrence: Recurrence, hours: int) -> None:
    series, now = a_series(recurrence), NOW + timedelta(hours=hours)
    within = Interval(now, now + 396 * DAY)
    found = dates_of(series, worked=Table(set(), {2026, 2027, 2028}), within=within)
    there = booked([step.date for step in plan(series, found, (), now).book])
    assert plan(series, found, there, now) == Plan()
