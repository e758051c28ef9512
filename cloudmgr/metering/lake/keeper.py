"""Keeps the usage ledger at rest: brings lines there, tidies it, and says whether it is sound."""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudmgr.errors import CloudmgrError, Conflict, Invalid, Permanent, Temporary
from cloudmgr.interval import month as month_of
from cloudmgr.metering.lake.checking import Damage, Verdict, completeness, damages
from cloudmgr.metering.observation import Note

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.interval import Interval
    from cloudmgr.metering.lake.exporter import Exporter
    from cloudmgr.metering.lake.lapses import Lapse
    from cloudmgr.metering.lake.shape import DataFile
    from cloudmgr.metering.lake.table import LedgerTable
    from cloudmgr.metering.store import MeteringStores
    from cloudmgr.metering.store.batches import Batch, KnownFile
    from cloudmgr.metering.usage import Holding

log = logging.getLogger(__name__)

_TRIES = 5
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
# How notes name it among the sources of usage.
SOURCE = "ledger"


@dataclass(frozen=True, slots=True)
class MonthAtRest:
    """:param size: in bytes."""

    month: str
    files: int
    records: int
    size: int


@dataclass(frozen=True, slots=True)
class State:
    """What is at rest, and what waits.

    :param batches: the number of the last one that is there for certain: as of it, the ledger never
        changes.
    :param waiting: lines that are not there yet.
    :param problem: why it is not written or not sound; empty if all is well.
    """

    directory: str
    batches: int
    written_at: datetime | None
    waiting: int
    months: tuple[MonthAtRest, ...]
    problem: str


class Keeper:
    """See above. The ledger is one for all control planes of a city.

    :param zone: the city's, whose months files are parted by.
    """

    def __init__(
        self,
        database: Database,
        stores: MeteringStores,
        table: LedgerTable,
        exporter: Exporter,
        *,
        clock: Clock,
        zone: ZoneInfo,
    ) -> None:
        self._database = database
        self._stores = stores
        self._table = table
        self._exporter = exporter
        self._clock = clock
        self._zone = zone

    def export(self) -> None:
        """All that waits. What stands in the way is noted, for finance to read, until it is gone.

        :raises Temporary: the database cannot be reached.
        """
        self._noting("unwritten", self._exporter.export)

    def tidy(self) -> None:
        """Few large files for many small ones; and whether each file is as it was written.

        :raises Temporary: the database cannot be reached.
        """
        self._noting("damaged", self._tidied)

    def state(self) -> State:
        """:raises Temporary: the database cannot be reached."""
        with self._database.read() as tx:
            last = self._stores.batches.last(tx, written=True)
            assigned = self._stores.batches.last(tx)
            waiting = self._stores.batches.waiting(tx)
            known = self._stores.batches.files(tx)
            notes = self._stores.sources.notes(tx, source=SOURCE)
        if assigned is not None and assigned.written_at is None:
            waiting += assigned.total.records
        return State(
            directory=str(self._table.directory),
            batches=last.number if last else 0,
            written_at=last.written_at if last else None,
            waiting=waiting,
            months=_months([one.file for one in known.values()]),
            problem="; ".join(note.message for note in notes if note.until is None),
        )

    def check(self, month: str | None = None) -> Verdict:
        """Whether all files are as they were written, and have all that was held, once.

        What waits is brought to rest first.

        :param month: ``2026-06``; all that there are if not said. A month without files is sound.
        :raises Invalid: ``no-such-month`` for what is none.
        :raises Permanent: as :meth:`Exporter.export`, but for damage: that is what is told.
        :raises Temporary: likewise, and ``still-writing``: so much is metered that it does not end.
        """
        wanted = None if month is None else _interval(month, self._zone)
        try:
            last, known, batches, held = self._settled(wanted)
        except Permanent as error:
            if error.code != "ledger-damaged":
                raise
            return Verdict(0, 0, 0, (Damage("", month or "", error.message),), None)
        files = [one.file for one in known.values() if month in {None, one.file.month}]
        found = damages(self._table, known, batches, month)
        verdict = Verdict(last, len(files), sum(f.records for f in files), found, None)
        if found:
            return verdict
        months = [month] if month else sorted({file.month for file in files})
        lapses: list[Lapse] = []
        for name in months:
            interval = _interval(name, self._zone)
            lapses += completeness(self._table, held, name, interval, last)
        return replace(verdict, lapses=tuple(lapses))

    def _settled(
        self, wanted: Interval | None
    ) -> tuple[int, dict[str, KnownFile], tuple[Batch, ...], tuple[Holding, ...]]:
        """A moment in which nothing waited: the batch that was the last then, and what was held."""
        for _ in range(_TRIES):
            with suppress(Conflict):  # somebody else is at it: then it is there on the next look
                self._exporter.export()
            with self._database.read() as tx:
                last = self._stores.batches.last(tx)
                if self._stores.batches.waiting(tx) or (last and last.written_at is None):
                    continue
                return (
                    last.number if last else 0,
                    self._stores.batches.files(tx),
                    self._stores.batches.all(tx),
                    self._stores.holdings.metered(tx, wanted),
                )
        raise Temporary("usage is written faster than it comes to rest", code="still-writing")

    def _tidied(self) -> None:
        self._exporter.tidy()
        with self._database.read() as tx:
            known, batches = self._stores.batches.files(tx), self._stores.batches.all(tx)
        found = damages(self._table, known, batches)
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            raise Permanent(
                f"the ledger at rest is damaged: {found[0].sentence}{more}", code="ledger-damaged"
            )

    def _noting(self, kind: str, do: Callable[[], object]) -> None:
        said = ""
        try:
            do()
        except Conflict:
            return  # somebody else is at it
        except CloudmgrError as error:
            said = error.message
            log.warning("%s", said)
        now = self._clock.now()
        with self._database.write() as tx:
            notes = [
                note
                for note in self._stores.sources.notes(tx, source=SOURCE)
                if note.until is None and note.kind != kind
            ]
            if said:
                notes.append(Note(SOURCE, kind, "", now, None, said))
            self._stores.sources.write_notes(tx, SOURCE, notes, now)


def _interval(month: str, zone: ZoneInfo) -> Interval:
    """:raises Invalid: ``no-such-month``."""
    if not _MONTH.fullmatch(month):
        raise Invalid(f"{month[:40]!r} is not a month", code="no-such-month", hint="as in 2026-06")
    return month_of(int(month[:4]), int(month[5:]), zone)


def _months(files: Sequence[DataFile]) -> tuple[MonthAtRest, ...]:
    found: dict[str, MonthAtRest] = {}
    for file in files:
        have = found.get(file.month, MonthAtRest(file.month, 0, 0, 0))
        found[file.month] = MonthAtRest(
            file.month, have.files + 1, have.records + file.records, have.size + file.size
        )
    return tuple(found[name] for name in sorted(found))
