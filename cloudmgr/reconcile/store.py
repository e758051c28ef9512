"""Leases at rest: one row each, changed by compare-and-set alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Column, Integer, String, Table, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cloudmgr.db.types import metadata

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

leases = Table(
    "lease",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("holder", String(80), nullable=False),
    # Counts the holders this lease has had: the fencing token.
    Column("token", Integer, nullable=False),
    # Counts the signs of life of this holder. Others time them with their own clocks, so that no
    # two machines need agree on the time (as Kubernetes' leader election does).
    Column("beat", Integer, nullable=False),
)

members = Table(
    "control_plane",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("beat", Integer, nullable=False),
)

# Made once: every step of every loop asks for it.
_HELD = select(leases.c.holder, leases.c.token).where(leases.c.name == bindparam("wanted"))
_HELD_FOR_WRITING = _HELD.with_for_update(read=True)


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """One lease as last read."""

    name: str
    holder: str
    token: int
    beat: int


class LeaseStore:
    """Reads and compare-and-sets; the rules of who may hold what are in ``leases.py``."""

    def ensure(self, tx: Connection, names: Iterable[str]) -> None:
        """Rows for ``names``; control planes that start at once do not get in each other's way."""
        rows = [{"name": name, "holder": "", "token": 0, "beat": 0} for name in sorted(names)]
        for_dialect = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
        if rows:
            tx.execute(for_dialect(leases).values(rows).on_conflict_do_nothing())

    def all(self, tx: Connection) -> list[LeaseRow]:
        rows = tx.execute(select(leases).order_by(leases.c.name))
        return [LeaseRow(*row) for row in rows]

    def members(self, tx: Connection) -> dict[str, int]:
        """Control planes that have not left, and how often each has beaten."""
        return {row.id: row.beat for row in tx.execute(select(members))}

    def beat(self, tx: Connection, holder: str) -> None:
        """A sign of life of ``holder``, for itself and for all that it holds."""
        done = tx.execute(
            update(members).where(members.c.id == holder).values(beat=members.c.beat + 1)
        )
        if done.rowcount == 0:
            tx.execute(insert(members).values(id=holder, beat=1))
        tx.execute(update(leases).where(leases.c.holder == holder).values(beat=leases.c.beat + 1))

    def take(self, tx: Connection, seen: LeaseRow, holder: str) -> bool:
        """Take the lease unless it has moved since it was ``seen``."""
        done = tx.execute(
            update(leases)
            .where(
                leases.c.name == seen.name,
                leases.c.token == seen.token,
                leases.c.beat == seen.beat,
                leases.c.holder == seen.holder,
            )
            .values(holder=holder, token=leases.c.token + 1, beat=leases.c.beat + 1)
        )
        return done.rowcount == 1

    def release(self, tx: Connection, name: str, holder: str) -> None:
        tx.execute(
            update(leases)
            .where(leases.c.name == name, leases.c.holder == holder)
            .values(holder="", token=leases.c.token + 1)
        )

    def leave(self, tx: Connection, member: str) -> None:
        tx.execute(members.delete().where(members.c.id == member))

    def holds(self, tx: Connection, name: str, holder: str, token: int) -> bool:
        """Whether the lease is still held so.

        In a write on PostgreSQL its row stays locked, so that it cannot change hands meanwhile.
        """
        options = tx.get_execution_options()
        writes = tx.dialect.name == "postgresql" and not options.get("postgresql_readonly")
        query = _HELD_FOR_WRITING if writes else _HELD
        row = tx.execute(query, {"wanted": name}).one_or_none()
        return row is not None and (row.holder, row.token) == (holder, token)
