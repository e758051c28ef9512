"""The few stand-ins that tests use for the world outside; never for our own code."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Time that moves only when a test says so; ``sleep`` moves it and returns at once."""

    def __init__(self, now: datetime = datetime(2026, 6, 1, tzinfo=UTC)) -> None:
        self._now = now
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        self.advance(timedelta(seconds=seconds))

    def elapsed(self, span: timedelta) -> float:
        return span.total_seconds()

    def advance(self, span: timedelta) -> None:
        with self._lock:
            self._now += span
            self._elapsed += span.total_seconds()

    def set(self, now: datetime) -> None:
        self._now = now


class Unfenced:
    """The right to act on anything: for tests that are not about leases."""

    def check(self, _tx: object) -> None:
        return None
