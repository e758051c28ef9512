"""``usage_gap``, append-only: for which times nobody knows what was used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Index, String, Table, and_, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from cloudmgr.db.types import ExactDecimal, UtcDateTime, metadata
from cloudmgr.interval import Interval
from cloudmgr.metering.measured.measuring import Gap, GapCharge, Reason
from cloudmgr.metering.store.ledger import position
from cloudmgr.metering.usage import Owner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from cloudmgr.metering.queries import UsageFilter

usage_gaps = Table(
    "usage_gap",
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
    Column("held", ExactDecimal, nullable=False),
    Column("reason", String(20), nullable=False),
    Column("charged", String(20), nullable=False),
    Index("ix_usage_gap_started_at", "started_at"),
    Index("ix_usage_gap_environment_id_started_at", "environment_id", "started_at"),
)

_BATCH = 500


class Gaps:
    """All gaps that are known, for ever."""

    def append(self, tx: Connection, gaps: Sequence[Gap]) -> None:
        """Write ``gaps``; one that is there already is no error."""
        build = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
        for start in range(0, len(gaps), _BATCH):
            tx.execute(
                build(usage_gaps).on_conflict_do_nothing(index_elements=["id"]),
                [_values(gap) for gap in gaps[start : start + _BATCH]],
            )

    def list(
        self, tx: Connection, wanted: UsageFilter, after: str | None = None, limit: int = 1000
    ) -> tuple[Gap, ...]:
        """Those that start as ``wanted`` says, in the order of :attr:`Gap.cursor`.

        :raises Invalid: ``bad-cursor``.
        """
        c = usage_gaps.c
        query = select(usage_gaps).where(
            c.started_at >= wanted.interval.start, c.started_at < wanted.interval.end
        )
        for column, value in (
            (c.environment_id, wanted.environment_id),
            (c.system_id, wanted.system_id),
            (c.department_id, wanted.department_id),
            (c.meter, wanted.meter),
        ):
            if value is not None:
                query = query.where(column == value)
        if after is not None:
            start, gap_id = position(after)
            query = query.where(
                or_(c.started_at > start, and_(c.started_at == start, c.id > gap_id))
            )
        query = query.order_by(c.started_at, c.id).limit(limit)
        return tuple(_gap(row) for row in tx.execute(query))


def _gap(row: Row[Any]) -> Gap:
    return Gap(
        row.source,
        row.resource,
        Owner(row.environment_id, row.system_id, row.department_id, row.zone, row.pool_id),
        row.component,
        row.meter,
        Interval(row.started_at, row.ended_at),
        row.held,
        Reason(row.reason),
        GapCharge(row.charged),
    )


def _values(gap: Gap) -> dict[str, Any]:
    owner = gap.owner
    return {
        "id": gap.id,
        "source": gap.source,
        "resource": gap.resource,
        "environment_id": owner.environment_id,
        "system_id": owner.system_id,
        "department_id": owner.department_id,
        "zone": owner.zone,
        "pool_id": owner.pool_id,
        "component": gap.component,
        "meter": gap.meter,
        "started_at": gap.interval.start,
        "ended_at": gap.interval.end,
        "held": gap.held,
        "reason": gap.reason.value,
        "charged": gap.charged.value,
    }
