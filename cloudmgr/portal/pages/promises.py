"""Promises of capacity: those at risk, and booking a peak without a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.promises import Booking, at_risk, book, sized
from cloudmgr.errors import Conflict, Invalid, Temporary
from cloudmgr.identity.access import Action
from cloudmgr.planning.placement import UNREACHABLE
from cloudmgr.planning.promise_words import DOES_NOT_FIT
from cloudmgr.portal import words
from cloudmgr.portal.forms import EXPECTED, Form, Posted, entry, once
from cloudmgr.portal.listing import Choice, Column, Empty, Listing, choices
from cloudmgr.portal.names import Names
from cloudmgr.portal.pages.systems import Text, department_filter
from cloudmgr.portal.view import View

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.hosting.requests import WindowAsk
    from cloudmgr.planning.holders import Holder, Promise
    from cloudmgr.planning.promise_words import PoolRisk, Told
    from cloudmgr.pools.capacity import Resources

    Row = tuple[PoolRisk, Promise]

router = APIRouter(include_in_schema=False, prefix="/windows")

Booker = Annotated[Caller, Access(Action.WINDOW_BOOK)]
_FIELDS = ("environment_id", "component", "starts_at", "ends_at", "replicas", "note", "reason")
_BLANK = (*_FIELDS, *(f"expected.{name}" for name in EXPECTED))


def _listing(
    view: View, tx: Connection, caller: Caller, department: str, pool: str
) -> Listing[Row]:
    names, f = Names(view, tx), view.formats
    rows = at_risk(caller, tx, caller.confine(department or None), pool or None)

    known: dict[str, Told] = {}

    # Dear: worked out for the page that is shown, and once.
    def told(row: Row) -> Told:
        if row[1].id not in known:
            known[row[1].id] = row[0].told(row[1], f.now)
        return known[row[1].id]

    def missing(row: Row) -> Resources:
        return told(row).answer.worst.missing

    def holder(row: Row) -> Holder:
        return row[0].holder(row[1])

    def instead(row: Row) -> str:
        found = told(row)
        ways = [
            view._("from %(when)s", when=f.absolute(i.start))
            for i in (found.earlier, found.later)
            if i
        ]
        if found.answer.replicas:
            ways.append(view._("at most %(count)s replicas", count=found.answer.replicas))
        return view._(", ").join(ways)

    columns: list[Column[Row]] = [
        Column(
            "criticality",
            view._("Criticality"),
            lambda r: view.word(words.CRITICALITIES, str(int(holder(r).criticality))),
            lambda r: int(holder(r).criticality),
        ),
        Column(
            "environment",
            view._("Environment"),
            lambda r: view.link(
                f"/environments/{r[1].environment_id}", names.environment(r[1].environment_id)
            ),
        ),
        Column(
            "prepares",
            view._("Room is needed from"),
            lambda r: f.at(r[1].interval.start),
            lambda r: r[1].interval.start,
        ),
        Column(
            "ends",
            view._("Until"),
            lambda r: f.at(r[1].interval.end),
            lambda r: r[1].interval.end,
        ),
        Column("replicas", view._("Replicas"), lambda r: r[1].replicas, numeric=True),
        Column("pool", view._("Pool"), lambda r: r[0].pool.name),
        Column(
            "cpu",
            view._("Processors missing (cores)"),
            lambda r: f.cores(missing(r).cpu_millis),
            lambda r: missing(r).cpu_millis / 1000,
            numeric=True,
            sortable=False,
        ),
        Column(
            "memory",
            view._("Memory missing (GiB)"),
            lambda r: f.gib(missing(r).memory_mib),
            lambda r: missing(r).memory_mib / 1024,
            numeric=True,
            sortable=False,
        ),
        Column("instead", view._("What would fit"), instead, sortable=False),
    ]
    return Listing(
        view,
        view._("Promises at risk"),
        columns,
        rows,
        Empty(
            view._("No promise is at risk"),
            view._("Every pool that answers has enough for all peaks that are promised."),
        ),
        filters=[*department_filter(view, tx, department)],
        sort="criticality",
        csv_address="/windows/at-risk.csv",
        live=True,
    )


@router.get("/at-risk")
def show_at_risk(
    request: Request,
    caller: Annotated[Caller, Access(Action.WINDOW_READ)],
    department: Text = "",
    pool: Text = "",
) -> Response:
    """The list."""
    view = View(request, caller)
    with caller.services.database.read() as tx:
        return view.page(
            "list.html",
            title=view._("Promises at risk"),
            listing=_listing(view, tx, caller, department, pool),
            verbs=[("/windows", view._("Announced peaks"))],
            lead=view._(
                "Peaks that their pool has not enough for any more. The least critical are at risk "
                "first, among equals those that were booked last."
            ),
        )


@router.get("/at-risk.csv")
def export_at_risk(
    request: Request,
    caller: Annotated[Caller, Access(Action.WINDOW_READ)],
    department: Text = "",
    pool: Text = "",
) -> Response:
    """The list as CSV."""
    with caller.services.database.read() as tx:
        return _listing(View(request, caller), tx, caller, department, pool).csv("at-risk")


@router.get("/book")
def show_book_window(
    request: Request,
    caller: Booker,
    environment_id: Annotated[str, Query(max_length=80)] = "",
) -> Response:
    """The form."""
    blank = dict.fromkeys(_BLANK, "")
    return _page(request, caller, Form.filled({**blank, "environment_id": environment_id}))


@router.post("/book")
def book_window_from_page(request: Request, caller: Booker, form: Posted) -> Response:
    """Try it, or book it."""
    services = caller.services

    def body() -> Booking:
        data = form.nested(services.time_zone, *_FIELDS, "expected")
        data["force"] = form.get("force") == "yes"
        return entry(Booking, data)

    def work(tx: Connection) -> str:
        book(caller, tx, body())
        return "/windows?said=window-booked"

    try:
        if form.get("step") == "book":
            return once(caller, form, work)
        asked = body()
        with services.database.read() as tx:
            environment = services.environments.get(tx, asked.environment_id)
            caller.require(environment.department_id)
            ask = sized(caller, tx, environment, asked)
            (told,) = services.promises.ask(tx, environment, [ask])
        return _page(request, caller, form, told=told, ask=ask)
    except Invalid as error:
        return _page(request, caller, form.blame(error, {}), 422)
    except Conflict as error:
        if error.code not in {DOES_NOT_FIT, "retiring"}:
            raise
        form.top.append(View(request, caller).pick(error.zh, error.message))
        return _page(request, caller, form, 409)
    except Temporary as error:
        if error.code != UNREACHABLE:
            raise
        form.top += [error.message, error.hint]
        return _page(request, caller, form, 503)


def _page(
    request: Request,
    caller: Caller,
    form: Form,
    status: int = 200,
    *,
    told: Told | None = None,
    ask: WindowAsk | None = None,
) -> Response:
    view = View(request, caller)
    with caller.services.database.read() as tx:
        names = Names(view, tx)
        there = caller.services.environments.list(tx, department_id=caller.confine())
        return view.page(
            "window_book.html",
            status,
            form=form,
            told=told,
            ask=ask,
            units=choices(words.UNITS, view),
            insists=told is None or not told.fits,
            environments=[Choice(e.id, names.environment(e.id)) for e in there if not e.retiring],
        )
