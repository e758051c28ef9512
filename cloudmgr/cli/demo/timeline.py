"""How the business day stands to the machine's time. Pure but for reading the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cloudmgr.cli.demo.city import SHANGHAI
from cloudmgr.clock import AcceleratedClock, SystemClock


@dataclass(frozen=True, slots=True)
class Timeline:
    """At the machine's ``epoch`` business time is ``start``; it runs ``speed`` times as fast."""

    start: datetime
    epoch: datetime
    speed: float

    @classmethod
    def leading_to(cls, moment: datetime, seconds: float, speed: float) -> Timeline:
        """Begin now, so that business time reaches ``moment`` in so many machine seconds."""
        return cls(moment - timedelta(seconds=seconds * speed), SystemClock().now(), speed)

    def clock(self) -> AcceleratedClock:
        return AcceleratedClock(self.start, self.epoch, self.speed)

    def machine(self, moment: datetime) -> float:
        """Seconds since the Unix epoch at which business time is ``moment``."""
        return self.epoch.timestamp() + (moment - self.start).total_seconds() / self.speed

    def business(self, machine: float) -> datetime:
        """The business time at ``machine``, seconds since the Unix epoch."""
        passed = (machine - self.epoch.timestamp()) * self.speed
        return (self.start + timedelta(seconds=passed)).astimezone(UTC)

    def wall(self, machine: float) -> str:
        """What a clock on a wall in Shanghai shows at ``machine``."""
        return f"{self.business(machine).astimezone(SHANGHAI):%H:%M}"

    def setting(self) -> dict[str, object]:
        """The same, as the control plane's setting ``CLOUDMGR_CLOCK`` has it."""
        return {
            "start": self.start.isoformat(),
            "epoch": self.epoch.isoformat(),
            "speed": self.speed,
        }
