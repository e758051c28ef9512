"""Invoices of closed months, each line down to what was observed."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Path, Query
from pydantic import ConfigDict
from starlette.responses import Response

from cloudmgr.api.files import CSV, PDF, XLSX, attached
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.routes.usage import UsageView
from cloudmgr.api.values import Id, View
from cloudmgr.billing.books import ExplainedCharge
from cloudmgr.billing.export import invoice_csv, invoice_xlsx
from cloudmgr.billing.invoices import Invoice, InvoiceLine
from cloudmgr.billing.pdf import invoice_pdf
from cloudmgr.errors import NotFound
from cloudmgr.identity.access import Action, may

router = APIRouter(prefix="/api/v1/billing/invoices", tags=["billing"])

_Headings = Annotated[Literal["zh", "en"], Query(description="Of its headings.")]
_LINE: dict[str, Any] = {
    "number": 1,
    "category": "Usage",
    "month": "2026-06",
    "department_id": "dep_0123456789abcdef",
    "department_zh": "教育考试院",
    "department_en": "Examination Authority",
    "system_id": "sys_0123456789abcdef",
    "environment_id": "env_0123456789abcdef",
    "environment_zh": "高考志愿填报系统 prod",
    "environment_en": "College entrance enrolment prod",
    "meter": "vcpu",
    "meter_zh": "虚拟 CPU",
    "meter_en": "vCPU",
    "unit_zh": "核·小时",
    "unit_en": "vCPU-hour",
    "displayed_quantity": "12.500000",
    "quantity": "45000",
    "unit_price": "0.36",
    "priced_per": 3600,
    "amount": "4.50",
    "charges": 24,
}
_INVOICE: dict[str, Any] = {
    "id": "inv_2026-06_acc_5f0c1d2e3a4b5c6d",
    "number": "2026-06-0001",
    "month": "2026-06",
    "account_id": "acc_5f0c1d2e3a4b5c6d",
    "account_zh": "教育考试院财务",
    "account_en": "Examination Authority Finance",
    "currency": "CNY",
    "lines": [_LINE],
    "rounding": "0.00",
    "total": "4.50",
}


class InvoiceLineView(View):
    """amount = quantity × unit_price / priced_per, rounded half up to the cent."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LINE]})

    number: int
    category: str
    month: str
    department_id: str
    department_zh: str
    department_en: str
    system_id: str
    environment_id: str
    environment_zh: str
    environment_en: str
    meter: str
    meter_zh: str
    meter_en: str
    unit_zh: str
    unit_en: str
    displayed_quantity: str
    quantity: str
    unit_price: str
    priced_per: int
    amount: str
    charges: int

    @classmethod
    def of(cls, line: InvoiceLine) -> Self:
        key = line.key
        return cls(
            number=line.number,
            category=key.category,
            month=key.month,
            department_id=key.department_id,
            department_zh=line.department.zh,
            department_en=line.department.en,
            system_id=key.system_id,
            environment_id=key.environment_id,
            environment_zh=line.environment.zh,
            environment_en=line.environment.en,
            meter=key.meter,
            meter_zh=line.meter.zh,
            meter_en=line.meter.en,
            unit_zh=line.unit.zh,
            unit_en=line.unit.en,
            displayed_quantity=_plain(line.displayed),
            quantity=_plain(line.quantity),
            unit_price=_plain(key.unit_price),
            priced_per=key.priced_per,
            amount=_plain(line.amount),
            charges=line.charges,
        )


class InvoiceView(View):
    """The lines, one explicit rounding, and the total: the exact sum rounded half up once."""

    model_config = ConfigDict(json_schema_extra={"examples": [_INVOICE]})

    id: str
    number: str
    month: str
    account_id: str
    account_zh: str
    account_en: str
    currency: str
    lines: list[InvoiceLineView]
    rounding: str
    total: str

    @classmethod
    def of(cls, bill: Invoice) -> Self:
        return cls(
            id=bill.id,
            number=bill.number,
            month=bill.month,
            account_id=bill.account_id,
            account_zh=bill.account.zh,
            account_en=bill.account.en,
            currency=bill.currency,
            lines=[InvoiceLineView.of(line) for line in bill.lines],
            rounding=_plain(bill.rounding),
            total=_plain(bill.total),
        )


class ChargeView(View):
    """One charge of a line, with the usage record that it is for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "chg_0123456789abcdef",
                    "usage_id": "0b7c1d2e3a4b5c6d",
                    "starts_at": "2026-06-30T08:00:00Z",
                    "ends_at": "2026-06-30T09:00:00Z",
                    "quantity": "900",
                    "unit_price": "0.36",
                    "priced_per": 3600,
                    "price_valid_from": "2025-12-31T16:00:00Z",
                    "numerator": "324.00",
                    "usage": None,
                }
            ]
        }
    )

    id: str
    usage_id: str
    starts_at: datetime
    ends_at: datetime
    quantity: str
    unit_price: str
    priced_per: int
    price_valid_from: datetime
    numerator: str
    usage: UsageView | None

    @classmethod
    def of(cls, explained: ExplainedCharge) -> Self:
        charge = explained.charge
        return cls(
            id=charge.id,
            usage_id=charge.usage_id,
            starts_at=charge.interval.start,
            ends_at=charge.interval.end,
            quantity=_plain(charge.quantity),
            unit_price=_plain(charge.unit_price),
            priced_per=charge.priced_per,
            price_valid_from=charge.price_valid_from,
            numerator=_plain(charge.numerator),
            usage=UsageView.of(explained.usage) if explained.usage else None,
        )


@router.get("", response_model=Page[InvoiceView], summary="List invoices")
def list_invoices(
    caller: Annotated[Caller, Access(Action.INVOICE_READ)],
    paging: Paged,
    month: Annotated[Id | None, Query(description="Only of this month.")] = None,
    account_id: Annotated[Id | None, Query(description="Only of this account.")] = None,
) -> Page[InvoiceView]:
    """Of closed months, the latest first. A department sees those that are its own alone."""
    after = paging.after("invoices")
    found = [
        bill
        for bill in caller.services.books.invoices(month=month, account_id=account_id)
        if _sees(caller, bill)
    ]
    begin = next((n + 1 for n, bill in enumerate(found) if bill.id == after), 0)
    return paging.page(
        "invoices", found[begin : begin + paging.fetch], lambda b: b.id, InvoiceView.of
    )


@router.get("/{invoice_id}", response_model=InvoiceView, summary="Get an invoice")
def get_invoice(
    caller: Annotated[Caller, Access(Action.INVOICE_READ)], invoice_id: str
) -> InvoiceView:
    """Each line with its formula's parts."""
    return InvoiceView.of(_invoice(caller, invoice_id))


@router.get(
    "/{invoice_id}/csv",
    response_class=Response,
    summary="An invoice as CSV",
    responses=CSV.responses,
)
def export_invoice(
    caller: Annotated[Caller, Access(Action.INVOICE_READ)],
    invoice_id: str,
    language: _Headings = "zh",
) -> Response:
    """For spreadsheets, with the exact amounts beside the rounded ones."""
    bill = _invoice(caller, invoice_id)
    return attached(CSV, bill.number or bill.id, invoice_csv(bill, language))


@router.get(
    "/{invoice_id}/xlsx",
    response_class=Response,
    summary="An invoice as a workbook",
    responses=XLSX.responses,
)
def export_invoice_workbook(
    caller: Annotated[Caller, Access(Action.INVOICE_READ)],
    invoice_id: str,
    language: _Headings = "zh",
) -> Response:
    """A sheet of lines, one of totals. A figure of more than 15 digits is text, to lose none."""
    bill = _invoice(caller, invoice_id)
    return attached(XLSX, bill.number or bill.id, invoice_xlsx(bill, language))


@router.get(
    "/{invoice_id}/pdf",
    response_class=Response,
    summary="An invoice to print",
    responses=PDF.responses,
)
def print_invoice(
    caller: Annotated[Caller, Access(Action.INVOICE_READ)],
    invoice_id: str,
    language: Annotated[Literal["zh", "en"], Query(description="Of all that it says.")] = "zh",
) -> Response:
    """As PDF with numbered pages: the same bytes each time."""
    bill = _invoice(caller, invoice_id)
    return attached(PDF, bill.number or bill.id, invoice_pdf(bill, language))


@router.get(
    "/{invoice_id}/lines/{number}",
    response_model=Page[ChargeView],
    summary="What is behind a line",
)
def explain_line(
    caller: Annotated[Caller, Access(Action.INVOICE_READ)],
    invoice_id: str,
    number: Annotated[int, Path(ge=1, le=1_000_000)],
    paging: Paged,
) -> Page[ChargeView]:
    """Its charges, each with the usage record that it is for."""
    _invoice(caller, invoice_id)
    found = caller.services.books.explain(
        invoice_id, number, cursor=paging.after("charges"), limit=paging.limit
    )
    return paging.given("charges", found.charges, found.cursor, ChargeView.of)


def _invoice(caller: Caller, invoice_id: str) -> Invoice:
    bill = caller.services.books.invoice(invoice_id)
    if not _sees(caller, bill):
        raise NotFound("there is no such invoice, or not for you", code="no-such-invoice")
    return bill


def _sees(caller: Caller, bill: Invoice) -> bool:
    """Where departments share an account, only who may see all of them sees its invoice."""
    departments: set[str | None] = {line.key.department_id for line in bill.lines}
    return all(
        may(caller.principal, Action.INVOICE_READ, department_id)
        for department_id in departments or {None}
    )


def _plain(value: Decimal) -> str:
    return format(value, "f")
