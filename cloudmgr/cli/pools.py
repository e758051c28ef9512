"""``cloudmgr pool``: what there is, what is held, what is left."""

from __future__ import annotations

import typer

from cloudmgr.cli.options import Machine, connect
from cloudmgr.cli.show import Column, Json, facts, rows

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
