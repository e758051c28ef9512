"""Business systems at rest."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    Integer,
    String,
    Table,
    func,
    insert,
    select,
)

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.errors import Conflict, NotFound
from cloudmgr.hosting.environments import (
    Criticality,
    System,
)
from cloudmgr.hosting.store.rows import page
from cloudmgr.pools.pool import Zone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

systems = Table(
    "system",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("department_id", String(40), nullable=False, index=True),
    Column("code", String(40), nullable=False, unique=True),
    Column("name_zh", String(200), nullable=False),
    Column("name_en", String(200), nullable=False),
    Column("zone", String(20), nullable=False),
    Column("protection_level", Integer, nullable=False),
    Column("criticality", Integer, nullable=False),
    Column("purpose", String(2000), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
)


class SystemStore:
    """Business systems."""

    def revision(self, tx: Connection) -> str:
        """Changes whenever any system does; no row is read whole."""
        query = select(func.count(), func.sum(systems.c.version), func.max(systems.c.created_at))
        return str(tuple(tx.execute(query).one()))

    def add(self, tx: Connection, system: System) -> None:
        """:raises Conflict: ``code-taken``."""
        if tx.execute(select(systems.c.id).where(systems.c.code == system.code)).first():
            raise Conflict(
                f"there is a system {system.code} already",
                code="code-taken",
                path="code",
                hint="choose another code: it is a part of its addresses, and the whole city's",
            )
        tx.execute(insert(systems).values(**asdict(system)))

    def get(self, tx: Connection, system_id: str) -> System:
        """:raises NotFound: ``no-such-system``."""
        row = tx.execute(select(systems).where(systems.c.id == system_id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no system {system_id}", code="no-such-system")
        return _system(row)

    def list(
        self,
        tx: Connection,
        *,
        department_id: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[System]:
        """By id, after the id ``after``."""
        query = select(systems).order_by(systems.c.id)
        if department_id is not None:
            query = query.where(systems.c.department_id == department_id)
        return [_system(row) for row in tx.execute(page(query, systems, after, limit))]

    def by_ids(self, tx: Connection, ids: Sequence[str]) -> dict[str, System]:
        rows = tx.execute(select(systems).where(systems.c.id.in_(set(ids))))
        return {row.id: _system(row) for row in rows}


def _system(row: Row[Any]) -> System:
    values = dict(row._mapping)  # noqa: SLF001 - the public name of a row's mapping
    values["zone"] = Zone(row.zone)
    values["criticality"] = Criticality(row.criticality)
    return System(**values)
