"""What leaves a closed month for other programs: the settlement file, and FOCUS."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query
from pydantic import ConfigDict
from starlette.responses import Response

from cloudmgr.api.files import CSV, XLSX, attached
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.reports import Headings, Of
from cloudmgr.api.values import View
from cloudmgr.billing.focus import Version, focus_csv
from cloudmgr.billing.periods import billing_period
from cloudmgr.billing.settlement import SettlementRow, settlement_sheet
from cloudmgr.billing.sheets import sheet_csv, workbook
from cloudmgr.identity.access import Action

router = APIRouter(prefix="/api/v1/billing/periods", tags=["billing"])

Reading = Annotated[Caller, Access(Action.CHARGE_READ)]

_ROW: dict[str, Any] = {
    "month": "2026-06",
    "invoice_number": "2026-06-0001",
    "account_id": "acc_5f0c1d2e3a4b5c6d",
    "account_zh": "教育考试院财务",
    "account_en": "Examination Authority Finance",
    "department_id": "dep_0123456789abcdef",
    "department_zh": "教育考试院",
    "department_en": "Examination Authority",
    "amount": "4.50",
    "currency": "CNY",
    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}


class SettlementRowView(View):
    """What an account owes for a department: its share of the invoice, in whole cents."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ROW]})

    month: str
    invoice_number: str
    account_id: str
    account_zh: str
    account_en: str
    department_id: str
    department_zh: str
    department_en: str
    amount: str
    currency: str
    digest: str

    @classmethod
    def of(cls, row: SettlementRow) -> Self:
        return cls(
            month=row.month,
            invoice_number=row.invoice_number,
            account_id=row.account_id,
            account_zh=row.account.zh,
            account_en=row.account.en,
            department_id=row.department_id,
            department_zh=row.department.zh,
            department_en=row.department.en,
            amount=f"{row.amount:.2f}",
            currency=row.currency,
            digest=row.digest,
        )


class SettlementView(View):
    """Of a closed month; the rows of an invoice sum to its total."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rows": [_ROW]}]})

    rows: list[SettlementRowView]


@router.get(
    "/{month}/settlement", response_model=SettlementView, summary="What is owed for a month"
)
def get_settlement(caller: Reading, month: str, department_id: Of = None) -> SettlementView:
    """By account and department, of a closed month."""
    return SettlementView(
        rows=[SettlementRowView.of(row) for row in _rows(caller, month, department_id)]
    )


@router.get(
    "/{month}/settlement/csv",
    response_class=Response,
    summary="The settlement file as CSV",
    responses=CSV.responses,
)
def export_settlement(
    caller: Reading, month: str, department_id: Of = None, language: Headings = "zh"
) -> Response:
    """A row for each account and department."""
    sheet = settlement_sheet(_rows(caller, month, department_id), language)
    return attached(CSV, f"settlement-{month}", sheet_csv(sheet))


@router.get(
    "/{month}/settlement/xlsx",
    response_class=Response,
    summary="The settlement file as a workbook",
    responses=XLSX.responses,
)
def export_settlement_workbook(
    caller: Reading, month: str, department_id: Of = None, language: Headings = "zh"
) -> Response:
    """The same table as in CSV."""
    sheet = settlement_sheet(_rows(caller, month, department_id), language)
    ends = billing_period(month, caller.services.time_zone).interval.end
    return attached(XLSX, f"settlement-{month}", workbook([sheet], ends))


@router.get(
    "/{month}/focus",
    response_class=Response,
    summary="A month as FOCUS",
    responses=CSV.responses,
)
def export_focus(
    caller: Reading,
    month: str,
    version: Annotated[Version, Query(description="Of FOCUS; 1.2 is for validators.")] = (
        Version.V1_4
    ),
    department_id: Of = None,
    language: Annotated[
        Literal["zh", "en"], Query(description="Of names; validators take ASCII alone.")
    ] = "zh",
) -> Response:
    """Cost and usage of a closed month in the FinOps Foundation's format, as CSV."""
    rows = caller.services.reports.focus(
        month, department_id=caller.confine(department_id), language=language
    )
    return attached(CSV, f"focus-{version.value}-{month}", focus_csv(rows, version))


def _rows(caller: Caller, month: str, department_id: str | None) -> tuple[SettlementRow, ...]:
    return caller.services.reports.settlement(month, department_id=caller.confine(department_id))
