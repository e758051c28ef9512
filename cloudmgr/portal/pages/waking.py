"""What an environment needs, and trying whether it wakes: each said on a form of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.needs import NeedsEntry, put
from cloudmgr.api.routes.orders import TryEntry
from cloudmgr.errors import Conflict, Invalid, NotFound
from cloudmgr.identity.access import Action, may
from cloudmgr.portal.forms import Form, Posted, entry, once
from cloudmgr.portal.listing import Choice
from cloudmgr.portal.names import Names
from cloudmgr.portal.view import View

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Environment

router = APIRouter(include_in_schema=False, prefix="/environments")

Needing = Annotated[Caller, Access(Action.ENVIRONMENT_SCALE)]
Trying = Annotated[Caller, Access(Action.ENVIRONMENT_WAKE)]
# More are no list to choose from: then its id is typed.
_MOST = 200


@router.get("/{environment_id}/needs")
def show_needs(request: Request, caller: Needing, environment_id: str) -> Response:
    """What it needs now, and what more."""
    with caller.services.database.read() as tx:
        caller.require(caller.services.environments.get(tx, environment_id).department_id)
        around = caller.services.dependence.around(tx, environment_id)
    form = Form.filled({"needs": [one.id for one in around.needs], "add": "", "reason": ""})
    return _needs_page(request, caller, environment_id, form)


@router.post("/{environment_id}/needs")
def set_needs_from_page(
    request: Request, caller: Needing, environment_id: str, form: Posted
) -> Response:
    """Those that are ticked, and the one that is added."""

    def work(tx: Connection) -> str:
        added = form.get("add").strip()
        wanted = list(dict.fromkeys([*form.all("needs"), *([added] if added else [])]))
        body = entry(NeedsEntry, {"needs": wanted, "reason": form.get("reason")})
        put(caller, tx, environment_id, body.needs, body.reason)
        return f"/environments/{environment_id}?said=needs-set#sleep"

    try:
        return once(caller, form, work)
    except (Invalid, Conflict) as error:
        form.blame(error, {"needs": "add", "needs[0]": "add"})
        status = 422 if isinstance(error, Invalid) else 409
        return _needs_page(request, caller, environment_id, form, status)
    except NotFound as error:
        if not form.get("add"):
            raise
        form.errors["add"] = [error.message]
        return _needs_page(request, caller, environment_id, form, 422)


@router.get("/{environment_id}/test-wake")
def show_try_waking(request: Request, caller: Trying, environment_id: str) -> Response:
    """What is done, and why."""
    return _try_page(request, caller, environment_id, Form.of(reason=""))


@router.post("/{environment_id}/test-wake")
def try_waking_from_page(
    request: Request, caller: Trying, environment_id: str, form: Posted
) -> Response:
    """See whether it wakes."""

    def work(tx: Connection) -> str:
        environment = caller.services.environments.get(tx, environment_id)
        caller.require(environment.department_id)
        body = entry(TryEntry, {"reason": form.get("reason")})
        caller.services.trials.ask(
            tx, environment_id, actor=caller.principal.user_id, why=body.reason
        )
        caller.record(
            tx,
            caller.action,
            object_kind="environment",
            object_id=environment_id,
            department_id=environment.department_id,
            detail={"test": True, "reason": body.reason},
        )
        return f"/environments/{environment_id}?said=trying#sleep"

    try:
        return once(caller, form, work)
    except (Invalid, Conflict) as error:
        status = 422 if isinstance(error, Invalid) else 409
        return _try_page(request, caller, environment_id, form.blame(error), status)


def _needs_page(
    request: Request, caller: Caller, environment_id: str, form: Form, status: int = 200
) -> Response:
    view, services = View(request, caller), caller.services
    with services.database.read() as tx:
        environment = services.environments.get(tx, environment_id)
        caller.require(environment.department_id)
        names = Names(view, tx)
        around = services.dependence.around(tx, environment_id)
        needs = [one for one in around.needs if _seen(caller, one)]
        known = {one.id for one in needs} | {environment_id}
        found = services.environments.list(
            tx, zone=environment.zone, department_id=caller.confine(), limit=_MOST + 1
        )
        others = [one for one in found if one.id not in known and not one.retiring]
        context: dict[str, Any] = {
            "environment": environment,
            "name": names.environment(environment_id),
            "form": form,
            "needs": [Choice(one.id, names.environment(one.id)) for one in needs],
            "others": []
            if len(found) > _MOST
            else [
                Choice("", view._("nothing more")),
                *(Choice(one.id, names.environment(one.id)) for one in others),
            ],
            "unseen": len(around.needs) - len(needs),
        }
        return view.page("needs.html", status, **context)


def _try_page(
    request: Request, caller: Caller, environment_id: str, form: Form, status: int = 200
) -> Response:
    view, services = View(request, caller), caller.services
    with services.database.read() as tx:
        environment = services.environments.get(tx, environment_id)
        caller.require(environment.department_id)
        context: dict[str, Any] = {
            "environment": environment,
            "name": Names(view, tx).environment(environment_id),
            "form": form,
            "contract": services.scaling.contract(tx, environment_id),
        }
        return view.page("test_wake.html", status, **context)


def _seen(caller: Caller, environment: Environment) -> bool:
    return may(caller.principal, Action.ENVIRONMENT_READ, environment.department_id)
