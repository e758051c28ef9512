"""The only file that asks the machine what time it is.

Two kinds of time must not be mixed. *Business time* (``now``) is what windows, invoices and
usage speak of. *Elapsed time* (``monotonic``, ``sleep``) is what time-outs, back-off, leases
and health checks need. They run at one speed in production; the demo runs a business day in
four minutes and still restarts a crashed process after a real second.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the rest of the program may know of time."""

    def now(self) -> datetime:
        """Business time: aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block this thread for ``seconds`` of elapsed time."""
        ...

    def elapsed(self, span: timedelta) -> float:
        """How many elapsed seconds the business time ``span`` takes."""
        ...


class SystemClock:
    """The machine's clock: business time is UTC now."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def elapsed(self, span: timedelta) -> float:
        return span.total_seconds()


class AcceleratedClock(SystemClock):
    """Business time: ``start`` when the machine says ``epoch``, from then ``speed`` times as fast.

    Both ends are given, not read here, so that a control plane that restarts in the middle goes on
    in the same business time.

    :raises ValueError: if ``speed`` is not positive or a time is naive.
    """

    def __init__(self, start: datetime, epoch: datetime, speed: float) -> None:
        if speed <= 0:
            message = "the speed of a clock must be positive"
            raise ValueError(message)
        if start.tzinfo is None or epoch.tzinfo is None:
            message = "a clock needs aware times"
            raise ValueError(message)
        self._start = start.astimezone(UTC)
        self._epoch = epoch.astimezone(UTC)
        self._speed = speed

    def now(self) -> datetime:
        return self._start + (super().now() - self._epoch) * self._speed

    def elapsed(self, span: timedelta) -> float:
        return span.total_seconds() / self._speed
