"""What the control plane tells Prometheus of its own work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from collections.abc import Callable

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
