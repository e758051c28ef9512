"""What was seen of announced peaks a week and a day ahead, at rest."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from sqlalchemy import (
    JSON,
    Column,
    Index,
    String,
    Table,
    and_,
    exists,
    func,
    insert,
    or_,
    select,
)

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.hosting.store.environments import environments
from cloudmgr.scaling.readiness import BEFORE, Check, Moment, Readiness
from cloudmgr.scaling.store.windows import peak_windows

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

# No foreign keys: what was seen of a window outlives its environment.
readiness_checks = Table(
    "readiness_check",
    metadata,
    # Of a moment that comes once, a name that comes once.
    Column("id", String(60), primary_key=True),
    Column("window_id", String(40), nullable=False),
    Column("moment", String(10), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(40)),
    Column("checks", JSON, nullable=False),
    Index("ix_readiness_check_window_id_at", "window_id", "at"),
)

_CHECKS = TypeAdapter(tuple[Check, ...])


class ReadinessStore:
    """What was seen: added, never changed."""

    def add(self, tx: Connection, seen: Readiness) -> Readiness:
        """:raises Conflict: ``already-exists`` for a moment that is on record."""
        key = (
            f"chk_{uuid.uuid4().hex[:16]}"
            if seen.moment is Moment.ASKED
            else f"chk_{seen.moment.value}_{seen.window_id}"
        )
        tx.execute(
            insert(readiness_checks).values(
                id=key,
                window_id=seen.window_id,
                moment=seen.moment.value,
                at=seen.at,
                actor=seen.actor,
                checks=_CHECKS.dump_python(seen.checks, mode="json"),
            )
        )
        return replace(seen, id=key)

    def done(self, tx: Connection, window_id: str) -> frozenset[Moment]:
        """The moments that are on record."""
        c = readiness_checks.c
        rows = tx.execute(select(c.moment).where(c.window_id == window_id).distinct())
        return frozenset(Moment(value) for value in rows.scalars())

    def latest(self, tx: Connection, window_ids: Collection[str]) -> dict[str, Readiness]:
        """The newest of each window that has one, by the window's id."""
        c = readiness_checks.c
        found: dict[str, Readiness] = {}
        keys = list(window_ids)
        # Databases take only so many parameters at once.
        for first in range(0, len(keys), 500):
            place = func.row_number().over(
                partition_by=c.window_id, order_by=(c.at.desc(), c.id.desc())
            )
            ranked = (
                select(readiness_checks, place.label("place"))
                .where(c.window_id.in_(keys[first : first + 500]))
                .subquery()
            )
            for row in tx.execute(select(ranked).where(ranked.c.place == 1)):
                found[row.window_id] = _made(row)
        return found

    def due(self, tx: Connection, now: datetime) -> list[str]:
        """Ids of windows that are to be looked at now, the next one first."""
        w, e = peak_windows.c, environments.c
        week, day = (now + BEFORE[moment] for moment in (Moment.WEEK, Moment.DAY))
        query = (
            select(w.id)
            .join(environments, e.id == w.environment_id)
            .where(
                w.cancelled_at.is_(None),
                w.starts_at > now,
                w.starts_at <= week,
                or_(
                    and_(w.starts_at <= day, ~_done(Moment.DAY)),
                    and_(w.starts_at > day, ~_done(Moment.WEEK)),
                ),
            )
            .order_by(w.starts_at, w.id)
        )
        return list(tx.execute(query).scalars())

    def list(self, tx: Connection, window_id: str, *, limit: int | None = None) -> list[Readiness]:
        """Of one window, the newest first."""
        c = readiness_checks.c
        query = (
            select(readiness_checks)
            .where(c.window_id == window_id)
            .order_by(c.at.desc(), c.id.desc())
            .limit(limit)
        )
        return [_made(row) for row in tx.execute(query)]


def _done(moment: Moment) -> ColumnElement[bool]:
    c = readiness_checks.c
    return exists().where(c.window_id == peak_windows.c.id, c.moment == moment.value)


def _made(row: Row[Any]) -> Readiness:
    return Readiness(
        window_id=row.window_id,
        moment=Moment(row.moment),
        at=row.at,
        checks=_CHECKS.validate_python(row.checks),
        actor=row.actor,
        id=row.id,
    )
