"""``cloudmgr billing budget``: what departments may spend in a year, and how that stands."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudmgr.cli.options import Machine, connect
from cloudmgr.cli.reports import Csv, Headings, Language, Xlsx, files
from cloudmgr.cli.show import Column, Json, facts, out, rows

app = typer.Typer(help="What departments may spend in a year.", no_args_is_help=True)

Reason = Annotated[str, typer.Option(help="Why; it is kept for ever.")]
Department = Annotated[str, typer.Option(help="Whose, by id.")]
System = Annotated[str | None, typer.Option(help="Of this system alone, by id.")]
Year = Annotated[int, typer.Option(help="Which year, as 2026.")]


def _of(name: str) -> Column:
    return name, lambda budget: budget["standing"] and budget["standing"][name]


def _amount(decision: Json) -> str:
    return "none" if decision["amount"] is None else f"{decision['amount']} {decision['currency']}"


_DECISION: list[Column] = [
    ("#", lambda d: d["number"]),
    ("at", lambda d: d["at"]),
    ("by", lambda d: d["actor_login"]),
    ("amount", _amount),
    ("why", lambda d: d["reason"]),
]


@app.command("list")
def list_budgets(
    context: typer.Context,
    year: Annotated[int | None, typer.Option(help="Only of this year.")] = None,
    department: Annotated[str | None, typer.Option(help="Only this department's, by id.")] = None,
    csv: Csv = None,
    xlsx: Xlsx = None,
    language: Headings = Language.ZH,
    machine: Machine = False,
) -> None:
    """Budgets, as they stood when that was worked out last."""
    address, query = "/billing/budgets", {"year": year, "department_id": department}
    if files(context, address, {"csv": csv, "xlsx": xlsx}, **query, language=language.value):
        return
    rows(
        connect(context).all(address, **query),
        [
            ("budget", lambda b: b["id"]),
            ("of", lambda b: b["system_id"] or b["department_id"]),
            ("year", lambda b: b["year"]),
            ("amount", lambda b: _amount(b["decision"])),
            _of("used"),
            _of("encumbered"),
            _of("left"),
            _of("projected"),
        ],
        machine=machine,
        empty="No budget yet: finance sets them with cloudmgr billing budget set.",
    )


@app.command("set")
def set_budget(
    context: typer.Context,
    amount: Annotated[str, typer.Argument(help="As 120000.00, in the price list's currency.")],
    department: Department,
    year: Year,
    reason: Reason,
    system: System = None,
    machine: Machine = False,
) -> None:
    """From now on the budget is AMOUNT; what it was stays on record."""
    _decide(context, amount, department, year, reason, system, machine=machine)


@app.command("withdraw")
def withdraw(
    context: typer.Context,
    department: Department,
    year: Year,
    reason: Reason,
    system: System = None,
    machine: Machine = False,
) -> None:
    """From now on there is none; what it was stays on record."""
    _decide(context, None, department, year, reason, system, machine=machine)


@app.command("show")
def show(context: typer.Context, budget: str, machine: Machine = False) -> None:
    """How BUDGET stands now: used, encumbered, left, and where the year is going."""
    found = connect(context).get(f"/billing/budgets/{budget}")
    _print(found, machine=machine)
    if not machine:
        for sentence in found["standing"]["unpriced"]:
            out.print(f"in no sum: {sentence}", markup=False)


@app.command("history")
def history(context: typer.Context, budget: str, machine: Machine = False) -> None:
    """Who decided what on BUDGET, when and why; the newest first."""
    rows(
        connect(context).all(f"/billing/budgets/{budget}/history"),
        _DECISION,
        machine=machine,
        empty="Nothing yet.",
    )


def _decide(
    context: typer.Context,
    amount: str | None,
    department: str,
    year: int,
    reason: str,
    system: str | None,
    *,
    machine: bool,
) -> None:
    body: Json = {
        "department_id": department,
        "system_id": system,
        "year": year,
        "amount": amount,
        "reason": reason,
    }
    remote = connect(context)
    made = remote.post("/billing/budgets", body)
    _print(remote.get(f"/billing/budgets/{made['id']}"), machine=machine)


def _print(budget: Json, *, machine: bool) -> None:
    facts(
        budget,
        [
            ("budget", lambda b: b["id"]),
            ("of", lambda b: b["system_id"] or b["department_id"]),
            ("year", lambda b: b["year"]),
            ("amount", lambda b: _amount(b["decision"])),
            ("decided by", lambda b: b["decision"]["actor_login"]),
            ("why", lambda b: b["decision"]["reason"]),
            _of("used"),
            _of("encumbered"),
            ("of it peaks", lambda b: b["standing"]["peaks"]),
            _of("left"),
            ("a month", lambda b: b["standing"]["a_month"]),
            ("this month", lambda b: b["standing"]["month_end"]),
            ("the year", lambda b: b["standing"]["projected"]),
        ],
        machine=machine,
    )
