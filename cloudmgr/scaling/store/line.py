"""The calls of all pools that are open, as the line sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, or_, select

from cloudmgr.hosting.store.environments import environments
from cloudmgr.scaling.line import Call
from cloudmgr.scaling.store.needs import scaling_needs
from cloudmgr.scaling.store.scaling import scaling_states
from cloudmgr.scaling.store.wakes import made, scaling_wakes

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Select

    from cloudmgr.policy.scaling_class import ScalingClass

_others = environments.alias("other")
_theirs = scaling_wakes.alias("theirs")


def _down() -> Select[Any]:
    """Who needs what that is not up: asleep, or waking itself."""
    n, o, t = scaling_needs.c, _others.c, _theirs.c
    return (
        select(n.environment_id, n.needed_id)
        .join(_others, and_(o.id == n.needed_id, o.retiring.is_(False)))
        .outerjoin(_theirs, _open_of(o.id))
        .where(or_(o.awake.is_(False), t.id.is_not(None)))
    )


def _open() -> Select[Any]:
    e, w, n = environments.c, scaling_wakes.c, scaling_needs.c
    o, t = _others.c, _theirs.c
    down = and_(o.id.is_not(None), or_(o.awake.is_(False), t.id.is_not(None)))
    needed = case((down, n.needed_id), else_=None).label("needed_id")
    return (
        select(scaling_wakes, e.pool_id, e.criticality, e.scaling_class, needed)
        .join(environments, e.id == w.environment_id)
        .outerjoin(scaling_needs, n.environment_id == e.id)
        .outerjoin(_others, and_(o.id == n.needed_id, o.retiring.is_(False)))
        .outerjoin(_theirs, _open_of(o.id))
        .where(w.ready_at.is_(None), w.ended_at.is_(None), e.retiring.is_(False))
        .order_by(e.id, n.needed_id)
    )


def _open_of(environment_id: ColumnElement[str]) -> ColumnElement[bool]:
    t = _theirs.c
    return and_(t.environment_id == environment_id, t.ready_at.is_(None), t.ended_at.is_(None))


# Made once: putting it together takes longer than running it.
_OPEN = _open()
_DOWN = _down()


class LineStore:
    """Nothing of its own: wakes, environments and needs, joined."""

    def calls(self, tx: Connection, kind: Callable[[str], ScalingClass]) -> list[Call]:
        """All that are open; ``kind`` gives the class of a name."""
        found: dict[str, Call] = {}
        for row in tx.execute(_OPEN).mappings():
            values = dict(row)
            pool_id, criticality = values.pop("pool_id"), values.pop("criticality")
            scaling_class, needed = kind(values.pop("scaling_class")), values.pop("needed_id")
            known = found.get(values["environment_id"])
            needs = (*(known.needs if known else ()), *([needed] if needed else []))
            found[values["environment_id"]] = Call(
                made(values),
                pool_id,
                criticality,
                needs,
                patience=scaling_class.after_needs,
                holds=2 * scaling_class.wake_within,
            )
        return list(found.values())

    def unwoken(self, tx: Connection, since: datetime) -> list[tuple[str, str]]:
        """Id and pool of each that sleeps and was in no wake since ``since``, nor made after it."""
        e, w, s = environments.c, scaling_wakes.c, scaling_states.c
        recent = select(w.environment_id).where(
            or_(w.asked_at >= since, and_(w.ready_at.is_(None), w.ended_at.is_(None)))
        )
        query = (
            select(e.id, e.pool_id)
            .join(scaling_states, and_(s.environment_id == e.id, s.generation > 0))
            .where(
                e.awake.is_(False),
                e.retiring.is_(False),
                e.created_at < since,
                e.id.not_in(recent),
            )
            .order_by(e.id)
        )
        return [(key, pool_id) for key, pool_id in tx.execute(query)]

    def down(self, tx: Connection, environment_id: str) -> tuple[str, ...]:
        """What it needs and is not up."""
        query = _DOWN.where(scaling_needs.c.environment_id == environment_id)
        return tuple(sorted(row[1] for row in tx.execute(query)))
