"""``cloudmgr billing report`` and what else a month is told in, as files or on the screen."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cloudmgr.billing.focus import Version
from cloudmgr.billing.reports import Grouping
from cloudmgr.cli.options import Machine, connect
from cloudmgr.cli.show import as_json, out, rows, written


class Language(StrEnum):
    """What headings are in."""

    ZH = "zh"
    EN = "en"


Headings = Annotated[Language, typer.Option(help="Of the files.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="Write it as CSV to this file.")]
Xlsx = Annotated[Path | None, typer.Option("--xlsx", help="Write it as a workbook to this file.")]


def add_to(app: typer.Typer) -> None:
    """Make them commands of ``app``."""
    app.command("report")(report)
    app.command("settlement")(settlement)
    app.command("focus")(focus)
    app.command("dividend")(dividend)


def files(
    context: typer.Context, address: str, wanted: dict[str, Path | None], **query: object
) -> bool:
    """Write what was asked for; False if nothing was."""
    remote = connect(context)
    for kind, file in wanted.items():
        if file is not None:
            # The bytes as they come: the mark at the beginning of CSV says that it is UTF-8.
            written(file, remote.raw(f"{address}/{kind}", **query))
    return any(wanted.values())


def report(
    context: typer.Context,
    by: Annotated[Grouping, typer.Option(help="What there is a row for.")] = Grouping.DEPARTMENT,
    first: Annotated[
        str | None, typer.Option("--from", help="The first month, as 2026-01.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="The last month; this one by default.")
    ] = None,
    department: Annotated[str | None, typer.Option(help="Only this department's, by id.")] = None,
    csv: Csv = None,
    xlsx: Xlsx = None,
    language: Headings = Language.ZH,
    machine: Machine = False,
) -> None:
    """What months cost: by default the last twelve, by department."""
    query = {"by": by.value, "from": first, "to": last, "department_id": department}
    address = "/billing/reports"
    if files(context, address, {"csv": csv, "xlsx": xlsx}, **query, language=language.value):
        return
    found = connect(context).get(address, **query)
    if machine:
        as_json(found)
        return
    rows(
        found["rows"],
        [
            (by.value, lambda r: r["id"] if by is Grouping.MONTH else r["name_zh"]),
            ("", lambda r: "" if by is Grouping.MONTH else r["name_en"]),
            ("amount", lambda r: r["amount"]),
        ],
        machine=False,
        empty="Nothing was used then.",
    )
    months = found["months"]
    span = f"{months[0]['month']} to {months[-1]['month']}"
    still = [one["month"] for one in months if one["state"] == "open"]
    out.print(f"total {found['total']} {found['currency']}, {span}", markup=False)
    if still:
        out.print(f"not closed yet: {', '.join(still)}", markup=False)
    for sentence in found["unpriced"]:
        out.print(sentence, markup=False)


def settlement(
    context: typer.Context,
    month: str,
    department: Annotated[str | None, typer.Option(help="Only this department's, by id.")] = None,
    csv: Csv = None,
    xlsx: Xlsx = None,
    language: Headings = Language.ZH,
    machine: Machine = False,
) -> None:
    """Who owes the centre what for MONTH, which is closed."""
    address = f"/billing/periods/{month}/settlement"
    wanted = {"csv": csv, "xlsx": xlsx}
    if files(context, address, wanted, department_id=department, language=language.value):
        return
    found = connect(context).get(address, department_id=department)
    if machine:
        as_json(found)
        return
    rows(
        found["rows"],
        [
            ("invoice", lambda r: r["invoice_number"]),
            ("account", lambda r: f"{r['account_zh']} {r['account_en']}"),
            ("department", lambda r: f"{r['department_zh']} {r['department_en']}"),
            ("amount", lambda r: f"{r['amount']} {r['currency']}"),
        ],
        machine=False,
        empty="Nothing is owed: nothing was used.",
    )


def focus(
    context: typer.Context,
    month: str,
    csv: Annotated[Path, typer.Option("--csv", help="Write it to this file.")],
    version: Annotated[
        Version, typer.Option("--spec", help="Of FOCUS; 1.2 is for validators.")
    ] = Version.V1_4,
    department: Annotated[str | None, typer.Option(help="Only this department's, by id.")] = None,
    language: Annotated[
        Language, typer.Option(help="Of names; validators take ASCII alone.")
    ] = Language.ZH,
) -> None:
    """MONTH, which is closed, in the FinOps Foundation's format of cost and usage."""
    content = connect(context).raw(
        f"/billing/periods/{month}/focus",
        version=version.value,
        department_id=department,
        language=language.value,
    )
    written(csv, content)


def dividend(
    context: typer.Context,
    month: str,
    department: Annotated[str | None, typer.Option(help="Only this department's, by id.")] = None,
    csv: Csv = None,
    xlsx: Xlsx = None,
    language: Headings = Language.ZH,
    machine: Machine = False,
) -> None:
    """What pooling saved in MONTH, which is closed: each system at its own peak, and pooled."""
    address = f"/billing/periods/{month}/dividend"
    wanted = {"csv": csv, "xlsx": xlsx}
    if files(context, address, wanted, department_id=department, language=language.value):
        return
    found = connect(context).get(address, department_id=department)
    if machine:
        as_json(found)
        return
    rows(
        found["systems"],
        [
            ("system", lambda r: f"{r['system_zh']} {r['system_en']}"),
            ("alone", lambda r: r["alone"]),
            ("pooled", lambda r: r["pooled"]),
            ("saved", lambda r: r["saved"]),
        ],
        machine=False,
        empty="Nothing was used.",
    )
    share = found["saved_percent"]
    said = f"saved {found['saved']} of {found['alone']} {found['currency']}"
    out.print(said if share is None else f"{said} ({share} %)", markup=False)
    if found["coverage_percent"] is not None:
        out.print(f"data coverage {found['coverage_percent']} %", markup=False)
