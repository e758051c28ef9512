"""What the gateways' counters said, at rest."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    Integer,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.scaling.activity import Activity, Sample, ZoneTraffic
from cloudmgr.scaling.store.scaling import scaling_states

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row

scaling_activities = Table(
    "scaling_activity",
    metadata,
    Column("environment_id", String(40), primary_key=True),
    Column("zone", String(20), nullable=False, index=True),
    Column("requests", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("last_request_at", UtcDateTime),
    Column("recent", JSON, nullable=False),
)

zone_traffic = Table(
    "zone_traffic",
    metadata,
    Column("zone", String(20), primary_key=True),
    Column("epoch", String(80), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
)


class ActivityStore:
    """What the gateways' counters said."""

    def zone(self, tx: Connection, zone: str) -> ZoneTraffic | None:
        row = tx.execute(select(zone_traffic).where(zone_traffic.c.zone == zone)).one_or_none()
        return None if row is None else ZoneTraffic(*row)

    def set_zone(self, tx: Connection, before: ZoneTraffic | None, after: ZoneTraffic) -> bool:
        """Compare-and-set; False when another control plane has taken a reading meanwhile."""
        values = {
            "epoch": after.epoch,
            "at": after.at,
            "since": after.since,
            "version": after.version,
        }
        if before is None:
            for_dialect = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
            # Told by what comes back: the number of rows inserted is not known on every driver.
            first = (
                for_dialect(zone_traffic)
                .values(zone=after.zone, **values)
                .on_conflict_do_nothing()
                .returning(zone_traffic.c.zone)
            )
            return tx.execute(first).one_or_none() is not None
        changed = (
            update(zone_traffic)
            .where(zone_traffic.c.zone == before.zone, zone_traffic.c.version == before.version)
            .values(**values)
        )
        return tx.execute(changed).rowcount == 1

    def get(self, tx: Connection, environment_id: str) -> Activity | None:
        row = tx.execute(
            select(scaling_activities).where(scaling_activities.c.environment_id == environment_id)
        ).one_or_none()
        return None if row is None else _activity(row)

    def of_zone(self, tx: Connection, zone: str) -> dict[str, Activity]:
        rows = tx.execute(select(scaling_activities).where(scaling_activities.c.zone == zone))
        return {row.environment_id: _activity(row) for row in rows}

    def asked(self, tx: Connection, since: datetime) -> list[str]:
        """The ids of environments that anything was asked of since then."""
        table = scaling_activities
        query = select(table.c.environment_id).where(table.c.last_request_at >= since)
        return list(tx.execute(query).scalars())

    def known(self, tx: Connection, environment_ids: Iterable[str]) -> set[str]:
        """Those of ``environment_ids`` that scaling has looked at and not forgotten."""
        wanted = list(environment_ids)
        found: set[str] = set()
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            query = select(scaling_states.c.environment_id).where(
                scaling_states.c.environment_id.in_(part)
            )
            found.update(tx.execute(query).scalars())
        return found

    def add(self, tx: Connection, zone: str, activities: Sequence[Activity]) -> None:
        if activities:
            tx.execute(
                insert(scaling_activities),
                [{"zone": zone, **_activity_values(a)} for a in activities],
            )

    def put(self, tx: Connection, activities: Sequence[Activity]) -> None:
        """Rows that are gone stay gone."""
        rows = [_activity_values(a) for a in activities]
        if rows:
            key = scaling_activities.c.environment_id == bindparam("key")
            tx.execute(
                update(scaling_activities).where(key),
                [{"key": row.pop("environment_id"), **row} for row in rows],
            )

    def forget(self, tx: Connection, environment_id: str) -> None:
        tx.execute(
            delete(scaling_activities).where(scaling_activities.c.environment_id == environment_id)
        )

    def reset(self, tx: Connection, zone: str) -> None:
        """The gateway of ``zone`` counts from zero again."""
        tx.execute(
            update(scaling_activities)
            .where(scaling_activities.c.zone == zone)
            .values(requests=0, seconds=0.0)
        )


def _activity(row: Row[Any]) -> Activity:
    return Activity(
        row.environment_id,
        row.requests,
        row.seconds,
        row.last_request_at,
        tuple(Sample(datetime.fromisoformat(at), value) for at, value in row.recent),
    )


def _activity_values(activity: Activity) -> dict[str, Any]:
    return {
        "environment_id": activity.environment_id,
        "requests": activity.requests,
        "seconds": activity.seconds,
        "last_request_at": activity.last_request_at,
        "recent": [[s.at.isoformat(), s.in_flight] for s in activity.recent],
    }
