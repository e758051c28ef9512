"""What pooling saved in a closed month: a picture, and each system's figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.billing.dividend import Dividend, SystemDividend
from cloudmgr.identity.access import Action
from cloudmgr.portal.listing import Column, Empty, Listing
from cloudmgr.portal.shares import dividend_chart
from cloudmgr.portal.view import View

if TYPE_CHECKING:
    from decimal import Decimal

router = APIRouter(include_in_schema=False, prefix="/billing")

Reading = Annotated[Caller, Access(Action.CHARGE_READ)]


@router.get("/{month}/dividend")
def show_dividend(request: Request, caller: Reading, month: str) -> Response:
    """Of one closed month; a department sees its own systems."""
    view = View(request, caller)
    found = caller.services.reports.dividend(month, department_id=caller.confine())
    return view.page(
        "dividend.html",
        month=month,
        found=found,
        chart=dividend_chart(view, found),
        listing=_listing(view, found),
    )


def _listing(view: View, found: Dividend) -> Listing[SystemDividend]:
    def money(key: str, label: str) -> Column[SystemDividend]:
        def amount(one: SystemDividend) -> Decimal:
            value: Decimal = getattr(one, key)
            return value

        def show(one: SystemDividend) -> Any:
            return view.formats.money(amount(one), found.currency)

        return Column(key, label, show, amount, numeric=True)

    columns: list[Column[SystemDividend]] = [
        Column("system", view._("System"), lambda one: view.pick(one.system.zh, one.system.en)),
        Column(
            "department",
            view._("Department"),
            lambda one: view.pick(one.department.zh, one.department.en),
        ),
        money("alone", view._("Alone, at its own peak")),
        money("pooled", view._("Pooled")),
        money("saved", view._("Saved")),
    ]
    return Listing(
        view,
        view._("What pooling saved"),
        columns,
        found.systems,
        Empty(view._("Nothing was used then"), view._("Choose another month.")),
    )
