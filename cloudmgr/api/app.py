"""The one ASGI application, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

import cloudmgr
from cloudmgr.api import gate, openapi, problems
from cloudmgr.api.frame import Frame
from cloudmgr.api.metrics import HttpMetrics
from cloudmgr.api.routes import ALL, TAGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager

    from fastapi import APIRouter
    from starlette.types import ASGIApp

    from cloudmgr.api.problems import Renderer
    from cloudmgr.api.services import Services

_DESCRIPTION = """\
The control plane with which a city government pools its infrastructure.

Send `Authorization: Bearer cmt_…`. Lists come in pages: repeat with `cursor=next_cursor`. What can
be changed carries an `ETag`: send it back as `If-Match`. A `POST` with an `Idempotency-Key` may be
sent again without being done again. Errors are `application/problem+json` with a stable `code`.
Times have a zone; exact numbers are strings.
"""


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = openapi.complete(super().openapi())
        return self.openapi_schema


def create_app(
    services: Services,
    *,
    routers: Iterable[APIRouter] = (),
    public_mounts: Mapping[str, ASGIApp] | None = None,
    render: Renderer | None = None,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """The application with the API's routes and the ``routers`` of other faces.

    :param public_mounts: path to application, open to everybody: static files.
    :param render: turns a problem into a page where a person asks; see :func:`problems.install`.
    :raises TypeError: for a route that does not say who may pass, or an operation id used twice.
    """
    app = _Api(
        title="cloudmgr",
        version=cloudmgr.__version__,
        description=_DESCRIPTION,
        openapi_tags=TAGS,
        # No built-in pages: they load scripts from other hosts, and their routes have no gate.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
    )
    app.state.services = services
    problems.install(app, render)
    app.add_middleware(Frame, clock=services.clock, metrics=HttpMetrics(services.registry))
    for router in (*ALL, *routers):
        app.include_router(router)
    mounts = dict(public_mounts or {})
    for path, mounted in mounts.items():
        app.mount(path, mounted)
    gate.closed(app.routes, frozenset(mounts))
    _distinct(app)
    return app


def _distinct(app: FastAPI) -> None:
    seen: dict[str, str] = {}
    for context in iter_route_contexts(app.routes):
        if not isinstance(context.original_route, APIRoute):
            continue
        place = f"{sorted(context.methods or ())} {context.path}"
        other = seen.setdefault(context.unique_id, place)
        if other != place:
            message = f"{place} and {other} are both called {context.unique_id}"
            raise TypeError(message)
