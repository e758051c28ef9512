"""Our server-hours held against those that a pool's own accounting has."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.reconciliation import reconciled
from cloudmgr.errors import CloudmgrError, Invalid
from cloudmgr.identity.access import Action, may
from cloudmgr.metering.reconciliation import EXPLANATIONS
from cloudmgr.pools.drivers.besides import Accounted
from cloudmgr.portal.listing import Column, Empty, Listing
from cloudmgr.portal.names import Names
from cloudmgr.portal.view import View, redirect

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.metering.reconciliation import Reconciliation, ServerLine
    from cloudmgr.pools.pool import Pool

router = APIRouter(include_in_schema=False)

_DAY = timedelta(days=1)
First = Annotated[str, Query(alias="from", max_length=10)]
Day = Annotated[str, Query(max_length=10)]


def accounted(caller: Caller, tx: Connection) -> list[Pool]:
    """The pools that keep accounts of their own; none for whoever may not see them."""
    if not may(caller.principal, Action.RECONCILIATION_READ, None):
        return []
    services = caller.services
    return [
        pool
        for pool in services.pools.list(tx)
        if isinstance(services.drivers.get(pool.id), Accounted)
    ]


@router.get("/pools/{pool_id}/reconciliation")
def show_reconciliation(
    request: Request,
    caller: Annotated[Caller, Access(Action.RECONCILIATION_READ)],
    pool_id: str,
    first: First = "",
    to: Day = "",
) -> Response:
    """Some days, environment by environment and server by server; the pool is asked."""
    view = View(request, caller)
    pool = _pool(caller, pool_id)
    found, problem = None, None
    try:
        found = _found(view, caller, pool_id, first, to)
        first = f"{found.interval.start.astimezone(view.formats.zone):%Y-%m-%d}"
    except CloudmgrError as error:
        problem = error
    with caller.services.database.read() as tx:
        return view.page(
            "reconciliation.html",
            pool=pool,
            found=found,
            problem=problem,
            first=first,
            last=to,
            csv=_with_query(f"{request.url.path}.csv", request),
            names=Names(view, tx),
            explanations=EXPLANATIONS,
            back=("/pools", view._("Pools"))
            if view.can(Action.POOL_READ)
            else ("/usage", view._("Usage")),
        )


@router.get("/pools/{pool_id}/reconciliation.csv")
def export_reconciliation(
    request: Request,
    caller: Annotated[Caller, Access(Action.RECONCILIATION_READ)],
    pool_id: str,
    first: First = "",
    to: Day = "",
) -> Response:
    """The same as CSV, a line for each server; where it cannot be told, the page says why."""
    view = View(request, caller)
    _pool(caller, pool_id)
    try:
        found = _found(view, caller, pool_id, first, to)
    except CloudmgrError:
        return redirect(_with_query(request.url.path.removesuffix(".csv"), request))
    columns: list[Column[ServerLine]] = [
        Column("environment", view._("Environment"), lambda s: s.environment_id),
        Column("server", view._("Server"), lambda s: s.name or s.component),
        Column("id", view._("Id"), lambda s: s.server_id),
        Column("ours", view._("Ours (seconds)"), lambda s: format(s.ours, "f")),
        Column("theirs", view._("The pool's (seconds)"), lambda s: format(s.theirs, "f")),
        Column("difference", view._("Difference (seconds)"), lambda s: format(s.difference, "f")),
        Column("why", view._("Why"), lambda s: _why(view, s)),
    ]
    rows = [server for environment in found.environments for server in environment.servers]
    title = view._("Server-hours, ours and the pool's")
    return Listing(view, title, columns, rows, Empty(title, "")).csv("reconciliation")


def _pool(caller: Caller, pool_id: str) -> Pool:
    with caller.services.database.read() as tx:
        pool = caller.services.pools.get(tx, pool_id)
        caller.require(None)
        return pool


def _found(view: View, caller: Caller, pool_id: str, first: str, to: str) -> Reconciliation:
    """:raises CloudmgrError: as :func:`reconciled`; ``not-a-day``."""
    last = _day(view, to)
    return reconciled(caller, pool_id, _day(view, first), last + _DAY if last else None)


def _why(view: View, line: ServerLine) -> str:
    return " ".join(
        f"{format(one.seconds, 'f')}: {view.sentence(EXPLANATIONS[one.kind])}"
        for one in line.differences
    )


def _with_query(path: str, request: Request) -> str:
    return f"{path}?{request.url.query}" if request.url.query else path


def _day(view: View, text: str) -> datetime | None:
    """:raises Invalid: ``not-a-day``."""
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=view.formats.zone)
    except ValueError:
        raise Invalid(f"{text} is not a day", code="not-a-day", hint="as in 2026-06-01") from None
