"""Who let changes through although a peak was near, at rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Column, String, Table, delete, insert, select

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.scaling.freeze import Lift

if TYPE_CHECKING:
    from sqlalchemy import Connection

# One for each environment: the trail tells of those before.
freeze_lifts = Table(
    "freeze_lift",
    metadata,
    Column("environment_id", String(40), primary_key=True),
    Column("until", UtcDateTime, nullable=False),
    Column("actor", String(40), nullable=False),
    Column("why", String(500), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)


class FreezeStore:
    """The last lift of each environment."""

    def lift(self, tx: Connection, environment_id: str) -> Lift | None:
        row = tx.execute(
            select(freeze_lifts).where(freeze_lifts.c.environment_id == environment_id)
        ).one_or_none()
        return None if row is None else Lift(*row)

    def put(self, tx: Connection, lift: Lift) -> None:
        """In place of the one before."""
        self.forget(tx, lift.environment_id)
        tx.execute(
            insert(freeze_lifts).values(
                environment_id=lift.environment_id,
                until=lift.until,
                actor=lift.actor,
                why=lift.why,
                at=lift.at,
            )
        )

    def forget(self, tx: Connection, environment_id: str) -> None:
        tx.execute(delete(freeze_lifts).where(freeze_lifts.c.environment_id == environment_id))
