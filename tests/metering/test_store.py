from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from cloudmgr.errors import Conflict, Invalid
from cloudmgr.interval import Interval
from cloudmgr.metering.observation import Change, Note
from cloudmgr.metering.queries import DailySum, UsageFilter
from cloudmgr.metering.store import MeteringStores
from cloudmgr.metering.usage import holdings, metered
from tests.builders import a_record, an_allocation

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database
    from cloudmgr.metering.usage import UsageRecord

STORES = MeteringStores()
HOUR = timedelta(hours=1)
NOW = datetime(2026, 6, 2, tzinfo=UTC)
TEN = datetime(2026, 6, 1, 10, tzinfo=UTC)
JUNE = UsageFilter(Interval(datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)))


def hours(count: int) -> list[Interval]:
    return [Interval(TEN + n * HOUR, TEN + (n + 1) * HOUR) for n in range(count)]


def test_every_digit_of_a_quantity_is_kept(database: Database) -> None:
    record = a_record(quantity=Decimal("1234567.123456789012345678"))
    with database.write() as tx:
        STORES.ledger.append(tx, [record], NOW)
    with database.read() as tx:
        assert STORES.ledger.get(tx, record.id) == record
        assert STORES.ledger.by_ids(tx, [record.id, "none"]) == {record.id: record}


def test_the_same_record_twice_is_one(database: Database) -> None:
    record = a_record()
    with database.write() as tx:
        STORES.ledger.append(tx, [record, record], NOW)
    with database.write() as tx:
        STORES.ledger.append(tx, [record], NOW + HOUR)
    with database.read() as tx:
        assert list(STORES.ledger.stream(tx, JUNE)) == [record]


def test_another_record_with_the_same_id_is_a_conflict_and_changes_nothing(
    database: Database,
) -> None:
    record = a_record()
    with database.write() as tx:
        STORES.ledger.append(tx, [record], NOW)
    fresh = a_record(resource="alloc_2")
    for lines in (
        [fresh, replace(record, quantity=Decimal(1))],
        [fresh, replace(fresh, quantity=Decimal(1))],
    ):
        with pytest.raises(Conflict) as refused, database.write() as tx:
            STORES.ledger.append(tx, lines, NOW)
        assert refused.value.code == "usage-differs"
    with database.read() as tx:
        assert list(STORES.ledger.stream(tx, JUNE)) == [record]


def test_pages_lead_through_all_records_in_order(database: Database) -> None:
    lines = [
        a_record(resource=f"alloc_{n}", interval=interval)
        for interval in hours(4)
        for n in range(3)
    ]
    with database.write() as tx:
        STORES.ledger.append(tx, lines, NOW)
    found: list[UsageRecord] = []
    cursor = None
    with database.read() as tx:
        while True:
            page = STORES.ledger.page(tx, JUNE, cursor, limit=5)
            found += page.records
            cursor = page.cursor
            if cursor is None:
                break
        assert found == sorted(lines, key=lambda r: (r.interval.start, r.id))
        for bad in ("nonsense", "2026-06-01~x", "~"):
            with pytest.raises(Invalid):
                STORES.ledger.page(tx, JUNE, bad)
        with pytest.raises(Invalid):
            STORES.ledger.page(tx, JUNE, limit=0)


def test_usage_is_found_by_whose_it_is_and_when_it_starts(database: Database) -> None:
    mine = a_record()
    other = a_record(resource="b", environment_id="env_b", department_id="dep_b")
    memory = a_record(meter="memory")
    before = a_record(interval=Interval(TEN - 2 * HOUR, TEN - HOUR))
    with database.write() as tx:
        STORES.ledger.append(tx, [mine, other, memory, before], NOW)
    day = Interval(TEN, TEN + HOUR)
    with database.read() as tx:

        def ids(**wanted: str) -> set[str]:
            return {r.id for r in STORES.ledger.stream(tx, UsageFilter(day, **wanted))}  # type: ignore[arg-type]

        assert ids() == {mine.id, other.id, memory.id}
        assert ids(environment_id="env_b") == {other.id}
        assert ids(department_id="dep_exam", meter="vcpu") == {mine.id}
        assert ids(system_id="none") == set()
        assert STORES.ledger.first_start(tx) == TEN - 2 * HOUR


def test_days_are_those_of_the_city(database: Database) -> None:
    # 15:00 UTC is 23:00 in Shanghai, 16:00 UTC is the next day.
    lines = [
        a_record(interval=interval, quantity=Decimal("0.1"))
        for interval in [Interval(TEN + n * HOUR, TEN + (n + 1) * HOUR) for n in (4, 5, 6)]
    ]
    with database.write() as tx:
        STORES.ledger.append(tx, lines, NOW)
    with database.read() as tx:
        assert STORES.ledger.sums(tx, JUNE, ZoneInfo("Asia/Shanghai")) == (
            DailySum("env_exam", "vcpu", date(2026, 6, 1), Decimal("0.2")),
            DailySum("env_exam", "vcpu", date(2026, 6, 2), Decimal("0.1")),
        )


def test_what_is_held_moves_only_from_where_it_was(database: Database) -> None:
    held = holdings(an_allocation(), "pool/a", "extranet", "a")
    with database.write() as tx:
        STORES.holdings.write(tx, [Change(None, holding, ()) for holding in held])
    moved = [metered(holding, NOW) for holding in held]
    changes = [Change(old, new, ()) for old, new in zip(held, moved, strict=True)]
    with database.write() as tx:
        STORES.holdings.write(tx, changes)
    with pytest.raises(Conflict) as refused, database.write() as tx:
        STORES.holdings.write(tx, changes)
    assert refused.value.code == "usage-moved"

    ended = [replace(holding, ended_at=NOW) for holding in moved]
    with database.write() as tx:
        STORES.holdings.write(
            tx, [Change(old, new, ()) for old, new in zip(moved, ended, strict=True)]
        )
        assert STORES.holdings.known(tx, "pool/a", []) == {}
        [known] = STORES.holdings.known(tx, "pool/a", ["alloc_1"]).values()
        assert set(known) == set(ended)
        assert list(STORES.holdings.of_resource(tx, "pool/a", "alloc_1")) == sorted(
            ended, key=lambda holding: holding.meter
        )
        assert STORES.holdings.unsettled(tx) == ()


def test_one_step_of_a_reading_is_taken_once(database: Database) -> None:
    with database.write() as tx:
        source = STORES.sources.ensure(tx, "pool/a")
        assert STORES.sources.ensure(tx, "pool/a") == source
    with database.write() as tx:
        assert STORES.sources.step(tx, "pool/a", source.version)
        assert not STORES.sources.step(tx, "pool/a", source.version)
        assert STORES.sources.step(tx, "pool/a", source.version + 1, NOW)
        STORES.sources.retire(tx, "pool/a")
        [known] = STORES.sources.all(tx)
    assert (known.version, known.read_at, known.retired) == (2, NOW, True)


def test_a_fault_is_noted_once_and_closed_when_it_is_over(database: Database) -> None:
    first = Note("pool/a", "unreadable", "", TEN, None, "no route to host")
    later = replace(first, since=TEN + HOUR, message="connection refused")
    lost = Note("pool/a", "lost", "alloc_1", TEN, NOW, "gone")
    with database.write() as tx:
        STORES.sources.write_notes(tx, "pool/a", [first, lost], None)
        STORES.sources.write_notes(tx, "pool/a", [later, lost], None)
    with database.write() as tx:
        assert len(STORES.sources.notes(tx)) == 2
        STORES.sources.write_notes(tx, "pool/a", [], NOW)
        notes = {note.kind: note for note in STORES.sources.notes(tx, source="pool/a")}
        assert notes["unreadable"] == replace(first, until=NOW, message="connection refused")
        assert STORES.sources.notes(tx, Interval(NOW + HOUR, NOW + 2 * HOUR)) == ()
        assert len(STORES.sources.notes(tx, Interval(TEN - HOUR, TEN + HOUR))) == 2
