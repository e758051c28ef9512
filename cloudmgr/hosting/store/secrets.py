"""Values of secrets at rest, sealed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import Column, ForeignKey, String, Table, Text, delete, insert, select

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.hosting.secrets import KeptSecret

if TYPE_CHECKING:
    from sqlalchemy import Connection

secrets = Table(
    "secret",
    metadata,
    # They go with their environment.
    Column(
        "environment_id",
        String(40),
        ForeignKey("environment.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("name", String(100), primary_key=True),
    Column("revision", String(40), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("set_at", UtcDateTime, nullable=False),
    Column("set_by", String(40), nullable=False),
    Column("set_by_login", String(64), nullable=False),
)


class SecretStore:
    """Sealed values; whoever writes them has changed the environment's row in the same ``tx``."""

    def of(self, tx: Connection, environment_id: str) -> dict[str, KeptSecret]:
        """Those of one environment, by name."""
        rows = tx.execute(select(secrets).where(secrets.c.environment_id == environment_id))
        return {row.name: KeptSecret(*row) for row in rows}

    def all(self, tx: Connection) -> list[KeptSecret]:
        return [KeptSecret(*row) for row in tx.execute(select(secrets).with_for_update())]

    def put(self, tx: Connection, secret: KeptSecret) -> None:
        """In place of the value that there was."""
        self.drop(tx, secret.environment_id, secret.name)
        tx.execute(insert(secrets).values(**asdict(secret)))

    def drop(self, tx: Connection, environment_id: str, name: str) -> None:
        tx.execute(
            delete(secrets).where(
                secrets.c.environment_id == environment_id, secrets.c.name == name
            )
        )
