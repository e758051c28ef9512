"""Reads pools and gateways and writes the ledger.

Each reading goes through three steps: read, write and commit, and only then let the pool forget. A
process that is killed between any two of them leaves nothing that the next run does not put
right: what was not committed is read again, what was committed is recognised by its row and by
its record's id, and what was not forgotten is listed again.

Collectors of several control planes may run at once. A reading names the version of its source
that it builds on, and is thrown away if another was written in the meantime.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cloudmgr.errors import CloudmgrError, Conflict, Invalid, NotFound
from cloudmgr.metering.counting import GatewayPeriod, advance
from cloudmgr.metering.observation import SETTLE, Note, PoolReading, plan

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta, tzinfo

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.metering.counting import RequestCounter
    from cloudmgr.metering.observation import Change
    from cloudmgr.metering.store import MeteringStores, Source
    from cloudmgr.metering.usage import Owner, UsageRecord
    from cloudmgr.pools.drivers.driver import Driver
    from cloudmgr.scaling.gateway.metrics import GatewayReading

    Step = Callable[[Connection], None]

# Elapsed seconds that a pool is given to see that something ended.
_LEAST_SETTLE = 2.0
# Changes in one transaction: a catch-up after a long outage must not lock others out.
_BATCH = 500


class Directory(Protocol):
    """What the collector must know of pools and environments."""

    def zone_of_pool(self, tx: Connection, pool_id: str) -> str:
        """:raises NotFound: for a pool that is not known."""
        ...

    def owners(self, tx: Connection, environment_ids: Iterable[str]) -> Mapping[str, Owner]:
        """Who has these environments now; those that are not known are left out."""
        ...


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What became of one source.

    ``problem`` is why it was not read or written, in words, else empty. ``superseded``: another
    collector has written a later reading, so this one was thrown away.
    """

    source: str
    records: int = 0
    forgotten: int = 0
    superseded: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What one run did, by source."""

    moment: datetime
    sources: tuple[SourceReport, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(
            f"{report.source}: {report.problem}" for report in self.sources if report.problem
        )


class Collector:
    """Turns what drivers and gateways observe into usage.

    :param drivers: by pool id; looked at afresh on each run, so that pools may come and go.
    :param gateways: by name, each a function that reads its counters now. It raises
        :class:`~cloudmgr.errors.Temporary` when it cannot.
    :param time_zone: the city's: usage is cut where its months begin.
    """

    def __init__(
        self,
        database: Database,
        stores: MeteringStores,
        directory: Directory,
        clock: Clock,
        time_zone: tzinfo,
        *,
        drivers: Mapping[str, Driver],
        gateways: Mapping[str, Callable[[], GatewayReading]],
    ) -> None:
        self._database = database
        self._stores = stores
        self._directory = directory
        self._clock = clock
        self._time_zone = time_zone
        self._drivers = drivers
        self._gateways = gateways

    def collect(
        self, *, pools: bool = True, gateways: Collection[str] | None = None
    ) -> CollectReport:
        """Read every source once. A source that cannot be read is noted, and the others go on.

        :param pools: whether pools are read too.
        :param gateways: the names of those that are read; all of them if not said.
        :raises Temporary: ``database-unavailable``: what is not written is read again next time.
        """
        moment = self._clock.now()
        reports: list[SourceReport] = []
        if pools:
            reports += [self._pool(key, driver) for key, driver in list(self._drivers.items())]
        for name, read in list(self._gateways.items()):
            if gateways is None or name in gateways:
                reports.append(self._gateway(name, read))
        return CollectReport(moment, tuple(reports))

    # ------------------------------------------------------------------------------------ pools

    def _pool(self, pool_id: str, driver: Driver) -> SourceReport:
        name = pool_source(pool_id)
        source = self._source(name)
        # Before the pool is asked: what it lists as held was held at this moment for certain.
        moment = self._clock.now()
        try:
            allocations = tuple(driver.allocations())
        except CloudmgrError as error:
            return self._unreadable(source, moment, error.message)
        except Exception as error:  # noqa: BLE001 - a driver's bug must not stop the other meters
            return self._unreadable(source, moment, f"{type(error).__name__}: {error}")

        try:
            with self._database.read() as tx:
                reading = PoolReading(
                    name,
                    self._directory.zone_of_pool(tx, pool_id),
                    pool_id,
                    moment,
                    source.read_at,
                    allocations,
                    self._stores.holdings.known(tx, name, (a.id for a in allocations)),
                    self._settle(),
                )
            planned = plan(reading, self._time_zone)
            steps = [self._changes(batch) for batch in _batches(planned.changes)]
            written = self._write(source, moment, planned.notes, steps)
        except (Conflict, Invalid, NotFound) as error:
            return self._unreadable(source, moment, error.message)
        if not written:
            return SourceReport(name, superseded=True)

        records = sum(len(change.records) for change in planned.changes)
        try:
            driver.forget(planned.settled)
        except CloudmgrError as error:
            # It is committed, so nothing is lost: the pool lists it again, and is told again.
            return SourceReport(name, records, problem=error.message)
        return SourceReport(name, records, len(planned.settled))

    def _settle(self) -> timedelta:
        """A minute, but never less than two seconds by the wall: where business time runs fast,
        what a pool is slow to see takes long.
        """
        elapsed = self._clock.elapsed(SETTLE)
        return SETTLE if elapsed >= _LEAST_SETTLE else SETTLE * (_LEAST_SETTLE / elapsed)

    def _changes(self, changes: Sequence[Change]) -> Step:
        def write(tx: Connection) -> None:
            lines = [record for change in changes for record in change.records]
            self._stores.ledger.append(tx, lines, self._clock.now())
            self._stores.holdings.write(tx, changes)

        return write

    # --------------------------------------------------------------------------------- gateways

    def _gateway(self, gateway: str, read: Callable[[], GatewayReading]) -> SourceReport:
        name = gateway_source(gateway)
        source = self._source(name)
        moment = self._clock.now()
        try:
            reading = read()
        except CloudmgrError as error:
            return self._unreadable(source, moment, error.message)
        except Exception as error:  # noqa: BLE001 - as for a driver
            return self._unreadable(source, moment, f"{type(error).__name__}: {error}")

        try:
            with self._database.read() as tx:
                counters = self._stores.counters.of_source(tx, name)
                owners = self._directory.owners(tx, _moved(reading, counters))
            period = GatewayPeriod(name, reading.epoch, source.read_at, moment)
            changed, lines, notes = self._counted(period, reading, counters, owners)
            written = self._write(source, moment, notes, [self._counts(changed, lines)])
        except (Conflict, Invalid, NotFound) as error:
            return self._unreadable(source, moment, error.message)
        return SourceReport(name, len(lines) if written else 0, superseded=not written)

    def _counted(
        self,
        period: GatewayPeriod,
        reading: GatewayReading,
        counters: Mapping[str, RequestCounter],
        owners: Mapping[str, Owner],
    ) -> tuple[list[RequestCounter], list[UsageRecord], list[Note]]:
        changed: list[RequestCounter] = []
        lines: list[UsageRecord] = []
        notes: list[Note] = []
        if any(counter.epoch != period.epoch for counter in counters.values()):
            notes.append(
                Note(
                    period.source,
                    "restarted",
                    "",
                    period.before or period.moment,
                    period.moment,
                    "the gateway has restarted: what it had counted since the last reading is"
                    " not known",
                )
            )
        for environment_id in sorted({*counters, *reading.counters}):
            before = counters.get(environment_id)
            owner = owners.get(environment_id) or (before.owner if before else None)
            found = reading.counters.get(environment_id)
            if owner is None:
                notes.append(_uncounted(period, environment_id, "there is no such environment"))
                continue
            value = None if found is None else found.requests
            try:
                after, records = advance(before, owner, period, value, self._time_zone)
            except Invalid as error:
                notes.append(_uncounted(period, environment_id, error.message))
                continue
            if after != before:
                changed.append(after)
            lines += records
        return changed, lines, notes

    def _counts(self, changed: Sequence[RequestCounter], lines: Sequence[UsageRecord]) -> Step:
        def write(tx: Connection) -> None:
            self._stores.ledger.append(tx, lines, self._clock.now())
            self._stores.counters.put(tx, changed)

        return write

    # ------------------------------------------------------------------------------------- both

    def _source(self, name: str) -> Source:
        with self._database.read() as tx:
            source = self._stores.sources.get(tx, name)
        if source is None:
            with self._database.write() as tx:
                source = self._stores.sources.ensure(tx, name)
        return source

    def _write(
        self,
        source: Source,
        moment: datetime,
        notes: Sequence[Note],
        steps: Sequence[Step],
    ) -> bool:
        """Each step in a transaction of its own, the last with the news that all is read.

        False when another collector came in between; what was written until then stands.
        """
        read_at = moment if source.read_at is None else max(moment, source.read_at)
        version = source.version
        for index in range(max(1, len(steps))):
            last = index >= len(steps) - 1
            with self._database.write() as tx:
                if not self._stores.sources.step(
                    tx, source.name, version, read_at if last else None
                ):
                    return False
                if steps:
                    steps[index](tx)
                if last:
                    self._stores.sources.write_notes(tx, source.name, notes, read_at)
            version += 1
        return True

    def _unreadable(self, source: Source, moment: datetime, why: str) -> SourceReport:
        """Note the gap. All stays as it was: open, and to be recorded once it can be read."""
        note = Note(source.name, "unreadable", "", source.read_at or moment, None, why)
        with self._database.write() as tx:
            self._stores.sources.write_notes(tx, source.name, [note], None)
        return SourceReport(source.name, problem=why)


def _moved(reading: GatewayReading, counters: Mapping[str, RequestCounter]) -> list[str]:
    """The environments that had requests: who has them is worth asking."""
    return sorted(
        environment_id
        for environment_id, found in reading.counters.items()
        if environment_id not in counters
        or counters[environment_id].epoch != reading.epoch
        or counters[environment_id].value != found.requests
    )


def _uncounted(period: GatewayPeriod, environment_id: str, why: str) -> Note:
    since = period.before or period.moment
    message = f"its requests are not counted: {why}"
    return Note(period.source, "refused", environment_id, since, None, message)


def pool_source(pool_id: str) -> str:
    """How the ledger calls a pool."""
    return f"pool/{pool_id}"


def gateway_source(name: str) -> str:
    """How the ledger calls a gateway."""
    return f"gateway/{name}"


def _batches(items: Sequence[Change]) -> Iterator[Sequence[Change]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
