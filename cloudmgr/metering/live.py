"""Usage up to the last reading: the ledger, and what is not cut into it yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.metering.counting import unfinished
from cloudmgr.metering.queries import daily_sums
from cloudmgr.metering.usage import hourly, records

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, tzinfo

    from sqlalchemy import Connection

    from cloudmgr.metering.counting import RequestCounter
    from cloudmgr.metering.queries import DailySum, UsageFilter
    from cloudmgr.metering.store import MeteringStores
    from cloudmgr.metering.usage import Holding, UsageRecord


def open_usage(
    holdings: Iterable[Holding],
    counters: Iterable[RequestCounter],
    read_at: Mapping[str, datetime],
    zone: tzinfo,
) -> tuple[UsageRecord, ...]:
    """What is held and counted and not in the ledger, up to when its source was last read.

    Not a moment further: what has not been observed is not supposed. These records are for looking
    at; the ledger's own will have other ends.
    """
    grid = hourly(zone)
    found: list[UsageRecord] = []
    for holding in holdings:
        if holding.source in read_at:
            seen = read_at[holding.source]
            end = seen if holding.ended_at is None else min(seen, holding.ended_at)
            found += records(holding, end, grid)
    for counter in counters:
        if counter.source in read_at:
            record = unfinished(counter, zone, read_at[counter.source])
            if record is not None:
                found.append(record)
    return tuple(sorted(found, key=lambda record: (record.interval.start, record.id)))


class LiveUsage:
    """What is known of usage now, for a month that still runs."""

    def __init__(self, stores: MeteringStores, zone: tzinfo) -> None:
        self._stores = stores
        self._zone = zone

    def open(self, tx: Connection, wanted: UsageFilter) -> tuple[UsageRecord, ...]:
        """What is not in the ledger yet, as records up to the last reading."""
        whose = {"environment_id": wanted.environment_id, "department_id": wanted.department_id}
        found = open_usage(
            self._stores.holdings.unsettled(tx, **whose),
            self._stores.counters.pending(tx, **whose),
            {
                source.name: source.read_at
                for source in self._stores.sources.all(tx)
                if source.read_at is not None
            },
            self._zone,
        )
        return tuple(record for record in found if wanted.takes(record))

    def all(self, tx: Connection, wanted: UsageFilter) -> Iterable[UsageRecord]:
        """The ledger's records, then the open ones."""
        yield from self._stores.ledger.stream(tx, wanted)
        yield from self.open(tx, wanted)

    def sums(self, tx: Connection, wanted: UsageFilter) -> tuple[DailySum, ...]:
        """By environment, meter and day of the city, open usage included."""
        return daily_sums(self.all(tx, wanted), self._zone)
