"""Wakes at rest: when each was asked for, promised, and Ready."""

from __future__ import annotations

import uuid
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
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
    update,
)

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.errors import NotFound
from cloudmgr.hosting.store.environments import environments
from cloudmgr.scaling.wakes import Wake, WakeCause

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

# No foreign keys: what was promised to an environment outlives it.
scaling_wakes = Table(
    "scaling_wake",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("environment_id", String(40), nullable=False),
    Column("cause", String(20), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("promised_by", UtcDateTime, nullable=False),
    Column("ready_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("actor", String(40)),
    Column("why", String(500)),
    Column("begun_at", UtcDateTime),
    Column("waits", String(10)),
    Column("lapses_at", UtcDateTime),
    Column("why_not", String(500)),
    Index("ix_scaling_wake_environment_id_asked_at", "environment_id", "asked_at"),
    Index("ix_scaling_wake_ready_at_ended_at", "ready_at", "ended_at"),
    Index("ix_scaling_wake_promised_by", "promised_by"),
)


class WakeStore:
    """Wakes: added, and brought to their end once."""

    def put(self, tx: Connection, wake: Wake) -> Wake:
        """Add ``wake``, or write how the one that is known has gone on."""
        if wake.id:
            tx.execute(
                update(scaling_wakes)
                .where(scaling_wakes.c.id == wake.id)
                .values(
                    cause=wake.cause.value,
                    ready_at=wake.ready_at,
                    ended_at=wake.ended_at,
                    actor=wake.actor,
                    why=wake.why,
                    begun_at=wake.begun_at,
                    waits=wake.waits,
                    lapses_at=wake.lapses_at,
                    why_not=wake.why_not,
                )
            )
            return wake
        made = replace(wake, id=f"wak_{uuid.uuid4().hex[:16]}")
        tx.execute(insert(scaling_wakes).values({**asdict(made), "cause": made.cause.value}))
        return made

    def last(self, tx: Connection, environment_id: str) -> Wake | None:
        found = self.list(tx, environment_id, limit=1)
        return found[0] if found else None

    def list(
        self,
        tx: Connection,
        environment_id: str,
        *,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Wake]:
        """Newest first; ``after`` is the id of the last one of the page before.

        :raises NotFound: ``no-such-wake`` for an ``after`` that is none.
        """
        table = scaling_wakes
        query = (
            select(table)
            .where(table.c.environment_id == environment_id)
            .order_by(table.c.asked_at.desc(), table.c.id.desc())
        )
        if after is not None:
            at = tx.execute(
                select(table.c.asked_at).where(table.c.id == after)
            ).scalar_one_or_none()
            if at is None:
                raise NotFound(f"there is no wake {after}", code="no-such-wake")
            query = query.where(
                or_(table.c.asked_at < at, and_(table.c.asked_at == at, table.c.id < after))
            )
        if limit is not None:
            query = query.limit(limit)
        return [made(row) for row in tx.execute(query).mappings()]

    def broken(self, tx: Connection, since: datetime, now: datetime) -> Sequence[Wake]:
        """Those due after ``since`` that kept no promise until ``now``, over or not; no tests."""
        w, e = scaling_wakes.c, environments.c
        query = (
            select(scaling_wakes)
            .select_from(scaling_wakes.join(environments, e.id == w.environment_id))
            .where(
                w.promised_by >= since,
                w.promised_by < now,
                w.cause != WakeCause.TEST.value,
                or_(_broken(), and_(w.ready_at.is_(None), w.ended_at.is_(None))),
                e.retiring.is_(False),
            )
            .order_by(w.promised_by, w.id)
        )
        return [made(row) for row in tx.execute(query).mappings()]

    def tests_broken(self, tx: Connection, since: datetime) -> Sequence[Wake]:
        """Tests that were due after ``since``, are over and broke their promise."""
        w, e = scaling_wakes.c, environments.c
        query = (
            select(scaling_wakes)
            .select_from(scaling_wakes.join(environments, e.id == w.environment_id))
            .where(
                w.promised_by >= since,
                w.cause == WakeCause.TEST.value,
                _broken(),
                e.retiring.is_(False),
            )
            .order_by(w.promised_by, w.id)
        )
        return [made(row) for row in tx.execute(query).mappings()]

    def late(self, tx: Connection, now: datetime) -> int:
        """How many that are hosted ought to be Ready by ``now`` and are not; without tests."""
        w, e = scaling_wakes.c, environments.c
        query = (
            select(func.count())
            .select_from(scaling_wakes.join(environments, e.id == w.environment_id))
            .where(
                w.ready_at.is_(None),
                w.ended_at.is_(None),
                w.promised_by < now,
                w.cause != WakeCause.TEST.value,
                e.retiring.is_(False),
            )
        )
        return tx.execute(query).scalar_one()

    def waiting(self, tx: Connection) -> int:
        """How many that are hosted were called and have not begun to wake."""
        w, e = scaling_wakes.c, environments.c
        query = (
            select(func.count())
            .select_from(scaling_wakes.join(environments, e.id == w.environment_id))
            .where(
                w.ready_at.is_(None),
                w.ended_at.is_(None),
                w.begun_at.is_(None),
                e.awake.is_(False),
                e.retiring.is_(False),
            )
        )
        return tx.execute(query).scalar_one()

    def missed(self, tx: Connection, since: datetime) -> int:
        """As :meth:`late`: how many that were due after ``since`` were broken, and are over."""
        w = scaling_wakes.c
        query = select(func.count()).where(
            w.promised_by >= since, w.cause != WakeCause.TEST.value, _broken()
        )
        return tx.execute(query).scalar_one()

    def tests_failed(self, tx: Connection) -> int:
        """How many that are hosted were last woken for a test, which broke its promise."""
        w, e, later = scaling_wakes.c, environments.c, scaling_wakes.alias("later")
        query = (
            select(func.count())
            .select_from(scaling_wakes.join(environments, e.id == w.environment_id))
            .where(
                w.cause == WakeCause.TEST.value,
                _broken(),
                e.retiring.is_(False),
                ~exists().where(
                    later.c.environment_id == w.environment_id, later.c.asked_at > w.asked_at
                ),
            )
        )
        return tx.execute(query).scalar_one()


def _broken() -> ColumnElement[bool]:
    w = scaling_wakes.c
    return or_(w.ready_at > w.promised_by, and_(w.ready_at.is_(None), w.ended_at >= w.promised_by))


def made(row: Mapping[Any, Any]) -> Wake:
    """The wake of a row of its columns."""
    values: dict[str, Any] = dict(row)
    return Wake(**{**values, "cause": WakeCause(values["cause"])})
