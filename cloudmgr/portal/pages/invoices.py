"""Invoices of closed months, each line down to what was observed."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.billing.invoices import Invoice
from cloudmgr.errors import NotFound
from cloudmgr.identity.access import Action
from cloudmgr.portal.listing import Choice, Column, Empty, Filter, Listing
from cloudmgr.portal.pages.billing import sees_invoice
from cloudmgr.portal.pages.systems import Text
from cloudmgr.portal.view import View

router = APIRouter(include_in_schema=False)

Reading = Annotated[Caller, Access(Action.INVOICE_READ)]
_CHARGES = 100


def _listing(view: View, caller: Caller, month: str) -> Listing[Invoice]:
    found = [bill for bill in caller.services.books.invoices() if sees_invoice(caller, bill)]
    months = sorted({bill.month for bill in found}, reverse=True)
    columns: list[Column[Invoice]] = [
        Column(
            "number", view._("Invoice"), lambda b: view.link(f"/invoices/{b.id}", b.number or b.id)
        ),
        Column("month", view._("Month"), lambda b: b.month),
        Column(
            "account", view._("Billing account"), lambda b: view.pick(b.account.zh, b.account.en)
        ),
        Column("lines", view._("Number of lines"), lambda b: len(b.lines), numeric=True),
        Column(
            "total",
            view._("Total"),
            lambda b: view.formats.money(b.total, b.currency),
            lambda b: b.total,
            numeric=True,
        ),
    ]
    return Listing(
        view,
        view._("Invoices"),
        columns,
        [bill for bill in found if month in {"", bill.month}],
        Empty(
            view._("No invoice yet"),
            view._(
                "Invoices appear here once finance has closed a month. What a month costs so "
                "far stands under Billing periods."
            ),
            "/billing" if view.can("charge.read") else "",
            view._("Billing periods"),
        ),
        filters=[Filter("month", view._("Month"), tuple(Choice(m, m) for m in months), month)]
        if months
        else [],
        sort="-number",
        csv_address="/invoices.csv",
    )


@router.get("/invoices")
def show_invoices(request: Request, caller: Reading, month: Text = "") -> Response:
    """The list."""
    view = View(request, caller)
    return view.page(
        "list.html",
        title=view._("Invoices"),
        listing=_listing(view, caller, month),
        verbs=[],
        lead=view._(
            "What closed months say each account owes. Every line opens to what was observed."
        ),
    )


@router.get("/invoices.csv")
def export_invoices(request: Request, caller: Reading, month: Text = "") -> Response:
    """The list as CSV."""
    return _listing(View(request, caller), caller, month).csv("invoices")


@router.get("/invoices/{invoice_id}")
def show_invoice(request: Request, caller: Reading, invoice_id: str) -> Response:
    """One invoice, to read and to print."""
    return View(request, caller).page("invoice.html", bill=_invoice(caller, invoice_id))


@router.get("/invoices/{invoice_id}/lines/{number}")
def show_invoice_line(
    request: Request,
    caller: Reading,
    invoice_id: str,
    number: Annotated[int, Path(ge=1, le=1_000_000)],
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """What is behind a line."""
    bill = _invoice(caller, invoice_id)
    found = caller.services.books.explain(invoice_id, number, cursor=cursor, limit=_CHARGES)
    following = (
        f"/invoices/{invoice_id}/lines/{number}?cursor={quote(found.cursor)}"
        if found.cursor
        else ""
    )
    return View(request, caller).page(
        "line.html",
        bill=bill,
        explanation=found,
        back=f"/invoices/{invoice_id}",
        back_text=bill.number,
        shown=found.charges,
        following=following,
    )


def _invoice(caller: Caller, invoice_id: str) -> Invoice:
    bill = caller.services.books.invoice(invoice_id)
    if not sees_invoice(caller, bill):
        raise NotFound("there is no such invoice, or not for you", code="no-such-invoice")
    return bill
