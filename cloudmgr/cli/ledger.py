"""``cloudmgr usage ledger``: usage at rest, as other engines read it."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudmgr.cli.options import Machine, connect
from cloudmgr.cli.show import as_json, out, rows

app = typer.Typer(help="The usage ledger at rest.", no_args_is_help=True)


@app.command("show")
def show(context: typer.Context, machine: Machine = False) -> None:
    """What is at rest, by month, and how much waits to be written."""
    found = connect(context).get("/usage/ledger")
    if machine:
        as_json(found)
        return
    rows(
        found["months"],
        [
            ("month", lambda m: m["month"]),
            ("files", lambda m: f"{m['files']:,}"),
            ("records", lambda m: f"{m['records']:,}"),
            ("bytes", lambda m: f"{m['size']:,}"),
        ],
        machine=False,
        empty="Nothing is at rest yet.",
    )
    out.print(found["directory"], markup=False, soft_wrap=True)
    since = found["written_at"] or "never"
    out.print(f"batch {found['batches']}, written {since}; {found['waiting']:,} records wait")
    if found["problem"]:
        out.print(found["problem"], markup=False)


@app.command("check")
def check(
    context: typer.Context,
    month: Annotated[str | None, typer.Argument(help="Only this month, as in 2026-06.")] = None,
    machine: Machine = False,
) -> None:
    """Whether its files are as they were written and have all that was held; exit 1 if not."""
    found = connect(context).get("/usage/ledger/check", month=month)
    if machine:
        as_json(found)
    else:
        for one in (*found["damages"], *(found["lapses"] or ())):
            out.print(one["sentence"], markup=False, soft_wrap=True)
        said = "sound" if found["sound"] else "not sound"
        out.print(f"{found['files']:,} files, {found['records']:,} records: {said}")
    if not found["sound"]:
        raise typer.Exit(1)
