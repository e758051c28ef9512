"""Requests: list, one of them with what was decided on it, signing, rejecting, cancelling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.requests import Cancellation, Signature
from cloudmgr.api.series import AskedSeriesView
from cloudmgr.errors import Conflict, Forbidden, Invalid
from cloudmgr.hosting.requests import HostingRequest, RequestKind, RequestState, Verdict
from cloudmgr.identity.access import Action, may
from cloudmgr.portal import words
from cloudmgr.portal.forms import Form, Posted, entry, once, seen
from cloudmgr.portal.listing import MOST, Column, Empty, Filter, Listing, choices, state_choices
from cloudmgr.portal.names import Names
from cloudmgr.portal.pages.systems import Text, department_filter
from cloudmgr.portal.view import View

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(include_in_schema=False)


def _listing(
    view: View, tx: Connection, caller: Caller, department: str, state: str, kind: str
) -> Listing[HostingRequest]:
    names = Names(view, tx)
    states, kinds = {s.value for s in RequestState}, {k.value for k in RequestKind}
    rows = caller.services.requests.list(
        tx,
        department_id=caller.confine(department or None),
        state=RequestState(state) if state in states else None,
        kind=RequestKind(kind) if kind in kinds else None,
        limit=MOST,
    )
    columns: list[Column[HostingRequest]] = [
        Column(
            "what",
            view._("Request"),
            lambda r: view.link(f"/requests/{r.id}", view.word(words.KINDS, r.kind.value)),
        ),
        Column("system", view._("System"), lambda r: names.system(r.system_id)),
        Column(
            "state",
            view._("State"),
            lambda r: view.state(words.REQUEST_STATES, r.state.value),
            lambda r: view._(words.REQUEST_STATES[r.state.value][0]),
        ),
        Column("pending", view._("Waits for"), lambda r: view.roles(r.pending)),
        Column("department", view._("Department"), lambda r: names.department(r.department_id)),
        Column(
            "cost",
            view._("Cost a month, at most"),
            lambda r: (
                view.formats.money(r.estimate.high, r.estimate.currency) if r.estimate else ""
            ),
            lambda r: r.estimate.high if r.estimate else None,
            numeric=True,
        ),
        Column("by", view._("Submitted by"), lambda r: r.submitted_by_login),
        Column(
            "at",
            view._("When"),
            lambda r: view.formats.ago(r.submitted_at),
            lambda r: r.submitted_at,
        ),
    ]
    return Listing(
        view,
        view._("Requests"),
        columns,
        rows,
        Empty(
            view._("Nothing was asked for yet"),
            view._(
                "A request asks for an environment, another size, a peak or the end. It stays "
                "here with all that was decided on it."
            ),
            "/requests/new" if view.can("request.submit") else "",
            view._("Ask for an environment"),
        ),
        filters=[
            *department_filter(view, tx, department),
            Filter("state", view._("State"), state_choices(words.REQUEST_STATES, view), state),
            Filter("kind", view._("Kind"), choices(words.KINDS, view), kind),
        ],
        sort="-at",
        csv_address="/requests.csv",
        live=True,
        truncated=len(rows) == MOST,
    )


@router.get("/requests")
def show_requests(
    request: Request,
    caller: Annotated[Caller, Access(Action.REQUEST_READ)],
    department: Text = "",
    state: Text = "",
    kind: Text = "",
) -> Response:
    """The list."""
    view = View(request, caller)
    with caller.services.database.read() as tx:
        listing = _listing(view, tx, caller, department, state, kind)
        verbs = []
        if view.can("request.submit"):
            verbs = [
                ("/requests/new", view._("Ask for an environment")),
                ("/requests/peak", view._("Announce a peak")),
                ("/requests/resize", view._("Ask for another size")),
                ("/requests/retire", view._("Ask to retire one")),
            ]
        return view.page(
            "list.html",
            title=view._("Requests"),
            listing=listing,
            verbs=verbs,
            lead=view._("What departments asked for, and what was decided."),
        )


@router.get("/requests.csv")
def export_requests(
    request: Request,
    caller: Annotated[Caller, Access(Action.REQUEST_READ)],
    department: Text = "",
    state: Text = "",
    kind: Text = "",
) -> Response:
    """The list as CSV."""
    with caller.services.database.read() as tx:
        view = View(request, caller)
        return _listing(view, tx, caller, department, state, kind).csv("requests")


@router.get("/requests/{request_id}")
def show_request(
    request: Request, caller: Annotated[Caller, Access(Action.REQUEST_READ)], request_id: str
) -> Response:
    """With what policy decided, who signed, and what can be done."""
    return _page(request, caller, request_id, Form.of(reason=""))


def _page(
    request: Request, caller: Caller, request_id: str, form: Form, status: int = 200
) -> Response:
    view = View(request, caller)
    services = caller.services
    me = caller.principal
    with services.database.read() as tx:
        found = services.requests.get(tx, request_id)
        caller.require(found.department_id)
        names = Names(view, tx)
        mine = [p.role for p in found.pending if p.role in me.roles]
        signs = (
            bool(mine)
            and may(me, Action.REQUEST_APPROVE, found.department_id)
            and found.submitted_by != me.user_id
            and all(a.user_id != me.user_id for a in found.approvals)
        )
        cancels = found.state is RequestState.AWAITING_APPROVAL and may(
            me, Action.REQUEST_CANCEL, found.department_id
        )
        hosted = None
        if found.environment_id and may(me, Action.ENVIRONMENT_READ, found.department_id):
            hosted = found.environment_id
        return view.page(
            "request.html",
            status,
            found=found,
            series=[AskedSeriesView.asked(one) for one in found.series],
            names=names,
            form=form,
            roles=mine,
            signs=signs,
            cancels=cancels,
            own=found.submitted_by == me.user_id,
            hosted=hosted,
        )


@router.post("/requests/{request_id}/approve")
def approve_from_page(
    request: Request,
    caller: Annotated[Caller, Access(Action.REQUEST_APPROVE)],
    request_id: str,
    form: Posted,
) -> Response:
    """Sign it."""
    return _decide(request, caller, request_id, form, Verdict.APPROVE)


@router.post("/requests/{request_id}/reject")
def reject_from_page(
    request: Request,
    caller: Annotated[Caller, Access(Action.REQUEST_APPROVE)],
    request_id: str,
    form: Posted,
) -> Response:
    """Refuse it."""
    return _decide(request, caller, request_id, form, Verdict.REJECT)


@router.post("/requests/{request_id}/cancel")
def cancel_from_page(
    request: Request,
    caller: Annotated[Caller, Access(Action.REQUEST_CANCEL)],
    request_id: str,
    form: Posted,
) -> Response:
    """Take it back."""

    def work(tx: Connection) -> str:
        found = _found(tx, caller, request_id, form)
        body = entry(Cancellation, form.nested(caller.services.time_zone, "reason"))
        caller.services.desk.cancel(tx, found, caller.principal, body.reason)
        return f"/requests/{request_id}?said=request-cancelled"

    return _answered(request, caller, request_id, form, work)


def _decide(
    request: Request, caller: Caller, request_id: str, form: Form, verdict: Verdict
) -> Response:
    def work(tx: Connection) -> str:
        found = _found(tx, caller, request_id, form)
        body = entry(Signature, form.nested(caller.services.time_zone, "reason", "role"))
        caller.services.desk.decide(
            tx, found, caller.principal, verdict=verdict, reason=body.reason, role=body.role
        )
        word = "approved" if verdict is Verdict.APPROVE else "rejected"
        return f"/requests/{request_id}?said=request-{word}"

    return _answered(request, caller, request_id, form, work)


def _answered(
    request: Request, caller: Caller, request_id: str, form: Form, work: object
) -> Response:
    try:
        return once(caller, form, work)  # type: ignore[arg-type] # a callable of the two above
    except Invalid as error:
        return _page(request, caller, request_id, form.blame(error), 422)
    except Forbidden as error:
        if error.code not in {"four-eyes", "already-signed", "role-not-needed"}:
            raise
        form.top += [error.message, error.hint] if error.hint else [error.message]
        return _page(request, caller, request_id, form, 403)
    except Conflict as error:
        if error.code not in {"not-awaiting-approval", "not-cancellable"}:
            raise
        form.top += [error.message, error.hint] if error.hint else [error.message]
        return _page(request, caller, request_id, form, 409)


def _found(tx: Connection, caller: Caller, request_id: str, form: Form) -> HostingRequest:
    found = caller.services.requests.get(tx, request_id)
    caller.require(found.department_id)
    seen(form, found.version)
    return found
