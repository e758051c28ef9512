"""Announced peaks: list, get, cancel. Requests of the kind `peak` book them, and operators."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import ConfigDict
from starlette.responses import Response

from cloudmgr.api.etag import Answer, IfMatch, IfNoneMatch, etag, expect, seen
from cloudmgr.api.expected import SIZED_EXAMPLE, ExpectedView
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.idempotency import Once
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.values import Entry, Id, Reason, View
from cloudmgr.errors import NotFound
from cloudmgr.identity.access import Action
from cloudmgr.interval import Interval
from cloudmgr.scaling.windows import PeakWindow

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(prefix="/api/v1/windows", tags=["windows"])

# Twice as far as anybody may announce.
_AHEAD = timedelta(days=3660)
_KNOWN: dict[str, Any] = {
    "id": "win_0123456789abcdef",
    "environment_id": "env_0123456789abcdef",
    "component": "web",
    "starts_at": "2027-06-30T08:00:00Z",
    "ends_at": "2027-06-30T11:00:00Z",
    "replicas": 6,
    "expected_rps": "120",
    "note": "志愿填报截止",
    "created_by": "usr_0123456789abcdef",
    "created_at": "2027-01-10T02:00:00Z",
    "cancelled_at": None,
    "request_id": "req_0123456789abcdef",
    "series_id": None,
    "version": 1,
    "expected": SIZED_EXAMPLE,
}


class WindowView(View):
    """One announced peak."""

    model_config = ConfigDict(json_schema_extra={"examples": [_KNOWN]})

    id: str
    environment_id: str
    component: str
    starts_at: datetime
    ends_at: datetime
    replicas: int
    expected_rps: str | None
    note: str
    created_by: str
    created_at: datetime
    cancelled_at: datetime | None
    request_id: str | None
    series_id: str | None
    version: int
    expected: ExpectedView | None

    @classmethod
    def of(cls, window: PeakWindow) -> Self:
        return cls(
            id=window.id,
            environment_id=window.environment_id,
            component=window.component,
            starts_at=window.interval.start,
            ends_at=window.interval.end,
            replicas=window.replicas,
            expected_rps=None if window.expected_rps is None else format(window.expected_rps, "f"),
            note=window.note,
            created_by=window.created_by,
            created_at=window.created_at,
            cancelled_at=window.cancelled_at,
            request_id=window.request_id,
            series_id=window.series_id,
            version=window.version,
            expected=ExpectedView.of(window),
        )


class Withdrawal(Entry):
    """Why it is taken back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "考试延期"}]})

    reason: Reason


@router.get("", response_model=Page[WindowView], summary="List announced peaks")
def list_windows(
    caller: Annotated[Caller, Access(Action.WINDOW_READ)],
    paging: Paged,
    department_id: Annotated[Id | None, Query(description="Only this department's.")] = None,
    environment_id: Annotated[Id | None, Query(description="Only of this environment.")] = None,
) -> Page[WindowView]:
    """Those that are neither over nor cancelled, the next one first."""
    services = caller.services
    now = services.clock.now()
    held_to = caller.confine(department_id)
    with services.database.read() as tx:
        found = services.windows.list(
            tx,
            environment_ids=None if environment_id is None else [environment_id],
            hosted=True,
            department_id=held_to,
            during=Interval(now, now + _AHEAD),
            cancelled=False,
            after=paging.after("windows"),
            limit=paging.fetch,
        )
    return paging.page("windows", found, lambda w: w.id, WindowView.of)


@router.get("/{window_id}", response_model=WindowView, summary="Get an announced peak")
def get_window(
    caller: Annotated[Caller, Access(Action.WINDOW_READ)],
    window_id: str,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Also one that is over or cancelled."""
    with caller.services.database.read() as tx:
        window = caller.services.windows.get(tx, window_id)
        caller.require(department_of(tx, caller, window))
    return seen(WindowView.of(window), etag(window.version), if_none_match)


@router.post("/{window_id}/cancel", response_model=WindowView, summary="Cancel a peak")
def cancel_window(
    caller: Annotated[Caller, Access(Action.WINDOW_WRITE)],
    window_id: str,
    body: Withdrawal,
    repeatable: Once,
    if_match: IfMatch = None,
) -> Response:
    """Its capacity is given back. `If-Match` may be left out."""

    def work(tx: Connection) -> Answer:
        services = caller.services
        window = services.windows.get(tx, window_id)
        department_id = department_of(tx, caller, window)
        caller.require(department_id)
        if if_match is not None:
            expect(if_match, etag(window.version))
        after = services.series_changes.cancel_window(
            tx, window_id, actor=caller.principal.user_id, why=body.reason
        )
        caller.record(
            tx,
            "window.cancel",
            object_kind="window",
            object_id=window_id,
            department_id=department_id,
            detail={"reason": body.reason},
        )
        return Answer(200, WindowView.of(after), {"ETag": etag(after.version)})

    return repeatable.once(caller, work)


def department_of(tx: Connection, caller: Caller, window: PeakWindow) -> str | None:
    """Whose it is; None, the city's, once its environment is gone."""
    try:
        return caller.services.environments.get(tx, window.environment_id).department_id
    except NotFound:
        return None
