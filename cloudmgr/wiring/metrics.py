"""What the control plane tells Prometheus of its own work."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from cloudmgr.errors import CloudmgrError
from cloudmgr.hosting.environments import Criticality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.planning.promise_words import PoolRisk
    from cloudmgr.scaling.store import WakeStore

log = logging.getLogger(__name__)

# Elapsed seconds between two looks.
_LOOK_AGAIN = 60.0
_DAY = timedelta(days=1)
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters of reconcilers and jobs, and gauges that are asked when scraped."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._steps = Counter(
            "cloudmgr_reconcile_steps_total",
            "Steps of reconcilers, by how they ended.",
            ("reconciler", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "cloudmgr_reconcile_seconds",
            "How long a step took.",
            ("reconciler",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._registry = registry

    def step(self, reconciler: str, outcome: str, seconds: float) -> None:
        """One step of a reconciler has ended."""
        self._steps.labels(reconciler, outcome).inc()
        self._seconds.labels(reconciler).observe(seconds)

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A figure that is asked for when it is scraped."""
        Gauge(name, text, registry=self._registry).set_function(value)

    def promises(self, look: Callable[[], Sequence[PoolRisk]], clock: Clock) -> None:
        """Which promises of each pool are at risk, as of a minute ago at most."""
        self._registry.register(_AtRisk(look, clock))

    def leases(self, held: Callable[[], int]) -> None:
        self.gauge(
            "cloudmgr_leases_held",
            "Shards and other work that this control plane has the right to do now.",
            lambda: float(held()),
        )

    def wakes(self, database: Database, wakes: WakeStore, clock: Clock) -> None:
        """Promises that are being broken, and those that were."""

        def late() -> float:
            with database.read() as tx:
                return float(wakes.late(tx, clock.now()))

        def missed() -> float:
            with database.read() as tx:
                return float(wakes.missed(tx, clock.now() - _DAY))

        def failed() -> float:
            with database.read() as tx:
                return float(wakes.tests_failed(tx))

        def waiting() -> float:
            with database.read() as tx:
                return float(wakes.waiting(tx))

        self.gauge(
            "cloudmgr_wakes_waiting",
            "Environments that were called and wait for their turn, what they need, or room.",
            waiting,
        )
        self.gauge(
            "cloudmgr_wake_tests_failed",
            "Environments that were Ready too late, or not, when they were last woken for a test.",
            failed,
        )
        self.gauge(
            "cloudmgr_wakes_late",
            "Environments that were promised to be Ready by now after their sleep, and are not.",
            late,
        )
        self.gauge(
            "cloudmgr_wakes_missed",
            "Wakes of the last 24 hours that were Ready after their promise, or never.",
            missed,
        )


class _AtRisk(Collector):
    """Gauges by pool. To look costs a year's promises, so that not every scrape does."""

    def __init__(self, look: Callable[[], Sequence[PoolRisk]], clock: Clock) -> None:
        self._look = look
        self._clock = clock
        self._seen: Sequence[PoolRisk] = ()
        self._seen_at = float("-inf")

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = self._clock.monotonic()
        if now - self._seen_at >= _LOOK_AGAIN:
            try:
                self._seen = self._look()
            except CloudmgrError as error:
                log.warning("which promises are at risk cannot be told now: %s", error)
                return
            self._seen_at = now
        lost = GaugeMetricFamily(
            "cloudmgr_promises_at_risk",
            "Peaks ahead that their pool has not enough for now, by the system's criticality.",
            labels=("pool", "criticality"),
        )
        unknown = GaugeMetricFamily(
            "cloudmgr_promises_unknown",
            "1 while a pool does not answer, so that its promises cannot be judged.",
            labels=("pool",),
        )
        for one in self._seen:
            unknown.add_metric([one.pool.name], float(one.risk is None))
            if one.risk is None:
                continue
            for criticality in Criticality:
                count = sum(one.holder(p).criticality is criticality for p in one.lost)
                lost.add_metric([one.pool.name, str(int(criticality))], float(count))
        yield lost
        yield unknown
