"""The gate before every route: closed, unless the route says who may pass.

A route declares either ``caller: Annotated[Caller, Access(Action.…)]`` or
``dependencies=[Public]``; :func:`closed` holds an application to that when it is made.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from starlette.routing import Mount

from cloudmgr.api.services import Services
from cloudmgr.errors import Forbidden, Temporary, Unauthenticated
from cloudmgr.identity import access
from cloudmgr.identity.access import Action
from cloudmgr.identity.user import Principal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fastapi.dependencies.models import Dependant
    from sqlalchemy import Connection
    from starlette.routing import BaseRoute

SESSION_COOKIE = "cloudmgr_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_log = logging.getLogger(__name__)
_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A token made at `POST /api/v1/me/tokens` or with `cloudmgr token create`.",
)
_cookie = APIKeyCookie(
    name=SESSION_COOKIE,
    auto_error=False,
    scheme_name="session",
    description="The portal's session. A change must come from the portal's own pages.",
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, which action the route declared, and what the route works with."""

    principal: Principal
    action: Action
    services: Services

    def require(self, department_id: str | None, action: Action | None = None) -> None:
        """Let pass only who may do this to a thing of ``department_id``: ask before showing it.

        :raises NotFound: for another department's thing. :raises Forbidden: see
            :func:`cloudmgr.identity.access.require`.
        """
        access.require(self.principal, action or self.action, department_id)

    def confine(self, asked: str | None = None) -> str | None:
        """The department to hold a list to, None for all; ``asked`` is the caller's own filter.

        :raises NotFound: when another's department is asked for.
        """
        return access.confine(self.principal, self.action, asked)

    def record(
        self,
        tx: Connection,
        action: str,
        *,
        object_kind: str,
        object_id: str,
        department_id: str | None,
        detail: Mapping[str, object] | None = None,
    ) -> None:
        """Note in the audit trail what is being done in ``tx``."""
        self.services.trail.record(
            tx,
            self.principal,
            action,
            object_kind=object_kind,
            object_id=object_id,
            department_id=department_id,
            detail=detail,
        )


class Gate:
    """Lets pass whoever may do ``action`` to anything; the route asks about the thing itself."""

    def __init__(self, action: Action) -> None:
        self.action = action

    def enter(
        self,
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
        session: Annotated[str | None, Depends(_cookie)],
    ) -> Caller:
        """:raises Unauthenticated: without a good token. :raises Forbidden: if it may not."""
        services: Services = request.app.state.services
        if bearer is None and session is not None and request.method not in SAFE_METHODS:
            same_origin(request)
        secret = bearer.credentials if bearer is not None else session
        if secret is None:
            raise Unauthenticated(
                "this needs a token",
                code="token-missing",
                hint="send the header Authorization: Bearer cmt_…",
            )
        with services.database.read() as tx:
            principal, token = services.authenticator.principal(tx, secret)
        used_at = services.authenticator.note_use(token)
        if used_at is not None:
            try:
                with services.database.write() as tx:
                    services.tokens.touch(tx, token.id, used_at)
            except Temporary as error:
                # Reading must go on while nothing can be written.
                _log.warning("the use of token %s could not be noted: %s", token.id, error)
        caller = Caller(principal, self.action, services)
        request.state.caller = caller
        access.require_somewhere(principal, self.action)
        return caller


def Access(action: Action) -> Any:  # noqa: N802 - reads as a declaration
    """Declare who may use a route: those who may do ``action`` somewhere."""
    return Depends(Gate(action).enter)


async def _anyone() -> None:
    """Nothing is asked of whoever comes."""


Public = Depends(_anyone)
"""Declare that a route is open to everybody."""


def declared(dependant: Dependant) -> Iterator[Action | None]:
    """What a route declares: its actions, and None for :data:`Public`."""
    for inner in dependant.dependencies:
        gate = getattr(inner.call, "__self__", None)
        if isinstance(gate, Gate):
            yield gate.action
        elif inner.call is _anyone:
            yield None
        yield from declared(inner)


def closed(routes: Sequence[BaseRoute], public_mounts: frozenset[str] = frozenset()) -> None:
    """Hold every route to saying, exactly once, who may pass.

    :param public_mounts: paths of mounted applications (static files) that are open to everybody.
    :raises TypeError: naming the route that does not.
    """
    for context in iter_route_contexts(routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            if len(list(declared(context.dependant))) == 1:
                continue
        elif isinstance(route, Mount) and context.path in public_mounts:
            continue
        message = (
            f"{sorted(context.methods or ())} {context.path} must say who may pass: "
            "caller: Annotated[Caller, Access(Action.…)], or dependencies=[Public]"
        )
        raise TypeError(message)


def same_origin(request: Request) -> None:
    """Refuse what another site makes a browser send with our cookie.

    The cookie is SameSite=Strict already; this holds where a browser does not heed that, and among
    hosts of one site. Browsers send Origin with everything but GET and HEAD.

    :raises Forbidden: ``foreign-origin``.
    """
    origin = urlsplit(request.headers.get("origin", ""))
    if not origin.netloc or origin.netloc != request.headers.get("host"):
        raise Forbidden(
            "this did not come from the portal's own pages",
            code="foreign-origin",
            hint="open the portal and do it there; programs use a token",
        )
