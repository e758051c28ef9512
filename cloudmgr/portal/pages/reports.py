"""What months cost, by department, system, pool, zone or month: a picture, and the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.billing.reports import Grouping, Report, ReportRow
from cloudmgr.errors import Invalid
from cloudmgr.identity.access import Action
from cloudmgr.portal import words
from cloudmgr.portal.listing import Column, Empty, Listing
from cloudmgr.portal.pages.systems import Text
from cloudmgr.portal.shares import shares_chart
from cloudmgr.portal.view import View

if TYPE_CHECKING:
    from decimal import Decimal

router = APIRouter(include_in_schema=False, prefix="/reports")

Reading = Annotated[Caller, Access(Action.CHARGE_READ)]
First = Annotated[str, Query(alias="from", max_length=20)]
Last = Annotated[str, Query(alias="to", max_length=20)]


@router.get("")
def show_report(
    request: Request, caller: Reading, by: Text = "", first: First = "", last: Last = ""
) -> Response:
    """The chosen months by the chosen kind."""
    view = View(request, caller)
    reports = caller.services.reports
    if by not in {"", *Grouping}:
        raise Invalid(f"a report is not by {by[:40]!r}", code="no-such-grouping", path="by")
    grouping = Grouping(by or Grouping.DEPARTMENT)
    found = reports.report(
        grouping, first=first or None, last=last or None, department_id=caller.confine()
    )
    months = [summary.period.month for summary in caller.services.books.periods()]
    begin, end = found.months[0].month, found.months[-1].month
    return view.page(
        "report.html",
        found=found,
        listing=_listing(view, found),
        chart=shares_chart(view, found),
        groupings=words.GROUPINGS,
        months=sorted({*months, begin, end}, reverse=True),
        begin=begin,
        end=end,
        query=urlencode(
            {
                "by": grouping.value,
                "from": begin,
                "to": end,
                "language": "zh" if view.chinese else "en",
            }
        ),
    )


def _listing(view: View, found: Report) -> Listing[ReportRow]:
    def money(amount: Decimal) -> object:
        return view.formats.money(amount, found.currency)

    def share(row: ReportRow) -> float:
        return float(row.amount / found.total) if found.total else 0.0

    def name(row: ReportRow) -> str:
        return view.pick(row.label.zh, row.label.en)

    columns: list[Column[ReportRow]] = [
        Column("name", view._(words.GROUPINGS[found.by]), name),
        Column(
            "amount", view._("Amount"), lambda r: money(r.amount), lambda r: r.amount, numeric=True
        ),
        Column(
            "share",
            view._("Share"),
            lambda r: view.formats.percent(share(r)),
            share,
            numeric=True,
        ),
    ]
    return Listing(
        view,
        view._("Costs"),
        columns,
        found.rows,
        Empty(view._("Nothing was used then"), view._("Choose other months.")),
    )
