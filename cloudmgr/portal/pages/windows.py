"""Announced peaks: list, and taking one back. They are announced by a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.calendar import calendar_of
from cloudmgr.api.routes.windows import Withdrawal
from cloudmgr.errors import Invalid, NotFound
from cloudmgr.identity.access import Action, may
from cloudmgr.portal import words
from cloudmgr.portal.forms import Form, Posted, entry, once, seen
from cloudmgr.portal.listing import MOST, Column, Empty, Filter, Listing, state_choices
from cloudmgr.portal.names import Names
from cloudmgr.portal.pages.systems import Text, department_filter
from cloudmgr.portal.peaks import Outlook, outlook
from cloudmgr.portal.view import View
from cloudmgr.portal.year import year_chart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.portal.charts import Chart
    from cloudmgr.scaling.readiness import Readiness
    from cloudmgr.scaling.windows import PeakWindow

router = APIRouter(include_in_schema=False)

_COMING = frozenset({"ahead", "preparing", "now"})


@dataclass(frozen=True, slots=True)
class _Row:
    """``kept`` tells of one ahead whether its pool has enough for it, ``seen`` how it stood when it
    was looked at last.
    """

    peak: Outlook
    environment: Environment
    kept: str
    seen: Readiness | None


def _listing(
    view: View, tx: Connection, caller: Caller, department: str, state: str
) -> Listing[_Row]:
    services = caller.services
    names = Names(view, tx)
    now = view.formats.now
    own = {
        e.id: e
        for e in services.environments.list(tx, department_id=caller.confine(department or None))
    }
    found = services.windows.list(tx, environment_ids=list(own), limit=MOST)
    kept = _kept(tx, caller, {e.pool_id for e in own.values()})
    leads = {
        key: services.leads.class_of(tx, own[key]).lead_time
        for key in {w.environment_id for w in found}
    }
    seen = services.readiness.latest(tx, [w.id for w in found if w.interval.end > now])
    rows = [
        _Row(outlook(w, e, leads[e.id], now), e, kept(w, e), seen.get(w.id))
        for w, e in ((w, own[w.environment_id]) for w in found)
    ]
    # What is over is history: shown when it is asked for.
    wanted = {state} if state else _COMING
    rows = [row for row in rows if row.peak.state in wanted]

    def verbs(row: _Row) -> object:
        if row.peak.state == "over":
            return view.link(f"/windows/{row.peak.window.id}/afterwards", view._("Look back"))
        allowed = row.peak.state in _COMING and may(
            caller.principal, Action.WINDOW_WRITE, row.environment.department_id
        )
        return (
            view.link(f"/windows/{row.peak.window.id}/cancel", view._("Cancel this peak"))
            if allowed
            else ""
        )

    columns: list[Column[_Row]] = [
        Column(
            "environment",
            view._("Environment"),
            lambda r: view.link(
                f"/environments/{r.environment.id}", names.environment(r.environment.id)
            ),
        ),
        Column(
            "state",
            view._("State"),
            lambda r: view.state(words.WINDOW_STATES, r.peak.state),
            lambda r: view._(words.WINDOW_STATES[r.peak.state][0]),
        ),
        Column(
            "kept",
            view._("Reservation"),
            lambda r: view.state(words.KEPT, r.kept) if r.peak.state in _COMING else "",
            lambda r: view._(words.KEPT[r.kept][0]) if r.peak.state in _COMING else "",
        ),
        Column(
            "starts",
            view._("From"),
            lambda r: view.formats.at(r.peak.window.interval.start),
            lambda r: r.peak.window.interval.start,
        ),
        Column(
            "ends",
            view._("Until"),
            lambda r: view.formats.at(r.peak.window.interval.end),
            lambda r: r.peak.window.interval.end,
        ),
        Column(
            "readiness",
            view._("Readiness"),
            lambda r: (
                view.link(
                    f"/windows/{r.peak.window.id}/readiness",
                    view.state(words.READINESS, r.seen.word.value)
                    if r.seen
                    else view._("not looked at yet"),
                )
                if r.peak.state in _COMING
                else ""
            ),
            lambda r: view._(words.READINESS[r.seen.word.value][0]) if r.seen else "",
        ),
        Column("component", view._("Component"), lambda r: r.peak.window.component),
        Column("replicas", view._("Replicas"), lambda r: r.peak.window.replicas, numeric=True),
        Column("ready", view._("Ready"), lambda r: r.peak.ready, numeric=True),
        Column(
            "rps",
            view._("Expected (requests/s)"),
            lambda r: view.formats.number(r.peak.window.expected_rps, 1),
            lambda r: r.peak.window.expected_rps,
            numeric=True,
        ),
        Column("expected", view._("Worked out from"), lambda r: view.expected(r.peak.window)),
        Column("note", view._("Note"), lambda r: r.peak.window.note),
        Column("verb", view._("What can be done"), verbs, lambda _: "", sortable=False),
    ]
    return Listing(
        view,
        view._("Announced peaks"),
        columns,
        rows,
        Empty(
            view._("No peak is ahead"),
            view._(
                "An announced peak finds its capacity ready before it begins. Announce exams, "
                "deadlines, campaigns."
            ),
            "/requests/peak" if view.can("request.submit") else "",
            view._("Announce a peak"),
        ),
        filters=[
            *department_filter(view, tx, department),
            Filter("state", view._("State"), state_choices(words.WINDOW_STATES, view), state),
        ],
        sort="starts",
        csv_address="/windows.csv",
        live=True,
        truncated=len(found) == MOST,
    )


def _kept(
    tx: Connection, caller: Caller, pool_ids: Iterable[str]
) -> Callable[[PeakWindow, Environment], str]:
    """What is to be said of a promise: kept, at-risk, or unknown where the pool does not answer."""
    services = caller.services
    risks = {
        pool.id: services.promises.at_risk(tx, pool)
        for pool in services.pools.list(tx)
        if pool.id in pool_ids
    }
    lost = {promise.id for risk in risks.values() for promise in risk.lost}

    def kept(window: PeakWindow, environment: Environment) -> str:
        if window.id in lost:
            return "at-risk"
        there = risks.get(environment.pool_id)
        return "unknown" if there is None or there.risk is None else "kept"

    return kept


def _year(view: View, tx: Connection, listing: Listing[_Row]) -> Chart | None:
    """Of what the list shows, all of its pages."""
    names = Names(view, tx)
    return year_chart(
        view, [(names.environment(r.environment.id), r.peak.window) for r in listing.rows]
    )


@router.get("/windows")
def show_windows(
    request: Request,
    caller: Annotated[Caller, Access(Action.WINDOW_READ)],
    department: Text = "",
    state: Text = "",
) -> Response:
    """The list."""
    view = View(request, caller)
    with caller.services.database.read() as tx:
        listing = _listing(view, tx, caller, department, state)
        verbs = [("/windows.ics", view._("Save as a calendar"))]
        verbs.append(("/series", view._("Peaks that come round")))
        if view.can("request.submit"):
            verbs.insert(0, ("/requests/peak", view._("Announce a peak")))
            verbs.append(("/windows/calendar", view._("Announce a calendar")))
        if view.can("window.book"):
            verbs.insert(0, ("/windows/book", view._("Book a peak")))
        at_risk = sum(row.kept == "at-risk" for row in listing.rows)
        if at_risk:
            said = view._("Promises at risk: %(count)s", count=at_risk)
            verbs.append(("/windows/at-risk", said))
        return view.page(
            "list.html",
            title=view._("Announced peaks"),
            listing=listing,
            chart=_year(view, tx, listing),
            verbs=verbs,
            lead=view._("What is expected when. Capacity is there before each one begins."),
        )


@router.get("/windows.csv")
def export_windows(
    request: Request,
    caller: Annotated[Caller, Access(Action.WINDOW_READ)],
    department: Text = "",
    state: Text = "",
) -> Response:
    """The list as CSV."""
    with caller.services.database.read() as tx:
        return _listing(View(request, caller), tx, caller, department, state).csv("peaks")


@router.get("/windows.ics")
def save_windows(caller: Annotated[Caller, Access(Action.WINDOW_READ)]) -> Response:
    """All that may be seen, for one's own calendar."""
    return calendar_of(caller, None, None)


@router.get("/windows/{window_id}/cancel")
def show_cancel_window(
    request: Request, caller: Annotated[Caller, Access(Action.WINDOW_WRITE)], window_id: str
) -> Response:
    """What taking it back means."""
    return _cancel_page(request, caller, window_id, Form.of(reason=""))


def _cancel_page(
    request: Request, caller: Caller, window_id: str, form: Form, status: int = 200
) -> Response:
    view = View(request, caller)
    services = caller.services
    with services.database.read() as tx:
        window = services.windows.get(tx, window_id)
        environment = _environment(tx, caller, window)
        caller.require(environment.department_id if environment else None)
        return view.page(
            "window_cancel.html",
            status,
            form=form,
            environment=environment,
            peak=outlook(
                window,
                environment,
                services.leads.class_of(tx, environment).lead_time if environment else timedelta(),
                view.formats.now,
            ),
            name=Names(view, tx).environment(window.environment_id),
        )


@router.post("/windows/{window_id}/cancel")
def cancel_window_from_page(
    request: Request,
    caller: Annotated[Caller, Access(Action.WINDOW_WRITE)],
    window_id: str,
    form: Posted,
) -> Response:
    """Take it back."""

    def work(tx: Connection) -> str:
        services = caller.services
        window = services.windows.get(tx, window_id)
        environment = _environment(tx, caller, window)
        department_id = environment.department_id if environment else None
        caller.require(department_id)
        seen(form, window.version)
        body = entry(Withdrawal, form.nested(services.time_zone, "reason"))
        services.series_changes.cancel_window(
            tx, window_id, actor=caller.principal.user_id, why=body.reason
        )
        caller.record(
            tx,
            "window.cancel",
            object_kind="window",
            object_id=window_id,
            department_id=department_id,
            detail={"reason": body.reason},
        )
        return "/windows?said=window-cancelled"

    try:
        return once(caller, form, work)
    except Invalid as error:
        return _cancel_page(request, caller, window_id, form.blame(error, {"why": "reason"}), 422)


def _environment(tx: Connection, caller: Caller, window: PeakWindow) -> Environment | None:
    try:
        return caller.services.environments.get(tx, window.environment_id)
    except NotFound:
        return None
