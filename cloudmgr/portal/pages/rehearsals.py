"""Rehearsals of a peak: what came of them, ordering one, stopping it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.rehearsals import RehearsalEntry, StopEntry, order, owned, stop
from cloudmgr.errors import Conflict, Invalid
from cloudmgr.identity.access import Action, may
from cloudmgr.portal.forms import Form, Posted, entry, once
from cloudmgr.portal.names import Names
from cloudmgr.portal.view import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

router = APIRouter(include_in_schema=False, prefix="/windows")

Rehearsing = Annotated[Caller, Access(Action.ENVIRONMENT_SCALE)]


@router.get("/{window_id}/rehearsals")
def show_rehearsals(
    request: Request, caller: Annotated[Caller, Access(Action.WINDOW_READ)], window_id: str
) -> Response:
    """Those before, and a form for the next one."""
    form = Form.of(minutes="15", per_second="", seconds="60", path="/", reason="")
    return _page(request, caller, window_id, form)


@router.post("/{window_id}/rehearsals")
def order_rehearsal_from_page(
    request: Request, caller: Rehearsing, window_id: str, form: Posted
) -> Response:
    """Begin one."""

    def work(tx: Connection) -> str:
        found = form.nested(
            caller.services.time_zone, "minutes", "per_second", "seconds", "path", "reason"
        )
        load = {name: found.pop(name) for name in ("seconds", "path") if name in found}
        if "per_second" in found:
            found["load"] = {**load, "per_second": found.pop("per_second")}
        order(caller, tx, window_id, entry(RehearsalEntry, found))
        return f"/windows/{window_id}/rehearsals"

    return _done(request, caller, window_id, form, work)


@router.post("/{window_id}/rehearsals/stop")
def stop_rehearsal_from_page(
    request: Request, caller: Rehearsing, window_id: str, form: Posted
) -> Response:
    """End the one that is under way."""

    def work(tx: Connection) -> str:
        body = entry(StopEntry, form.nested(caller.services.time_zone, "reason"))
        stop(caller, tx, window_id, body)
        return f"/windows/{window_id}/rehearsals"

    return _done(request, caller, window_id, form, work)


def _done(
    request: Request,
    caller: Caller,
    window_id: str,
    form: Form,
    work: Callable[[Connection], str],
) -> Response:
    try:
        return once(caller, form, work)
    except (Invalid, Conflict) as error:
        form.blame(error, {f"load.{name}": name for name in ("per_second", "seconds", "path")})
        status = 422 if isinstance(error, Invalid) else 409
        return _page(request, caller, window_id, form, status)


def _page(
    request: Request, caller: Caller, window_id: str, form: Form, status: int = 200
) -> Response:
    view, services = View(request, caller), caller.services
    with services.database.read() as tx:
        window = owned(caller, tx, window_id, Action.WINDOW_READ)
        names = Names(view, tx)
        found = services.rehearsals.of_window(tx, window_id)
        environments = services.environments.by_ids(tx, [window.environment_id])
        department = next((one.department_id for one in environments), None)
        return view.page(
            "rehearsals.html",
            status,
            window=window,
            names=names,
            found=found,
            under_way=next((one for one in found if one.ended_at is None), None),
            bounds=services.policies.current.rehearsing,
            may_order=may(caller.principal, Action.ENVIRONMENT_SCALE, department)
            and window.cancelled_at is None
            and window.interval.start > view.formats.now,
            form=form,
        )
