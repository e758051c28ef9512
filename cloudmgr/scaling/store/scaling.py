"""What scaling remembers of each environment, people's orders, and decisions, at rest."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import (
    JSON,
    Column,
    Index,
    Integer,
    String,
    Table,
    and_,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.errors import NotFound
from cloudmgr.scaling.assessment import ScalingState
from cloudmgr.scaling.orders import Order, ScalingDecision
from cloudmgr.scaling.yielding import Cap

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.interval import Interval

# No foreign keys: what was decided for an environment outlives it.
scaling_states = Table(
    "scaling_state",
    metadata,
    Column("environment_id", String(40), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("digest", String(80), nullable=False),
    Column("awake_since", UtcDateTime),
    Column("awake_until", UtcDateTime),
    Column("calls_at", UtcDateTime, index=True),
    Column("floors", JSON, nullable=False),
    Column("starts_at", UtcDateTime, index=True),
    Column("ahead_until", UtcDateTime),
    Column("ahead_for", String(20)),
)

scaling_orders = Table(
    "scaling_order",
    metadata,
    Column("environment_id", String(40), primary_key=True),
    Column("component", String(40), primary_key=True),  # "" for the environment as a whole
    Column("replicas", Integer, nullable=False),
    Column("until", UtcDateTime, index=True),
    Column("actor", String(40), nullable=False),
    Column("why", String(500), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

scaling_caps = Table(
    "scaling_cap",
    metadata,
    Column("environment_id", String(40), primary_key=True),
    Column("replicas", Integer, nullable=False),
    Column("favours", String(40), nullable=False, index=True),
    Column("until", UtcDateTime, nullable=False),
)

scaling_decisions = Table(
    "scaling_decision",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("environment_id", String(40), nullable=False),
    Column("component", String(40), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("before", Integer, nullable=False),
    Column("after", Integer, nullable=False),
    Column("zh", String(1000), nullable=False),
    Column("en", String(1000), nullable=False),
    Column("terms", JSON, nullable=False),
    Column("actor", String(40)),
    Column("reason", String(500)),
    Index("ix_scaling_decision_environment_id_at", "environment_id", "at"),
    Index("ix_scaling_decision_at", "at"),
)


class ScalingStore:
    """What scaling remembers of each environment, people's orders, and decisions."""

    def state(self, tx: Connection, environment_id: str) -> ScalingState:
        """A state of generation 0 where nobody ever looked."""
        return self._state(tx, environment_id, lock=False)

    def locked_state(self, tx: Connection, environment_id: str) -> ScalingState:
        """As :meth:`state`; until the transaction ends nobody else scales this environment."""
        for_dialect = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
        tx.execute(
            for_dialect(scaling_states)
            .values(environment_id=environment_id, generation=0, digest="", floors={})
            .on_conflict_do_nothing()
        )
        return self._state(tx, environment_id, lock=True)

    def put_state(self, tx: Connection, state: ScalingState) -> None:
        """Under the lock of :meth:`locked_state`."""
        tx.execute(
            update(scaling_states)
            .where(scaling_states.c.environment_id == state.environment_id)
            .values(**asdict(state))
        )

    def _state(self, tx: Connection, environment_id: str, *, lock: bool) -> ScalingState:
        query = select(scaling_states).where(scaling_states.c.environment_id == environment_id)
        row = tx.execute(query.with_for_update() if lock else query).mappings().one_or_none()
        return ScalingState(environment_id) if row is None else ScalingState(**row)

    def orders(self, tx: Connection, environment_id: str) -> tuple[Order, ...]:
        rows = tx.execute(
            select(scaling_orders)
            .where(scaling_orders.c.environment_id == environment_id)
            .order_by(scaling_orders.c.component)
        )
        return tuple(Order(*row) for row in rows)

    def put_order(self, tx: Connection, order: Order) -> None:
        """Put ``order`` in the place of an earlier one on the same component."""
        self.drop_order(tx, order.environment_id, order.component)
        tx.execute(insert(scaling_orders).values(**asdict(order)))

    def drop_order(self, tx: Connection, environment_id: str, component: str) -> bool:
        """Whether there was one."""
        done = tx.execute(
            delete(scaling_orders).where(
                scaling_orders.c.environment_id == environment_id,
                scaling_orders.c.component == component,
            )
        )
        return done.rowcount > 0

    def ordered(self, tx: Connection) -> frozenset[str]:
        """The environments that a person ordered anything of."""
        return frozenset(tx.execute(select(scaling_orders.c.environment_id)).scalars())

    def cap(self, tx: Connection, environment_id: str) -> Cap | None:
        """What it leaves to a more critical one; it may be over."""
        table = scaling_caps
        row = tx.execute(
            select(table).where(table.c.environment_id == environment_id)
        ).one_or_none()
        return None if row is None else Cap(*row)

    def put_cap(self, tx: Connection, cap: Cap) -> None:
        """Put it in the place of an earlier one."""
        table = scaling_caps
        tx.execute(delete(table).where(table.c.environment_id == cap.environment_id))
        tx.execute(insert(table).values(**asdict(cap)))

    def favoured_until(self, tx: Connection, environment_id: str) -> datetime | None:
        """When the last of those who leave it room may take that back; None if nobody does."""
        table = scaling_caps
        found: datetime | None = tx.execute(
            select(table.c.until)
            .where(table.c.favours == environment_id)
            .order_by(table.c.until.desc())
            .limit(1)
        ).scalar_one_or_none()
        return found

    def forget(self, tx: Connection, environment_id: str) -> None:
        for table in (scaling_states, scaling_orders, scaling_caps):
            tx.execute(delete(table).where(table.c.environment_id == environment_id))

    def record(self, tx: Connection, decisions: Iterable[ScalingDecision]) -> None:
        rows = [asdict(decision) for decision in decisions]
        if rows:
            tx.execute(insert(scaling_decisions), rows)

    def decisions(
        self,
        tx: Connection,
        *,
        environment_ids: Sequence[str] | None = None,
        during: Interval | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[ScalingDecision]:
        """Newest first; ``after`` is the id of the last one of the page before.

        :raises NotFound: ``no-such-decision`` for an ``after`` that is none.
        """
        table = scaling_decisions
        query = select(table).order_by(table.c.at.desc(), table.c.id.desc())
        if environment_ids is not None:
            query = query.where(table.c.environment_id.in_(environment_ids))
        if during is not None:
            query = query.where(table.c.at >= during.start, table.c.at < during.end)
        if after is not None:
            at = tx.execute(select(table.c.at).where(table.c.id == after)).scalar_one_or_none()
            if at is None:
                raise NotFound(f"there is no decision {after}", code="no-such-decision")
            query = query.where(or_(table.c.at < at, and_(table.c.at == at, table.c.id < after)))
        if limit is not None:
            query = query.limit(limit)
        return [ScalingDecision(**row) for row in tx.execute(query).mappings()]
