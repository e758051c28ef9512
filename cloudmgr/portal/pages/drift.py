"""What others changed of an environment in its pool: seen, and put right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.drift import CorrectEntry, keep, list_changes, put_right
from cloudmgr.errors import CloudmgrError, Invalid
from cloudmgr.identity.access import Action
from cloudmgr.portal.forms import Form, Posted, entry, once
from cloudmgr.portal.names import Names
from cloudmgr.portal.view import View

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(include_in_schema=False)


@router.get("/environments/{environment_id}/correct")
def show_correct_environment(
    request: Request, caller: Annotated[Caller, Access(Action.POOL_WRITE)], environment_id: str
) -> Response:
    """What would change, field by field, before anybody confirms it."""
    return _page(request, caller, environment_id, Form.of(reason=""))


def _page(
    request: Request, caller: Caller, environment_id: str, form: Form, status: int = 200
) -> Response:
    view = View(request, caller)
    problem, changes = None, []
    try:
        changes = list_changes(caller, environment_id).changes
    except CloudmgrError as error:
        problem = error.message
    with caller.services.database.read() as tx:
        environment = caller.services.environments.get(tx, environment_id)
        name = Names(view, tx).environment(environment_id)
    return view.page(
        "correct.html",
        status,
        form=form,
        environment=environment,
        name=name,
        changes=changes,
        problem=problem,
    )


@router.post("/environments/{environment_id}/correct")
def correct_environment_from_page(
    request: Request,
    caller: Annotated[Caller, Access(Action.POOL_WRITE)],
    environment_id: str,
    form: Posted,
) -> Response:
    """Put it right."""
    try:
        body = entry(CorrectEntry, form.nested(caller.services.time_zone, "reason"))
    except Invalid as error:
        return _page(request, caller, environment_id, form.blame(error), 422)
    put_right(caller, environment_id)

    def work(tx: Connection) -> str:
        keep(caller, tx, environment_id, body)
        return f"/environments/{environment_id}?said=corrected"

    return once(caller, form, work)
