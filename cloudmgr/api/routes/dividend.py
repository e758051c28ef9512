"""What pooling saved in a closed month."""

from __future__ import annotations

from typing import Annotated, Any, Self

from fastapi import APIRouter
from pydantic import ConfigDict
from starlette.responses import Response

from cloudmgr.api.files import CSV, XLSX, attached
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.reports import Headings, Of
from cloudmgr.api.values import View
from cloudmgr.billing.digits import plain
from cloudmgr.billing.dividend import Dividend, SystemDividend, dividend_sheet, peak
from cloudmgr.billing.periods import billing_period
from cloudmgr.billing.sheets import sheet_csv, workbook
from cloudmgr.identity.access import Action

router = APIRouter(prefix="/api/v1/billing/periods", tags=["billing"])

Reading = Annotated[Caller, Access(Action.CHARGE_READ)]

_SYSTEM: dict[str, Any] = {
    "system_id": "sys_0123456789abcdef",
    "system_zh": "高考志愿填报系统",
    "system_en": "College entrance enrolment",
    "department_id": "dep_0123456789abcdef",
    "department_zh": "教育考试院",
    "department_en": "Examination Authority",
    "peaks": {"vcpu": "24", "memory": "48"},
    "alone": "2073.60",
    "pooled": "310.40",
    "saved": "1763.20",
}


class SystemDividendView(View):
    """One system: `alone` at its own peak for the whole month, `pooled` as it was charged.

    `peaks` is what it held at once at most, in vCPU and GiB.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_SYSTEM]})

    system_id: str
    system_zh: str
    system_en: str
    department_id: str
    department_zh: str
    department_en: str
    peaks: dict[str, str]
    alone: str
    pooled: str
    saved: str

    @classmethod
    def of(cls, one: SystemDividend) -> Self:
        return cls(
            system_id=one.system_id,
            system_zh=one.system.zh,
            system_en=one.system.en,
            department_id=one.department_id,
            department_zh=one.department.zh,
            department_en=one.department.en,
            peaks={meter: plain(peak(one, meter)) for meter in sorted(one.peaks)},
            alone=f"{one.alone:.2f}",
            pooled=f"{one.pooled:.2f}",
            saved=f"{one.saved:.2f}",
        )


class DividendView(View):
    """What the systems of a month would have cost each at its own peak, and pooled.

    `coverage_percent` is the share of the time that anything was held which the month's charges
    have; null where nothing was held.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "month": "2026-06",
                    "currency": "CNY",
                    "systems": [_SYSTEM],
                    "alone": "2073.60",
                    "pooled": "310.40",
                    "saved": "1763.20",
                    "saved_percent": "85",
                    "coverage_percent": "100",
                }
            ]
        }
    )

    month: str
    currency: str
    systems: list[SystemDividendView]
    alone: str
    pooled: str
    saved: str
    saved_percent: str | None
    coverage_percent: str | None

    @classmethod
    def of(cls, found: Dividend) -> Self:
        saved, covered = found.percent_saved, found.percent_covered
        return cls(
            month=found.month,
            currency=found.currency,
            systems=[SystemDividendView.of(one) for one in found.systems],
            alone=f"{found.alone:.2f}",
            pooled=f"{found.pooled:.2f}",
            saved=f"{found.saved:.2f}",
            saved_percent=None if saved is None else plain(saved),
            coverage_percent=None if covered is None else plain(covered),
        )


@router.get("/{month}/dividend", response_model=DividendView, summary="What pooling saved")
def get_dividend(caller: Reading, month: str, department_id: Of = None) -> DividendView:
    """By system, of a closed month, the largest saving first."""
    return DividendView.of(_dividend(caller, month, department_id))


@router.get(
    "/{month}/dividend/csv",
    response_class=Response,
    summary="What pooling saved, as CSV",
    responses=CSV.responses,
)
def export_dividend(
    caller: Reading, month: str, department_id: Of = None, language: Headings = "zh"
) -> Response:
    """A row for each system."""
    sheet = dividend_sheet(_dividend(caller, month, department_id), language)
    return attached(CSV, f"dividend-{month}", sheet_csv(sheet))


@router.get(
    "/{month}/dividend/xlsx",
    response_class=Response,
    summary="What pooling saved, as a workbook",
    responses=XLSX.responses,
)
def export_dividend_workbook(
    caller: Reading, month: str, department_id: Of = None, language: Headings = "zh"
) -> Response:
    """The same table as in CSV."""
    sheet = dividend_sheet(_dividend(caller, month, department_id), language)
    ends = billing_period(month, caller.services.time_zone).interval.end
    return attached(XLSX, f"dividend-{month}", workbook([sheet], ends))


def _dividend(caller: Caller, month: str, department_id: str | None) -> Dividend:
    return caller.services.reports.dividend(month, department_id=caller.confine(department_id))
