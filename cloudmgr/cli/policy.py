"""``cloudmgr policy``: check rules before they are in force, see and reload those that are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloudmgr.cli.options import Machine, connect
from cloudmgr.cli.show import as_json, err, facts, out
from cloudmgr.policy.default import packaged_policies

app = typer.Typer(help="The rules that decide.", no_args_is_help=True)


@app.command("check")
def check(
    directory: Annotated[
        Path | None, typer.Argument(help="The rules; those in use here if left out.")
    ] = None,
) -> None:
    """Check the rules in DIRECTORY and run the test cases beside them; exit 1 on a finding."""
    # Other commands need none of it, and it takes a fifth of a second to import.
    from cloudmgr.policy.check import check as check_bundle  # noqa: PLC0415

    report = check_bundle(directory or packaged_policies())
    (out if report.ok else err).print(str(report), markup=False, soft_wrap=True)
    if not report.ok:
        raise typer.Exit(1)


@app.command("show")
def show(context: typer.Context, machine: Machine = False) -> None:
    """Which rules are in force."""
    policy = connect(context).get("/policy")
    if machine:
        as_json(policy)
        return
    facts(
        policy,
        [("digest", lambda p: p["digest"]), ("last error", lambda p: p["last_error"])],
        machine=False,
    )


@app.command("reload")
def reload(context: typer.Context) -> None:
    """Read the rules anew; broken ones are refused and the old ones stay."""
    out.print(f"in force: {connect(context).post('/policy/reload')['digest']}")
