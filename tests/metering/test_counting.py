from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.errors import Invalid
from cloudmgr.metering.counting import GatewayPeriod, RequestCounter, advance, unfinished
from cloudmgr.metering.usage import Owner, UsageRecord, cell_of

ZONE = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
EXAM = Owner("env_exam", "sys_exam", "dep_exam", "extranet", "pool_a")


class Readings:
    """A gateway that is read again and again, and what was made of it."""

    def __init__(self, zone: ZoneInfo = ZONE) -> None:
        self.zone = zone
        self.counter: RequestCounter | None = None
        self.before: datetime | None = None
        self.lines: list[UsageRecord] = []

    def read(
        self, moment: datetime, value: int | None, epoch: str = "1", owner: Owner = EXAM
    ) -> list[tuple[str, int]]:
        period = GatewayPeriod("gateway/extranet", epoch, self.before, moment)
        self.counter, lines = advance(self.counter, owner, period, value, self.zone)
        self.before = moment if self.before is None else max(moment, self.before)
        self.lines += lines
        return [(f"{line.interval.start:%H:%M}", int(line.quantity)) for line in lines]

    @property
    def pending(self) -> int:
        return self.counter.pending if self.counter else 0


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_requests_are_recorded_once_their_hour_is_over() -> None:
    readings = Readings()

    assert readings.read(at(10), 100) == []
    assert readings.read(at(50), 140) == []
    assert readings.read(at(60), 150) == [("12:00", 150)]
    assert readings.read(at(120), 150) == []
    assert readings.pending == 0


def test_what_came_across_an_hour_is_shared_by_time_in_whole_requests() -> None:
    readings = Readings()
    readings.read(at(50), 0)

    assert readings.read(at(65), 100) == [("12:00", 66)]
    assert readings.pending == 34


def test_a_gateway_that_restarted_counts_from_zero() -> None:
    readings = Readings()
    readings.read(at(10), 100, epoch="1")
    readings.read(at(20), 120, epoch="2")

    assert readings.pending == 220


def test_a_service_that_was_dropped_and_made_again_counts_from_zero() -> None:
    readings = Readings()
    readings.read(at(10), 100)
    readings.read(at(20), 30)
    readings.read(at(30), None)
    readings.read(at(40), 35)

    assert readings.pending == 100 + 30 + 35


def test_what_is_pending_is_recorded_though_the_counter_has_gone() -> None:
    readings = Readings()
    readings.read(at(10), 100)

    assert readings.read(at(70), None) == [("12:00", 100)]


def test_another_owner_pays_from_the_next_hour_on() -> None:
    readings = Readings()
    readings.read(at(10), 100)
    readings.read(at(20), 110, owner=Owner("env_exam", "sys_exam", "dep_new", "extranet", "pool_a"))
    readings.read(at(80), 120, owner=Owner("env_exam", "sys_exam", "dep_new", "extranet", "pool_a"))
    readings.read(
        at(120), 120, owner=Owner("env_exam", "sys_exam", "dep_new", "extranet", "pool_a")
    )

    assert [(line.department_id, int(line.quantity)) for line in readings.lines] == [
        ("dep_exam", 116),
        ("dep_new", 4),
    ]


def test_a_clock_that_goes_back_loses_and_doubles_nothing() -> None:
    readings = Readings()
    readings.read(at(60), 100)
    readings.read(at(30), 160)
    readings.read(at(120), 160)

    assert [(f"{x.interval.start:%H:%M}", int(x.quantity)) for x in readings.lines] == [
        ("13:00", 160)
    ]


@pytest.mark.parametrize("value", [-1, 10**30])
def test_a_count_that_cannot_be_is_refused(value: int) -> None:
    readings = Readings()
    readings.read(at(10), 100)
    before = readings.counter

    with pytest.raises(Invalid):
        readings.read(at(20), value)
    assert readings.counter == before


def test_what_is_not_over_can_be_seen() -> None:
    readings = Readings()
    readings.read(at(10), 100)
    assert readings.counter

    seen = unfinished(readings.counter, ZONE, at(10))

    assert seen is not None
    assert (seen.interval.start, seen.interval.end, seen.quantity) == (NOON, at(10), Decimal(100))
    assert unfinished(readings.counter, ZONE, NOON) is None


steps = st.lists(
    st.tuples(
        st.integers(-20, 300),  # minutes since the last reading
        st.integers(0, 10_000),  # requests in between
        st.sampled_from(["served", "served", "served", "restarted", "dropped", "absent"]),
    ),
    max_size=20,
)


@given(steps, st.sampled_from(["Asia/Shanghai", "Asia/Kathmandu", "America/New_York"]))
def test_all_that_is_counted_is_recorded_once(
    history: list[tuple[int, int, str]], zone: str
) -> None:
    readings = Readings(ZoneInfo(zone))
    epoch, value, counted, moment = 0, 0, 0, NOON
    for minutes, requests, event in history:
        moment += timedelta(minutes=minutes)
        if event == "absent":
            readings.read(moment, None, str(epoch))
            value = 0
            continue
        if event == "restarted":
            epoch, value = epoch + 1, 0
        if event == "dropped":
            readings.read(moment, None, str(epoch))
            value = 0
        value += requests
        counted += requests
        readings.read(moment, value, str(epoch))

    assert sum(int(line.quantity) for line in readings.lines) + readings.pending == counted
    assert len({line.id for line in readings.lines}) == len(readings.lines)
    assert all(
        line.interval == cell_of(line.interval.start, readings.zone) for line in readings.lines
    )
