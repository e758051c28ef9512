"""``usage_source``: how far each pool and gateway is read; ``usage_note``: what failed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, Column, Integer, String, Table, Text, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.metering.observation import Note

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row

    from cloudmgr.interval import Interval

usage_sources = Table(
    "usage_source",
    metadata,
    Column("name", String, primary_key=True),
    # Counts the steps that were written of readings of this source: who writes next must name it.
    Column("version", Integer, nullable=False),
    # All usage until then is in the ledger or in `resource_interval` and `request_counter`.
    Column("read_at", UtcDateTime),
    Column("retired", Boolean, nullable=False),
)

usage_notes = Table(
    "usage_note",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("source", String, nullable=False, index=True),
    Column("kind", String(20), nullable=False),
    Column("resource", String, nullable=False),
    Column("since", UtcDateTime, nullable=False, index=True),
    Column("until", UtcDateTime),
    Column("message", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Source:
    """A pool or gateway and when it was last read whole; None: never."""

    name: str
    version: int
    read_at: datetime | None
    retired: bool


class Sources:
    """Readings of one source are written one at a time: a step names the version it builds on."""

    def get(self, tx: Connection, name: str) -> Source | None:
        row = tx.execute(select(usage_sources).where(usage_sources.c.name == name)).one_or_none()
        return None if row is None else Source(*row)

    def ensure(self, tx: Connection, name: str) -> Source:
        """The source, made known if it is not."""
        build = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
        tx.execute(
            build(usage_sources)
            .values(name=name, version=0, read_at=None, retired=False)
            .on_conflict_do_nothing(index_elements=["name"])
        )
        return Source(*tx.execute(select(usage_sources).where(usage_sources.c.name == name)).one())

    def all(self, tx: Connection) -> tuple[Source, ...]:
        rows = tx.execute(select(usage_sources).order_by(usage_sources.c.name))
        return tuple(Source(*row) for row in rows)

    def step(
        self, tx: Connection, name: str, version: int, read_at: datetime | None = None
    ) -> bool:
        """Take the next step of a reading, the last one with ``read_at``.

        False when somebody else has taken one since ``version``: this reading is out of date.
        """
        values: dict[str, Any] = {"version": version + 1, "retired": False}
        if read_at is not None:
            values["read_at"] = read_at
        done = tx.execute(
            update(usage_sources)
            .where(usage_sources.c.name == name, usage_sources.c.version == version)
            .values(**values)
        )
        return done.rowcount == 1

    def retire(self, tx: Connection, name: str) -> None:
        """No more is to be read of it (the pool is gone): a month may be closed without it."""
        tx.execute(update(usage_sources).where(usage_sources.c.name == name).values(retired=True))

    def write_notes(
        self, tx: Connection, source: str, notes: Sequence[Note], resolved_at: datetime | None
    ) -> None:
        """Add ``notes``; one that is there already, or of the same fault while it is open, is not
        added again.

        :param resolved_at: closes the open notes of ``source`` that are not among ``notes``.
        """
        c = usage_notes.c
        rows = tx.execute(select(usage_notes).where(c.source == source, c.until.is_(None)))
        still = {(row.kind, row.resource): row.id for row in rows}
        for note in notes:
            known = still.pop((note.kind, note.resource), None) if note.until is None else None
            if known is None:
                _add(tx, note)
            else:
                tx.execute(
                    update(usage_notes)
                    .where(c.id == known, c.message != note.message)
                    .values(message=note.message)
                )
        if resolved_at is not None and still:
            tx.execute(
                update(usage_notes).where(c.id.in_(still.values())).values(until=resolved_at)
            )

    def notes(
        self, tx: Connection, interval: Interval | None = None, source: str | None = None
    ) -> tuple[Note, ...]:
        """Those that touch ``interval``, earliest first."""
        c = usage_notes.c
        query = select(usage_notes).order_by(c.since, c.id)
        if interval is not None:
            query = query.where(
                c.since < interval.end, or_(c.until.is_(None), c.until >= interval.start)
            )
        if source is not None:
            query = query.where(c.source == source)
        return tuple(_note(row) for row in tx.execute(query))


def _add(tx: Connection, note: Note) -> None:
    key = [note.source, note.kind, note.resource, note.since.isoformat(timespec="microseconds")]
    values = {
        "id": hashlib.sha256(json.dumps(key).encode()).hexdigest(),
        "source": note.source,
        "kind": note.kind,
        "resource": note.resource,
        "since": note.since,
        "until": note.until,
        "message": note.message,
    }
    build = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
    tx.execute(build(usage_notes).values(**values).on_conflict_do_nothing(index_elements=["id"]))


def _note(row: Row[Any]) -> Note:
    return Note(row.source, row.kind, row.resource, row.since, row.until, row.message)
