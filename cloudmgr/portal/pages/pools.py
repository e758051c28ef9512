"""Pools: what there is, what is held, what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.identity.access import Action
from cloudmgr.planning.placement import PoolView
from cloudmgr.portal import words
from cloudmgr.portal.listing import Column, Empty, Listing
from cloudmgr.portal.pages.reconciliation import accounted
from cloudmgr.portal.view import View

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(include_in_schema=False)


def _listing(view: View, tx: Connection, caller: Caller) -> Listing[PoolView]:
    services = caller.services
    caller.confine()
    rows = [services.city.view(tx, pool) for pool in services.pools.list(tx)]
    risks = {p.pool.id: services.promises.at_risk(tx, p.pool) for p in rows}
    f = view.formats
    columns: list[Column[PoolView]] = [
        Column("name", view._("Pool"), lambda p: p.pool.name),
        Column("kind", view._("Driver"), lambda p: p.pool.kind),
        Column("zone", view._("Zone"), lambda p: view.word(words.ZONES, p.pool.zone.value)),
        Column(
            "level", view._("Protection level"), lambda p: p.pool.protection_level, numeric=True
        ),
        Column(
            "cpu_there",
            view._("Processors there (cores)"),
            lambda p: f.cores(p.capacity.allocatable.cpu_millis),
            lambda p: p.capacity.allocatable.cpu_millis / 1000,
            numeric=True,
        ),
        Column(
            "cpu_free",
            view._("Processors free (cores)"),
            lambda p: f.cores(p.free.cpu_millis),
            lambda p: p.free.cpu_millis / 1000,
            numeric=True,
        ),
        Column(
            "memory_there",
            view._("Memory there (GiB)"),
            lambda p: f.gib(p.capacity.allocatable.memory_mib),
            lambda p: p.capacity.allocatable.memory_mib / 1024,
            numeric=True,
        ),
        Column(
            "memory_free",
            view._("Memory free (GiB)"),
            lambda p: f.gib(p.free.memory_mib),
            lambda p: p.free.memory_mib / 1024,
            numeric=True,
        ),
        Column(
            "kept_back",
            view._("Kept back for hosts that may fail (cores)"),
            lambda p: f.cores(p.capacity.kept_back.cpu_millis),
            lambda p: p.capacity.kept_back.cpu_millis / 1000,
            numeric=True,
        ),
        Column(
            "hosts",
            view._("Hosts in use / there"),
            lambda p: f"{sum(h.schedulable for h in p.capacity.hosts)} / {len(p.capacity.hosts)}",
            lambda p: len(p.capacity.hosts),
            numeric=True,
        ),
        Column(
            "at_risk",
            view._("Promises at risk"),
            lambda p: (
                "–"
                if risks[p.pool.id].risk is None
                else view.link(f"/windows/at-risk?pool={p.pool.id}", len(risks[p.pool.id].lost))
            ),
            lambda p: len(risks[p.pool.id].lost),
            numeric=True,
        ),
        Column(
            "environments",
            view._("Environments"),
            lambda p: view.link(f"/environments?pool={p.pool.id}", view._("Show")),
            lambda _: "",
            sortable=False,
        ),
        Column(
            "what_if",
            view._("What if"),
            lambda p: view.link(f"/pools/{p.pool.id}/simulate", view._("Would a time fit?")),
            lambda _: "",
            sortable=False,
        ),
    ]
    kept = {pool.id for pool in accounted(caller, tx)}
    if kept:
        columns.append(
            Column(
                "accounts",
                view._("Server-hours, ours and the pool's"),
                lambda p: (
                    view.link(f"/pools/{p.pool.id}/reconciliation", view._("Compare"))
                    if p.pool.id in kept
                    else ""
                ),
                lambda _: "",
                sortable=False,
            )
        )
    return Listing(
        view,
        view._("Pools"),
        columns,
        rows,
        Empty(
            view._("There is no pool yet"),
            view._("Pools appear here once the settings of the control plane name them."),
        ),
        sort="name",
        csv_address="/pools.csv",
        live=True,
    )


@router.get("/pools")
def show_pools(request: Request, caller: Annotated[Caller, Access(Action.POOL_READ)]) -> Response:
    """The list, and how full each one is."""
    view = View(request, caller)
    with caller.services.database.read() as tx:
        listing = _listing(view, tx, caller)
        return view.page("pools.html", listing=listing, pools=listing.rows)


@router.get("/pools.csv")
def export_pools(request: Request, caller: Annotated[Caller, Access(Action.POOL_READ)]) -> Response:
    """The list as CSV."""
    with caller.services.database.read() as tx:
        return _listing(View(request, caller), tx, caller).csv("pools")
