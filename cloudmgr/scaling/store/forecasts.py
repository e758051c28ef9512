"""What was learned of environments, and what is told of them now, at rest."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Integer,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.scaling.activity import Sample
from cloudmgr.scaling.foretold import Figures, Foretold, Lesson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

forecast_lessons = Table(
    "forecast_lesson",
    metadata,
    Column("environment_id", String(40), primary_key=True),
    Column("learned_at", UtcDateTime, nullable=False),
    Column("family", String(20), nullable=False),
    Column("numbers", JSON, nullable=False),
    Column("floor", Float, nullable=False),
    Column("startup_seconds", Integer, nullable=False),
    Column("unit", Float, nullable=False),
    Column("calendar", Boolean, nullable=False),
    Column("figures", JSON, nullable=False),
    Column("middle", Text, nullable=False),
    Column("high", Text, nullable=False),
)

forecasts_told = Table(
    "forecast_told",
    metadata,
    Column("environment_id", String(40), primary_key=True),
    Column("family", String(20), nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("recent", JSON, nullable=False),
)


class ForecastStore:
    """One lesson and one telling for each environment that has earned them."""

    def learned(self, tx: Connection) -> dict[str, datetime]:
        """When each lesson was learned, by environment."""
        table = forecast_lessons
        rows = tx.execute(select(table.c.environment_id, table.c.learned_at))
        return {row.environment_id: row.learned_at for row in rows}

    def lesson(self, tx: Connection, environment_id: str) -> Lesson | None:
        table = forecast_lessons
        row = tx.execute(
            select(table).where(table.c.environment_id == environment_id)
        ).one_or_none()
        if row is None:
            return None
        return Lesson(
            environment_id=row.environment_id,
            learned_at=row.learned_at,
            family=row.family,
            numbers=tuple(row.numbers),
            floor=row.floor,
            startup=timedelta(seconds=row.startup_seconds),
            unit=row.unit,
            calendar=row.calendar,
            figures=Figures(**row.figures),
            middle=row.middle,
            high=row.high,
        )

    def learn(self, tx: Connection, lesson: Lesson) -> None:
        """Put it in the place of an earlier one."""
        self.unlearn(tx, lesson.environment_id)
        values: dict[str, Any] = asdict(lesson) | {
            "numbers": list(lesson.numbers),
            "startup_seconds": round(lesson.startup.total_seconds()),
        }
        del values["startup"]
        tx.execute(insert(forecast_lessons).values(**values))

    def unlearn(self, tx: Connection, environment_id: str) -> None:
        """What was learned is of no use any more. Success if nothing was."""
        table = forecast_lessons
        tx.execute(delete(table).where(table.c.environment_id == environment_id))

    def told(self, tx: Connection, environment_id: str) -> Foretold | None:
        table = forecasts_told
        row = tx.execute(
            select(table).where(table.c.environment_id == environment_id)
        ).one_or_none()
        if row is None:
            return None
        recent = tuple(Sample(datetime.fromisoformat(at), value) for at, value in row.recent)
        return Foretold(row.environment_id, row.family, row.until, recent)

    def tell(self, tx: Connection, tellings: Sequence[Foretold]) -> None:
        """Put each in the place of what was told before."""
        if not tellings:
            return
        for_dialect = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
        new = for_dialect(forecasts_told)
        names = ("family", "until", "recent")
        put = new.on_conflict_do_update(
            index_elements=["environment_id"], set_={name: new.excluded[name] for name in names}
        )
        rows = [
            {
                "environment_id": t.environment_id,
                "family": t.family,
                "until": t.until,
                "recent": [[s.at.isoformat(), s.in_flight] for s in t.recent],
            }
            for t in tellings
        ]
        tx.execute(put, rows)

    def forget(self, tx: Connection, environment_id: str) -> None:
        for table in (forecast_lessons, forecasts_told):
            tx.execute(delete(table).where(table.c.environment_id == environment_id))
