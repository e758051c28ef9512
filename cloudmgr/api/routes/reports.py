"""What months cost, by department, system, pool, zone or month."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query
from pydantic import ConfigDict
from starlette.responses import Response

from cloudmgr.api.files import CSV, XLSX, attached
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.values import Id, View
from cloudmgr.billing.periods import billing_period
from cloudmgr.billing.reports import Grouping, Report, month_sheet, sum_sheet
from cloudmgr.billing.sheets import sheet_csv, workbook
from cloudmgr.identity.access import Action

router = APIRouter(prefix="/api/v1/billing/reports", tags=["billing"])

Reading = Annotated[Caller, Access(Action.CHARGE_READ)]
By = Annotated[Grouping, Query(description="What there is a row for.")]
First = Annotated[
    str | None, Query(alias="from", description="The first month, as `2026-01`.", max_length=20)
]
Last = Annotated[
    str | None, Query(alias="to", description="The last month; this one by default.", max_length=20)
]
Of = Annotated[Id | None, Query(description="Only this department's part.")]
Headings = Annotated[Literal["zh", "en"], Query(description="Of its headings.")]

_MONTH: dict[str, Any] = {"month": "2026-06", "state": "closed", "amount": "4.50"}
_ROW: dict[str, Any] = {
    "id": "dep_0123456789abcdef",
    "name_zh": "教育考试院",
    "name_en": "Examination Authority",
    "amount": "4.50",
    "months": {"2026-06": "4.50"},
}


class ReportMonthView(View):
    """A month of a report. While it is `open` its amount may grow."""

    model_config = ConfigDict(json_schema_extra={"examples": [_MONTH]})

    month: str
    state: str
    amount: str


class ReportRowView(View):
    """One row: in all, and by the month whose invoices it is on."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ROW]})

    id: str
    name_zh: str
    name_en: str
    amount: str
    months: dict[str, str]


class ReportView(View):
    """`rows` sum to `total`, and so do `months`, to the last cent, under any grouping."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "by": "department",
                    "currency": "CNY",
                    "months": [_MONTH],
                    "rows": [_ROW],
                    "total": "4.50",
                    "unpriced": [],
                }
            ]
        }
    )

    by: str
    currency: str
    months: list[ReportMonthView]
    rows: list[ReportRowView]
    total: str
    unpriced: list[str]

    @classmethod
    def of(cls, found: Report) -> Self:
        return cls(
            by=found.by.value,
            currency=found.currency,
            months=[
                ReportMonthView(
                    month=one.month,
                    state="closed" if one.closed else "open",
                    amount=f"{one.amount:.2f}",
                )
                for one in found.months
            ],
            rows=[
                ReportRowView(
                    id=row.id,
                    name_zh=row.label.zh,
                    name_en=row.label.en,
                    amount=f"{row.amount:.2f}",
                    months={month: f"{row.months[month]:.2f}" for month in sorted(row.months)},
                )
                for row in found.rows
            ],
            total=f"{found.total:.2f}",
            unpriced=list(found.unpriced),
        )


@router.get("", response_model=ReportView, summary="What months cost, grouped")
def get_report(
    caller: Reading,
    by: By = Grouping.DEPARTMENT,
    first: First = None,
    last: Last = None,
    department_id: Of = None,
) -> ReportView:
    """By default the last twelve months; a department sees its own part."""
    return ReportView.of(_report(caller, by, first, last, department_id))


@router.get("/csv", response_class=Response, summary="A report as CSV", responses=CSV.responses)
def export_report(
    caller: Reading,
    by: By = Grouping.DEPARTMENT,
    first: First = None,
    last: Last = None,
    department_id: Of = None,
    language: Headings = "zh",
) -> Response:
    """A row for each group and month."""
    found = _report(caller, by, first, last, department_id)
    return attached(CSV, _name(found), sheet_csv(month_sheet(found, language)))


@router.get(
    "/xlsx", response_class=Response, summary="A report as a workbook", responses=XLSX.responses
)
def export_report_workbook(
    caller: Reading,
    by: By = Grouping.DEPARTMENT,
    first: First = None,
    last: Last = None,
    department_id: Of = None,
    language: Headings = "zh",
) -> Response:
    """A sheet of sums with the total, and one of each group and month."""
    found = _report(caller, by, first, last, department_id)
    ends = billing_period(found.months[-1].month, caller.services.time_zone).interval.end
    sheets = [sum_sheet(found, language), month_sheet(found, language)]
    return attached(XLSX, _name(found), workbook(sheets, ends))


def _report(
    caller: Caller, by: Grouping, first: str | None, last: str | None, department_id: str | None
) -> Report:
    return caller.services.reports.report(
        by, first=first, last=last, department_id=caller.confine(department_id)
    )


def _name(found: Report) -> str:
    return f"costs-by-{found.by.value}-{found.months[0].month}-{found.months[-1].month}"
