"""Months: what each costs so far, what is in the way of closing it, and closing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.billing.books import PeriodSummary
from cloudmgr.billing.periods import billing_period
from cloudmgr.errors import CloudmgrError, Conflict, NotFound, Unpriced
from cloudmgr.identity.access import Action, may
from cloudmgr.portal import words
from cloudmgr.portal.forms import Form, Posted
from cloudmgr.portal.listing import Column, Empty, Listing
from cloudmgr.portal.names import Names
from cloudmgr.portal.view import View, redirect

if TYPE_CHECKING:
    from cloudmgr.billing.books import Preview
    from cloudmgr.billing.invoices import Invoice

router = APIRouter(include_in_schema=False, prefix="/billing")

Reading = Annotated[Caller, Access(Action.CHARGE_READ)]
Closing = Annotated[Caller, Access(Action.PERIOD_CLOSE)]
EXPLAINED = 200


def _listing(view: View, caller: Caller) -> Listing[PeriodSummary]:
    caller.confine()
    f = view.formats

    def state(p: PeriodSummary) -> str:
        return "closed" if p.closed else "open"

    columns: list[Column[PeriodSummary]] = [
        Column(
            "month",
            view._("Month"),
            lambda p: view.link(f"/billing/{p.period.month}", p.period.month),
        ),
        Column(
            "state",
            view._("State"),
            lambda p: view.state(words.PERIOD_STATES, state(p)),
            lambda p: view._(words.PERIOD_STATES[state(p)][0]),
        ),
        Column(
            "from",
            view._("From"),
            lambda p: f.at(p.period.interval.start),
            lambda p: p.period.interval.start,
        ),
        Column(
            "until",
            view._("Until"),
            lambda p: f.at(p.period.interval.end),
            lambda p: p.period.interval.end,
        ),
        Column(
            "closed",
            view._("Closed at"),
            lambda p: f.at(p.closed.closed_at if p.closed else None),
            lambda p: p.closed.closed_at if p.closed else None,
        ),
    ]
    return Listing(
        view,
        view._("Billing periods"),
        columns,
        caller.services.books.periods(),
        Empty(view._("No month yet"), view._("The first month appears with the first usage.")),
        sort="-month",
        csv_address="/billing.csv",
    )


@router.get("")
def show_billing(request: Request, caller: Reading) -> Response:
    """The months."""
    view = View(request, caller)
    return view.page(
        "list.html",
        title=view._("Billing periods"),
        listing=_listing(view, caller),
        verbs=[],
        lead=view._("Months as the city lives them. A month is closed once, for ever."),
    )


export_router = APIRouter(include_in_schema=False)


@export_router.get("/billing.csv")
def export_billing(request: Request, caller: Reading) -> Response:
    """The months as CSV."""
    return _listing(View(request, caller), caller).csv("periods")


def _context(view: View, caller: Caller, month: str) -> dict[str, Any]:
    books = caller.services.books
    held_to = caller.confine()
    preview = books.preview(month, department_id=held_to)
    context: dict[str, Any] = {"month": month, "preview": preview, "whole": held_to is None}
    if view.can("period.close") and preview.closed is None:
        context["checks"] = books.checklist(month)
        keeper = caller.services.ledger
        context["ledger"] = None if keeper is None else keeper.state()
    return context


@router.get("/{month}")
def show_period(request: Request, caller: Reading, month: str) -> Response:
    """What it costs, by account and environment, and what is ticked off."""
    view = View(request, caller)
    with caller.services.database.read() as tx:
        context = _context(view, caller, month)
        closed = context["preview"].closed
        closed_by = Names(view, tx).user(closed.closed_by) if closed else ""
    return view.page("period.html", closed_by=closed_by, **context)


@router.get("/{month}/lines/{account_id}/{number}")
def show_period_line(
    request: Request, caller: Reading, month: str, account_id: str, number: int
) -> Response:
    """What is behind a line of a month that is not closed yet."""
    view = View(request, caller)
    books = caller.services.books
    preview = books.preview(month, department_id=caller.confine())
    bill = _bill(preview, account_id)
    if preview.closed is not None and caller.confine() is None:
        return redirect(f"/invoices/{bill.id}/lines/{number}")
    explanation = books.explain_preview(preview, bill, number)
    return view.page(
        "line.html",
        bill=bill,
        explanation=explanation,
        back=f"/billing/{month}",
        back_text=month,
        shown=explanation.charges[:EXPLAINED],
        following="",
    )


def _bill(preview: Preview, account_id: str) -> Invoice:
    for bill in preview.invoices:
        if bill.account_id == account_id:
            return bill
    raise NotFound("there is no such invoice, or not for you", code="no-such-invoice")


@router.get("/{month}/close")
def show_close(request: Request, caller: Closing, month: str) -> Response:
    """What closing means, before it is done."""
    return _close_page(request, caller, month, Form())


def _close_page(
    request: Request,
    caller: Caller,
    month: str,
    form: Form,
    status: int = 200,
    *,
    lapses: bool = False,
) -> Response:
    """:param lapses: the ledger at rest was found to lack something, which may be accepted."""
    caller.require(None)
    view = View(request, caller)
    books = caller.services.books
    period = billing_period(month, books.zone)
    with caller.services.database.read() as tx:
        closed = books.store.closed(tx, month)
    if closed is not None:
        return redirect(f"/billing/{month}")
    checks = books.checklist(month)
    gaps = lapses or any(check.code == "collected" and not check.ok for check in checks)
    hard = any(check.code != "collected" and not check.ok for check in checks)
    preview = books.preview(month)
    return view.page(
        "period_close.html",
        status,
        month=month,
        period=period,
        checks=checks,
        gaps=gaps,
        hard=hard,
        preview=preview,
        form=form,
    )


@router.post("/{month}/close")
def close_from_page(request: Request, caller: Closing, month: str, form: Posted) -> Response:
    """Close it, once, for ever."""
    caller.require(None)
    services = caller.services
    try:
        closed = services.closing.close(
            month, caller.principal.user_id, accept_gaps=form.get("accept_gaps") == "yes"
        )
    except Conflict as error:
        if error.code == "period-closed":
            raise
        lapses = error.code == "ledger-not-sound"
        return _close_page(request, caller, month, _on_top(form, error), 409, lapses=lapses)
    except Unpriced as error:
        return _close_page(request, caller, month, _on_top(form, error), 409)
    with services.database.write() as tx:
        caller.record(
            tx,
            "period.close",
            object_kind="period",
            object_id=month,
            department_id=None,
            detail={"digest": closed.digest, "accept_gaps": form.get("accept_gaps") == "yes"},
        )
    return redirect(f"/billing/{month}?said=period-closed")


def _on_top(form: Form, error: CloudmgrError) -> Form:
    form.top += [said for _, said in error.problems] or [error.message]
    if error.hint:
        form.top.append(error.hint)
    return form


def sees_invoice(caller: Caller, bill: Invoice) -> bool:
    """Where departments share an account, only who may see all of them sees its invoice."""
    departments: set[str | None] = {line.key.department_id for line in bill.lines}
    return all(
        may(caller.principal, Action.INVOICE_READ, department_id)
        for department_id in departments or {None}
    )
