"""Billing periods: what a month costs so far, what is in the way of closing it, and closing it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import ConfigDict, StrictBool
from starlette.responses import Response

from cloudmgr.api.etag import Answer
from cloudmgr.api.files import CSV, attached
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.routes.invoices import InvoiceView
from cloudmgr.api.values import Entry, Id, View
from cloudmgr.billing.books import Check, PeriodSummary
from cloudmgr.billing.closing import Verification
from cloudmgr.billing.export import charges_csv
from cloudmgr.billing.periods import ClosedPeriod, billing_period
from cloudmgr.identity.access import Action

if TYPE_CHECKING:
    from cloudmgr.billing.periods import BillingPeriod

router = APIRouter(prefix="/api/v1/billing/periods", tags=["billing"])

_CHECK: dict[str, Any] = {"code": "ended", "ok": False, "problems": ["2026-06 is not over yet"]}
_PERIOD: dict[str, Any] = {
    "month": "2026-06",
    "starts_at": "2026-05-31T16:00:00Z",
    "ends_at": "2026-06-30T16:00:00Z",
    "time_zone": "Asia/Shanghai",
    "state": "open",
    "closed_at": None,
    "closed_by": None,
    "digest": None,
    "price_digest": None,
    "ledger_batch": None,
    "version": None,
}


class PeriodView(View):
    """A month in the city's zone. Once closed, `digest` seals its inputs, charges and invoices.

    Its inputs: the price list with `price_digest`, the ledger at rest as of `ledger_batch` (null
    where none is kept), and the `version` of cloudmgr.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_PERIOD]})

    month: str
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    state: str
    closed_at: datetime | None
    closed_by: str | None
    digest: str | None
    price_digest: str | None
    ledger_batch: int | None
    version: str | None

    @classmethod
    def of(cls, period: BillingPeriod, closed: ClosedPeriod | None) -> Self:
        return cls(
            month=period.month,
            starts_at=period.interval.start,
            ends_at=period.interval.end,
            time_zone=period.time_zone,
            state="closed" if closed else "open",
            closed_at=closed.closed_at if closed else None,
            closed_by=closed.closed_by if closed else None,
            digest=closed.digest if closed else None,
            price_digest=closed.price_digest if closed else None,
            ledger_batch=closed.inputs.ledger_batch if closed else None,
            version=closed.inputs.version if closed else None,
        )


class CheckView(View):
    """One item of the list that is ticked off before a month is closed."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CHECK]})

    code: str
    ok: bool
    problems: list[str]

    @classmethod
    def of(cls, check: Check) -> Self:
        return cls(code=check.code, ok=check.ok, problems=list(check.problems))


class ChecklistView(View):
    """A month, and whether it can be closed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"period": _PERIOD, "checks": [_CHECK]}]}
    )

    period: PeriodView
    checks: list[CheckView]


class VerificationView(View):
    """A closed month, rated again from what was frozen: whether it is the same, to the byte."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"month": "2026-06", "equal": True, "digest": "9f" * 32, "problems": []}]
        }
    )

    month: str
    equal: bool
    digest: str
    problems: list[str]

    @classmethod
    def of(cls, found: Verification) -> Self:
        return cls(
            month=found.month,
            equal=found.equal,
            digest=found.digest,
            problems=list(found.problems),
        )


class PreviewView(View):
    """What a month costs as far as it is known; final once it is closed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "period": _PERIOD,
                    "until": "2026-06-30T08:00:00Z",
                    "invoices": [],
                    "unpriced": [],
                    "notes": [],
                }
            ]
        }
    )

    period: PeriodView
    until: datetime | None
    invoices: list[InvoiceView]
    unpriced: list[str]
    notes: list[str]


class CloseEntry(Entry):
    """Close the month, for ever."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"accept_gaps": False}]})

    accept_gaps: StrictBool = False


@router.get("", response_model=Page[PeriodView], summary="List billing periods")
def list_periods(
    caller: Annotated[Caller, Access(Action.PERIOD_READ)], paging: Paged
) -> Page[PeriodView]:
    """Every month with usage, the latest first."""
    caller.confine()
    after = paging.after("periods")
    found: list[PeriodSummary] = [
        summary
        for summary in caller.services.books.periods()
        if after is None or summary.period.month < after
    ][: paging.fetch]
    return paging.page(
        "periods", found, lambda s: s.period.month, lambda s: PeriodView.of(s.period, s.closed)
    )


@router.get("/{month}", response_model=ChecklistView, summary="Can the month be closed")
def get_period(caller: Annotated[Caller, Access(Action.PERIOD_CLOSE)], month: str) -> ChecklistView:
    """What is ticked off, and what is in the way."""
    books = caller.services.books
    caller.require(None)
    period = billing_period(month, books.zone)
    with caller.services.database.read() as tx:
        closed = books.store.closed(tx, month)
    return ChecklistView(
        period=PeriodView.of(period, closed),
        checks=[CheckView.of(check) for check in books.checklist(month)],
    )


@router.get(
    "/{month}/verification", response_model=VerificationView, summary="Is a closed month the same"
)
def verify_period(
    caller: Annotated[Caller, Access(Action.PERIOD_CLOSE)], month: str
) -> VerificationView:
    """Rated again from its usage and the prices that were frozen; its ledger at rest is checked."""
    caller.require(None)
    return VerificationView.of(caller.services.closing.verify(month))


@router.get("/{month}/preview", response_model=PreviewView, summary="What the month costs")
def preview_period(
    caller: Annotated[Caller, Access(Action.CHARGE_READ)],
    month: str,
    department_id: Annotated[Id | None, Query(description="Only this department's part.")] = None,
    account_id: Annotated[Id | None, Query(description="Only this account's invoice.")] = None,
) -> PreviewView:
    """As far as it is known, to the second; a department sees its own part."""
    preview = caller.services.books.preview(
        month, account_id=account_id, department_id=caller.confine(department_id)
    )
    return PreviewView(
        period=PeriodView.of(preview.period, preview.closed),
        until=preview.until,
        invoices=[InvoiceView.of(bill) for bill in preview.invoices],
        unpriced=list(preview.unpriced),
        notes=[note.message for note in preview.notes],
    )


@router.get(
    "/{month}/charges", response_class=Response, summary="The charges", responses=CSV.responses
)
def export_charges(
    caller: Annotated[Caller, Access(Action.CHARGE_READ)],
    month: str,
    department_id: Annotated[Id | None, Query(description="Only this department's.")] = None,
) -> Response:
    """As CSV, every digit exact: cost = quantity × unit_price / priced_per."""
    preview = caller.services.books.preview(month, department_id=caller.confine(department_id))
    return attached(CSV, f"charges-{month}", charges_csv(preview.charges))


@router.post("/{month}/close", response_model=PeriodView, summary="Close a month")
def close_period(
    caller: Annotated[Caller, Access(Action.PERIOD_CLOSE)], month: str, body: CloseEntry
) -> Response:
    """Once, for ever: charges and invoices are frozen. A second close is a conflict."""
    services = caller.services
    caller.require(None)
    closed = services.closing.close(month, caller.principal.user_id, accept_gaps=body.accept_gaps)
    with services.database.write() as tx:
        caller.record(
            tx,
            "period.close",
            object_kind="period",
            object_id=month,
            department_id=None,
            detail={"digest": closed.digest, "accept_gaps": body.accept_gaps},
        )
    return Answer(200, PeriodView.of(closed.period, closed)).response()
