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
from cloudmgr.portal.names import Names
from cloudmgr.portal.view import View

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.pools.pool import Pool

router = APIRouter(include_in_schema=False)

_DAY = timedelta(days=1)
Day = Annotated[str, Query(max_length=10)]


def accounted(caller: Caller, tx: Connection) -> list[Pool]:
    """The pools that keep accounts of their own; none for whoever may not see them."""
    if not may(caller.principal, Action.USAGE_READ, None):
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
    caller: Annotated[Caller, Access(Action.USAGE_READ)],
    pool_id: str,
    first: Annotated[str, Query(alias="from", max_length=10)] = "",
    to: Day = "",
) -> Response:
    """Some days, environment by environment and server by server; the pool is asked."""
    view = View(request, caller)
    services = caller.services
    with services.database.read() as tx:
        pool = services.pools.get(tx, pool_id)
        caller.require(None)
    today = view.formats.now.astimezone(view.formats.zone)
    found, problem = None, None
    try:
        since = _day(view, first) or today.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        last = _day(view, to)
        found = reconciled(caller, pool_id, since, last + _DAY if last else None)
        first = f"{since:%Y-%m-%d}"
    except CloudmgrError as error:
        problem = error
    with services.database.read() as tx:
        return view.page(
            "reconciliation.html",
            pool=pool,
            found=found,
            problem=problem,
            first=first,
            last=to,
            names=Names(view, tx),
            explanations=EXPLANATIONS,
            back=("/pools", view._("Pools"))
            if view.can(Action.POOL_READ)
            else ("/usage", view._("Usage")),
        )


def _day(view: View, text: str) -> datetime | None:
    """:raises Invalid: ``not-a-day``."""
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=view.formats.zone)
    except ValueError:
        raise Invalid(f"{text} is not a day", code="not-a-day", hint="as in 2026-06-01") from None
