"""Series of peaks at rest."""

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
    Text,
    insert,
    select,
    update,
)

from cloudmgr.db.types import ExactDecimal, UtcDateTime, metadata
from cloudmgr.errors import Conflict, NotFound
from cloudmgr.hosting.expected import Expected
from cloudmgr.hosting.store.environments import environments
from cloudmgr.scaling.series import Change, PeakSeries, Unmet

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

# No foreign keys: what was announced for an environment outlives it.
peak_series = Table(
    "peak_series",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("environment_id", String(40), nullable=False, index=True),
    Column("component", String(40), nullable=False),
    Column("rule", Text, nullable=False),
    Column("replicas", Integer, nullable=False),
    Column("note", String(500), nullable=False),
    Column("created_by", String(40), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("request_id", String(40), index=True),
    Column("expected_rps", ExactDecimal),
    Column("expected", JSON(none_as_null=True)),
    Column("changes", JSON, nullable=False),
    Column("unmet", JSON, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("version", Integer, nullable=False),
)
_EXPECTED = TypeAdapter(Expected | None)
_CHANGES = TypeAdapter(tuple[Change, ...])
_UNMET = TypeAdapter(tuple[Unmet, ...])


class SeriesStore:
    """Series: begun, changed by compare-and-set, kept when they have ended."""

    def add(self, tx: Connection, series: PeakSeries) -> None:
        tx.execute(insert(peak_series).values(**_values(series)))

    def get(self, tx: Connection, series_id: str) -> PeakSeries:
        """:raises NotFound: ``no-such-series``."""
        row = tx.execute(select(peak_series).where(peak_series.c.id == series_id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no series {series_id}", code="no-such-series")
        return _series(row)

    def list(
        self,
        tx: Connection,
        *,
        department_id: str | None = None,
        environment_id: str | None = None,
        request_id: str | None = None,
        ended: bool | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[PeakSeries]:
        """By id; ``after`` is the id of the last one of the page before.

        :param department_id: only of environments that there are, and are this department's.
        """
        table = peak_series
        query = select(table).order_by(table.c.id)
        if department_id is not None:
            own = select(environments.c.id).where(environments.c.department_id == department_id)
            query = query.where(table.c.environment_id.in_(own))
        if environment_id is not None:
            query = query.where(table.c.environment_id == environment_id)
        if request_id is not None:
            query = query.where(table.c.request_id == request_id)
        if ended is not None:
            query = query.where(table.c.ended_at.is_not(None) == ended)
        if after is not None:
            query = query.where(table.c.id > after)
        if limit is not None:
            query = query.limit(limit)
        return [_series(row) for row in tx.execute(query)]

    def change(self, tx: Connection, before: PeakSeries, after: PeakSeries) -> PeakSeries:
        """:raises Conflict: ``stale-version`` when it was changed meanwhile."""
        after = replace(after, version=before.version + 1)
        done = tx.execute(
            update(peak_series)
            .where(peak_series.c.id == before.id, peak_series.c.version == before.version)
            .values(**_values(after))
        )
        if done.rowcount != 1:
            raise Conflict(
                f"series {before.id} was changed by someone else meanwhile",
                code="stale-version",
                hint="read it again and repeat the change",
            )
        return after


def _series(row: Row[Any]) -> PeakSeries:
    return PeakSeries(
        **{
            **row._mapping,  # noqa: SLF001 - a public name of SQLAlchemy
            "expected": _EXPECTED.validate_python(row.expected),
            "changes": _CHANGES.validate_python(row.changes),
            "unmet": _UNMET.validate_python(row.unmet),
        }
    )


def _values(series: PeakSeries) -> dict[str, Any]:
    return {
        "id": series.id,
        "environment_id": series.environment_id,
        "component": series.component,
        "rule": series.rule,
        "replicas": series.replicas,
        "note": series.note,
        "created_by": series.created_by,
        "created_at": series.created_at,
        "request_id": series.request_id,
        "expected_rps": series.expected_rps,
        "expected": _EXPECTED.dump_python(series.expected, mode="json"),
        "changes": _CHANGES.dump_python(series.changes, mode="json"),
        "unmet": _UNMET.dump_python(series.unmet, mode="json"),
        "ended_at": series.ended_at,
        "version": series.version,
    }
