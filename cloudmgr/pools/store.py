"""Pools at rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Column, Integer, String, Table, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from cloudmgr.db.types import metadata
from cloudmgr.errors import NotFound
from cloudmgr.pools.pool import Pool, Zone

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

pools = Table(
    "pool",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(40), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("zone", String(20), nullable=False, index=True),
    Column("protection_level", Integer, nullable=False),
    Column("settings", JSON, nullable=False),
)


class PoolStore:
    """Pools, few and rarely changed."""

    def add(self, tx: Connection, pool: Pool) -> None:
        """:raises Conflict: ``already-exists`` when the name is taken."""
        tx.execute(insert(pools).values(**_values(pool)))

    def get(self, tx: Connection, pool_id: str) -> Pool:
        """:raises NotFound: ``no-such-pool``."""
        row = tx.execute(select(pools).where(pools.c.id == pool_id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no pool {pool_id}", code="no-such-pool")
        return _pool(row)

    def list(self, tx: Connection) -> list[Pool]:
        """All, by name."""
        return [_pool(row) for row in tx.execute(select(pools).order_by(pools.c.name))]

    def lock(self, tx: Connection, pool_id: str) -> None:
        """Until the transaction ends nobody else gives away room of this pool.

        SQLite's write transactions exclude each other already.
        """
        if tx.dialect.name == "postgresql":
            tx.execute(select(pools.c.id).where(pools.c.id == pool_id).with_for_update())

    def put(self, tx: Connection, pool: Pool) -> None:
        """Make the pool of this name what is configured; its id stays."""
        values = _values(pool)
        kept = {name: value for name, value in values.items() if name not in {"id", "name"}}
        for_dialect = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
        # In one statement: control planes that start at once all say what they are configured for.
        tx.execute(
            for_dialect(pools)
            .values(**values)
            .on_conflict_do_update(index_elements=[pools.c.name], set_=kept)
        )


def _pool(row: Row[Any]) -> Pool:
    return Pool(row.id, row.name, row.kind, Zone(row.zone), row.protection_level, row.settings)


def _values(pool: Pool) -> dict[str, Any]:
    return {
        "id": pool.id,
        "name": pool.name,
        "kind": pool.kind,
        "zone": pool.zone.value,
        "protection_level": pool.protection_level,
        "settings": dict(pool.settings),
    }
