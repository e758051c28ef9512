"""Rehearsals at rest: the one under way on each pool, and what came of those before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from sqlalchemy import JSON, Column, Integer, String, Table, insert, select, update

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.hosting.store.environments import environments
from cloudmgr.scaling.rehearsals import Ending, Load, Rehearsal, Result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row, Select

# No foreign keys: what was rehearsed outlives its environment.
rehearsals = Table(
    "rehearsal",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("window_id", String(40), nullable=False, index=True),
    Column("environment_id", String(40), nullable=False),
    Column("component", String(40), nullable=False),
    Column("replicas", Integer, nullable=False),
    Column("load", JSON(none_as_null=True)),
    Column("ordered_by", String(40), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("ordered_at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("ready_at", UtcDateTime),
    Column("load_from", UtcDateTime),
    Column("stopped_by", String(40)),
    Column("ended_at", UtcDateTime, index=True),
    Column("ending", String(20)),
    Column("result", JSON(none_as_null=True)),
)

_LOAD = TypeAdapter(Load)
_RESULT = TypeAdapter(Result)


class RehearsalStore:
    """Written by whoever orders or stops one, and by the one duty that carries it on."""

    def add(self, tx: Connection, rehearsal: Rehearsal) -> None:
        load = rehearsal.load
        tx.execute(
            insert(rehearsals).values(
                id=rehearsal.id,
                window_id=rehearsal.window_id,
                environment_id=rehearsal.environment_id,
                component=rehearsal.component,
                replicas=rehearsal.replicas,
                load=None if load is None else _LOAD.dump_python(load, mode="json"),
                ordered_by=rehearsal.ordered_by,
                reason=rehearsal.reason,
                ordered_at=rehearsal.ordered_at,
                until=rehearsal.until,
            )
        )

    def of_window(self, tx: Connection, window_id: str, limit: int = 20) -> list[Rehearsal]:
        """The newest first."""
        c = rehearsals.c
        query = select(rehearsals).where(c.window_id == window_id)
        return self._read(tx, query.order_by(c.ordered_at.desc(), c.id).limit(limit))

    def under_way(self, tx: Connection, pool_id: str | None = None) -> list[Rehearsal]:
        """The oldest first.

        :param pool_id: only those of environments on this pool.
        """
        c = rehearsals.c
        query = select(rehearsals).where(c.ended_at.is_(None))
        if pool_id is not None:
            there = select(environments.c.id).where(environments.c.pool_id == pool_id)
            query = query.where(c.environment_id.in_(there))
        return self._read(tx, query.order_by(c.ordered_at, c.id))

    def ready(self, tx: Connection, rehearsal_id: str, at: datetime) -> None:
        self._change(tx, rehearsal_id, ready_at=at)

    def loading(self, tx: Connection, rehearsal_id: str, at: datetime) -> None:
        self._change(tx, rehearsal_id, load_from=at)

    def stop(self, tx: Connection, rehearsal_id: str, actor: str) -> None:
        """Whoever carries it on ends it next."""
        self._change(tx, rehearsal_id, stopped_by=actor)

    def end(
        self,
        tx: Connection,
        rehearsal_id: str,
        at: datetime,
        ending: Ending,
        result: Result | None,
    ) -> None:
        self._change(
            tx,
            rehearsal_id,
            ended_at=at,
            ending=ending.value,
            result=None if result is None else _RESULT.dump_python(result, mode="json"),
        )

    @staticmethod
    def _change(tx: Connection, rehearsal_id: str, **values: object) -> None:
        c = rehearsals.c
        # One that is over stays as it was.
        tx.execute(
            update(rehearsals).where(c.id == rehearsal_id, c.ended_at.is_(None)).values(**values)
        )

    @staticmethod
    def _read(tx: Connection, query: Select[Any]) -> list[Rehearsal]:
        rows: Sequence[Row[Any]] = tx.execute(query).all()
        return [_rehearsal(row) for row in rows]


def _rehearsal(row: Row[Any]) -> Rehearsal:
    return Rehearsal(
        id=row.id,
        window_id=row.window_id,
        environment_id=row.environment_id,
        component=row.component,
        replicas=row.replicas,
        load=None if row.load is None else _LOAD.validate_python(row.load),
        ordered_by=row.ordered_by,
        reason=row.reason,
        ordered_at=row.ordered_at,
        until=row.until,
        ready_at=row.ready_at,
        load_from=row.load_from,
        stopped_by=row.stopped_by,
        ended_at=row.ended_at,
        ending=None if row.ending is None else Ending(row.ending),
        result=None if row.result is None else _RESULT.validate_python(row.result),
    )
