"""Whether a peak will find what it needs: what was seen, and a look now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.readiness import MOST, looked
from cloudmgr.api.routes.windows import department_of
from cloudmgr.errors import Conflict
from cloudmgr.identity.access import Action, may
from cloudmgr.portal.forms import Form, Posted, once
from cloudmgr.portal.names import Names
from cloudmgr.portal.view import View
from cloudmgr.scaling.readiness import next_at

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(include_in_schema=False)


@router.get("/windows/{window_id}/readiness")
def show_readiness(
    request: Request, caller: Annotated[Caller, Access(Action.WINDOW_READ)], window_id: str
) -> Response:
    """What was seen of it, the newest first."""
    return _page(request, caller, window_id, Form.of())


@router.post("/windows/{window_id}/readiness")
def check_readiness_from_page(
    request: Request,
    caller: Annotated[Caller, Access(Action.WINDOW_WRITE)],
    window_id: str,
    form: Posted,
) -> Response:
    """Look now."""

    def work(tx: Connection) -> str:
        looked(caller, tx, window_id)
        return f"/windows/{window_id}/readiness?said=readiness-checked"

    try:
        return once(caller, form, work)
    except Conflict as error:
        return _page(request, caller, window_id, form.blame(error), 409)


def _page(
    request: Request, caller: Caller, window_id: str, form: Form, status: int = 200
) -> Response:
    view, services = View(request, caller), caller.services
    with services.database.read() as tx:
        window = services.windows.get(tx, window_id)
        department_id = department_of(tx, caller, window)
        caller.require(department_id)
        names, now = Names(view, tx), view.formats.now
        ahead = window.cancelled_at is None and now < window.interval.start
        return view.page(
            "window_readiness.html",
            status,
            window=window,
            name=names.environment(window.environment_id),
            found=[
                (one, names.user(one.actor) if one.actor else "")
                for one in services.readiness.list(tx, window_id, limit=MOST)
            ],
            next_at=next_at(window, now),
            asks=ahead and may(caller.principal, Action.WINDOW_WRITE, department_id),
            form=form,
        )
