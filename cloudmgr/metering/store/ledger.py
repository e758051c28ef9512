"""``usage_record``, append-only: nothing here changes or deletes a line.

Quantities are summed in Python, since SQLite has no exact numbers of its own.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Index, Integer, String, Table, and_, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from cloudmgr.db.types import ExactDecimal, UtcDateTime, metadata
from cloudmgr.errors import Conflict, Invalid
from cloudmgr.interval import Interval
from cloudmgr.metering.queries import DailySum, UsageFilter, UsagePage, daily_sums
from cloudmgr.metering.usage import UsageRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import tzinfo

    from sqlalchemy import Connection, Row, Select
    from sqlalchemy.sql import ColumnElement

usage_records = Table(
    "usage_record",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("source", String, nullable=False),
    Column("resource", String, nullable=False),
    Column("environment_id", String(40), nullable=False),
    Column("system_id", String(40), nullable=False),
    Column("department_id", String(40), nullable=False),
    Column("zone", String(20), nullable=False),
    Column("pool_id", String(40), nullable=False),
    Column("component", String, nullable=False),
    Column("meter", String(20), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, nullable=False),
    Column("quantity", ExactDecimal, nullable=False),
    # When it was written; no part of what it says.
    Column("recorded_at", UtcDateTime, nullable=False, index=True),
    # The batch with which it went to rest; none while it waits.
    Column("batch", Integer, index=True),
    Index("ix_usage_record_started_at_id", "started_at", "id"),
    Index("ix_usage_record_environment_id_started_at", "environment_id", "started_at"),
    Index("ix_usage_record_department_id_started_at", "department_id", "started_at"),
)

_BATCH = 500
_PAGE = 1000


class Ledger:
    """All usage that is known, for ever."""

    def append(self, tx: Connection, records: Sequence[UsageRecord], recorded_at: datetime) -> None:
        """Write ``records``; one that is there already, the very same, is no error.

        :raises Conflict: ``usage-differs`` when another record has the id; then nothing may be
            committed of this transaction.
        """
        build = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
        for start in range(0, len(records), _BATCH):
            batch = {record.id: record for record in records[start : start + _BATCH]}
            tx.execute(
                build(usage_records).on_conflict_do_nothing(index_elements=["id"]),
                [_values(record, recorded_at) for record in batch.values()],
            )
            # Ignored rows are not reported, so what is there now is compared with what ought to be.
            found = tx.execute(select(usage_records).where(usage_records.c.id.in_(batch)))
            for row in found:
                _same(as_record(row), batch[row.id])
        ids: dict[str, UsageRecord] = {}
        for record in records:
            _same(ids.setdefault(record.id, record), record)

    def get(self, tx: Connection, record_id: str) -> UsageRecord | None:
        row = tx.execute(select(usage_records).where(usage_records.c.id == record_id)).one_or_none()
        return None if row is None else as_record(row)

    def by_ids(self, tx: Connection, ids: Iterable[str]) -> dict[str, UsageRecord]:
        wanted = list(ids)
        found: dict[str, UsageRecord] = {}
        for start in range(0, len(wanted), _BATCH):
            rows = tx.execute(
                select(usage_records).where(usage_records.c.id.in_(wanted[start : start + _BATCH]))
            )
            found.update((row.id, as_record(row)) for row in rows)
        return found

    def page(
        self, tx: Connection, wanted: UsageFilter, cursor: str | None = None, limit: int = 100
    ) -> UsagePage:
        """:raises Invalid: ``bad-cursor`` for one that no page gave, ``bad-limit``."""
        if not 1 <= limit <= _PAGE:
            raise Invalid(f"a page has 1 to {_PAGE} records", code="bad-limit", path="limit")
        query = self._query(wanted).limit(limit + 1)
        if cursor is not None:
            c, (start, record_id) = usage_records.c, position(cursor)
            query = query.where(
                or_(c.started_at > start, and_(c.started_at == start, c.id > record_id))
            )
        found = [as_record(row) for row in tx.execute(query)]
        more = len(found) > limit
        kept = tuple(found[:limit])
        after = f"{kept[-1].interval.start.isoformat()}~{kept[-1].id}" if more else None
        return UsagePage(kept, after)

    def stream(
        self, tx: Connection, wanted: UsageFilter, without: Select[Any] | None = None
    ) -> Iterator[UsageRecord]:
        """All, in the order of (start, id), a thousand in memory at a time.

        :param without: selects ids of records to leave out.
        """
        query = self._query(wanted)
        if without is not None:
            query = query.where(usage_records.c.id.not_in(without))
        rows = tx.execute(query, execution_options={"yield_per": _PAGE})
        try:
            for row in rows:
                yield as_record(row)
        finally:
            rows.close()

    def sums(self, tx: Connection, wanted: UsageFilter, zone: tzinfo) -> tuple[DailySum, ...]:
        """Exact, by environment, meter and day in ``zone``; a record counts where it starts."""
        return daily_sums(self.stream(tx, wanted), zone)

    def first_start(self, tx: Connection) -> datetime | None:
        """When the earliest usage begins."""
        query = select(usage_records.c.started_at).order_by(usage_records.c.started_at).limit(1)
        return tx.execute(query).scalar_one_or_none()

    def _query(self, wanted: UsageFilter) -> Select[Any]:
        c = usage_records.c
        conditions: list[ColumnElement[bool]] = [
            c.started_at >= wanted.interval.start,
            c.started_at < wanted.interval.end,
        ]
        conditions += [
            column == value
            for column, value in (
                (c.environment_id, wanted.environment_id),
                (c.system_id, wanted.system_id),
                (c.department_id, wanted.department_id),
                (c.meter, wanted.meter),
            )
            if value is not None
        ]
        if wanted.recorded_since is not None:
            conditions.append(c.recorded_at >= wanted.recorded_since)
        return select(usage_records).where(*conditions).order_by(c.started_at, c.id)


def position(cursor: str) -> tuple[datetime, str]:
    """:raises Invalid: ``bad-cursor``."""
    moment, _, record_id = cursor.partition("~")
    try:
        start = datetime.fromisoformat(moment)
    except ValueError:
        start = None
    if start is None or start.tzinfo is None or not record_id:
        raise Invalid("this cursor comes from no page", code="bad-cursor", path="cursor")
    return start, record_id


def _same(have: UsageRecord, wanted: UsageRecord) -> None:
    if have != wanted:
        raise Conflict(
            f"the ledger says otherwise of {wanted.meter} of {wanted.resource} from"
            f" {wanted.interval.start.isoformat()}: {have.quantity}, not {wanted.quantity}",
            code="usage-differs",
            hint="the ledger is never changed; see which source is wrong",
        )


def as_record(row: Row[Any]) -> UsageRecord:
    """What a row says."""
    return UsageRecord(
        row.id,
        row.source,
        row.resource,
        row.environment_id,
        row.system_id,
        row.department_id,
        row.zone,
        row.pool_id,
        row.component,
        row.meter,
        Interval(row.started_at, row.ended_at),
        row.quantity,
    )


def _values(record: UsageRecord, recorded_at: datetime) -> dict[str, Any]:
    return {
        "id": record.id,
        "source": record.source,
        "resource": record.resource,
        "environment_id": record.environment_id,
        "system_id": record.system_id,
        "department_id": record.department_id,
        "zone": record.zone,
        "pool_id": record.pool_id,
        "component": record.component,
        "meter": record.meter,
        "started_at": record.interval.start,
        "ended_at": record.interval.end,
        "quantity": record.quantity,
        "recorded_at": recorded_at,
    }
