"""What was asked of environments, and when nobody looked, at rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
    case,
    delete,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.interval import Interval
from cloudmgr.scaling.demand import STEP, Slot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

# No foreign keys: what was asked of an environment outlives it.
demand_slots = Table(
    "demand_slot",
    metadata,
    Column("environment_id", String(40), primary_key=True),
    Column("starts_at", UtcDateTime, primary_key=True),
    Column("requests", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("highest", Float, nullable=False),
    Index("ix_demand_slot_starts_at", "starts_at"),
)

demand_gaps = Table(
    "demand_gap",
    metadata,
    Column("zone", String(20), primary_key=True),
    Column("starts_at", UtcDateTime, primary_key=True),
    Column("ends_at", UtcDateTime, nullable=False),
)


class DemandStore:
    """Steps are added to until they are over; gaps are kept beside them."""

    def add(self, tx: Connection, slots: Sequence[Slot]) -> None:
        """:param slots: each of another environment or step; what is there grows by them."""
        if not slots:
            return
        for_dialect = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
        table = demand_slots
        new = for_dialect(table)
        grown = new.on_conflict_do_update(
            index_elements=[table.c.environment_id, table.c.starts_at],
            set_={
                "requests": table.c.requests + new.excluded.requests,
                "seconds": table.c.seconds + new.excluded.seconds,
                "highest": case(
                    (new.excluded.highest > table.c.highest, new.excluded.highest),
                    else_=table.c.highest,
                ),
            },
        )
        rows = [
            {
                "environment_id": s.environment_id,
                "starts_at": s.starts_at,
                "requests": s.requests,
                "seconds": s.seconds,
                "highest": s.highest,
            }
            for s in slots
        ]
        tx.execute(grown, rows)

    def of(self, tx: Connection, environment_id: str, within: Interval) -> list[Slot]:
        """Those that begin within, by time; a step without a request is none."""
        rows = tx.execute(
            select(demand_slots)
            .where(
                demand_slots.c.environment_id == environment_id,
                demand_slots.c.starts_at >= within.start,
                demand_slots.c.starts_at < within.end,
            )
            .order_by(demand_slots.c.starts_at)
        )
        return [Slot(*row) for row in rows]

    def miss(self, tx: Connection, zone: str, gap: Interval) -> None:
        """Nobody counted what was asked in ``zone`` during ``gap``."""
        tx.execute(insert(demand_gaps).values(zone=zone, starts_at=gap.start, ends_at=gap.end))

    def gaps(self, tx: Connection, zone: str, within: Interval) -> list[Interval]:
        """Those that touch it, by time."""
        rows = tx.execute(
            select(demand_gaps.c.starts_at, demand_gaps.c.ends_at)
            .where(
                demand_gaps.c.zone == zone,
                demand_gaps.c.starts_at < within.end,
                demand_gaps.c.ends_at > within.start,
            )
            .order_by(demand_gaps.c.starts_at)
        )
        return [Interval(start, end) for start, end in rows]

    def purge(self, tx: Connection, before: datetime) -> int:
        """Forget steps that were over before then, and the gaps; how many steps."""
        tx.execute(delete(demand_gaps).where(demand_gaps.c.ends_at <= before))
        done = tx.execute(delete(demand_slots).where(demand_slots.c.starts_at <= before - STEP))
        return done.rowcount
