"""``resource_interval``: what is held, one row for each allocation and meter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    String,
    Table,
    and_,
    bindparam,
    insert,
    or_,
    select,
    update,
)

from cloudmgr.db.types import ExactDecimal, UtcDateTime, metadata
from cloudmgr.errors import Conflict
from cloudmgr.metering.usage import Holding, Owner

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row

    from cloudmgr.interval import Interval
    from cloudmgr.metering.observation import Change

resource_intervals = Table(
    "resource_interval",
    metadata,
    Column("source", String, primary_key=True),
    Column("resource", String, primary_key=True),
    Column("meter", String(20), primary_key=True),
    Column("environment_id", String(40), nullable=False),
    Column("system_id", String(40), nullable=False),
    Column("department_id", String(40), nullable=False),
    Column("zone", String(20), nullable=False),
    Column("pool_id", String(40), nullable=False),
    Column("component", String, nullable=False),
    Column("rate", ExactDecimal, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("metered_until", UtcDateTime, nullable=False),
    Column("lost", Boolean, nullable=False),
    # Derived, for the index: the ledger has all of it.
    Column("settled", Boolean, nullable=False),
    Index("ix_resource_interval_source_settled", "source", "settled"),
    Index("ix_resource_interval_source_ended_at", "source", "ended_at"),
    Index("ix_resource_interval_environment_id_started_at", "environment_id", "started_at"),
)

_BATCH = 500


class Holdings:
    """Rows are changed by compare-and-set on ``metered_until`` and ``ended_at``."""

    def known(
        self, tx: Connection, source: str, resources: Iterable[str]
    ) -> dict[str, list[Holding]]:
        """By resource, every row of ``source`` that is not settled or is one of ``resources``."""
        c = resource_intervals.c
        found: dict[str, list[Holding]] = {}
        of_source = select(resource_intervals).where(c.source == source)
        for row in tx.execute(of_source.where(c.settled.is_(False))):
            found.setdefault(row.resource, []).append(_holding(row))
        rest = sorted(set(resources))
        for start in range(0, len(rest), _BATCH):
            some = of_source.where(
                c.settled.is_(True), c.resource.in_(rest[start : start + _BATCH])
            )
            for row in tx.execute(some):
                found.setdefault(row.resource, []).append(_holding(row))
        return found

    def write(self, tx: Connection, changes: Sequence[Change]) -> None:
        """Insert what is new, move what has changed.

        :raises Conflict: ``usage-moved`` when a row is not what the change supposes: somebody else
            has metered it. Nothing may be committed of this transaction then.
        """
        fresh = [_values(change.new) for change in changes if change.old is None]
        if fresh:
            tx.execute(insert(resource_intervals), fresh)
        moves = [_move(c.old, c.new) for c in changes if c.old is not None]
        if moves:
            done = tx.execute(_MOVE, moves)
            if done.rowcount != len(moves):
                raise Conflict("somebody else has metered this in the meantime", code="usage-moved")

    def during(
        self, tx: Connection, source: str, interval: Interval, meters: Collection[str]
    ) -> tuple[Holding, ...]:
        """What ``source`` held of ``meters`` in any part of ``interval``."""
        c = resource_intervals.c
        query = select(resource_intervals).where(
            c.source == source,
            c.meter.in_(meters),
            c.started_at < interval.end,
            or_(c.ended_at.is_(None), c.ended_at > interval.start),
        )
        rows = tx.execute(query.order_by(c.resource, c.meter))
        return tuple(_holding(row) for row in rows)

    def metered(self, tx: Connection, interval: Interval | None) -> tuple[Holding, ...]:
        """What was held in any part of ``interval``, or ever, and is in the ledger to some extent.

        By source, resource and meter, in the order of code points whatever the database's.
        """
        c = resource_intervals.c
        query = select(resource_intervals).where(c.metered_until > c.started_at)
        if interval is not None:
            query = query.where(
                c.started_at < interval.end,
                or_(c.ended_at.is_(None), c.ended_at > interval.start),
            )
        found = [_holding(row) for row in tx.execute(query)]
        return tuple(sorted(found, key=lambda h: (h.source, h.resource, h.meter)))

    def unmetered(self, tx: Connection, until: datetime) -> tuple[Holding, ...]:
        """What was held before ``until`` and is not in the ledger so far."""
        c = resource_intervals.c
        query = select(resource_intervals).where(
            c.settled.is_(False), c.started_at < until, c.metered_until < until
        )
        return tuple(_holding(row) for row in tx.execute(query))

    def unsettled(
        self,
        tx: Connection,
        *,
        environment_id: str | None = None,
        department_id: str | None = None,
    ) -> tuple[Holding, ...]:
        """What is held now, or is not wholly in the ledger."""
        c = resource_intervals.c
        query = select(resource_intervals).where(c.settled.is_(False))
        if environment_id is not None:
            query = query.where(c.environment_id == environment_id)
        if department_id is not None:
            query = query.where(c.department_id == department_id)
        return tuple(_holding(row) for row in tx.execute(query))

    def of_component(
        self, tx: Connection, environment_id: str, component: str, meter: str, interval: Interval
    ) -> tuple[Holding, ...]:
        """What one component held of ``meter`` in any part of ``interval``, by start."""
        c = resource_intervals.c
        query = select(resource_intervals).where(
            c.environment_id == environment_id,
            c.component == component,
            c.meter == meter,
            c.started_at < interval.end,
            or_(c.ended_at.is_(None), c.ended_at > interval.start),
        )
        rows = tx.execute(query.order_by(c.started_at, c.resource))
        return tuple(_holding(row) for row in rows)

    def of_resource(self, tx: Connection, source: str, resource: str) -> tuple[Holding, ...]:
        """One allocation, by meter: what a usage record was made from."""
        c = resource_intervals.c
        query = select(resource_intervals).where(c.source == source, c.resource == resource)
        return tuple(_holding(row) for row in tx.execute(query.order_by(c.meter)))


_MOVE = (
    update(resource_intervals)
    .where(
        resource_intervals.c.source == bindparam("b_source"),
        resource_intervals.c.resource == bindparam("b_resource"),
        resource_intervals.c.meter == bindparam("b_meter"),
        resource_intervals.c.metered_until == bindparam("b_metered_until", type_=UtcDateTime),
        or_(
            resource_intervals.c.ended_at == bindparam("b_ended_at", type_=UtcDateTime),
            and_(
                resource_intervals.c.ended_at.is_(None),
                bindparam("b_open", type_=Boolean).is_(True),
            ),
        ),
    )
    .values(
        ended_at=bindparam("n_ended_at"),
        metered_until=bindparam("n_metered_until"),
        lost=bindparam("n_lost"),
        settled=bindparam("n_settled"),
    )
)


def _move(old: Holding, new: Holding) -> dict[str, Any]:
    return {
        "b_source": old.source,
        "b_resource": old.resource,
        "b_meter": old.meter,
        "b_metered_until": old.metered_until,
        "b_ended_at": old.ended_at,
        "b_open": old.ended_at is None,
        "n_ended_at": new.ended_at,
        "n_metered_until": new.metered_until,
        "n_lost": new.lost,
        "n_settled": new.settled,
    }


def _holding(row: Row[Any]) -> Holding:
    return Holding(
        row.source,
        row.resource,
        row.meter,
        Owner(row.environment_id, row.system_id, row.department_id, row.zone, row.pool_id),
        row.component,
        row.rate,
        row.started_at,
        row.ended_at,
        row.metered_until,
        row.lost,
    )


def _values(holding: Holding) -> dict[str, Any]:
    owner = holding.owner
    return {
        "source": holding.source,
        "resource": holding.resource,
        "meter": holding.meter,
        "environment_id": owner.environment_id,
        "system_id": owner.system_id,
        "department_id": owner.department_id,
        "zone": owner.zone,
        "pool_id": owner.pool_id,
        "component": holding.component,
        "rate": holding.rate,
        "started_at": holding.started_at,
        "ended_at": holding.ended_at,
        "metered_until": holding.metered_until,
        "lost": holding.lost,
        "settled": holding.settled,
    }
