"""``cloudmgr billing`` and ``cloudmgr usage``: what a month costs, closing it, invoices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloudmgr.cli import budgets, ledger, reports
from cloudmgr.cli.options import Machine, connect
from cloudmgr.cli.reports import Csv, Headings, Language, Xlsx
from cloudmgr.cli.show import Column, Json, as_json, facts, out, rows, written

app = typer.Typer(help="Months, charges, invoices.", no_args_is_help=True)
reports.add_to(app)
app.add_typer(budgets.app, name="budget")
usage = typer.Typer(help="The usage ledger.", no_args_is_help=True)
usage.add_typer(ledger.app, name="ledger")

_METERS = "vcpu, memory, storage, requests, vcpu-used, memory-used or address."
_LINES: list[Column] = [
    ("#", lambda line: line["number"]),
    ("environment", lambda line: f"{line['environment_zh']} {line['environment_en']}"),
    ("meter", lambda line: line["meter_en"]),
    ("quantity", lambda line: line["displayed_quantity"]),
    ("unit", lambda line: line["unit_en"]),
    ("price", lambda line: line["unit_price"]),
    ("amount", lambda line: line["amount"]),
]


@app.command("periods")
def periods(context: typer.Context, machine: Machine = False) -> None:
    """Months with usage."""
    rows(
        connect(context).all("/billing/periods"),
        [
            ("month", lambda p: p["month"]),
            ("state", lambda p: p["state"]),
            ("closed at", lambda p: p["closed_at"]),
            ("by", lambda p: p["closed_by"]),
        ],
        machine=machine,
        empty="No month yet.",
    )


@app.command("check")
def check(context: typer.Context, month: str, machine: Machine = False) -> None:
    """Whether MONTH (YYYY-MM) can be closed; exit 1 if not."""
    found = connect(context).get(f"/billing/periods/{month}")
    if machine:
        as_json(found)
    for item in found["checks"]:
        if not machine:
            out.print(f"{'done' if item['ok'] else 'open'}  {item['code']}", markup=False)
            for problem in item["problems"]:
                out.print(f"      {problem}", markup=False)
    if not all(item["ok"] for item in found["checks"]):
        raise typer.Exit(1)


@app.command("preview")
def preview(context: typer.Context, month: str, machine: Machine = False) -> None:
    """What MONTH costs so far."""
    found = connect(context).get(f"/billing/periods/{month}/preview")
    if machine:
        as_json(found)
        return
    for bill in found["invoices"]:
        _print(bill)
    for sentence in (*found["unpriced"], *found["notes"]):
        out.print(sentence, markup=False)


@app.command("close")
def close(
    context: typer.Context,
    month: str,
    accept_gaps: Annotated[
        bool, typer.Option("--accept-gaps", help="Though not all usage is collected.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    machine: Machine = False,
) -> None:
    """Close MONTH, once and for ever."""
    if not yes:
        typer.confirm(f"Close {month}? It cannot be changed after", abort=True)
    facts(
        connect(context).post(f"/billing/periods/{month}/close", {"accept_gaps": accept_gaps}),
        [
            ("month", lambda p: p["month"]),
            ("state", lambda p: p["state"]),
            ("digest", lambda p: p["digest"]),
        ],
        machine=machine,
    )


@app.command("verify")
def verify(context: typer.Context, month: str, machine: Machine = False) -> None:
    """Rate closed MONTH again from what was frozen; exit 1 if it is not the same."""
    found = connect(context).get(f"/billing/periods/{month}/verification")
    if machine:
        as_json(found)
    else:
        for problem in found["problems"]:
            out.print(problem, markup=False, soft_wrap=True)
        said = "the same" if found["equal"] else "not the same"
        out.print(f"{month}: {said}, {found['digest']}", markup=False, soft_wrap=True)
    if not found["equal"]:
        raise typer.Exit(1)


@app.command("invoices")
def invoices(
    context: typer.Context,
    month: Annotated[str | None, typer.Option()] = None,
    machine: Machine = False,
) -> None:
    """Invoices of closed months."""
    rows(
        connect(context).all("/billing/invoices", month=month),
        [
            ("invoice", lambda i: i["id"]),
            ("number", lambda i: i["number"]),
            ("account", lambda i: f"{i['account_zh']} {i['account_en']}"),
            ("total", lambda i: f"{i['total']} {i['currency']}"),
        ],
        machine=machine,
        empty="No invoice yet: they are made when a month is closed.",
    )


@app.command("invoice")
def invoice(
    context: typer.Context,
    invoice: str,
    csv: Csv = None,
    xlsx: Xlsx = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="Write it as PDF to this file.")] = None,
    language: Headings = Language.ZH,
    machine: Machine = False,
) -> None:
    """One invoice, line by line."""
    address = f"/billing/invoices/{invoice}"
    wanted = {"csv": csv, "xlsx": xlsx, "pdf": pdf}
    if reports.files(context, address, wanted, language=language.value):
        return
    bill = connect(context).get(address)
    if machine:
        as_json(bill)
    else:
        _print(bill)


@app.command("charges")
def charges(
    context: typer.Context,
    month: str,
    file: Annotated[Path, typer.Option("--csv", help="Write them as CSV to this file.")],
    department: Annotated[str | None, typer.Option(help="Only this department's, by id.")] = None,
) -> None:
    """All charges of MONTH, every digit exact."""
    content = connect(context).raw(f"/billing/periods/{month}/charges", department_id=department)
    written(file, content)


@usage.command("list")
def list_usage(
    context: typer.Context,
    starts_at: Annotated[str, typer.Option("--from", help="ISO 8601 with a zone.")],
    ends_at: Annotated[str, typer.Option("--to", help="ISO 8601 with a zone.")],
    environment: Annotated[
        str | None, typer.Option(help="Only of this environment, by id.")
    ] = None,
    department: Annotated[str | None, typer.Option(help="Only this department's, by id.")] = None,
    meter: Annotated[str | None, typer.Option(help=_METERS)] = None,
    machine: Machine = False,
) -> None:
    """Usage records in the order of time."""
    rows(
        connect(context).all(
            "/usage",
            starts_at=starts_at,
            ends_at=ends_at,
            environment_id=environment,
            department_id=department,
            meter=meter,
        ),
        [
            ("from", lambda u: u["starts_at"]),
            ("to", lambda u: u["ends_at"]),
            ("environment", lambda u: u["environment_id"]),
            ("meter", lambda u: u["meter"]),
            ("quantity", lambda u: u["quantity"]),
        ],
        machine=machine,
        empty="No usage then.",
    )


@usage.command("gaps")
def list_gaps(
    context: typer.Context,
    starts_at: Annotated[str, typer.Option("--from", help="ISO 8601 with a zone.")],
    ends_at: Annotated[str, typer.Option("--to", help="ISO 8601 with a zone.")],
    environment: Annotated[
        str | None, typer.Option(help="Only of this environment, by id.")
    ] = None,
    department: Annotated[str | None, typer.Option(help="Only this department's, by id.")] = None,
    meter: Annotated[str | None, typer.Option(help="vcpu-used or memory-used.")] = None,
    machine: Machine = False,
) -> None:
    """When something ran and nobody knows what it used."""
    rows(
        connect(context).all(
            "/usage/gaps",
            starts_at=starts_at,
            ends_at=ends_at,
            environment_id=environment,
            department_id=department,
            meter=meter,
        ),
        [
            ("from", lambda g: g["starts_at"]),
            ("to", lambda g: g["ends_at"]),
            ("environment", lambda g: g["environment_id"]),
            ("component", lambda g: g["component"]),
            ("meter", lambda g: g["meter"]),
            ("why", lambda g: g["reason"]),
            ("charged", lambda g: g["charged"]),
        ],
        machine=machine,
        empty="No gap then.",
    )


def _print(bill: Json) -> None:
    title = f"{bill['number'] or bill['month']}  {bill['account_zh']} {bill['account_en']}"
    out.print(title, markup=False)
    rows(bill["lines"], _LINES, machine=False, empty="nothing")
    out.print(f"rounding {bill['rounding']}", markup=False)
    out.print(f"total {bill['total']} {bill['currency']}\n", markup=False)
