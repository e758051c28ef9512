"""Demand that tests make up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from cloudmgr.scaling.forecast.demand import Demand

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cloudmgr.scaling.forecast.demand import Floats

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)


def demand(values: Sequence[float] | Floats, *, minutes: int = 5, name: str = "exam") -> Demand:
    return Demand(name, MONDAY, timedelta(minutes=minutes), np.asarray(values, dtype=np.float64))


def daily(days: int, *, minutes: int = 30, peak: float = 100.0, seed: int = 1) -> Demand:
    """A quiet system with a steep peak from nine to noon each day, and some noise."""
    day = 24 * 60 // minutes
    hour = np.arange(days * day) % day * minutes / 60
    base = np.where((hour >= 9) & (hour < 12), peak, 10.0)
    noise = np.random.default_rng(seed).uniform(0.95, 1.05, len(base))
    return demand(base * noise, minutes=minutes)


def weekly(days: int, *, minutes: int = 30, peak: float = 100.0) -> Demand:
    """Busy from nine to five on Mondays to Wednesdays, quiet else: no day tells of the next."""
    day = 24 * 60 // minutes
    at = np.arange(days * day)
    hour = at % day * minutes / 60
    busy = (at // day % 7 < 3) & (hour >= 9) & (hour < 17)
    noise = np.random.default_rng(1).uniform(0.9, 1.1, len(at))
    return demand(np.where(busy, peak, 10.0) * noise, minutes=minutes)


def written(path: Path, days: int = 6) -> Path:
    """Two systems, exam and tax, of so many days in a CSV file."""
    lines = ["series_id,timestamp,value"]
    for name, seed in (("exam", 1), ("tax", 2)):
        series = daily(days, seed=seed)
        lines += [
            f"{name},{(series.start + i * series.step).isoformat()},{value:.3f}"
            for i, value in enumerate(series.values)
        ]
    path.write_text("\n".join(lines) + "\n")
    return path
