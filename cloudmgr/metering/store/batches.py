"""``ledger_batch`` and ``ledger_file``: which lines are at rest, and in which files.

``usage_record`` is where lines are written first, in the transaction that they follow from. From
there they go to rest in numbered batches, one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    String,
    Table,
    func,
    insert,
    select,
    update,
)

from cloudmgr.db.types import ExactDecimal, UtcDateTime, metadata
from cloudmgr.metering.lake.shape import DataFile, Line, Total
from cloudmgr.metering.store.ledger import as_record, usage_records
from cloudmgr.money import exact_sum

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection, Row

ledger_batches = Table(
    "ledger_batch",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    # Of the very ledger that it went to: another one does not have the batches before it.
    Column("table_id", String(40), nullable=False),
    Column("records", Integer, nullable=False),
    Column("quantity", ExactDecimal, nullable=False),
    Column("written_at", UtcDateTime),
)

ledger_files = Table(
    "ledger_file",
    metadata,
    Column("path", String, primary_key=True),
    Column("month", String(7), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("written_at", UtcDateTime, nullable=False),
    # When another file took its lines over.
    Column("replaced_at", UtcDateTime, index=True),
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines that go to rest together; ``written_at`` is None until they are there for certain."""

    number: int
    table_id: str
    total: Total
    written_at: datetime | None


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file of the ledger as it was when it was written."""

    file: DataFile
    sha256: str
    written_at: datetime


class Batches:
    """Numbers are given out without a hole, and a batch is never given other lines."""

    def assign(self, tx: Connection, table_id: str, most: int) -> Batch | None:
        """Give ``most`` lines that have no batch the next number; None if all have one.

        While the last batch is not written it is that one: they are written one after the other.

        :raises sqlalchemy.exc.IntegrityError: somebody else has given that number in this very
            moment; the database turns it into a Conflict.
        """
        c = usage_records.c
        # Read once: whoever gives a number in between is found by the key of the row below.
        last = self.last(tx)
        if last is not None and last.written_at is None:
            return last
        number = 1 if last is None else last.number + 1
        free = select(c.id).where(c.batch.is_(None)).order_by(c.started_at, c.id).limit(most)
        done = tx.execute(
            update(usage_records).where(c.id.in_(free), c.batch.is_(None)).values(batch=number)
        )
        if not done.rowcount:
            return None
        quantities = tx.execute(select(c.quantity).where(c.batch == number)).scalars().all()
        batch = Batch(number, table_id, Total(len(quantities), exact_sum(quantities)), None)
        tx.execute(
            insert(ledger_batches).values(
                number=number,
                table_id=table_id,
                records=batch.total.records,
                quantity=batch.total.quantity,
            )
        )
        return batch

    def last(self, tx: Connection, *, written: bool = False) -> Batch | None:
        """The one with the highest number; of those that are at rest for certain if so asked."""
        query = select(ledger_batches).order_by(ledger_batches.c.number.desc()).limit(1)
        if written:
            query = query.where(ledger_batches.c.written_at.is_not(None))
        row = tx.execute(query).one_or_none()
        return None if row is None else _batch(row)

    def all(self, tx: Connection) -> tuple[Batch, ...]:
        rows = tx.execute(select(ledger_batches).order_by(ledger_batches.c.number))
        return tuple(_batch(row) for row in rows)

    def lines(self, tx: Connection, number: int) -> tuple[Line, ...]:
        """Of one batch, by start and id."""
        c = usage_records.c
        rows = tx.execute(
            select(usage_records).where(c.batch == number).order_by(c.started_at, c.id)
        )
        return tuple(Line(as_record(row), row.recorded_at) for row in rows)

    def waiting(self, tx: Connection) -> int:
        """How many lines have no batch yet."""
        query = select(func.count()).where(usage_records.c.batch.is_(None))
        return int(tx.execute(query).scalar_one())

    def written(self, tx: Connection, number: int, moment: datetime) -> None:
        c = ledger_batches.c
        tx.execute(
            update(ledger_batches)
            .where(c.number == number, c.written_at.is_(None))
            .values(written_at=moment)
        )

    # ---------------------------------------------------------------------------------- files

    def files(self, tx: Connection) -> dict[str, KnownFile]:
        """Those that the ledger is made of, by path."""
        rows = tx.execute(select(ledger_files).where(ledger_files.c.replaced_at.is_(None)))
        return {row.path: _file(row) for row in rows}

    def add_files(self, tx: Connection, files: Mapping[DataFile, str], moment: datetime) -> None:
        """:param files: with their sha256."""
        if files:
            tx.execute(
                insert(ledger_files),
                [
                    {
                        "path": file.path,
                        "month": file.month,
                        "size": file.size,
                        "records": file.records,
                        "sha256": digest,
                        "written_at": moment,
                    }
                    for file, digest in files.items()
                ],
            )

    def replace_files(self, tx: Connection, paths: Iterable[str], moment: datetime) -> None:
        c = ledger_files.c
        for path in paths:
            tx.execute(update(ledger_files).where(c.path == path).values(replaced_at=moment))


def _batch(row: Row[Any]) -> Batch:
    return Batch(
        row.number, row.table_id, Total(row.records, Decimal(row.quantity)), row.written_at
    )


def _file(row: Row[Any]) -> KnownFile:
    return KnownFile(
        DataFile(row.path, row.month, row.size, row.records), row.sha256, row.written_at
    )
