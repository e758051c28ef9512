"""What if: a form that says whether a time would fit into a pool, with a picture."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.simulation import SimulationAsked, SimulationView, simulated
from cloudmgr.errors import Invalid, NotFound, Temporary
from cloudmgr.identity.access import Action
from cloudmgr.planning.placement import UNREACHABLE
from cloudmgr.portal.forms import Form, Posted, entry
from cloudmgr.portal.listing import Choice
from cloudmgr.portal.names import Names
from cloudmgr.portal.supposed import supposed_chart
from cloudmgr.portal.view import View

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

router = APIRouter(include_in_schema=False, prefix="/pools")

Reader = Annotated[Caller, Access(Action.POOL_READ)]
_WHOLE = re.compile(r"[+-]?[0-9]{1,9}")
_AHEAD = timedelta(days=366)
_FIELDS = (
    "starts_at",
    "ends_at",
    "more_hosts",
    "fail_hosts",
    "fail_from",
    "fail_to",
    "like",
    "copies",
    "calendar",
)
# Where the form says what the API's schema has at this path.
_PLACES = {
    "from": "starts_at",
    "to": "ends_at",
    "failures[0].hosts": "fail_hosts",
    "failures[0].from": "fail_from",
    "failures[0].to": "fail_to",
    "more[0]": "like",
    "more[0].like": "like",
    "more[0].copies": "copies",
}


@router.get("/{pool_id}/simulate")
def show_simulation(request: Request, caller: Reader, pool_id: str) -> Response:
    """The form, with the year that comes."""
    formats = View(request, caller).formats
    blank = dict.fromkeys(_FIELDS, "")
    times = {
        "starts_at": formats.field(formats.now),
        "ends_at": formats.field(formats.now + _AHEAD),
    }
    return _page(request, caller, pool_id, Form.filled({**blank, "more_hosts": "0", **times}))


@router.post("/{pool_id}/simulate")
def simulate_from_page(request: Request, caller: Reader, pool_id: str, form: Posted) -> Response:
    """The answer above the form. Nothing is written."""
    try:
        asked = entry(SimulationAsked, _asked(form, caller.services.time_zone))
        found = SimulationView.of(simulated(caller, pool_id, asked))
    except Invalid as error:
        form.fields = frozenset(_FIELDS)
        if error.code == "invalid-calendar":
            form.errors["calendar"] = [error.message]
        else:
            # The form has no other windows than those of the calendar.
            of_events = {path: "calendar" for path, _ in error.problems if "windows[" in path}
            form.blame(error, _PLACES | of_events)
        return _page(request, caller, pool_id, form, 422)
    except NotFound as error:
        if error.code != "no-such-environment":
            raise
        form.errors["like"] = [error.message]
        return _page(request, caller, pool_id, form, 422)
    except Temporary as error:
        if error.code != UNREACHABLE:
            raise
        form.top += [error.message, error.hint]
        return _page(request, caller, pool_id, form, 503)
    return _page(request, caller, pool_id, form, found=found)


def _asked(form: Form, zone: ZoneInfo) -> dict[str, Any]:
    """As the API's schema takes it; what is empty is left out."""

    def told(**names: str) -> dict[str, Any]:
        return {
            name: _converted(form.get(field), zone)
            for name, field in names.items()
            if form.get(field)
        }

    data = told(**{"from": "starts_at", "to": "ends_at", "more_hosts": "more_hosts"})
    failure = told(**{"hosts": "fail_hosts", "from": "fail_from", "to": "fail_to"})
    more = told(like="like", copies="copies")
    if failure:
        data["failures"] = [failure]
    if more:
        data["more"] = [more]
    return {**data, "calendar": form.get("calendar")}


def _converted(text: str, zone: ZoneInfo) -> object:
    """Whole numbers, and local times, which are the city's; else what was typed."""
    if _WHOLE.fullmatch(text):
        return int(text)
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone)
    except ValueError:
        return text


def _page(
    request: Request,
    caller: Caller,
    pool_id: str,
    form: Form,
    status: int = 200,
    found: SimulationView | None = None,
) -> Response:
    view, services = View(request, caller), caller.services
    caller.confine()
    with services.database.read() as tx:
        names = Names(view, tx)
        there = [e for e in services.environments.list(tx) if not e.retiring]
        return view.page(
            "simulation.html",
            status,
            pool=services.pools.get(tx, pool_id),
            form=form,
            found=found,
            chart=supposed_chart(view, found) if found else None,
            environments=[
                Choice("", view._("none")),
                *(Choice(e.id, names.environment(e.id)) for e in there),
            ],
        )
