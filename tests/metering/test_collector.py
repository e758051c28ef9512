from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, text

from cloudmgr.db.engine import Database
from cloudmgr.errors import Permanent, Temporary
from cloudmgr.interval import Interval
from cloudmgr.metering.collector import Collector
from cloudmgr.metering.live import LiveUsage
from cloudmgr.metering.queries import UsageFilter
from cloudmgr.metering.store import MeteringStores
from cloudmgr.money import exact_sum
from cloudmgr.pools.capacity import Resources
from tests.builders import a_record, an_allocation
from tests.fakes import City, CountingGateway, LedgerPool, ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from cloudmgr.metering.collector import CollectReport
    from cloudmgr.metering.observation import Note
    from cloudmgr.metering.usage import UsageRecord
    from cloudmgr.pools.drivers.driver import Allocation

ZONE = ZoneInfo("Asia/Shanghai")
TEN = datetime(2026, 6, 1, 10, tzinfo=UTC)
ALWAYS = UsageFilter(Interval(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)))
ONE_CORE = Resources(1000)


class Office:
    """A collector on a database, with one pool and one gateway, at ten o'clock."""

    def __init__(self, database: Database, *held: Allocation) -> None:
        self.database = database
        self.stores = MeteringStores()
        self.clock = ManualClock(TEN)
        self.pool = LedgerPool(*held)
        self.gateway = CountingGateway()
        self.city = City()
        self.collector = self.another()

    def another(
        self, pool: LedgerPool | None = None, read: Callable[[], object] | None = None
    ) -> Collector:
        return Collector(
            self.database,
            self.stores,
            self.city,
            self.clock,
            ZONE,
            drivers={"a": pool or self.pool},
            gateways={"extranet": read or self.gateway.read},  # type: ignore[dict-item]
        )

    def at(self, minutes: float) -> CollectReport:
        self.clock.set(TEN + timedelta(minutes=minutes))
        return self.collector.collect()

    def lines(self) -> list[UsageRecord]:
        with self.database.read() as tx:
            return list(self.stores.ledger.stream(tx, ALWAYS))

    def used(self, meter: str) -> Decimal:
        return exact_sum([line.quantity for line in self.lines() if line.meter == meter])

    def notes(self) -> list[Note]:
        with self.database.read() as tx:
            return list(self.stores.sources.notes(tx))

    def dump(self) -> list[object]:
        names = (
            "usage_record",
            "resource_interval",
            "request_counter",
            "usage_source",
            "usage_note",
        )
        with self.database.read() as tx:
            return [sorted(map(str, tx.execute(text(f"SELECT * FROM {n}")))) for n in names]  # noqa: S608


def test_what_is_held_and_asked_reaches_the_ledger_exactly_once(database: Database) -> None:
    office = Office(
        database,
        an_allocation(started_at=TEN, size=Resources(500, 768)),
        an_allocation(id="disk", started_at=TEN, size=Resources(storage_gib=20)),
    )
    office.gateway.serve("env_exam", 100)
    office.at(10)
    office.gateway.serve("env_exam", 50)
    report = office.at(61)
    office.pool.end("alloc_1", TEN + timedelta(minutes=90))
    office.at(91)
    office.at(122)

    assert report.problems == ()
    assert office.used("vcpu") == Decimal("0.5") * 5400
    assert office.used("memory") == Decimal("0.75") * 5400
    assert office.used("storage") == 20 * 7200
    assert office.used("requests") == 150
    assert office.pool.forgotten == ["alloc_1"]
    assert office.notes() == []
    [owner] = {(x.environment_id, x.system_id, x.department_id, x.zone) for x in office.lines()}
    assert owner == ("env_exam", "sys_exam", "dep_exam", "extranet")


def test_where_time_runs_fast_an_hour_settles_for_longer(sqlite: Database) -> None:
    class Fast(ManualClock):
        def elapsed(self, span: timedelta) -> float:
            return span.total_seconds() / 360

    office = Office(sqlite, an_allocation(started_at=TEN, size=ONE_CORE))
    office.clock = Fast()
    office.collector = office.another()

    office.at(60 + 11.9)
    assert office.lines() == []
    office.at(60 + 12)
    assert office.used("vcpu") == 3600


def test_a_second_run_writes_no_usage(database: Database) -> None:
    office = Office(database, an_allocation(started_at=TEN))
    office.gateway.serve("env_exam", 100)
    office.at(121)
    before = office.lines()

    assert [report.records for report in office.at(121).sources] == [0, 0]
    assert office.lines() == before


def test_a_pool_that_cannot_be_read_leaves_a_note_and_no_invented_usage(database: Database) -> None:
    office = Office(database, an_allocation(started_at=TEN, size=ONE_CORE))
    office.at(30)
    office.pool.failing = Temporary("the pool does not answer")
    office.gateway.failing = Temporary("the gateway does not answer")
    report = office.at(200)

    assert report.problems == (
        "pool/a: the pool does not answer",
        "gateway/extranet: the gateway does not answer",
    )
    assert office.lines() == []
    assert [(note.source, note.kind, note.since, note.until) for note in office.notes()] == [
        (source, "unreadable", TEN + timedelta(minutes=30), None)
        for source in sorted(
            ("pool/a", "gateway/extranet"), key=lambda s: s != office.notes()[0].source
        )
    ]

    office.pool.failing = office.gateway.failing = None
    office.at(241)
    assert office.used("vcpu") == 4 * 3600
    assert {note.until for note in office.notes()} == {TEN + timedelta(minutes=241)}


def test_what_another_collector_reads_is_left_to_it(database: Database) -> None:
    office = Office(database, an_allocation(started_at=TEN, size=ONE_CORE))

    def read(report: CollectReport) -> list[str]:
        return [source.source for source in report.sources]

    assert read(office.collector.collect(gateways=[])) == ["pool/a"]
    only = office.collector.collect(pools=False, gateways=["extranet", "intranet"])
    assert read(only) == ["gateway/extranet"]


def test_a_driver_with_a_bug_does_not_stop_the_others(database: Database) -> None:
    class Broken(LedgerPool):
        def allocations(self) -> Iterable[Allocation]:
            raise KeyError("oops")

    office = Office(database)
    good = LedgerPool(an_allocation(started_at=TEN, size=ONE_CORE))
    collector = Collector(
        database,
        office.stores,
        office.city,
        office.clock,
        ZONE,
        drivers={"bad": Broken(), "good": good},
        gateways={},
    )
    office.clock.set(TEN + timedelta(minutes=61))

    assert collector.collect().problems == ("pool/bad: KeyError: 'oops'",)
    assert office.used("vcpu") == 3600


def test_a_pool_that_cannot_forget_is_told_again(database: Database) -> None:
    class Stubborn(LedgerPool):
        def forget(self, allocation_ids: Iterable[str]) -> None:
            if self.failing is None:
                self.failing = Permanent("read-only")
                raise self.failing
            super().forget(allocation_ids)

    office = Office(database)
    pool = Stubborn(an_allocation(started_at=TEN, ended_at=TEN + timedelta(minutes=5)))
    collector = office.another(pool)
    office.clock.set(TEN + timedelta(minutes=10))

    assert collector.collect().problems == ("pool/a: read-only",)
    pool.failing = None
    pool.forget = LedgerPool.forget.__get__(pool)  # type: ignore[method-assign]
    collector.collect()
    assert pool.held == {}
    assert office.used("vcpu") == 150


def test_requests_of_an_environment_that_is_not_known_are_noted(database: Database) -> None:
    office = Office(database)
    office.city.unknown.add("env_ghost")
    office.gateway.serve("env_ghost", 5)
    office.gateway.serve("env_exam", 7)
    office.at(60)
    office.at(120)

    assert office.used("requests") == 7
    assert [(note.kind, note.resource) for note in office.notes()] == [("refused", "env_ghost")]


def test_requests_of_an_environment_that_has_gone_are_still_recorded(database: Database) -> None:
    office = Office(database)
    office.gateway.serve("env_exam", 7)
    office.at(10)
    office.gateway.serve("env_exam", 3)
    office.city.unknown.add("env_exam")
    office.at(61)
    office.at(125)

    assert office.used("requests") == 10
    assert office.notes() == []


def test_a_gateway_that_restarted_is_noted(database: Database) -> None:
    office = Office(database)
    office.gateway.serve("env_exam", 7)
    office.at(10)
    office.gateway.restart()
    office.gateway.serve("env_exam", 3)
    office.at(20)
    office.at(60)

    assert office.used("requests") == 10
    assert [note.kind for note in office.notes()] == ["restarted"]


def test_a_reading_that_another_collector_overtook_is_thrown_away(database: Database) -> None:
    office = Office(database, an_allocation(started_at=TEN, size=ONE_CORE))
    office.at(10)
    office.gateway.serve("env_exam", 100)

    class Overtaken(LedgerPool):
        """While it is read, another control plane reads, writes and lets it forget."""

        def allocations(self) -> Iterable[Allocation]:
            old = list(office.pool.allocations())
            office.pool.end("alloc_1", TEN + timedelta(minutes=59))
            office.collector.collect()
            return old

    def overtaken_read() -> object:
        old = office.gateway.read()
        office.gateway.serve("env_exam", 20)
        office.collector.collect()
        return old

    office.clock.set(TEN + timedelta(minutes=62))
    report = office.another(Overtaken(), overtaken_read).collect()

    assert [s.superseded for s in report.sources] == [True, True]
    office.at(121)
    assert office.used("vcpu") == 59 * 60
    assert office.used("requests") == 120
    assert office.notes() == []


def test_a_conflict_in_the_ledger_stops_one_pool_and_is_noted(database: Database) -> None:
    office = Office(database, an_allocation(started_at=TEN, size=ONE_CORE))
    forged = a_record(source="pool/a", quantity=Decimal(1))
    with database.write() as tx:
        office.stores.ledger.append(tx, [forged], TEN)
    office.gateway.serve("env_exam", 100)
    report = office.at(61)

    assert len(report.problems) == 1
    assert "the ledger says otherwise" in report.problems[0]
    office.at(120)
    assert office.used("requests") == 100
    assert office.used("vcpu") == 1


def test_open_usage_goes_to_the_last_reading_and_no_further(database: Database) -> None:
    office = Office(database, an_allocation(started_at=TEN, size=ONE_CORE))
    office.gateway.serve("env_exam", 100)
    office.at(90)
    office.clock.set(TEN + timedelta(days=3))
    live = LiveUsage(office.stores, ZONE)

    with database.read() as tx:
        mine = live.open(tx, replace(ALWAYS, environment_id="env_exam"))
        assert live.open(tx, replace(ALWAYS, department_id="dep_other")) == ()
        sums = {s.meter: s.quantity for s in live.sums(tx, ALWAYS)}
    assert {(r.meter, r.interval.start, r.interval.end, r.quantity) for r in mine} == {
        ("vcpu", TEN + timedelta(hours=1), TEN + timedelta(minutes=90), Decimal(1800)),
        ("requests", TEN + timedelta(hours=1), TEN + timedelta(minutes=90), Decimal(100)),
    }
    assert sums == {"vcpu": 5400, "requests": 100}


def test_a_full_disk_changes_nothing_and_the_next_run_catches_up(tmp_path: Path) -> None:
    from cloudmgr.db.types import metadata  # noqa: PLC0415

    with closing(Database(f"sqlite:///{tmp_path / 'full.db'}")) as database:
        metadata.create_all(database.engine)
        office = Office(
            database, *(an_allocation(id=f"a{n}", started_at=TEN, size=ONE_CORE) for n in range(20))
        )
        office.at(1)
        full = True

        @event.listens_for(database.engine, "checkout")
        def _limit(connection: object, *_: object) -> None:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]  # type: ignore[attr-defined]
            most = pages if full else 1_000_000
            connection.execute(f"PRAGMA max_page_count = {most}")  # type: ignore[attr-defined]

        before = office.dump()
        with pytest.raises(Temporary) as refused:
            office.at(60 * 50)
        assert "full" in refused.value.message
        assert refused.value.code == "database-unavailable"
        assert office.dump() == before

        full = False
        office.at(60 * 50 + 2)
        assert office.used("vcpu") == 20 * 50 * 3600


def test_a_long_outage_is_caught_up_in_several_transactions(sqlite: Database) -> None:
    office = Office(
        sqlite,
        *(
            an_allocation(
                id=f"a{n}", started_at=TEN, ended_at=TEN + timedelta(hours=2), size=ONE_CORE
            )
            for n in range(1100)
        ),
    )
    [report, _] = office.at(200).sources

    assert (report.records, report.forgotten) == (2200, 1100)
    assert office.used("vcpu") == 1100 * 7200
    with sqlite.read() as tx:
        source = office.stores.sources.get(tx, "pool/a")
    assert source is not None
    assert source.version == 3


def test_many_collectors_at_once_write_everything_once(database: Database) -> None:
    office = Office(
        database,
        *(
            an_allocation(
                id=f"a{n}", started_at=TEN, ended_at=TEN + timedelta(minutes=70), size=ONE_CORE
            )
            for n in range(5)
        ),
        an_allocation(id="open", started_at=TEN, size=ONE_CORE),
    )
    collectors = [office.another() for _ in range(4)]
    for minute in (5, 62, 75, 122):
        office.clock.set(TEN + timedelta(minutes=minute))
        office.gateway.serve("env_exam", 100)
        with ThreadPoolExecutor(len(collectors)) as threads:
            reports = list(threads.map(Collector.collect, collectors))
        assert not any(report.problems for report in reports)
        assert any(not report.sources[0].superseded for report in reports)

    assert office.used("vcpu") == 5 * 70 * 60 + 2 * 3600
    office.at(180)
    assert office.used("requests") == 400
    assert office.notes() == []
