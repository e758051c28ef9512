"""Peak windows at rest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from sqlalchemy import (
    JSON,
    Column,
    Integer,
    String,
    Table,
    UniqueConstraint,
    and_,
    func,
    insert,
    or_,
    select,
    update,
)

from cloudmgr.db.types import ExactDecimal, UtcDateTime, metadata
from cloudmgr.errors import Conflict, NotFound
from cloudmgr.hosting.expected import Expected
from cloudmgr.hosting.store.environments import environments
from cloudmgr.interval import Interval
from cloudmgr.scaling.windows import PeakWindow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row

# No foreign keys: what was planned and decided for an environment outlives it.
peak_windows = Table(
    "peak_window",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("environment_id", String(40), nullable=False, index=True),
    Column("component", String(40), nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False, index=True),
    Column("replicas", Integer, nullable=False),
    Column("expected_rps", ExactDecimal),
    Column("note", String(500), nullable=False),
    Column("created_by", String(40), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("cancelled_at", UtcDateTime),
    Column("request_id", String(40)),
    Column("version", Integer, nullable=False),
    # What its replicas were worked out from, whole, as it was known then.
    Column("expected", JSON(none_as_null=True)),
    Column("series_id", String(40), index=True),
    # A request that is fulfilled twice announces its peaks once.
    UniqueConstraint("request_id", "environment_id", "component", "starts_at", "ends_at"),
)

_EXPECTED = TypeAdapter(Expected)


class WindowStore:
    """Peak windows: booked, cancelled, never changed otherwise."""

    def add(self, tx: Connection, window: PeakWindow) -> None:
        """:raises Conflict: ``already-exists`` when the request has announced it already."""
        tx.execute(insert(peak_windows).values(**_window_values(window)))

    def get(self, tx: Connection, window_id: str) -> PeakWindow:
        """:raises NotFound: ``no-such-window``."""
        row = tx.execute(select(peak_windows).where(peak_windows.c.id == window_id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no peak window {window_id}", code="no-such-window")
        return _window(row)

    def of_request(self, tx: Connection, request_id: str) -> list[PeakWindow]:
        rows = tx.execute(select(peak_windows).where(peak_windows.c.request_id == request_id))
        return [_window(row) for row in rows]

    def ahead(self, tx: Connection, environment_id: str, now: datetime) -> tuple[PeakWindow, ...]:
        """Those of one environment that are neither cancelled nor over, by start."""
        rows = tx.execute(
            select(peak_windows)
            .where(
                peak_windows.c.environment_id == environment_id,
                peak_windows.c.cancelled_at.is_(None),
                peak_windows.c.ends_at > now,
            )
            .order_by(peak_windows.c.starts_at, peak_windows.c.id)
        )
        return tuple(_window(row) for row in rows)

    def revision_on(self, tx: Connection, pool_id: str) -> str:
        """Changes whenever a window on the pool is booked or cancelled; no row is read whole."""
        table = peak_windows
        on_it = select(environments.c.id).where(environments.c.pool_id == pool_id)
        query = select(func.count(), func.sum(table.c.version), func.max(table.c.created_at)).where(
            table.c.environment_id.in_(on_it)
        )
        return str(tuple(tx.execute(query).one()))

    def booked(self, tx: Connection, since: datetime, now: datetime) -> Sequence[PeakWindow]:
        """Those ahead that were booked after ``since`` without a request, by start."""
        table = peak_windows
        there = select(environments.c.id)
        query = (
            select(table)
            .where(
                table.c.created_at >= since,
                table.c.ends_at > now,
                table.c.request_id.is_(None),
                table.c.cancelled_at.is_(None),
                table.c.environment_id.in_(there),
            )
            .order_by(table.c.starts_at, table.c.id)
        )
        return [_window(row) for row in tx.execute(query)]

    def list(
        self,
        tx: Connection,
        *,
        environment_ids: Sequence[str] | None = None,
        hosted: bool = False,
        department_id: str | None = None,
        pool_id: str | None = None,
        series_id: str | None = None,
        during: Interval | None = None,
        cancelled: bool | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[PeakWindow]:
        """By start; ``after`` is the id of the last one of the page before.

        :param hosted: only those of environments that there are, of ``department_id`` if given.
        :param pool_id: only those of environments that are on this pool.
        """
        table = peak_windows
        query = select(table).order_by(table.c.starts_at, table.c.id)
        if environment_ids is not None:
            query = query.where(table.c.environment_id.in_(environment_ids))
        if hosted:
            there = select(environments.c.id)
            if department_id is not None:
                there = there.where(environments.c.department_id == department_id)
            query = query.where(table.c.environment_id.in_(there))
        if pool_id is not None:
            on_it = select(environments.c.id).where(environments.c.pool_id == pool_id)
            query = query.where(table.c.environment_id.in_(on_it))
        if series_id is not None:
            query = query.where(table.c.series_id == series_id)
        if during is not None:
            query = query.where(table.c.starts_at < during.end, table.c.ends_at > during.start)
        if cancelled is not None:
            query = query.where(table.c.cancelled_at.is_not(None) == cancelled)
        if after is not None:
            last = self.get(tx, after)
            start = last.interval.start
            query = query.where(
                or_(
                    table.c.starts_at > start,
                    and_(table.c.starts_at == start, table.c.id > last.id),
                )
            )
        if limit is not None:
            query = query.limit(limit)
        return [_window(row) for row in tx.execute(query)]

    def cancel(self, tx: Connection, window: PeakWindow, at: datetime) -> PeakWindow:
        """:raises Conflict: ``stale-version`` when it was changed meanwhile."""
        after = replace(window, cancelled_at=at, version=window.version + 1)
        done = tx.execute(
            update(peak_windows)
            .where(peak_windows.c.id == window.id, peak_windows.c.version == window.version)
            .values(cancelled_at=after.cancelled_at, version=after.version)
        )
        if done.rowcount != 1:
            raise Conflict(
                f"window {window.id} was changed by someone else meanwhile",
                code="stale-version",
                hint="read it again and repeat the change",
            )
        return after


def _window(row: Row[Any]) -> PeakWindow:
    return PeakWindow(
        id=row.id,
        environment_id=row.environment_id,
        component=row.component,
        interval=Interval(row.starts_at, row.ends_at),
        replicas=row.replicas,
        expected_rps=row.expected_rps,
        note=row.note,
        created_by=row.created_by,
        created_at=row.created_at,
        cancelled_at=row.cancelled_at,
        request_id=row.request_id,
        version=row.version,
        series_id=row.series_id,
        expected=None if row.expected is None else _EXPECTED.validate_python(row.expected),
    )


def _window_values(window: PeakWindow) -> dict[str, Any]:
    return {
        "id": window.id,
        "environment_id": window.environment_id,
        "component": window.component,
        "starts_at": window.interval.start,
        "ends_at": window.interval.end,
        "replicas": window.replicas,
        "expected_rps": window.expected_rps,
        "note": window.note,
        "created_by": window.created_by,
        "created_at": window.created_at,
        "cancelled_at": window.cancelled_at,
        "request_id": window.request_id,
        "version": window.version,
        "series_id": window.series_id,
        "expected": None
        if window.expected is None
        else _EXPECTED.dump_python(window.expected, mode="json"),
    }
