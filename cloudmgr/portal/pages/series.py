"""Peaks that come round: their list, one with its dates, changing it, and asking for one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.requests import NewRequest
from cloudmgr.api.routes.series import DayEntry, SeriesDraft, Why, tried
from cloudmgr.api.series import SeriesWholeView
from cloudmgr.errors import Conflict, Invalid, NotFound, Temporary
from cloudmgr.identity.access import Action, may
from cloudmgr.planning.placement import UNREACHABLE
from cloudmgr.portal import words
from cloudmgr.portal.forms import EXPECTED, Form, Posted, entry, once, seen
from cloudmgr.portal.listing import MOST, Choice, Column, Empty, Listing, choices
from cloudmgr.portal.names import Names
from cloudmgr.portal.pages.systems import Text, department_filter
from cloudmgr.portal.view import View
from cloudmgr.portal.year import year_chart
from cloudmgr.scaling.recurrence_words import described
from cloudmgr.scaling.series_dates import read

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.api.series import TriedView
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.portal.charts import Chart
    from cloudmgr.scaling.series import PeakSeries

router = APIRouter(include_in_schema=False, prefix="/series")

Reader = Annotated[Caller, Access(Action.WINDOW_READ)]
Writer = Annotated[Caller, Access(Action.WINDOW_WRITE)]
Asking = Annotated[Caller, Access(Action.REQUEST_SUBMIT)]

_RULE = ("before", "after", "opens", "closes", "since")
_FIELDS = ("environment_id", "component", "replicas", "note", "reason", "anchor", "said", *_RULE)
_DAY = re.compile(r"([0-9]{1,2})-([0-9]{1,2})")
_NUMBERS = {"before", "after"}


def _listing(view: View, tx: Connection, caller: Caller, department: str) -> Listing[PeakSeries]:
    services, names = caller.services, Names(view, tx)
    found = services.series_store.list(
        tx, department_id=caller.confine(department or None), limit=MOST
    )
    columns: list[Column[PeakSeries]] = [
        Column(
            "when",
            view._("When"),
            lambda s: view.link(f"/series/{s.id}", _when(view, s)),
            lambda s: _when(view, s),
        ),
        Column(
            "environment",
            view._("Environment"),
            lambda s: view.link(
                f"/environments/{s.environment_id}", names.environment(s.environment_id)
            ),
        ),
        Column(
            "state",
            view._("State"),
            lambda s: view.state(words.SERIES_STATES, _state(s)),
            lambda s: view._(words.SERIES_STATES[_state(s)][0]),
        ),
        Column("component", view._("Component"), lambda s: s.component),
        Column("replicas", view._("Replicas"), lambda s: s.replicas, numeric=True),
        Column("unmet", view._("Dates unmet"), lambda s: len(s.unmet), numeric=True),
        Column("note", view._("Note"), lambda s: s.note),
    ]
    return Listing(
        view,
        view._("Peaks that come round"),
        columns,
        found,
        Empty(
            view._("No peak comes round"),
            view._("A deadline of each year is announced once: each date is booked as it comes."),
            "/series/ask" if view.can("request.submit") else "",
            view._("Announce a peak that comes round"),
        ),
        filters=[*department_filter(view, tx, department)],
        sort="when",
        csv_address="/series.csv",
        truncated=len(found) == MOST,
    )


def _year(view: View, tx: Connection, listing: Listing[PeakSeries]) -> Chart | None:
    """The windows that came of what the list shows."""
    names, shown = Names(view, tx), {series.id: series for series in listing.rows}
    windows = view.services.windows.list(
        tx,
        environment_ids=sorted({series.environment_id for series in shown.values()}),
        cancelled=False,
        limit=MOST,
    )
    peaks = [(names.environment(w.environment_id), w) for w in windows if w.series_id in shown]
    return year_chart(view, peaks)


def _when(view: View, series: PeakSeries) -> str:
    recurrence = read(series.rule)
    return view.pick(described(recurrence, "zh"), described(recurrence, "en"))


def _state(series: PeakSeries) -> str:
    if series.ended_at is not None:
        return "ended"
    return "unmet" if series.unmet else "going-on"


@router.get("")
def show_series_list(request: Request, caller: Reader, department: Text = "") -> Response:
    """The list."""
    view = View(request, caller)
    with caller.services.database.read() as tx:
        verbs = [("/windows", view._("Announced peaks"))]
        if view.can("request.submit"):
            verbs.insert(0, ("/series/ask", view._("Announce a peak that comes round")))
        listing = _listing(view, tx, caller, department)
        return view.page(
            "list.html",
            title=view._("Peaks that come round"),
            listing=listing,
            chart=_year(view, tx, listing),
            verbs=verbs,
            lead=view._("Approved once; each of their dates is booked as it comes into reach."),
        )


@router.get(".csv")
def export_series(request: Request, caller: Reader, department: Text = "") -> Response:
    """The list as CSV."""
    with caller.services.database.read() as tx:
        return _listing(View(request, caller), tx, caller, department).csv("series")


# ------------------------------------------------------------------------------------ asking


@router.get("/ask")
def show_ask_series(
    request: Request, caller: Asking, environment_id: Annotated[str, Query(max_length=80)] = ""
) -> Response:
    """The form."""
    blank = dict.fromkeys((*_FIELDS, *(f"expected.{name}" for name in EXPECTED)), "")
    form = Form.filled(
        {
            **blank,
            "environment_id": environment_id,
            "component": "web",
            "before": "0",
            "after": "0",
            "opens": "09:00",
            "closes": "17:00",
            "itself": "yes",
        }
    )
    return _asking(request, caller, form)


@router.post("/ask")
def ask_series(request: Request, caller: Asking, form: Posted) -> Response:
    """Try it, or submit it."""
    services = caller.services
    try:
        body = _draft(caller, form)
        if form.get("step") != "submit":
            return _asking(request, caller, form, found=tried(caller, body))

        def work(tx: Connection) -> str:
            there = services.environments.get(tx, body.environment_id)
            caller.require(there.department_id)
            series = body.model_dump(exclude={"environment_id"}, exclude_none=True)
            asked = entry(
                NewRequest,
                {
                    "kind": "peak",
                    "system_id": there.system_id,
                    "environment_id": there.id,
                    "series": [series],
                    "reason": form.get("reason"),
                },
            )
            made = services.desk.submit(tx, asked.draft(), caller.principal)
            return f"/requests/{made.id}?said=request-submitted"

        return once(caller, form, work)
    except Invalid as error:
        form.blame(error, {path: _field(path) for path, _ in error.problems})
        return _asking(request, caller, form, 422)
    except Conflict as error:
        form.top.append(View(request, caller).pick(error.zh, error.message))
        return _asking(request, caller, form, 409)
    except Temporary as error:
        if error.code != UNREACHABLE:
            raise
        form.top += [error.message, error.hint]
        return _asking(request, caller, form, 503)


def _draft(caller: Caller, form: Form) -> SeriesDraft:
    """What was typed, as the API takes it.

    :raises Invalid: with every fault by the name of its field.
    """
    zone = caller.services.time_zone
    data = form.nested(zone, "environment_id", "component", "replicas", "note", "expected")
    rule: dict[str, Any] = {
        name: int(text) if name in _NUMBERS and text.isdecimal() else text
        for name in _RULE
        if (text := form.get(name))
    }
    rule |= {"workdays": form.get("workdays") == "yes", "itself": form.get("itself") == "yes"}
    data["peak"] = rule | _anchor(form.get("anchor"), form.get("said"))
    return entry(SeriesDraft, data)


def _anchor(kind: str, said: str) -> dict[str, Any]:
    """:raises Invalid: ``invalid`` when it is none."""
    if kind == "rule":
        return {"rule": said}
    if kind == "days":
        return {"days": said.replace(",", " ").split()}
    found = _DAY.fullmatch(said)
    if found is None:
        raise Invalid("give month and day, such as 06-30", code="invalid", path="said")
    return {
        "lunar" if kind == "lunar" else "yearly": {
            "month": int(found[1]),
            "day": int(found[2]),
        }
    }


def _field(path: str) -> str:
    """The field of the form that a path of the API speaks of."""
    path = re.sub(r"^series\[0\]\.?", "", path)
    name = path.removeprefix("peak.")
    if name in _RULE:
        return name
    return "said" if path.startswith("peak") or name in {"rule", "days", "month", "day"} else path


def _asking(
    request: Request,
    caller: Caller,
    form: Form,
    status: int = 200,
    *,
    found: TriedView | None = None,
) -> Response:
    view = View(request, caller)
    form.fields = frozenset({"said", "environment_id", "replicas"})
    with caller.services.database.read() as tx:
        names = Names(view, tx)
        there = caller.services.environments.list(tx, department_id=caller.confine())
        environments = [Choice(e.id, names.environment(e.id)) for e in there if not e.retiring]
    return view.page(
        "series_ask.html",
        status,
        form=form,
        found=found,
        units=choices(words.UNITS, view),
        anchors=choices(words.ANCHORS, view),
        environments=environments,
    )


# ----------------------------------------------------------------------------------- one of them


@router.get("/{series_id}")
def show_series(request: Request, caller: Reader, series_id: str) -> Response:
    """One with its dates."""
    return _page(request, caller, series_id, Form.of(day="", reason=""))


def _page(
    request: Request, caller: Caller, series_id: str, form: Form, status: int = 200
) -> Response:
    view, services = View(request, caller), caller.services
    with services.database.read() as tx:
        series, environment = _found(tx, caller, series_id)
        looked = services.series.look(tx, series)
        names = Names(view, tx)
        whole = SeriesWholeView.whole(looked)
        department_id = environment.department_id if environment else None
        return view.page(
            "series.html",
            status,
            form=form,
            series=series,
            whole=whole,
            title=_when(view, series),
            name=names.environment(series.environment_id),
            names=names,
            state=_state(series),
            may_change=may(caller.principal, Action.WINDOW_WRITE, department_id),
            may_resume=may(caller.principal, Action.WINDOW_BOOK, department_id),
            chart=year_chart(
                view, [(names.environment(w.environment_id), w) for w in looked.windows]
            ),
            days=[Choice(d.day.isoformat(), d.day.isoformat()) for d in whole.dates],
        )


@router.post("/{series_id}")
def change_series(request: Request, caller: Writer, series_id: str, form: Posted) -> Response:
    """Leave a date out, undo that, end it, or have it go on."""

    def work(tx: Connection) -> str:
        series, environment = _found(tx, caller, series_id)
        department_id = environment.department_id if environment else None
        seen(form, series.version)
        changes, actor = caller.services.series_changes, caller.principal.user_id
        step, data = form.get("step"), form.nested(caller.services.time_zone, "day", "reason")
        if step in {"end", "resume"}:
            why = entry(Why, {"reason": data.get("reason", "")}).reason
            if step == "end":
                changes.end(tx, series, actor=actor, why=why)
            else:
                caller.require(department_id, Action.WINDOW_BOOK)
                changes.resume(tx, series, actor=actor, why=why)
        else:
            body = entry(DayEntry, data)
            do = changes.undo if step == "undo" else changes.skip
            do(tx, series, body.day, actor=actor, why=body.reason)
        return f"/series/{series_id}?said=series-changed"

    try:
        return once(caller, form, work)
    except Invalid as error:
        return _page(request, caller, series_id, form.blame(error, {"why": "reason"}), 422)
    except Conflict as error:
        if error.code == "stale-version":
            raise
        form.top += [error.message, error.hint] if error.hint else [error.message]
        return _page(request, caller, series_id, form, 409)


def _found(tx: Connection, caller: Caller, series_id: str) -> tuple[PeakSeries, Environment | None]:
    series = caller.services.series_store.get(tx, series_id)
    try:
        environment: Environment | None = caller.services.environments.get(
            tx, series.environment_id
        )
    except NotFound:
        environment = None
    caller.require(environment.department_id if environment else None)
    return series, environment
