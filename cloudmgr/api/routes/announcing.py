"""Peaks from a calendar: what would come of each event, and asking for all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter
from starlette.responses import Response

from cloudmgr.api.announcing import (
    CalendarPeaks,
    RefusedView,
    SheetView,
    announced,
)
from cloudmgr.api.etag import Answer, etag
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.idempotency import Once
from cloudmgr.api.routes.requests import REQUEST_EXAMPLE, RequestView
from cloudmgr.api.values import View, example
from cloudmgr.identity.access import Action

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(prefix="/api/v1/calendar", tags=["windows"])


class AnnouncedView(View):
    """The request that was made, and the events that were left out of it."""

    model_config = example(request=REQUEST_EXAMPLE, left_out=[])

    request: RequestView
    left_out: list[RefusedView]


@router.post("/draft", response_model=SheetView, summary="What would come of a calendar")
def try_calendar(
    caller: Annotated[Caller, Access(Action.REQUEST_SUBMIT)], body: CalendarPeaks
) -> SheetView:
    """Each event as a peak and whether it fits, or why nothing comes of it. Nothing is written."""
    with caller.services.database.read() as tx:
        return SheetView.of(announced(caller, tx, body))


@router.post("/ask", status_code=201, response_model=AnnouncedView, summary="Ask for a calendar")
def ask_calendar(
    caller: Annotated[Caller, Access(Action.REQUEST_SUBMIT)],
    body: CalendarPeaks,
    repeatable: Once,
) -> Response:
    """All of it as one request. With a fault nothing is asked for, unless it is to be left out."""

    def work(tx: Connection) -> Answer:
        found = announced(caller, tx, body)
        draft, left = found.draft(leave_out=body.leave_out, reason=body.reason)
        request = caller.services.desk.submit(tx, draft, caller.principal)
        answer = AnnouncedView(
            request=RequestView.of(request), left_out=[RefusedView.of(one) for one in left]
        )
        location = f"/api/v1/requests/{request.id}"
        return Answer(201, answer, {"Location": location, "ETag": etag(request.version)})

    return repeatable.once(caller, work)
