"""Brings what was metered to rest, in batches, each exactly once.

A batch is given its lines in the database first, is then written to the ledger, read back and held
against what it must be, and only then noted as written. A process that is killed between any two of
these leaves a batch that is not noted: the next one writes it, or finds it there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.errors import Permanent
from cloudmgr.metering.lake.checking import damages
from cloudmgr.metering.lake.reading import totals

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.metering.lake.table import LedgerTable
    from cloudmgr.metering.store import Batches
    from cloudmgr.metering.store.batches import Batch

# Lines of a batch: all of one are in memory at once.
BATCH_LINES = 20_000
# A month with more files is written together anew.
MOST_FILES = 24


@dataclass(frozen=True, slots=True)
class Exported:
    """What a turn did. ``whole``: nothing waits any more."""

    batches: int
    records: int
    whole: bool


class Exporter:
    """Of one city. Several may run at once: they get in each other's way and do no harm.

    :param lines: of a batch, at most.
    :param step: called between any two steps, with the name of the next.
    """

    def __init__(
        self,
        database: Database,
        batches: Batches,
        table: LedgerTable,
        clock: Clock,
        *,
        lines: int = BATCH_LINES,
        step: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self._database = database
        self._batches = batches
        self._table = table
        self._clock = clock
        self._lines = lines
        self._step = step

    def export(self, most: int = 100) -> Exported:
        """Up to ``most`` batches of what waits.

        :raises Permanent: ``another-ledger``, ``ledger-behind``, ``no-ledger``, ``ledger-damaged``,
            ``ledger-digits``.
        :raises Conflict: ``already-exists``: somebody else is at it.
        :raises Temporary: ``ledger-unwritable``, ``ledger-unreadable``, ``database-unavailable``.
        """
        records = 0
        for done in range(most):
            batch = self._next()
            if batch is None:
                return Exported(done, records, whole=True)
            self._write(batch)
            records += batch.total.records
        with self._database.read() as tx:
            whole = not self._batches.waiting(tx)
        return Exported(most, records, whole)

    def tidy(self) -> int:
        """Write months of many small files together, and sweep what was replaced; files gone.

        :raises Permanent: ``ledger-damaged``: what is damaged is not written anew.
        :raises Temporary: as :meth:`export`.
        """
        self._take_up()
        files = self._table.files()
        months = [file.month for file in files]
        crowded = sorted({month for month in months if months.count(month) > MOST_FILES})
        for month in crowded:
            self._intact(month)
            before = totals(self._table.paths(month))
            self._table.compact(month)
            self._step("note files")
            after = totals(self._table.paths(month))
            if before != after:
                raise _damaged(f"{month} does not hold after tidying what it held before")
            self._note_files()
        return self._table.sweep() if files else 0

    # ------------------------------------------------------------------------------------- parts

    def _next(self) -> Batch | None:
        with self._database.read() as tx:
            last = self._batches.last(tx)
            waiting = self._batches.waiting(tx)
        if last is not None and last.written_at is None:
            self._same(last)
            return last
        if not waiting:
            return None
        if last is not None:
            self._same(last)
        table_id = self._table.make() if last is None else last.table_id
        self._step("assign")
        with self._database.write() as tx:
            batch = self._batches.assign(tx, table_id, self._lines)
        if batch is not None:
            self._same(batch)
        return batch

    def _same(self, last: Batch) -> None:
        """:raises Permanent: ``another-ledger``: it does not have what came before."""
        found = self._table.id
        if found != last.table_id:
            what = "another ledger" if found else "no ledger"
            raise Permanent(
                f"there is {what} at {self._table.directory}: batches up to {last.number} went to"
                f" the one with the id {last.table_id}",
                code="another-ledger",
                hint="set CLOUDMGR_LEDGER to where that one lies, or bring it back from a backup",
            )

    def _write(self, batch: Batch) -> None:
        with self._database.read() as tx:
            lines = self._batches.lines(tx, batch.number)
        self._step("append")
        self._table.append(batch.number, lines)
        self._step("read back")
        found = totals(self._table.paths(), batch.number).get(batch.number)
        if found != batch.total:
            raise _damaged(
                f"batch {batch.number} has {found.records if found else 0} lines at rest,"
                f" {batch.total.records} were written, or their quantities differ"
            )
        self._step("note files")
        self._note_files()
        self._step("note batch")
        with self._database.write() as tx:
            self._batches.written(tx, batch.number, self._clock.now())

    def _note_files(self) -> None:
        """What the ledger is made of now, each file with its sum, as the database has it."""
        there = {file.path: file for file in self._table.files()}
        with self._database.read() as tx:
            known = self._batches.files(tx)
        fresh = {}
        for path in there.keys() - known.keys():
            digest = self._table.fingerprint(there[path])
            if digest is None:
                raise _damaged(f"the file {path} is not there")
            fresh[there[path]] = digest
        with self._database.write() as tx:
            now = self._clock.now()
            known = self._batches.files(tx)
            more = {file: digest for file, digest in fresh.items() if file.path not in known}
            self._batches.add_files(tx, more, now)
            self._batches.replace_files(tx, sorted(known.keys() - there.keys()), now)

    def _take_up(self) -> None:
        """Note the files of a tidying that was killed before it did: if all batches are whole."""
        with self._database.read() as tx:
            known, batches = self._batches.files(tx), self._batches.all(tx)
        if known.keys() == {file.path for file in self._table.files()}:
            return
        at_rest = totals(self._table.paths())
        # One that is not noted as written yet may be there or not.
        whole = [at_rest.pop(b.number, None) == b.total or not b.written_at for b in batches]
        if all(whole) and not at_rest:
            self._note_files()

    def _intact(self, month: str) -> None:
        with self._database.read() as tx:
            known = self._batches.files(tx)
        for damage in damages(self._table, known, (), month):
            raise _damaged(damage.sentence)


def _damaged(what: str) -> Permanent:
    return Permanent(
        f"the ledger at rest is damaged: {what}",
        code="ledger-damaged",
        hint="see `cloudmgr usage ledger check`; the database still has every line",
    )
