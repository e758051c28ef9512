"""The control plane itself: whether it lives, whether it can serve, its metrics, its document.

``/metrics`` takes a token with the scope ``metrics`` of an operator, auditor or administrator (such
a token can do nothing else, so it may lie in Prometheus' configuration as a bearer token file). It
is not opened to the loopback address instead: behind a reverse proxy on the same host every request
comes from there.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from starlette.responses import JSONResponse, PlainTextResponse, Response

from cloudmgr.api.gate import Access, Caller, Public
from cloudmgr.api.services import Services
from cloudmgr.api.values import View, example
from cloudmgr.errors import CloudmgrError, Temporary
from cloudmgr.identity.access import Action

router = APIRouter(tags=["control plane"])


class HealthView(View):
    """A word on how it is."""

    model_config = example(status="ok")

    status: str


@router.get("/healthz", response_model=HealthView, dependencies=[Public], summary="Does it live")
async def get_health() -> HealthView:
    """It does if it answers: nothing else is asked, so a slow database restarts nobody."""
    return HealthView(status="ok")


@router.get("/readyz", response_model=HealthView, dependencies=[Public], summary="Can it serve")
def get_readiness(request: Request) -> HealthView:
    """503 while the database or another part that it needs cannot serve; `errors` names it."""
    services: Services = request.app.state.services

    def database() -> None:
        with services.database.read() as tx:
            tx.execute(text("SELECT 1"))

    failed = []
    for name, check in {"database": database, **services.checks}.items():
        try:
            check()
        except CloudmgrError as error:
            failed.append((name, error.code))
    if failed:
        raise Temporary("some parts cannot serve now", code="not-ready", problems=tuple(failed))
    return HealthView(status="ready")


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    summary="Metrics for Prometheus",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def get_metrics(caller: Annotated[Caller, Access(Action.METRICS_READ)]) -> Response:
    """In Prometheus' text format; takes a token with the scope `metrics`."""
    return Response(
        generate_latest(caller.services.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )


@router.get(
    "/api/v1/openapi.json", dependencies=[Public], include_in_schema=False, summary="This document"
)
async def get_document(request: Request) -> JSONResponse:
    """The API's description; it tells how to ask, and nothing about anybody."""
    return JSONResponse(request.app.openapi())
