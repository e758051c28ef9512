"""Letting changes of an environment through although a peak is near, and freezing them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.freezes import LiftEntry, RestoreEntry, lifted_by, restored_by
from cloudmgr.errors import Invalid
from cloudmgr.identity.access import Action
from cloudmgr.portal.forms import Form, Posted, entry, once
from cloudmgr.portal.names import Names
from cloudmgr.portal.view import View

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(include_in_schema=False)


@router.get("/environments/{environment_id}/freeze")
def show_freeze(
    request: Request, caller: Annotated[Caller, Access(Action.POOL_WRITE)], environment_id: str
) -> Response:
    """What letting changes through means, or freezing them again."""
    return _page(request, caller, environment_id, Form.of(reason="", until=""))


def _page(
    request: Request, caller: Caller, environment_id: str, form: Form, status: int = 200
) -> Response:
    view = View(request, caller)
    services = caller.services
    with services.database.read() as tx:
        environment = services.environments.get(tx, environment_id)
        caller.require(environment.department_id)
        frozen, lift = services.freezing.of(tx, environment)
        name = Names(view, tx).environment(environment_id)
    return view.page(
        "freeze.html",
        status,
        form=form,
        environment=environment,
        name=name,
        frozen=frozen,
        lift=lift,
    )


@router.post("/environments/{environment_id}/freeze")
def change_freeze_from_page(
    request: Request,
    caller: Annotated[Caller, Access(Action.POOL_WRITE)],
    environment_id: str,
    form: Posted,
) -> Response:
    """Let them through; with ``restore``, freeze them again."""

    def work(tx: Connection) -> str:
        zone = caller.services.time_zone
        if form.get("restore"):
            restored_by(
                caller, tx, environment_id, entry(RestoreEntry, form.nested(zone, "reason"))
            )
        else:
            body = entry(LiftEntry, form.nested(zone, "reason", "until"))
            lifted_by(caller, tx, environment_id, body)
        return f"/environments/{environment_id}"

    try:
        return once(caller, form, work)
    except Invalid as error:
        return _page(request, caller, environment_id, form.blame(error), 422)
