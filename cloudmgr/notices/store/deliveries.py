"""Deliveries of notices at rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    delete,
    exists,
    func,
    insert,
    not_,
    select,
    update,
)

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.notices.delivery import Delivery, State
from cloudmgr.notices.store.notices import notices

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection, Row

_LONGEST_REASON = 500

deliveries = Table(
    "notice_delivery",
    metadata,
    Column(
        "number",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("notice_id", String(40), nullable=False),
    Column("target", String(80), nullable=False),
    Column("state", String(20), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_try_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("reason", String(500), nullable=False),
    UniqueConstraint("notice_id", "target", name="uq_notice_delivery_notice_id_target"),
    Index("ix_notice_delivery_state", "state", "next_try_at"),
)


class DeliveryStore:
    """Deliveries: made out once, and brought to their end."""

    def add(self, tx: Connection, made: Iterable[Delivery]) -> None:
        rows = [
            {
                "notice_id": one.notice_id,
                "target": one.target,
                "state": one.state.value,
                "tries": one.tries,
                "next_try_at": one.next_try_at,
                "ended_at": one.ended_at,
                "reason": one.reason[:_LONGEST_REASON],
            }
            for one in made
        ]
        if rows:
            tx.execute(insert(deliveries), rows)

    def due(self, tx: Connection, now: datetime, limit: int) -> list[Delivery]:
        """Those that may be tried now: each target's oldest first, up to ``limit`` of each.

        So that no target, however many wait for it, keeps the others waiting.
        """
        d = deliveries.c
        place = func.row_number().over(partition_by=d.target, order_by=d.number).label("place")
        ranked = (
            select(deliveries, place)
            .where(d.state == State.WAITING.value, d.next_try_at <= now)
            .subquery()
        )
        query = select(ranked).where(ranked.c.place <= limit).order_by(ranked.c.number)
        return [_delivery(row) for row in tx.execute(query)]

    def change(self, tx: Connection, after: Delivery) -> None:
        """Write how one has gone on; what is over stays so."""
        tx.execute(
            update(deliveries)
            .where(deliveries.c.number == after.number, deliveries.c.state == State.WAITING.value)
            .values(
                state=after.state.value,
                tries=after.tries,
                next_try_at=after.next_try_at,
                ended_at=after.ended_at,
                reason=after.reason[:_LONGEST_REASON],
            )
        )

    def list(
        self,
        tx: Connection,
        *,
        state: State | None = None,
        notice_id: str | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[Delivery]:
        """The newest first; with ``before``, those of a lower number."""
        d = deliveries.c
        query = select(deliveries).order_by(d.number.desc()).limit(limit)
        if state is not None:
            query = query.where(d.state == state.value)
        if notice_id is not None:
            query = query.where(d.notice_id == notice_id)
        if before is not None:
            query = query.where(d.number < before)
        return [_delivery(row) for row in tx.execute(query)]

    def count(self, tx: Connection) -> Mapping[State, int]:
        """How many stand where."""
        query = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
        found = {State(state): count for state, count in tx.execute(query)}
        return {state: found.get(state, 0) for state in State}

    def given_up(self, tx: Connection, since: datetime) -> int:
        """How many were given up since then."""
        d = deliveries.c
        query = select(func.count()).where(d.state == State.GIVEN_UP.value, d.ended_at >= since)
        return tx.execute(query).scalar_one()

    def purge(self, tx: Connection) -> int:
        """Forget those of notices that are forgotten; gives how many."""
        known = exists().where(notices.c.id == deliveries.c.notice_id)
        return tx.execute(delete(deliveries).where(not_(known))).rowcount


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        notice_id=row.notice_id,
        target=row.target,
        state=State(row.state),
        tries=row.tries,
        next_try_at=row.next_try_at,
        ended_at=row.ended_at,
        reason=row.reason,
        number=row.number,
    )
