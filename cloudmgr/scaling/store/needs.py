"""Who needs whom, at rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    String,
    Table,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    text,
)

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.hosting.store.environments import environments
from cloudmgr.scaling.needs import Need
from cloudmgr.scaling.store.scaling import scaling_orders, scaling_states
from cloudmgr.scaling.store.wakes import scaling_wakes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Select

# No foreign keys: rows go with either environment, by forget.
scaling_needs = Table(
    "scaling_need",
    metadata,
    Column("environment_id", String(40), primary_key=True),
    Column("needed_id", String(40), primary_key=True, index=True),
    Column("actor", String(40), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

_dependants = environments.alias("dependant")


def called() -> ColumnElement[bool]:
    """That a wake is under way."""
    return and_(scaling_wakes.c.ready_at.is_(None), scaling_wakes.c.ended_at.is_(None))


def _since() -> ColumnElement[datetime]:
    """Since when a dependant is awake, or called."""
    d, s, w = _dependants.c, scaling_states.c, scaling_wakes.c
    return func.coalesce(w.asked_at, s.awake_since, d.created_at, type_=UtcDateTime())


def _up(query: Select[Any]) -> Select[Any]:
    """Of needs, those whose dependant is awake or called."""
    n, d, s, w = scaling_needs.c, _dependants.c, scaling_states.c, scaling_wakes.c
    return (
        query.select_from(scaling_needs)
        .join(_dependants, d.id == n.environment_id)
        .outerjoin(scaling_states, s.environment_id == d.id)
        .outerjoin(scaling_wakes, and_(w.environment_id == d.id, called()))
        .where(d.retiring.is_(False), or_(d.awake, w.id.is_not(None)))
    )


def needed_and_not_called() -> Select[Any]:
    """Ids of what is needed now, unless it was ordered to sleep after that, or is called."""
    n, o, w = scaling_needs.c, scaling_orders.c, scaling_wakes.alias("own")
    own = select(w.c.environment_id).where(w.c.ready_at.is_(None), w.c.ended_at.is_(None))
    return (
        _up(select(n.needed_id))
        .outerjoin(scaling_orders, and_(o.environment_id == n.needed_id, o.component == ""))
        .where(or_(o.at.is_(None), o.at < _since()), n.needed_id.not_in(own))
    )


class NeedStore:
    """Who needs whom."""

    def of(self, tx: Connection, environment_id: str) -> tuple[Need, ...]:
        """What it needs, by id."""
        return self._list(tx, scaling_needs.c.environment_id == environment_id)

    def on(self, tx: Connection, environment_id: str) -> tuple[Need, ...]:
        """What needs it, by id."""
        return self._list(tx, scaling_needs.c.needed_id == environment_id)

    def edges(self, tx: Connection, *, lock: bool = False) -> list[tuple[str, str]]:
        """All of the city; with ``lock`` nobody else changes any until the transaction ends."""
        if lock and tx.dialect.name == "postgresql":
            tx.execute(text("LOCK TABLE scaling_need IN SHARE ROW EXCLUSIVE MODE"))
        n = scaling_needs.c
        return [(one, two) for one, two in tx.execute(select(n.environment_id, n.needed_id))]

    def put(
        self, tx: Connection, environment_id: str, needed: Iterable[str], actor: str, at: datetime
    ) -> None:
        """It needs these, and no others. Those that it needed before keep who said so."""
        known = {need.needed_id for need in self.of(tx, environment_id)}
        wanted, n = set(needed), scaling_needs.c
        if known - wanted:
            tx.execute(
                delete(scaling_needs).where(
                    n.environment_id == environment_id, n.needed_id.in_(known - wanted)
                )
            )
        rows = [
            {"environment_id": environment_id, "needed_id": one, "actor": actor, "at": at}
            for one in sorted(wanted - known)
        ]
        if rows:
            tx.execute(insert(scaling_needs), rows)

    def needed_since(self, tx: Connection, environment_id: str) -> datetime | None:
        """Since when the last of those that need it is awake or called; None if none is."""
        query = _up(select(_since())).where(scaling_needs.c.needed_id == environment_id)
        found: list[datetime] = [row[0] for row in tx.execute(query)]
        return max(found, default=None)

    def forget(self, tx: Connection, environment_id: str) -> None:
        n = scaling_needs.c
        tx.execute(
            delete(scaling_needs).where(
                or_(n.environment_id == environment_id, n.needed_id == environment_id)
            )
        )

    def _list(self, tx: Connection, which: ColumnElement[bool]) -> tuple[Need, ...]:
        n = scaling_needs.c
        query = select(scaling_needs).where(which).order_by(n.environment_id, n.needed_id)
        return tuple(Need(*row) for row in tx.execute(query))
