"""Hosting requests at rest, each kept for ever with its reasons."""

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
    insert,
    select,
    update,
)

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.errors import Conflict, NotFound
from cloudmgr.hosting.requests import HostingRequest, RequestKind, RequestState
from cloudmgr.hosting.store.rows import only

if TYPE_CHECKING:
    from sqlalchemy import Connection

hosting_requests = Table(
    "hosting_request",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("state", String(20), nullable=False, index=True),
    Column("department_id", String(40), nullable=False, index=True),
    Column("system_id", String(40), nullable=False, index=True),
    Column("environment_id", String(40), index=True),
    Column("submitted_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
    # The request whole, as it was decided on: later changes of the schema do not rewrite history.
    Column("content", JSON, nullable=False),
)

_REQUEST = TypeAdapter(HostingRequest)


class RequestStore:
    """Hosting requests, each kept for ever with its reasons."""

    def add(self, tx: Connection, request: HostingRequest) -> None:
        tx.execute(insert(hosting_requests).values(**_request_values(request)))

    def get(self, tx: Connection, request_id: str) -> HostingRequest:
        """:raises NotFound: ``no-such-request``."""
        row = tx.execute(
            select(hosting_requests.c.content).where(hosting_requests.c.id == request_id)
        ).one_or_none()
        if row is None:
            raise NotFound(f"there is no request {request_id}", code="no-such-request")
        return _REQUEST.validate_python(row.content)

    def list(
        self,
        tx: Connection,
        *,
        department_id: str | None = None,
        state: RequestState | None = None,
        kind: RequestKind | None = None,
        system_id: str | None = None,
        environment_id: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[HostingRequest]:
        """Newest first; ``after`` is the id of the last one of the page before."""
        table = hosting_requests
        query = select(table.c.content).order_by(table.c.submitted_at.desc(), table.c.id.desc())
        query = only(
            query,
            (table.c.department_id, department_id),
            (table.c.state, state),
            (table.c.kind, kind),
            (table.c.system_id, system_id),
            (table.c.environment_id, environment_id),
        )
        if after is not None:
            last = self.get(tx, after)
            query = query.where(
                (table.c.submitted_at < last.submitted_at)
                | ((table.c.submitted_at == last.submitted_at) & (table.c.id < last.id))
            )
        if limit is not None:
            query = query.limit(limit)
        return [_REQUEST.validate_python(row.content) for row in tx.execute(query)]

    def change(
        self, tx: Connection, before: HostingRequest, after: HostingRequest
    ) -> HostingRequest:
        """:raises Conflict: ``stale-version`` when another change came first."""
        after = replace(after, version=before.version + 1)
        done = tx.execute(
            update(hosting_requests)
            .where(hosting_requests.c.id == before.id, hosting_requests.c.version == before.version)
            .values(**_request_values(after))
        )
        if done.rowcount != 1:
            raise Conflict(
                f"request {before.id} was changed by someone else meanwhile",
                code="stale-version",
                hint="read it again and decide anew",
            )
        return after


def _request_values(request: HostingRequest) -> dict[str, Any]:
    return {
        "id": request.id,
        "kind": request.kind.value,
        "state": request.state.value,
        "department_id": request.department_id,
        "system_id": request.system_id,
        "environment_id": request.environment_id,
        "submitted_at": request.submitted_at,
        "version": request.version,
        "content": _REQUEST.dump_python(request, mode="json"),
    }
