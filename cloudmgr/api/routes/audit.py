"""The audit trail: list."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.values import Id, Moment, View, example
from cloudmgr.audit.store import AuditFilter
from cloudmgr.identity.access import Action

if TYPE_CHECKING:
    from cloudmgr.audit.event import AuditEvent

router = APIRouter(prefix="/api/v1/audit-events", tags=["audit"])


class AuditEventView(View):
    """Somebody did something."""

    model_config = example(
        id="aud_0123456789abcdef",
        at="2026-06-01T00:00:00Z",
        actor_id="usr_0123456789abcdef",
        actor_login="li.wei",
        action="environment.scale",
        object_kind="environment",
        object_id="env_0123456789abcdef",
        department_id="dep_0123456789abcdef",
        detail={"reason": "exam results at noon"},
        request_id="0b3e7c2a5f8d4c61",
    )

    id: str
    at: datetime
    actor_id: str
    actor_login: str
    action: str
    object_kind: str
    object_id: str
    department_id: str | None = Field(description="Whose thing it was; null for the city's.")
    detail: dict[str, object]
    request_id: str = Field(description="The X-Request-Id behind it; empty if there was none.")


@router.get("", response_model=Page[AuditEventView], summary="List what was done")
def list_audit_events(
    caller: Annotated[Caller, Access(Action.AUDIT_READ)],
    paging: Paged,
    department_id: Annotated[Id | None, Query(description="Whose thing it was.")] = None,
    actor_id: Annotated[Id | None, Query(description="Who did it.")] = None,
    action: Annotated[Id | None, Query(description="What was done: `user.change`.")] = None,
    object_kind: Annotated[Id | None, Query(description="To what kind of thing.")] = None,
    object_id: Annotated[Id | None, Query(description="To which.")] = None,
    since: Annotated[Moment | None, Query(description="At or after.")] = None,
    until: Annotated[Moment | None, Query(description="Before.")] = None,
) -> Page[AuditEventView]:
    """The newest first."""
    services = caller.services
    wanted = AuditFilter(
        department_id=caller.confine(department_id),
        actor_id=actor_id,
        action=action,
        object_kind=object_kind,
        object_id=object_id,
        since=since,
        until=until,
    )
    with services.database.read() as tx:
        rows = services.audit.list(
            tx, wanted, before=paging.after_number("audit-events"), limit=paging.fetch
        )
    return paging.page("audit-events", rows, lambda row: row[0], lambda row: _view(row[1]))


def _view(event: AuditEvent) -> AuditEventView:
    return AuditEventView(
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
