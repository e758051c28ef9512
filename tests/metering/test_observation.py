from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.interval import Interval
from cloudmgr.metering.observation import SETTLE, Note, Plan, PoolReading, plan
from cloudmgr.money import exact_product, exact_sum
from cloudmgr.pools.capacity import Resources
from tests.builders import an_allocation

if TYPE_CHECKING:
    from cloudmgr.metering.usage import Holding, UsageRecord
    from cloudmgr.pools.drivers.driver import Allocation

ZONE = ZoneInfo("Asia/Shanghai")
TEN = datetime(2026, 6, 1, 10, tzinfo=UTC)


class Reader:
    """A pool that is read again and again, with a ledger in memory."""

    def __init__(self) -> None:
        self.holdings: dict[tuple[str, str], Holding] = {}
        self.lines: dict[str, UsageRecord] = {}
        self.notes: list[Note] = []
        self.read_at: datetime | None = None

    def read(self, moment: datetime, *allocations: Allocation) -> Plan:
        listed = {allocation.id for allocation in allocations}
        known: dict[str, list[Holding]] = {}
        for holding in self.holdings.values():
            if not holding.settled or holding.resource in listed:
                known.setdefault(holding.resource, []).append(holding)
        done = plan(
            PoolReading("pool/a", "extranet", "a", moment, self.read_at, allocations, known), ZONE
        )
        for change in done.changes:
            key = (change.new.resource, change.new.meter)
            assert self.holdings.get(key) == change.old
            self.holdings[key] = change.new
            for record in change.records:
                assert record.id not in self.lines
                self.lines[record.id] = record
        self.notes += done.notes
        self.read_at = moment
        return done

    def used(self, meter: str = "vcpu", resource: str | None = None) -> Decimal:
        return exact_sum(
            [
                line.quantity
                for line in self.lines.values()
                if line.meter == meter and resource in (None, line.resource)
            ]
        )


def at(minutes: float) -> datetime:
    return TEN + timedelta(minutes=minutes)


def test_an_hour_is_recorded_once_it_is_over_and_settled() -> None:
    reader = Reader()
    running = an_allocation(started_at=TEN, size=Resources(1000))

    reader.read(at(60), running)
    assert reader.used() == 0
    reader.read(at(60) + SETTLE, running)
    assert reader.used() == 3600


def test_what_ended_is_recorded_to_its_end_and_may_be_forgotten() -> None:
    reader = Reader()
    ended = an_allocation(started_at=TEN, ended_at=at(7.5), size=Resources(1000))

    assert reader.read(at(8), ended).settled == ("alloc_1",)
    assert reader.used() == 450
    assert reader.read(at(9), ended).changes == ()


def test_an_end_that_lies_ahead_of_our_clock_is_waited_for() -> None:
    reader = Reader()
    ending = an_allocation(started_at=TEN, ended_at=at(90), size=Resources(1000))

    assert reader.read(at(70), ending).settled == ()
    assert reader.used() == 3600
    assert reader.read(at(90), ending).settled == ("alloc_1",)
    assert reader.used() == 5400


def test_what_the_pool_stops_to_list_is_metered_until_it_was_last_seen() -> None:
    reader = Reader()
    reader.read(at(10), an_allocation(started_at=TEN, size=Resources(1000)))
    reader.read(at(30))

    assert reader.used() == 600
    [note] = reader.notes
    assert (note.kind, note.resource, note.since, note.until) == ("lost", "alloc_1", at(10), at(30))


def test_what_was_lost_and_is_seen_again_was_held_all_the_time() -> None:
    reader = Reader()
    running = an_allocation(started_at=TEN, size=Resources(1000))
    reader.read(at(10), running)
    reader.read(at(30))
    reader.read(at(40), running)
    reader.read(at(50), replace(running, ended_at=at(45)))

    assert reader.used() == 45 * 60


def test_an_end_before_what_is_metered_is_noted_and_not_hidden() -> None:
    reader = Reader()
    running = an_allocation(started_at=TEN, size=Resources(1000))
    reader.read(at(62), running)
    done = reader.read(at(63), replace(running, ended_at=at(55)))

    assert reader.used() == 3600
    assert [note.kind for note in reader.notes] == ["over-metered"]
    assert done.settled == ("alloc_1",)


def test_an_allocation_that_cannot_be_stops_no_other() -> None:
    reader = Reader()
    good = an_allocation(started_at=TEN, ended_at=at(5), size=Resources(1000))
    done = reader.read(
        at(10),
        replace(good, id="negative", size=Resources(-5)),
        replace(good, id="backwards", ended_at=at(-5)),
        replace(good, id="ancient", started_at=datetime(1970, 1, 1, tzinfo=UTC)),
        good,
    )

    assert done.settled == ("alloc_1",)
    assert {note.resource for note in done.notes} == {"negative", "backwards", "ancient"}
    assert {note.kind for note in done.notes} == {"refused"}
    assert reader.used() == 300


def test_an_allocation_that_contradicts_itself_is_not_believed() -> None:
    reader = Reader()
    running = an_allocation(started_at=TEN, size=Resources(1000))
    reader.read(at(10), running)
    bigger = replace(running, size=Resources(2000), ended_at=at(20))

    assert reader.read(at(20), bigger).settled == ()
    assert [note.kind for note in reader.notes] == ["refused"]
    assert reader.used() == 0


def test_an_allocation_that_is_listed_twice_counts_once() -> None:
    reader = Reader()
    ended = an_allocation(started_at=TEN, ended_at=at(5), size=Resources(1000))
    done = reader.read(at(10), ended, replace(ended), replace(ended, ended_at=at(6)))

    assert reader.used() == 300
    assert [note.message.split(": ")[1] for note in done.notes] == [
        "it is listed twice, differently"
    ]


lives = st.lists(
    st.tuples(st.integers(0, 600), st.integers(0, 600), st.integers(1, 4000)), max_size=5
)
readings = st.lists(st.tuples(st.integers(0, 1500), st.booleans()), max_size=12)


@given(lives, readings)
def test_whenever_a_pool_is_read_all_that_was_held_is_recorded_once(
    lives: list[tuple[int, int, int]], readings: list[tuple[int, bool]]
) -> None:
    reader = Reader()
    forgotten: set[str] = set()
    whole = [
        an_allocation(
            id=f"alloc_{n}",
            started_at=at(start),
            ended_at=at(start + length),
            size=Resources(cpu),
        )
        for n, (start, length, cpu) in enumerate(lives)
    ]
    for minute, killed_before_forgetting in [*sorted(readings), (1500, False)]:
        moment = at(minute)
        listed = [
            replace(a, ended_at=a.ended_at if a.ended_at and a.ended_at <= moment else None)
            for a in whole
            if a.started_at <= moment and a.id not in forgotten
        ]
        done = reader.read(moment, *listed)
        if not killed_before_forgetting:
            forgotten |= set(done.settled)

    assert forgotten == {a.id for a in whole}
    assert reader.notes == []
    for allocation, (_, length, cpu) in zip(whole, lives, strict=True):
        expected = exact_product(Decimal(cpu) / 1000, Decimal(length * 60))
        assert reader.used(resource=allocation.id) == expected
        mine = sorted(
            (x.interval for x in reader.lines.values() if x.resource == allocation.id),
            key=lambda interval: interval.start,
        )
        if mine:
            assert allocation.ended_at
            assert Interval(mine[0].start, mine[-1].end) == Interval(
                allocation.started_at, allocation.ended_at
            )
            assert all(a.end == b.start for a, b in pairwise(mine))
