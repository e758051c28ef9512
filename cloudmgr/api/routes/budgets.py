"""Budgets: what a department may spend in a year, what of it is gone, and what will be."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field
from starlette.responses import Response

from cloudmgr.api.etag import Answer
from cloudmgr.api.files import CSV, XLSX, attached
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.idempotency import Once
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.routes.reports import Headings
from cloudmgr.api.values import Entry, Id, Reason, View, example
from cloudmgr.billing.budgets.budget import EARLIEST, LATEST, checked_key
from cloudmgr.billing.budgets.sheet import budgets_sheet
from cloudmgr.billing.sheets import sheet_csv, workbook
from cloudmgr.db.engine import after_commit
from cloudmgr.errors import NotFound
from cloudmgr.identity.access import Action

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.billing.budgets.budget import Budget, Standing
    from cloudmgr.billing.budgets.budget import Entry as Decision
    from cloudmgr.billing.budgets.control import Budgets
    from cloudmgr.billing.sheets import Language, Sheet

router = APIRouter(prefix="/api/v1/billing/budgets", tags=["billing"])

Reading = Annotated[Caller, Access(Action.BUDGET_READ)]
Year = Annotated[int, Field(ge=EARLIEST, le=LATEST)]
OfYear = Annotated[Year | None, Query(description="Only of this year.")]
Of = Annotated[Id | None, Query(description="Only this department's.")]
_DECISION: dict[str, Any] = {
    "number": 1,
    "amount": "120000.00",
    "currency": "CNY",
    "reason": "年度预算批复",
    "actor": "usr_0123456789abcdef",
    "actor_login": "finance",
    "at": "2026-01-05T02:00:00Z",
}
_STANDING: dict[str, Any] = {
    "at": "2026-06-30T08:00:00Z",
    "used": "50200.00",
    "encumbered": "48100.50",
    "peaks": "1200.00",
    "left": "21699.50",
    "a_month": "8400.00",
    "month_end": "8350.00",
    "projected": "100700.25",
    "months": [{"month": "2026-01", "amount": "8000.00", "state": "closed"}],
    "unpriced": [],
}
_BUDGET: dict[str, Any] = {
    "id": "bud_0123456789abcdef",
    "department_id": "dep_0123456789abcdef",
    "system_id": None,
    "year": 2026,
    "decision": _DECISION,
    "standing": _STANDING,
}


class DecisionView(View):
    """What was decided, by whom, when and why. `amount` null: from then on there is no budget."""

    model_config = example(**_DECISION)

    number: int
    amount: str | None
    currency: str
    reason: str
    actor: str
    actor_login: str
    at: datetime

    @classmethod
    def of(cls, entry: Decision) -> Self:
        return cls(
            number=entry.number,
            amount=_money(entry.amount),
            currency=entry.currency,
            reason=entry.reason,
            actor=entry.actor,
            actor_login=entry.actor_login,
            at=entry.at,
        )


class BudgetMonthView(View):
    """A month of the year that has begun. While it is `open` its amount may grow."""

    model_config = example(**_STANDING["months"][0])

    month: str
    amount: str
    state: str


class StandingView(View):
    """How a budget stands: its amount less `used` and `encumbered` is `left`."""

    model_config = example(**_STANDING)

    at: datetime = Field(description="When that was worked out.")
    used: str = Field(description="Invoices of closed months, and the others as far as known.")
    encumbered: str = Field(
        description="What approved environments will cost to the year's end, at the least, with "
        "their announced peaks."
    )
    peaks: str = Field(description="The part of it that peaks add.")
    left: str | None = Field(description="Negative when more is used and promised than there is.")
    a_month: str | None = Field(
        description="The burn rate, for 730 hours; null while too little is known."
    )
    month_end: str | None = Field(description="What the open month will come to.")
    projected: str | None = Field(description="What the year will come to.")
    months: list[BudgetMonthView]
    unpriced: list[str] = Field(description="What is in no sum, since it has no price.")

    @classmethod
    def of(cls, found: Standing, amount: Decimal | None) -> Self:
        return cls(
            at=found.at,
            used=f"{found.used:.2f}",
            encumbered=f"{found.encumbered:.2f}",
            peaks=f"{found.peaks:.2f}",
            left=None if amount is None else f"{found.left(amount):.2f}",
            a_month=_money(found.a_month),
            month_end=_money(found.month_end),
            projected=_money(found.projected),
            months=[
                BudgetMonthView(
                    month=one.month,
                    amount=f"{one.amount:.2f}",
                    state="closed" if one.closed else "open",
                )
                for one in found.months
            ],
            unpriced=list(found.unpriced),
        )


class BudgetView(View):
    """A budget, as it was decided last."""

    model_config = example(**_BUDGET)

    id: str
    department_id: str
    system_id: str | None = Field(description="Null: all of the department.")
    year: int
    decision: DecisionView
    standing: StandingView | None = Field(description="Null until it is worked out first.")

    @classmethod
    def of(cls, budget: Budget) -> Self:
        found = budget.standing
        return cls(
            id=budget.id,
            department_id=budget.key.department_id,
            system_id=budget.key.system_id,
            year=budget.key.year,
            decision=DecisionView.of(budget.entry),
            standing=None if found is None else StandingView.of(found, budget.amount),
        )


class BudgetEntry(Entry):
    """Decide on the budget of a department, or of one system of it, for a year."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "department_id": "dep_0123456789abcdef",
                    "system_id": None,
                    "year": 2026,
                    "amount": "120000.00",
                    "reason": "年度预算批复",
                }
            ]
        }
    )

    department_id: Id
    system_id: Id | None = None
    year: Annotated[Year, Field(strict=True)]
    amount: Annotated[str, Field(pattern=r"^[0-9]{1,15}(\.[0-9]{1,2})?$", max_length=18)] | None = (
        Field(description="In the currency of the price list; null: there is to be none.")
    )
    reason: Reason


@router.get("", response_model=Page[BudgetView], summary="List budgets")
def list_budgets(
    caller: Reading,
    paging: Paged,
    year: OfYear = None,
    department_id: Of = None,
) -> Page[BudgetView]:
    """As they stood when that was worked out last, about every hour; a department sees its own."""
    services = caller.services
    wanted = caller.confine(department_id)
    with services.database.read() as tx:
        found = services.budgets.store.list(
            tx,
            year=year,
            department_id=wanted,
            after=paging.after("budgets"),
            limit=paging.fetch,
        )
    return paging.page("budgets", found, lambda b: b.id, BudgetView.of)


@router.get("/csv", response_class=Response, summary="Budgets, as CSV", responses=CSV.responses)
def export_budgets(
    caller: Reading, year: OfYear = None, department_id: Of = None, language: Headings = "zh"
) -> Response:
    """A row for each, as it stood when that was worked out last."""
    sheet = _sheet(caller, year, department_id, language)
    return attached(CSV, "budgets", sheet_csv(sheet))


@router.get(
    "/xlsx", response_class=Response, summary="Budgets, as a workbook", responses=XLSX.responses
)
def export_budgets_workbook(
    caller: Reading, year: OfYear = None, department_id: Of = None, language: Headings = "zh"
) -> Response:
    """The same table as in CSV."""
    sheet = _sheet(caller, year, department_id, language)
    return attached(XLSX, "budgets", workbook([sheet], caller.services.clock.now()))


@router.post("", status_code=201, response_model=BudgetView, summary="Decide on a budget")
def decide_budget(
    caller: Annotated[Caller, Access(Action.BUDGET_WRITE)], body: BudgetEntry, repeatable: Once
) -> Response:
    """Adds to its history, and holds from now on; a wrong one is put right by another."""

    def work(tx: Connection) -> Answer:
        budget = decided(caller, tx, body)
        return Answer(201, BudgetView.of(budget), {"Location": f"{router.prefix}/{budget.id}"})

    return repeatable.once(caller, work)


@router.get("/{budget_id}", response_model=BudgetView, summary="How a budget stands")
def get_budget(caller: Reading, budget_id: str) -> BudgetView:
    """Worked out now, to the second."""
    return BudgetView.of(caller.services.budgets.stand(found(caller, budget_id)))


@router.get(
    "/{budget_id}/history", response_model=Page[DecisionView], summary="What was decided on it"
)
def list_budget_decisions(caller: Reading, budget_id: str, paging: Paged) -> Page[DecisionView]:
    """The newest first."""
    services = caller.services
    budget = found(caller, budget_id)
    with services.database.read() as tx:
        entries = services.budgets.store.history(
            tx, budget.id, before=paging.after_number("decisions"), limit=paging.fetch
        )
    return paging.page("decisions", entries, lambda e: e.number, DecisionView.of)


def found(caller: Caller, budget_id: str) -> Budget:
    """:raises NotFound: also for another department's."""
    services = caller.services
    with services.database.read() as tx:
        budget = services.budgets.store.get(tx, budget_id)
    caller.require(budget.key.department_id)
    return budget


def decided(caller: Caller, tx: Connection, body: BudgetEntry) -> Budget:
    """Decide, for the caller; how it stands is worked out once that is kept.

    :raises NotFound: no such department or system. :raises Conflict: ``no-change``.
    """
    services = caller.services
    caller.require(body.department_id)
    services.departments.get(tx, body.department_id)
    if body.system_id is not None:
        system = services.systems.get(tx, body.system_id)
        if system.department_id != body.department_id:
            raise NotFound(f"the department has no system {body.system_id}", code="no-such-system")
    key = checked_key(body.department_id, body.system_id, body.year)
    amount = None if body.amount is None else Decimal(body.amount)
    budget = services.budgets.decide(tx, key, amount, body.reason, caller.principal)
    caller.record(
        tx,
        "budget.decide",
        object_kind="budget",
        object_id=budget.id,
        department_id=key.department_id,
        detail={
            "system_id": key.system_id,
            "year": key.year,
            "amount": _money(budget.amount),
            "currency": budget.entry.currency,
            "reason": body.reason,
            "number": budget.entry.number,
        },
    )
    after_commit(tx, lambda: _keep(services.budgets, budget))
    return budget


def _sheet(
    caller: Caller, year: int | None, department_id: str | None, language: Language
) -> Sheet:
    services = caller.services
    wanted = caller.confine(department_id)
    now = services.clock.now()
    with services.database.read() as tx:
        found = services.budgets.store.list(tx, year=year, department_id=wanted)
        departments = services.departments.by_ids(tx, {b.key.department_id for b in found})
        ids = sorted({b.key.system_id for b in found if b.key.system_id is not None})
        systems = services.systems.by_ids(tx, ids)
    names = {one.id: (one.at(now).name_zh, one.at(now).name_en) for one in departments.values()}
    names |= {one.id: (one.name_zh, one.name_en) for one in systems.values()}
    return budgets_sheet(found, names, language)


def _keep(budgets: Budgets, budget: Budget) -> None:
    budgets.keep([budget])


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.2f}"
