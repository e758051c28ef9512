"""Against a real Prometheus, which knows hours of history that the tests made."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from cloudmgr.clock import SystemClock
from cloudmgr.interval import Interval
from cloudmgr.metering.collector import Collector
from cloudmgr.metering.measured import prometheus
from cloudmgr.metering.measured.collector import Measurer
from cloudmgr.metering.measured.measuring import GapCharge, Reason
from cloudmgr.metering.queries import UsageFilter
from cloudmgr.metering.store import MeteringStores
from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.kubernetes.measured import pod_uid
from tests.builders import an_allocation
from tests.fakes import City, LedgerPool, ManualClock
from tests.metering.measured.cadvisor import JOB, TEN, WEB, at, labels, measured_by, serving
from tests.ports import free_port
from tests.prometheus import server
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cloudmgr.db.engine import Database
    from cloudmgr.metering.collector import SourceReport
    from cloudmgr.metering.measured.measuring import Gap
    from cloudmgr.metering.usage import UsageRecord
    from cloudmgr.pools.drivers.besides import Measurement

ZONE = ZoneInfo("Asia/Shanghai")
ALWAYS = UsageFilter(Interval(datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)))


@pytest.fixture(scope="module", autouse=True)
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that scrapes one container of two busy cores.

    It takes five seconds until it begins to, in which the other tests are done.
    """
    clock = SystemClock()
    begun = clock.now()

    class Kubelet(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            used = (clock.now() - begun).total_seconds() * 2
            text = f"container_cpu_usage_seconds_total{{{labels(WEB, 1)}}} {used}\n".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            with suppress(ConnectionError):  # it may end in the middle of a scrape
                self.wfile.write(text)

        def log_message(self, *_: object) -> None: ...

    home = tmp_path_factory.mktemp("live") / "data"
    with serving(Kubelet) as port, server(home, scrapes=port) as url:
        yield url


class MeasuredPool(LedgerPool):
    """A pool of which somebody measures what is used, until a test says otherwise."""

    measurement: Measurement | None = None


class Office:
    """A collector and a measurer from ten o'clock on, of one pool that holds both pods."""

    def __init__(
        self,
        database: Database,
        url: str,
        charge: Callable[[Gap], GapCharge] = lambda _: GapCharge.NOTHING,
    ) -> None:
        self.database = database
        self.stores = MeteringStores()
        self.clock = ManualClock(TEN)
        size = Resources(500, 1024)
        self.pool = MeasuredPool(
            an_allocation(id=WEB, started_at=at(0), size=size),
            an_allocation(id=JOB, started_at=at(-120), size=size, component="job"),
        )
        self.pool.measurement = measured_by(url)
        self.charge = charge
        self.collector = Collector(
            database,
            self.stores,
            City(),
            self.clock,
            ZONE,
            drivers={"a": self.pool},
            gateways={},
        )
        self.measurer = self.another()
        self.measurer.collect()

    def another(self) -> Measurer:
        return Measurer(
            self.database,
            self.stores,
            self.clock,
            ZONE,
            drivers={"a": self.pool},
            charge=self.charge,
        )

    def at(self, minutes: float) -> SourceReport:
        self.clock.set(at(minutes))
        self.collector.collect()
        [report] = self.measurer.collect()
        return report

    def lines(self, pod: str, meter: str = "vcpu-used") -> list[UsageRecord]:
        with self.database.read() as tx:
            every = list(self.stores.ledger.stream(tx, replace(ALWAYS, meter=meter)))
        return [line for line in every if line.resource == pod]

    def gaps(self) -> list[Gap]:
        with self.database.read() as tx:
            return list(self.stores.gaps.list(tx, ALWAYS))

    def notes(self) -> list[tuple[str, bool]]:
        with self.database.read() as tx:
            found = self.stores.sources.notes(tx)
        return [(note.kind, note.until is None) for note in found]


def test_what_prometheus_saw_reaches_the_ledger_once_each_container_counted_once(
    database: Database, known: str
) -> None:
    office = Office(database, known)
    early = office.at(65.9)
    report = office.at(66)
    [web], [job] = office.lines(WEB), office.lines(JOB)
    [held] = office.lines(WEB, "memory-used")

    assert (early.records, report.records, report.problem) == (0, 4, "")
    assert web.interval == job.interval == Interval(TEN, at(60))
    # A quarter of a core, but for what the first run did after its last sample: nobody knows that.
    assert web.quantity == (Decimal("30.05") + Decimal("29.8")) * 15
    assert job.quantity == 900
    assert abs(held.quantity - 1800) < 10
    assert office.gaps() == []
    assert office.at(67).records == 0
    office.measurer = office.another()
    assert office.at(68).records == 0


def test_an_hour_with_a_gap_is_asked_again_and_then_the_gap_is_on_record(
    sqlite: Database, known: str
) -> None:
    office = Office(sqlite, known)
    office.at(66)
    waits = office.at(130)
    office.at(134)
    still = office.lines(JOB)
    report = office.at(181)

    assert (waits.records, len(still)) == (0, 1)
    assert report.records == 6
    assert [(x.interval, x.quantity) for x in office.lines(JOB)[1:]] == [
        (Interval(at(60), at(69.6)), Decimal(144)),
        (Interval(at(100.1), at(120)), Decimal("298.5")),
    ]
    assert {(g.meter, g.interval, g.reason, g.charged) for g in office.gaps()} == {
        (meter, Interval(at(69.6), at(100.1)), Reason.UNSEEN, GapCharge.NOTHING)
        for meter in ("vcpu-used", "memory-used")
    }
    assert office.notes() == []


def test_a_pod_that_is_gone_is_no_gap(sqlite: Database, known: str) -> None:
    office = Office(sqlite, known)
    office.pool.end(WEB, at(180))
    office.at(250)

    assert office.lines(WEB)[-1].interval.end == at(180)
    assert all(gap.resource == JOB for gap in office.gaps())


def test_a_gap_is_charged_as_policy_says(sqlite: Database, known: str) -> None:
    office = Office(
        sqlite, known, lambda gap: GapCharge("held" if gap.meter == "vcpu-used" else "nothing")
    )
    office.at(66)
    office.at(181)
    [line] = office.lines(f"{JOB}#gap")

    assert {(g.meter, g.charged) for g in office.gaps()} == {
        ("vcpu-used", GapCharge.HELD),
        ("memory-used", GapCharge.NOTHING),
    }
    assert (line.interval, line.quantity) == (Interval(at(69.6), at(100.1)), Decimal(915))


def test_one_who_does_not_answer_is_asked_for_a_week_and_then_it_is_all_a_gap(
    sqlite: Database, known: str
) -> None:
    office = Office(sqlite, f"http://127.0.0.1:{free_port()}")
    told = office.at(66)
    assert "does not tell" in told.problem
    assert office.at(70).problem == ""  # not asked again within five minutes
    assert office.notes() == [("unreadable", True)]

    office.pool.measurement = measured_by(known)
    office.at(75)
    assert office.notes() == [("unreadable", False)]
    assert len(office.lines(JOB)) == 1

    office.pool.measurement = measured_by(f"http://127.0.0.1:{free_port()}")
    office.at(60 * 24 * 7 + 119)
    assert office.gaps() == []
    office.at(60 * 24 * 7 + 126)
    assert {(g.interval, g.reason) for g in office.gaps()} == {
        (Interval(at(60), at(120)), Reason.UNANSWERED)
    }


def test_a_pool_that_is_measured_no_more_holds_nothing_up(sqlite: Database, known: str) -> None:
    office = Office(sqlite, known)
    office.pool.measurement = None

    assert office.measurer.collect() == ()
    with sqlite.read() as tx:
        source = office.stores.sources.get(tx, "measured/a")
    assert source is not None
    assert source.retired


def test_two_who_measure_at_once_write_an_hour_once(database: Database, known: str) -> None:
    office = Office(database, known)
    office.clock.set(at(66))
    office.collector.collect()
    threads = [threading.Thread(target=office.another().collect) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(office.lines(WEB)) == len(office.lines(JOB)) == 1


def test_who_reads_what_another_has_written_meanwhile_throws_it_away(
    sqlite: Database, known: str
) -> None:
    office = Office(sqlite, known)
    first = office.pool.measurement
    assert first is not None
    others: list[SourceReport] = []

    def allocation_of(labels: Mapping[str, str]) -> str:
        if not others:
            office.pool.measurement = first
            others.extend(office.another().collect())
        return pod_uid(labels)

    office.pool.measurement = replace(first, allocation_of=allocation_of)
    report = office.at(66)

    assert (report.records, report.superseded) == (0, True)
    assert [other.records for other in others] == [4]


def test_an_hour_waits_until_it_is_known_what_was_held_in_it(sqlite: Database, known: str) -> None:
    office = Office(sqlite, known)
    office.at(30)
    office.clock.set(at(66))

    assert [report.records for report in office.measurer.collect()] == [0]
    assert office.at(66).records == 4


def test_what_is_scraped_live_sums_to_what_was_used(live: str) -> None:
    def seen() -> list[tuple[int, Decimal]]:
        now = SystemClock().now()
        around = Interval(now - timedelta(minutes=5), now)
        found = prometheus.read(measured_by(live), around)["vcpu-used"]
        return list(found[0].samples) if found else []

    samples = until(lambda: found if len(found := seen()) > 5 else None, what="scrapes")
    (first, before), (last, after) = samples[0], samples[-1]
    assert abs(float(after - before) - (last - first) / 1e6 * 2) < 0.5
