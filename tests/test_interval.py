from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval, hours_between, month

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
KATHMANDU = ZoneInfo("Asia/Kathmandu")  # +05:45, where no local hour is a UTC hour

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

moments = st.timedeltas(timedelta(0), timedelta(days=365 * 130)).map(
    lambda since: datetime(1971, 1, 1, tzinfo=UTC) + since
)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    start, end = sorted(draw(st.lists(moments, min_size=2, max_size=2, unique=True)))
    return Interval(start, end)


def test_an_interval_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        Interval(NOON, NOON - timedelta(microseconds=1))
    assert caught.value.code == "empty-interval"
    assert caught.value.path == "end"


def test_an_interval_of_no_length_is_refused() -> None:
    with pytest.raises(Invalid, match="no later"):
        Interval(NOON, NOON)


@pytest.mark.parametrize("naive", ["start", "end"])
def test_an_interval_with_a_naive_end_is_refused_by_name(naive: str) -> None:
    ends = {"start": NOON, "end": NOON + timedelta(hours=1)}
    ends[naive] = ends[naive].replace(tzinfo=None)
    with pytest.raises(Invalid) as caught:
        Interval(**ends)
    assert (caught.value.code, caught.value.path) == ("naive-time", naive)


def test_an_instant_that_utc_cannot_hold_is_refused() -> None:
    west = timezone(timedelta(hours=-8))
    with pytest.raises(Invalid) as caught:
        Interval(NOON, datetime(9999, 12, 31, 23, tzinfo=west))
    assert caught.value.code == "time-out-of-range"


def test_an_interval_keeps_its_instants_and_speaks_utc() -> None:
    local = Interval(
        datetime(2026, 6, 1, 8, tzinfo=SHANGHAI), datetime(2026, 6, 1, 20, tzinfo=SHANGHAI)
    )
    assert local == Interval(datetime(2026, 6, 1, tzinfo=UTC), NOON)
    assert local.start.tzinfo is UTC


def test_the_start_belongs_to_an_interval_and_the_end_does_not() -> None:
    interval = Interval(NOON, NOON + timedelta(hours=1))
    assert NOON in interval
    assert interval.end not in interval


def test_seconds_are_exact_to_the_microsecond() -> None:
    interval = Interval(NOON, NOON + timedelta(days=400, microseconds=1))
    assert interval.seconds == Decimal("34560000.000001")


def test_a_naive_cut_is_refused_instead_of_being_read_in_local_time() -> None:
    interval = Interval(NOON, NOON + timedelta(hours=2))
    with pytest.raises(Invalid) as caught:
        list(interval.split([datetime(2026, 6, 1, 13)]))  # noqa: DTZ001 - naive on purpose
    assert caught.value.code == "naive-time"


@given(intervals(), st.lists(moments))
def test_splitting_conserves_duration_and_leaves_neither_gap_nor_overlap(
    interval: Interval, cuts: list[datetime]
) -> None:
    # Cuts that fall inside are rare among all moments: add some that surely do.
    inside = [
        interval.start + interval.duration * (n + 1) / (len(cuts) + 1) for n in range(len(cuts))
    ]
    parts = list(interval.split(cuts + inside))
    assert sum((part.seconds for part in parts), Decimal(0)) == interval.seconds
    assert parts[0].start == interval.start
    assert parts[-1].end == interval.end
    for earlier, later in pairwise(parts):
        assert earlier.end == later.start


@given(intervals(), intervals())
def test_intersecting_is_symmetric_and_agrees_with_overlapping(a: Interval, b: Interval) -> None:
    common = a.intersect(b)
    assert common == b.intersect(a)
    assert (common is not None) == a.overlaps(b) == b.overlaps(a)
    if common is not None:
        assert common.start in a
        assert common.start in b
        assert common.seconds <= min(a.seconds, b.seconds)


def test_touching_intervals_do_not_overlap() -> None:
    first = Interval(NOON, NOON + timedelta(hours=1))
    second = Interval(first.end, first.end + timedelta(hours=1))
    assert not first.overlaps(second)
    assert first.intersect(second) is None


def test_hours_between_are_the_full_hours_strictly_inside() -> None:
    interval = Interval(NOON, NOON + timedelta(hours=2))
    assert list(hours_between(interval)) == [NOON + timedelta(hours=1)]
    wider = Interval(NOON - timedelta(microseconds=1), NOON + timedelta(hours=1, microseconds=1))
    assert list(hours_between(wider)) == [NOON, NOON + timedelta(hours=1)]


@given(
    moments,
    st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=40)),
    st.sampled_from([SHANGHAI, BERLIN]),
)
def test_cutting_at_utc_hours_cuts_at_every_month_end_of_a_zone_of_whole_hours(
    start: datetime, length: timedelta, zone: ZoneInfo
) -> None:
    interval = Interval(start, start + length)
    for part in interval.split(hours_between(interval)):
        first = part.start.astimezone(zone)
        last = (part.end - timedelta(microseconds=1)).astimezone(zone)
        assert (first.year, first.month) == (last.year, last.month)


@pytest.mark.parametrize(
    ("number", "hours"), [(2, 28 * 24), (3, 31 * 24 - 1), (10, 31 * 24 + 1), (12, 31 * 24)]
)
def test_a_month_in_berlin_is_an_hour_short_in_march_and_long_in_october(
    number: int, hours: int
) -> None:
    assert month(2026, number, BERLIN).seconds == hours * 3600


@given(st.integers(1992, 2100), st.integers(1, 12))
def test_a_month_in_shanghai_is_its_days_since_summer_time_ended(year: int, number: int) -> None:
    first = date(year, number, 1)
    days = ((first + timedelta(days=31)).replace(day=1) - first).days
    assert month(year, number, SHANGHAI).duration == timedelta(days=days)


@given(st.integers(1970, 2100), st.sampled_from([SHANGHAI, BERLIN, KATHMANDU]))
def test_the_months_of_a_year_follow_each_other_without_gap(year: int, zone: ZoneInfo) -> None:
    months = [month(year, number, zone) for number in range(1, 13)]
    months.append(month(year + 1, 1, zone))
    for earlier, later in pairwise(months):
        assert earlier.end == later.start
    # In UTC: Python calls a time that clocks skipped (Kathmandu, 1986) equal to none elsewhere.
    assert months[0].start == datetime(year, 1, 1, tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(("year", "number"), [(2026, 0), (2026, 13), (1969, 1), (9999, 1)])
def test_a_month_that_does_not_exist_is_refused(year: int, number: int) -> None:
    with pytest.raises(Invalid) as caught:
        month(year, number, SHANGHAI)
    assert caught.value.code == "no-such-month"
