"""Asks each pool's Prometheus about hours that are over, and writes what was used, and the gaps.

An hour is written once, whole, in one transaction with the news that it is. What a Prometheus does
not know yet it may still hear: an hour with a gap is asked again for a while, and one that it
could not be asked about for longer, since it keeps what it has. Then the gap is on record.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.errors import CloudmgrError
from cloudmgr.metering.collector import SourceReport, pool_source
from cloudmgr.metering.measured import prometheus
from cloudmgr.metering.measured.measuring import (
    MEASURED,
    MEASURES,
    GapCharge,
    Hour,
    charge_of,
    measure,
)
from cloudmgr.metering.observation import Note
from cloudmgr.metering.usage import cell_of
from cloudmgr.pools.drivers.besides import Measured

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, tzinfo

    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.metering.measured.measuring import Found, Gap, Samples
    from cloudmgr.metering.store import MeteringStores, Source
    from cloudmgr.metering.usage import Holding
    from cloudmgr.pools.drivers.besides import Measurement
    from cloudmgr.pools.drivers.driver import Driver

# After the last sample that an hour takes: what was scraped then must have got there.
_SETTLE = timedelta(minutes=1)
_AGAIN = timedelta(minutes=5)
# How long after its end an hour with a gap may be completed, and one be asked about at all.
LATE = timedelta(hours=1)
PATIENCE = timedelta(days=7)


class Measurer:
    """Turns what Prometheus has of each pool's replicas into usage and gaps.

    :param drivers: by pool id; looked at afresh on each run. Those that are no
        :class:`~cloudmgr.pools.drivers.besides.Measured` are left alone.
    :param charge: what policy says is charged for a gap.
    :param time_zone: the city's: usage is cut where its months begin.
    """

    def __init__(
        self,
        database: Database,
        stores: MeteringStores,
        clock: Clock,
        time_zone: tzinfo,
        *,
        drivers: Mapping[str, Driver],
        charge: Callable[[Gap], GapCharge],
    ) -> None:
        self._database = database
        self._stores = stores
        self._clock = clock
        self._time_zone = time_zone
        self._drivers = drivers
        self._charge = charge
        self._asked_at: dict[str, datetime] = {}

    def collect(self) -> tuple[SourceReport, ...]:
        """Write each hour that is over and known, of every pool that is measured.

        :raises Temporary: ``database-unavailable``: what is not written is asked again next time.
        """
        with self._database.read() as tx:
            known = {source.name: source for source in self._stores.sources.all(tx)}
        reports = []
        for pool_id, driver in list(self._drivers.items()):
            name = measured_source(pool_id)
            measurement = driver.measurement if isinstance(driver, Measured) else None
            if measurement is not None:
                pool = known.get(pool_source(pool_id))
                read_at = None if pool is None else pool.read_at
                reports.append(self._pool(name, pool_id, measurement, read_at))
            elif name in known and not known[name].retired:
                with self._database.write() as tx:
                    self._stores.sources.retire(tx, name)
        return tuple(reports)

    def _pool(
        self, name: str, pool_id: str, measurement: Measurement, held_until: datetime | None
    ) -> SourceReport:
        """:param held_until: up to when it is known what the pool held."""
        with self._database.write() as tx:
            source = self._stores.sources.ensure(tx, name)
        if source.read_at is None:
            begin = cell_of(self._clock.now(), self._time_zone).start
            return SourceReport(name, superseded=not self._write(source, begin, None))
        records = 0
        while (hour := self._due(source, held_until)) is not None:
            self._asked_at[name] = self._clock.now()
            try:
                found = self._hour(hour, pool_id, measurement)
            except CloudmgrError as error:
                return self._unreadable(source, error.message)
            except Exception as error:  # noqa: BLE001 - what it answers may be anything
                return self._unreadable(source, f"{type(error).__name__}: {error}")
            if found is None:
                break
            if not self._write(source, hour.cell.end, found):
                return SourceReport(name, records, superseded=True)
            del self._asked_at[name]
            records += len(found.records)
            source = replace(source, version=source.version + 1, read_at=hour.cell.end)
        return SourceReport(name, records)

    def _due(self, source: Source, held_until: datetime | None) -> Hour | None:
        """The next hour, once it is over, what was held in it is known, and it was not asked about
        a moment ago.
        """
        if source.read_at is None or held_until is None:
            return None
        now = self._clock.now()
        hour = Hour(source.name, cell_of(source.read_at, self._time_zone))
        asked_at = self._asked_at.get(source.name)
        if asked_at is not None and now < asked_at + _AGAIN:
            return None
        over = now >= hour.around.end + _SETTLE and held_until >= hour.around.end
        return hour if over else None

    def _hour(self, hour: Hour, pool_id: str, measurement: Measurement) -> Found | None:
        """What the hour had; None if it may still become more.

        :raises Temporary: ``prometheus-unreachable``.
        """
        with self._database.read() as tx:
            held = self._stores.holdings.during(
                tx, pool_source(pool_id), hour.around, list(MEASURES)
            )
        now = self._clock.now()
        samples = self._samples(hour, held, measurement, now)
        found = measure(hour, held, samples)
        waits = samples is not None and now < hour.cell.end + LATE
        return None if found.gaps and waits else found

    def _samples(
        self, hour: Hour, held: Sequence[Holding], measurement: Measurement, now: datetime
    ) -> Samples | None:
        """None for those that nobody will tell any more."""
        if not held:
            return {}
        try:
            return prometheus.read(measurement, hour.around)
        except CloudmgrError:
            if now < hour.cell.end + PATIENCE:
                raise
            return None

    def _write(self, source: Source, read_at: datetime, found: Found | None) -> bool:
        """One transaction, so that an hour that is asked about again was not half written before.

        False when another has written a later hour; then nothing of this one is.
        """
        with self._database.write() as tx:
            stores = self._stores
            if not stores.sources.step(tx, source.name, source.version, read_at):
                return False
            if found is not None:
                gaps = [replace(gap, charged=self._charge(gap)) for gap in found.gaps]
                charged = [charge_of(gap) for gap in gaps if gap.charged is GapCharge.HELD]
                stores.ledger.append(tx, [*found.records, *charged], self._clock.now())
                stores.gaps.append(tx, gaps)
            stores.sources.write_notes(tx, source.name, [], read_at)
        return True

    def _unreadable(self, source: Source, why: str) -> SourceReport:
        """Say so until it can be read; the hour is asked about again."""
        now = self._clock.now()
        note = Note(source.name, "unreadable", "", source.read_at or now, None, why)
        with self._database.write() as tx:
            self._stores.sources.write_notes(tx, source.name, [note], None)
        return SourceReport(source.name, problem=why)


def measured_source(pool_id: str) -> str:
    """How the ledger calls who measures a pool."""
    return f"{MEASURED}{pool_id}"
