"""Costs of pools and statements at rest. Rows are added; none is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from cloudmgr.billing.idle.costs import CostEntry, CostKind
from cloudmgr.db.types import ExactDecimal, UtcDateTime, metadata

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

pool_costs = Table(
    "pool_cost",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("month", String(7), nullable=False),
    # No foreign key: what a pool cost is known when it is gone.
    Column("pool_id", String(40), nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", String(20)),
    Column("amount", ExactDecimal),
    Column("currency", String(3), nullable=False),
    Column("reference", String(500), nullable=False),
    Column("note", String(500), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("entered_by", String(40), nullable=False),
    Column("entered_at", UtcDateTime, nullable=False),
    Column("replaces", ForeignKey("pool_cost.id")),
    Column("undoes", ForeignKey("pool_cost.id")),
    Column("copied_from", ForeignKey("pool_cost.id")),
    # Also what keeps two who write at once from both following the same entry.
    UniqueConstraint("month", "pool_id", "number"),
)

# One row for each month with costs: who enters some, and who closes the month, take turns on it.
pool_cost_months = Table(
    "pool_cost_month",
    metadata,
    Column("month", String(7), primary_key=True),
    Column("changes", Integer, nullable=False),
)

pool_statements = Table(
    "pool_statement",
    metadata,
    Column("month", ForeignKey("billing_period.month"), primary_key=True),
    Column("pool_id", String(40), primary_key=True),
    Column("document", Text, nullable=False),
)

_LIKE_THEY_ARE = (
    "id",
    "month",
    "pool_id",
    "number",
    "amount",
    "currency",
    "reference",
    "note",
    "reason",
    "replaces",
    "undoes",
    "copied_from",
)


class PoolCostStore:
    """What pools cost, and the statements of closed months."""

    def lock(self, tx: Connection, month: str) -> None:
        """Until the transaction ends nobody else enters costs of the month or closes it."""
        table = pool_cost_months
        make = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
        tx.execute(
            make(table)
            .values(month=month, changes=1)
            .on_conflict_do_update(
                index_elements=[table.c.month], set_={"changes": table.c.changes + 1}
            )
        )

    def append(self, tx: Connection, entries: Sequence[CostEntry]) -> None:
        """:raises Conflict: ``already-exists`` when somebody else has entered one meanwhile."""
        if entries:
            tx.execute(insert(pool_costs), [_values(entry) for entry in entries])

    def entries(
        self, tx: Connection, month: str, pool_id: str | None = None
    ) -> Mapping[str, tuple[CostEntry, ...]]:
        """All that is on record of the month, by pool, in the order in which it was entered."""
        table = pool_costs
        query = select(table).where(table.c.month == month)
        if pool_id is not None:
            query = query.where(table.c.pool_id == pool_id)
        found: dict[str, list[CostEntry]] = {}
        for row in tx.execute(query.order_by(table.c.pool_id, table.c.number)):
            found.setdefault(row.pool_id, []).append(_entry(row))
        return {name: tuple(entries) for name, entries in found.items()}

    def keep(self, tx: Connection, month: str, documents: Mapping[str, str]) -> None:
        """The statements of a month that is being closed, by pool."""
        rows = [
            {"month": month, "pool_id": pool_id, "document": text}
            for pool_id, text in documents.items()
        ]
        if rows:
            tx.execute(insert(pool_statements), rows)

    def kept(self, tx: Connection, month: str) -> tuple[str, ...]:
        """The statements of a closed month as they were written, by the id of the pool."""
        table = pool_statements
        query = select(table.c.document).where(table.c.month == month).order_by(table.c.pool_id)
        return tuple(tx.execute(query).scalars())


def _values(entry: CostEntry) -> dict[str, Any]:
    return {
        **{name: getattr(entry, name) for name in _LIKE_THEY_ARE},
        "kind": entry.kind.value if entry.kind else None,
        "entered_by": entry.by,
        "entered_at": entry.at,
    }


def _entry(row: Row[Any]) -> CostEntry:
    return CostEntry(
        **{name: getattr(row, name) for name in _LIKE_THEY_ARE},
        kind=CostKind(row.kind) if row.kind else None,
        by=row.entered_by,
        at=row.entered_at,
    )
