"""Looking back on an announced peak that is over, with a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.afterwards import looked_back, scaling_class_of
from cloudmgr.errors import Conflict
from cloudmgr.identity.access import Action
from cloudmgr.interval import Interval
from cloudmgr.portal.charts import drawn, replicas_spec
from cloudmgr.portal.demand import asked
from cloudmgr.portal.names import Names
from cloudmgr.portal.view import View
from cloudmgr.scaling.afterwards import BEFORE
from cloudmgr.scaling.afterwards_words import said

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.portal.charts import Chart
    from cloudmgr.scaling.afterwards import Afterwards

router = APIRouter(include_in_schema=False)

# Of the day before: what is drawn of it, so that the beginning can be seen.
_DRAWN_BEFORE = BEFORE / 24


@router.get("/windows/{window_id}/afterwards")
def show_afterwards(
    request: Request, caller: Annotated[Caller, Access(Action.WINDOW_READ)], window_id: str
) -> Response:
    """What was promised, what ran, and what was asked for."""
    view = View(request, caller)
    services = caller.services
    with services.database.read() as tx:
        window = services.windows.get(tx, window_id)
        try:
            found = looked_back(caller, tx, window)
        except Conflict as early:
            return view.page("window_afterwards.html", found=None, name="", early=early)
        environment = services.environments.get(tx, window.environment_id)
        return view.page(
            "window_afterwards.html",
            found=found,
            name=Names(view, tx).environment(environment.id),
            chart=_chart(view, caller, tx, environment, found),
            sentence=view.pick(*said(found)),
        )


def _chart(
    view: View, caller: Caller, tx: Connection, environment: Environment, found: Afterwards
) -> Chart:
    window, services = found.window, caller.services
    over = Interval(window.interval.start - _DRAWN_BEFORE, window.interval.end)

    def local(moment: datetime) -> str:
        return f"{moment.astimezone(view.formats.zone):%Y-%m-%dT%H:%M:%S}"

    held: list[dict[str, Any]] = []
    for at, count in found.held:
        step = {"at": local(max(at, over.start)), "replicas": count, "why": ""}
        if held and at <= over.start:
            held.pop()
        held.append(step)
    held.append({"at": local(over.end), "replicas": found.held[-1][1], "why": ""})
    peak = {
        "from": local(window.interval.start),
        "to": local(window.interval.end),
        "replicas": window.replicas,
        "note": window.note,
    }
    came: list[dict[str, Any]] = []
    web = environment.web
    if web is not None and web.name == window.component:
        points = asked(
            over,
            services.demand.of(tx, environment.id, over),
            services.demand.gaps(tx, environment.zone.value, over),
            float(scaling_class_of(caller, environment).target_in_flight),
        )
        came = [{"at": local(at), "asked": value} for at, value in points]
    ceiling = max([window.replicas, *(count for _, count in found.held)])
    title = view._(
        "%(promised)s replicas were promised, at least %(least)s were there",
        promised=window.replicas,
        least=found.least,
    )
    return drawn(title, replicas_spec(view, held, [peak], came, ceiling))
