"""What is dated and sleeps, and when it begins to wake ahead of its time, at rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, case, func, or_, select, update

from cloudmgr.hosting.store.environments import environments
from cloudmgr.scaling.ahead import Start
from cloudmgr.scaling.store.needs import scaling_needs
from cloudmgr.scaling.store.scaling import scaling_orders, scaling_states
from cloudmgr.scaling.store.wakes import scaling_wakes
from cloudmgr.scaling.store.windows import peak_windows
from cloudmgr.scaling.wakes import WakeCause

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection


@dataclass(frozen=True, slots=True)
class Sleeping:
    """One that sleeps, and is in no wake: its next peak, and when its hours call it."""

    environment_id: str
    pool_id: str
    criticality: int
    scaling_class: str
    peak_at: datetime | None
    calls_at: datetime | None


class AheadStore:
    """Columns of what scaling remembers, written apart from it."""

    def sleeping(self, tx: Connection, now: datetime, until: datetime) -> list[Sleeping]:
        """Those with a peak or hours after ``now`` and by ``until``, and all that are needed.

        Without the hours of those that somebody ordered to sleep until a moment.
        """
        e, s, w = environments.c, scaling_states.c, peak_windows.c
        peaks = (
            select(w.environment_id, func.min(w.starts_at).label("peak_at"))
            .where(w.cancelled_at.is_(None), w.starts_at > now, w.starts_at <= until)
            .group_by(w.environment_id)
            .subquery()
        )
        # A peak outlasts an order to sleep that was given before it; hours do not.
        calls_at = case((e.id.in_(_ordered()), None), else_=s.calls_at)
        query = (
            select(e.id, e.pool_id, e.criticality, e.scaling_class, peaks.c.peak_at, calls_at)
            .join(scaling_states, and_(s.environment_id == e.id, s.generation > 0))
            .outerjoin(peaks, peaks.c.environment_id == e.id)
            .where(
                e.awake.is_(False),
                e.retiring.is_(False),
                or_(
                    peaks.c.peak_at.is_not(None),
                    and_(calls_at > now, calls_at <= until),
                    e.id.in_(select(scaling_needs.c.needed_id)),
                ),
                e.id.not_in(_in_line()),
            )
            .order_by(e.id)
        )
        return [
            Sleeping(*row[:5], row[5] if row[5] is not None and now < row[5] <= until else None)
            for row in tx.execute(query)
        ]

    def starts(self, tx: Connection, now: datetime) -> dict[str, Start]:
        """What is planned of those that sleep and have not begun, by id."""
        e, s = environments.c, scaling_states.c
        query = (
            select(s.environment_id, s.starts_at, s.ahead_until, s.ahead_for)
            .join(environments, e.id == s.environment_id)
            .where(s.starts_at > now, e.awake.is_(False))
        )
        return {
            key: Start(key, at, until, WakeCause(cause))
            for key, at, until, cause in tx.execute(query)
        }

    def plan(self, tx: Connection, starts: Iterable[Start], dropped: Iterable[str]) -> None:
        """These begin so, and those by themselves."""
        s = scaling_states.c
        rows = [
            {"key": one.environment_id, "at": one.at, "end": one.until, "for": one.cause.value}
            for one in starts
        ] + [{"key": key, "at": None, "end": None, "for": None} for key in dropped]
        if rows:
            query = (
                update(scaling_states)
                .where(s.environment_id == bindparam("key"))
                .values(
                    starts_at=bindparam("at"),
                    ahead_until=bindparam("end"),
                    ahead_for=bindparam("for"),
                )
            )
            tx.execute(query, rows)


def _in_line() -> ColumnElement[str]:
    w = scaling_wakes.c
    return select(w.environment_id).where(w.ready_at.is_(None), w.ended_at.is_(None))  # type: ignore[return-value]


def _ordered() -> ColumnElement[str]:
    o = scaling_orders.c
    return select(o.environment_id).where(o.component == "", o.until.is_not(None))  # type: ignore[return-value]
