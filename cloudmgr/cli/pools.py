"""``cloudmgr pool``: what there is, what is held, what is left."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import typer

from cloudmgr.cli.options import Machine, connect
from cloudmgr.cli.show import Column, Json, as_json, facts, out, rows

app = typer.Typer(help="Pools of capacity.", no_args_is_help=True)


def _amount(pool: Json, which: str) -> str:
    amount = pool[which]
    return (
        f"{amount['cpu_millis'] / 1000:g} cores, {amount['memory_mib'] / 1024:g} GiB, "
        f"{amount['storage_gib']} GiB disk"
    )


_COLUMNS: list[Column] = [
    ("pool", lambda p: p["name"]),
    ("kind", lambda p: p["kind"]),
    ("zone", lambda p: p["zone"]),
    ("level", lambda p: p["protection_level"]),
    ("allocatable", lambda p: _amount(p, "allocatable")),
    ("allocated", lambda p: _amount(p, "allocated")),
    ("free", lambda p: _amount(p, "free")),
]
_FACTS: list[Column] = [
    *_COLUMNS,
    ("hosts", lambda p: f"{p['usable_hosts']} of {p['hosts']} in use"),
    ("promises at risk", lambda p: p["promises_at_risk"]),
    ("kept back", lambda p: f"{_amount(p, 'kept_back')} (for {p['spare_hosts']} to fail)"),
    ("problems", lambda p: "; ".join(p["problems"]) or "none"),
]


@app.command("list")
def list_(context: typer.Context, machine: Machine = False) -> None:
    """All pools with their room."""
    rows(
        connect(context).all("/pools"),
        _COLUMNS,
        machine=machine,
        empty="No pool is configured: set CLOUDMGR_POOLS.",
    )


@app.command("show")
def show(context: typer.Context, pool: str, machine: Machine = False) -> None:
    """One pool, by id (``pool_`` and its name)."""
    facts(connect(context).get(f"/pools/{pool}"), _FACTS, machine=machine)


def _hours(seconds: str) -> str:
    return f"{Decimal(seconds) / 3600:,.4f}"


def _why(line: Json) -> str:
    return "; ".join(f"{_hours(d['seconds'])} {d['explanation']}" for d in line["differences"])


_SERVERS: list[Column] = [
    ("environment", lambda s: s["environment_id"]),
    ("server", lambda s: s["name"] or s["component"]),
    ("id", lambda s: s["server_id"]),
    ("ours (h)", lambda s: _hours(s["our_seconds"])),
    ("the pool's (h)", lambda s: _hours(s["their_seconds"])),
    ("difference (h)", lambda s: _hours(s["difference_seconds"])),
    ("why", _why),
]


@app.command("reconcile")
def reconcile(
    context: typer.Context,
    pool: str,
    since: Annotated[
        str | None, typer.Option(help="A moment with its zone; else the start of this month.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="A moment with its zone; else when the pool was last read.")
    ] = None,
    machine: Machine = False,
) -> None:
    """Hold our server-hours against the pool's own; exit 1 if something is unexplained."""
    found = connect(context).get(f"/pools/{pool}/reconciliation", since=since, until=until)
    if machine:
        as_json(found)
    else:
        _show(found)
    if not found["explained"]:
        raise typer.Exit(1)


def _show(found: Json) -> None:
    rows(
        (
            {"environment_id": environment["environment_id"], **server}
            for environment in found["environments"]
            for server in environment["servers"]
        ),
        _SERVERS,
        machine=False,
        empty="Neither counted a server then.",
    )
    hours = [_hours(found[f"{which}_seconds"]) for which in ("our", "their", "difference")]
    out.print(f"\nfrom {found['since']} until {found['until']}", markup=False)
    for environment in found["environments"]:
        sums = [_hours(environment[f"{which}_seconds"]) for which in ("our", "their", "difference")]
        out.print(f"{environment['environment_id']}: {_sums(sums)}", markup=False)
    out.print(f"together: {_sums(hours)}", markup=False)
    out.print(
        "every difference is explained" if found["explained"] else "UNEXPLAINED: look into it"
    )


def _sums(hours: list[str]) -> str:
    return f"ours {hours[0]} h, the pool's {hours[1]} h, difference {hours[2]} h"
