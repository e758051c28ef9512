"""The audit trail at rest. There is no function that changes or deletes an entry, on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Table, insert, select

from cloudmgr.audit.event import AuditEvent
from cloudmgr.db.types import UtcDateTime, metadata

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Row

audit_events = Table(
    "audit_event",
    metadata,
    # The order of writing, which pages go by: several things may happen at one instant.
    Column(
        "number",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("id", String(40), nullable=False, unique=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("actor_id", String(40), nullable=False),
    Column("actor_login", String(64), nullable=False),
    Column("action", String(80), nullable=False),
    Column("object_kind", String(40), nullable=False),
    Column("object_id", String(80), nullable=False),
    Column("department_id", String(40)),
    Column("detail", JSON, nullable=False),
    Column("request_id", String(64), nullable=False),
    Index("ix_audit_event_object", "object_kind", "object_id", "number"),
    Index("ix_audit_event_actor", "actor_id", "number"),
    Index("ix_audit_event_department", "department_id", "number"),
    Index("ix_audit_event_action", "action", "number"),
)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What to look for; None looks for anything. ``since`` is included, ``until`` is not."""

    department_id: str | None = None
    actor_id: str | None = None
    action: str | None = None
    object_kind: str | None = None
    object_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditStore:
    """The trail."""

    def append(self, tx: Connection, event: AuditEvent) -> None:
        """:raises Conflict: ``already-exists`` for an id that is there already."""
        tx.execute(
            insert(audit_events).values(
                id=event.id,
                at=event.at,
                actor_id=event.actor_id,
                actor_login=event.actor_login,
                action=event.action,
                object_kind=event.object_kind,
                object_id=event.object_id,
                department_id=event.department_id,
                detail=dict(event.detail),
                request_id=event.request_id,
            )
        )

    def list(
        self,
        tx: Connection,
        wanted: AuditFilter | None = None,
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[tuple[int, AuditEvent]]:
        """The newest first, each with its number; with ``before``, those of a lower number."""
        wanted = wanted or AuditFilter()
        columns = audit_events.c
        query = select(audit_events).order_by(columns.number.desc()).limit(limit)
        for name in ("department_id", "actor_id", "action", "object_kind", "object_id"):
            value = getattr(wanted, name)
            if value is not None:
                query = query.where(columns[name] == value)
        if wanted.since is not None:
            query = query.where(columns.at >= wanted.since)
        if wanted.until is not None:
            query = query.where(columns.at < wanted.until)
        if before is not None:
            query = query.where(columns.number < before)
        return [(row.number, _event(row)) for row in tx.execute(query)]


def _event(row: Row[Any]) -> AuditEvent:
    return AuditEvent(
        id=row.id,
        at=row.at,
        actor_id=row.actor_id,
        actor_login=row.actor_login,
        action=row.action,
        object_kind=row.object_kind,
        object_id=row.object_id,
        department_id=row.department_id,
        detail=row.detail,
        request_id=row.request_id,
    )
