"""Starts at rest: when more was asked for, and when all of it was Ready."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import (
    Column,
    Index,
    Integer,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.hosting.store.environments import environments
from cloudmgr.scaling.lead import Start
from cloudmgr.scaling.store.windows import peak_windows

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

# No foreign keys: one that is gone may have been a copy that others are to be like.
scaling_starts = Table(
    "scaling_start",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("environment_id", String(40), nullable=False),
    Column("raised_at", UtcDateTime, nullable=False),
    Column("ready_at", UtcDateTime),
    Column("seconds", Integer),  # rounded up; null until it is ready
    Index("ix_scaling_start_environment_id_raised_at", "environment_id", "raised_at"),
    Index("ix_scaling_start_ready_at", "ready_at"),
    Index("ix_scaling_start_seconds", "seconds"),
)


class StartStore:
    """At most one start of each environment is under way."""

    def begin(self, tx: Connection, environment_id: str, at: datetime) -> Start:
        """One begins; another that was under way is not measured: its end could not be told."""
        self.drop(tx, environment_id)
        made = Start(environment_id, at, id=f"sta_{uuid.uuid4().hex[:16]}")
        tx.execute(
            insert(scaling_starts).values(id=made.id, environment_id=environment_id, raised_at=at)
        )
        return made

    def drop(self, tx: Connection, environment_id: str) -> None:
        """Whatever is under way is not wanted any more."""
        c = scaling_starts.c
        tx.execute(
            delete(scaling_starts).where(c.environment_id == environment_id, c.ready_at.is_(None))
        )

    def under_way(self, tx: Connection) -> list[Start]:
        """The oldest first."""
        c = scaling_starts.c
        query = (
            select(c.id, c.environment_id, c.raised_at)
            .where(c.ready_at.is_(None))
            .order_by(c.raised_at, c.id)
        )
        return [Start(r.environment_id, r.raised_at, id=r.id) for r in tx.execute(query)]

    def end(self, tx: Connection, start: Start, at: datetime) -> Start | None:
        """It was Ready ``at``; None if meanwhile it was dropped."""
        at = max(at, start.raised_at)
        seconds = -(-(at - start.raised_at) // timedelta(seconds=1))
        c = scaling_starts.c
        done = tx.execute(
            update(scaling_starts)
            .where(c.id == start.id, c.ready_at.is_(None))
            .values(ready_at=at, seconds=seconds)
        )
        return replace(start, ready_at=at) if done.rowcount else None

    def took(self, tx: Connection, environment_id: str, newest: int) -> tuple[timedelta, ...]:
        """How long each of the newest took, the newest first."""
        return self._took(tx, newest, scaling_starts.c.environment_id == environment_id).get(
            environment_id, ()
        )

    def took_on(
        self, tx: Connection, pool_id: str, newest: int
    ) -> dict[str, tuple[timedelta, ...]]:
        """The same of all environments on one pool, by id."""
        there = select(environments.c.id).where(environments.c.pool_id == pool_id)
        return self._took(tx, newest, scaling_starts.c.environment_id.in_(there))

    def took_before_peaks(
        self, tx: Connection, now: datetime, until: datetime, newest: int
    ) -> dict[str, tuple[timedelta, ...]]:
        """The same of all with a peak that begins after ``now`` and by ``until``."""
        w = peak_windows.c
        begins = select(w.environment_id).where(
            w.cancelled_at.is_(None), w.starts_at > now, w.starts_at <= until
        )
        return self._took(tx, newest, scaling_starts.c.environment_id.in_(begins))

    def longest(self, tx: Connection) -> timedelta:
        """Nothing took longer."""
        return timedelta(
            seconds=tx.execute(select(func.max(scaling_starts.c.seconds))).scalar() or 0
        )

    def revision_on(self, tx: Connection, pool_id: str) -> tuple[object, ...]:
        """Another one whenever a start on the pool was measured, or forgotten."""
        c = scaling_starts.c
        there = select(environments.c.id).where(environments.c.pool_id == pool_id)
        row = tx.execute(
            select(func.count(), func.max(c.ready_at)).where(
                c.ready_at.is_not(None), c.environment_id.in_(there)
            )
        ).one()
        return tuple(row)

    def purge(self, tx: Connection, before: datetime) -> int:
        """Forget what began earlier; of how many."""
        return tx.execute(
            delete(scaling_starts).where(scaling_starts.c.raised_at < before)
        ).rowcount

    def _took(
        self, tx: Connection, newest: int, which: ColumnElement[bool]
    ) -> dict[str, tuple[timedelta, ...]]:
        c = scaling_starts.c
        place = func.row_number().over(
            partition_by=c.environment_id, order_by=(c.raised_at.desc(), c.id.desc())
        )
        ranked = (
            select(c.environment_id, c.seconds, place.label("place"))
            .where(c.seconds.is_not(None), which)
            .subquery()
        )
        query = (
            select(ranked.c.environment_id, ranked.c.seconds)
            .where(ranked.c.place <= newest)
            .order_by(ranked.c.environment_id, ranked.c.place)
        )
        found: dict[str, list[timedelta]] = {}
        for key, seconds in tx.execute(query):
            found.setdefault(key, []).append(timedelta(seconds=seconds))
        return {key: tuple(all_) for key, all_ in found.items()}
