"""Secrets of an environment: set and dropped on its page, and never shown."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.secrets import SecretEntry, drop, put
from cloudmgr.errors import Conflict, Invalid
from cloudmgr.identity.access import Action
from cloudmgr.portal.forms import Form, Posted, entry
from cloudmgr.portal.pages.environments import environment_page
from cloudmgr.portal.view import redirect

router = APIRouter(include_in_schema=False)

Setting = Annotated[Caller, Access(Action.ENVIRONMENT_SECRET)]


# Not once() as other forms: what that keeps of a form would let a value be guessed. Who clicks
# twice sets it twice.
@router.post("/environments/{environment_id}/secrets/{secret}")
def set_secret_from_page(
    request: Request, caller: Setting, environment_id: str, secret: str, form: Posted
) -> Response:
    """Give it a value."""
    field = f"secret.{secret}"
    try:
        body = entry(SecretEntry, {"value": form.values.get(field, [""])[0]})
        with caller.services.database.write() as tx:
            put(caller, tx, environment_id, secret, body)
    except Invalid as error:
        return environment_page(
            request, caller, environment_id, form.blame(error, {"value": field}), 422
        )
    except Conflict as error:
        return _refused(request, caller, environment_id, form, error)
    return redirect(f"/environments/{environment_id}?said=secret-set#secrets")


@router.post("/environments/{environment_id}/secrets/{secret}/drop")
def drop_secret_from_page(
    request: Request, caller: Setting, environment_id: str, secret: str, form: Posted
) -> Response:
    """Forget its value."""
    try:
        with caller.services.database.write() as tx:
            drop(caller, tx, environment_id, secret)
    except Conflict as error:
        return _refused(request, caller, environment_id, form, error)
    return redirect(f"/environments/{environment_id}?said=secret-dropped#secrets")


def _refused(
    request: Request, caller: Caller, environment_id: str, form: Form, error: Conflict
) -> Response:
    """On the page, if it stands there: one without secrets has no place for it."""
    if error.code not in {"secrets-sealed", "secret-in-use"}:
        raise error
    return environment_page(request, caller, environment_id, form.blame(error), 409)
