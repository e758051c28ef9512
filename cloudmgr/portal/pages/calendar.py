"""A calendar of peaks: uploaded, looked at event by event, and asked for as one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cloudmgr.api.announcing import CalendarPeaks, SheetView, announced
from cloudmgr.api.gate import Access, Caller
from cloudmgr.errors import Invalid, Temporary
from cloudmgr.identity.access import Action
from cloudmgr.planning.placement import UNREACHABLE
from cloudmgr.portal import words
from cloudmgr.portal.forms import EXPECTED, Form, Uploaded, entry, once
from cloudmgr.portal.listing import Choice, choices
from cloudmgr.portal.names import Names
from cloudmgr.portal.view import View

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(include_in_schema=False, prefix="/windows/calendar")

Asking = Annotated[Caller, Access(Action.REQUEST_SUBMIT)]
_FIELDS = ("environment_id", "component", "replicas", "calendar", "reason")


@router.get("")
def show_ask_calendar(
    request: Request, caller: Asking, environment_id: Annotated[str, Query(max_length=80)] = ""
) -> Response:
    """The form."""
    blank = dict.fromkeys((*_FIELDS, *(f"expected.{name}" for name in EXPECTED)), "")
    form = Form.filled({**blank, "environment_id": environment_id, "component": "web"})
    return _page(request, caller, form)


@router.post("")
def ask_calendar_from_page(request: Request, caller: Asking, form: Uploaded) -> Response:
    """Look at it, or submit it."""
    services = caller.services

    def body() -> CalendarPeaks:
        data = form.nested(services.time_zone, *_FIELDS, "expected")
        data["leave_out"] = form.get("leave_out") == "yes"
        return entry(CalendarPeaks, data)

    def work(tx: Connection) -> str:
        asked = body()
        found = announced(caller, tx, asked)
        draft, _ = found.draft(leave_out=asked.leave_out, reason=asked.reason)
        made = services.desk.submit(tx, draft, caller.principal)
        return f"/requests/{made.id}?said=request-submitted"

    try:
        if form.get("step") == "submit":
            return once(caller, form, work)
        with services.database.read() as tx:
            sheet = SheetView.of(announced(caller, tx, body()))
        return _page(request, caller, form, sheet=sheet)
    except Invalid as error:
        return _page(request, caller, form.blame(error), 422)
    except Temporary as error:
        if error.code != UNREACHABLE:
            raise
        form.top += [error.message, error.hint]
        return _page(request, caller, form, 503)


def _page(
    request: Request,
    caller: Caller,
    form: Form,
    status: int = 200,
    *,
    sheet: SheetView | None = None,
) -> Response:
    view = View(request, caller)
    form.fields = frozenset({"calendar", "environment_id"})
    with caller.services.database.read() as tx:
        names = Names(view, tx)
        there = caller.services.environments.list(tx, department_id=caller.confine())
        environments = [Choice(e.id, names.environment(e.id)) for e in there if not e.retiring]
    return view.page(
        "calendar_ask.html",
        status,
        form=form,
        sheet=sheet,
        faults=sheet is not None
        and bool(sheet.refused or any(not row.fits for row in sheet.items)),
        units=choices(words.UNITS, view),
        environments=environments,
    )
