"""What may be asked of the usage ledger, and what comes back. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from cloudmgr.money import EXACT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime, tzinfo

    from cloudmgr.interval import Interval
    from cloudmgr.metering.usage import UsageRecord


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Which usage: that starts in ``interval``, and of all that is named."""

    interval: Interval
    environment_id: str | None = None
    system_id: str | None = None
    department_id: str | None = None
    meter: str | None = None
    recorded_since: datetime | None = None

    def takes(self, record: UsageRecord) -> bool:
        """Whether a record that is in no table yet would be found."""
        return record.interval.start in self.interval and all(
            wanted in (None, have)
            for wanted, have in (
                (self.environment_id, record.environment_id),
                (self.system_id, record.system_id),
                (self.department_id, record.department_id),
                (self.meter, record.meter),
            )
        )


@dataclass(frozen=True, slots=True)
class UsagePage:
    """Some records in the order of (start, id), and where the next page begins (None: no more)."""

    records: tuple[UsageRecord, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class DailySum:
    """What an environment used of a meter on one day of the city, in the meter's unit."""

    environment_id: str
    meter: str
    day: date
    quantity: Decimal


def daily_sums(records: Iterable[UsageRecord], zone: tzinfo) -> tuple[DailySum, ...]:
    """As the ledger's ``sums``, of any records."""
    found: dict[tuple[str, str, date], Decimal] = {}
    for record in records:
        day = record.interval.start.astimezone(zone).date()
        key = (record.environment_id, record.meter, day)
        found[key] = EXACT.add(found.get(key, Decimal(0)), record.quantity)
    return tuple(DailySum(*key, quantity) for key, quantity in sorted(found.items()))
