"""Against a real Prometheus, which knows hours of history that the tests made."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
import trustme

from cloudmgr.clock import SystemClock
from cloudmgr.errors import Temporary
from cloudmgr.interval import Interval
from cloudmgr.metering.collector import Collector
from cloudmgr.metering.measured import prometheus
from cloudmgr.metering.measured.collector import Measurer
from cloudmgr.metering.measured.measuring import GapCharge, Reason
from cloudmgr.metering.queries import UsageFilter
from cloudmgr.metering.store import MeteringStores
from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.kubernetes.measured import measurement
from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings
from tests.builders import an_allocation
from tests.fakes import City, LedgerPool, ManualClock
from tests.postgres import free_port
from tests.prometheus import history, server
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cloudmgr.db.engine import Database
    from cloudmgr.metering.collector import SourceReport
    from cloudmgr.metering.measured.measuring import Gap
    from cloudmgr.metering.usage import UsageRecord
    from cloudmgr.pools.drivers.driver import Measurement

ZONE = ZoneInfo("Asia/Shanghai")
TEN = datetime(2026, 6, 1, 10, tzinfo=UTC)
ALWAYS = UsageFilter(Interval(datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)))
# A web pod that works from ten to one, and a worker whose node was not scraped from 11:10 to 11:40.
WEB, JOB = "3d1b3f0e-52a1-4b77-9c1d-0a6a3f7d1c01", "77c0b8de-14f0-4a8f-8f8e-5f0e6ad90b02"
MIB = 2**20


def at(minutes: float) -> datetime:
    return TEN + timedelta(minutes=minutes)


def labels(pod: str, run: int, container: str = "app", namespace: str = "cloudmgr-env-exam") -> str:
    """As the kubelet has them where systemd makes the cgroups."""
    below = f"/cri-containerd-{run}.scope" if container else ""
    group = f"/kubepods.slice/kubepods-burstable-pod{pod.replace('-', '_')}.slice{below}"
    image = "lab/web:1" if container and container != "POD" else ""
    return (
        f'namespace="{namespace}",pod="web-{pod[:4]}",container="{container}",id="{group}",'
        f'image="{image}",name="{run if container else ""}"'
    )


def cadvisor() -> Iterator[str]:
    """Every half minute from 9:50 to 14:00, with all that must not be counted."""
    cpu: list[str] = []
    memory: list[str] = []
    started: list[str] = []

    def tell(pod: str, run: int, since: float, moment: float, **more: str) -> None:
        name = labels(pod, run, **more)
        stamp = f"{at(moment).timestamp():.3f}"
        # A quarter of a core, and 512 MiB, from its start on.
        cpu.append(
            "container_cpu_usage_seconds_total"
            f'{{{name},cpu="total",job="kubelet"}} {(moment - since) * 15} {stamp}'
        )
        memory.append(f"container_memory_working_set_bytes{{{name}}} {512 * MIB} {stamp}")
        started.append(f"container_start_time_seconds{{{name}}} {at(since).timestamp()} {stamp}")

    for half in range(-20, 480):
        moment = half / 2 + 0.1
        if 0 <= moment < 180:
            # It is started anew at 10:30.2: another container, whose counter begins at zero.
            run, since = (1, 0.05) if moment < 30.2 else (2, 30.2)
            tell(WEB, run, since, moment)
            tell(WEB, 9, 0, moment, container="POD")
            tell(WEB, 0, 0, moment, container="")
        if moment < 70 or moment >= 100:
            tell(JOB, 3, -120, moment)
        tell(WEB.replace("3", "5"), 8, 0, moment, namespace="elsewhere")
    yield from ("# TYPE container_cpu_usage_seconds counter", *sorted(cpu, key=_series))
    yield from ("# TYPE container_memory_working_set_bytes gauge", *sorted(memory, key=_series))
    yield from ("# TYPE container_start_time_seconds gauge", *sorted(started, key=_series))


def _series(line: str) -> str:
    return line.split("} ", maxsplit=1)[0]


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        yield http.server_port
        http.shutdown()
        thread.join()


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


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that has :func:`cadvisor`'s day."""
    home = tmp_path_factory.mktemp("prometheus") / "data"
    history(home, cadvisor())
    with server(home) as url:
        yield url


def measured_by(url: str, **more: str) -> Measurement:
    found = measurement(KubernetesSettings.parse({"prometheus_url": url, **more}))
    assert found is not None
    return found


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


def test_a_refused_question_says_what_prometheus_said(known: str) -> None:
    wrong = replace(measured_by(known), matchers="no selector")
    with pytest.raises(Temporary, match="parse error"):
        prometheus.read(wrong, Interval(at(0), at(60)))


def test_https_takes_the_configured_authority_and_a_token_goes_along(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "token").write_text("s3cret\n")
    (tmp_path / "web.yml").write_text("tls_server_config: {cert_file: cert.pem, key_file: key.pem}")
    with server(tmp_path / "data", f"--web.config.file={tmp_path / 'web.yml'}") as url:
        secure = url.replace("http:", "https:")
        trusting = measured_by(secure, prometheus_ca_file=str(tmp_path / "ca.pem"))

        assert prometheus.read(trusting, Interval(at(0), at(60)))["vcpu-used"] == []
        with pytest.raises(Temporary, match="certificate verify failed"):
            prometheus.read(measured_by(secure), Interval(at(0), at(60)))

    asked: list[str | None] = []

    class Gate(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.headers["Authorization"])
            self.send_error(401)

        def log_message(self, *_: object) -> None: ...

    with serving(Gate) as port:
        guarded = measured_by(
            f"http://127.0.0.1:{port}", prometheus_token_file=str(tmp_path / "token")
        )
        with pytest.raises(Temporary, match="HTTP 401"):
            prometheus.read(guarded, Interval(at(0), at(60)))
    assert asked == ["Bearer s3cret"]


def test_what_is_scraped_live_sums_to_what_was_used(live: str) -> None:
    def seen() -> list[tuple[int, Decimal]]:
        now = SystemClock().now()
        around = Interval(now - timedelta(minutes=5), now)
        found = prometheus.read(measured_by(live), around)["vcpu-used"]
        return list(found[0].samples) if found else []

    samples = until(lambda: found if len(found := seen()) > 5 else None, what="scrapes")
    (first, before), (last, after) = samples[0], samples[-1]
    assert abs(float(after - before) - (last - first) / 1e6 * 2) < 0.5
