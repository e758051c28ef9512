"""``cloudmgr service``: what components may be bound to, and who is."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudmgr.cli.options import Machine, connect
from cloudmgr.cli.show import Column, Json, rows

app = typer.Typer(help="Shared services.", no_args_is_help=True)


def _where(service: Json) -> str:
    if service["environment"]:
        return f"{service['environment']}/{service['component']}"
    return f"{service['host']}:{service['port']}"


_COLUMNS: list[Column] = [
    ("service", lambda s: s["name"]),
    ("what", lambda s: s["en"]),
    ("zone", lambda s: s["zone"]),
    ("for", lambda s: "all" if s["departments"] is None else ", ".join(s["departments"])),
    ("where", _where),
    ("problem", lambda s: s["absent"] or "none"),
    (
        "bound",
        lambda s: (
            ", ".join(
                b["host"].split(".")[0] + ("" if b["bound"] else " (not led there)")
                for b in s["bound"]
            )
            or "none"
        ),
    ),
]


@app.command("list")
def list_(
    context: typer.Context,
    zone: Annotated[str | None, typer.Option(help="intranet or extranet.")] = None,
    machine: Machine = False,
) -> None:
    """What your components may be bound to, and which of your environments are."""
    rows(
        connect(context).all("/shared-services", zone=zone),
        _COLUMNS,
        machine=machine,
        empty="No shared service yet: policies/services.yaml names them.",
    )
