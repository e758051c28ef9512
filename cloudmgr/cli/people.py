"""``cloudmgr system``, ``department``, ``token``, ``audit``: who exists, who may, who did."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloudmgr.cli.options import Machine, connect
from cloudmgr.cli.requests import read_document
from cloudmgr.cli.show import Column, facts, out, rows

systems = typer.Typer(help="Business systems of departments.", no_args_is_help=True)
departments = typer.Typer(help="Departments.", no_args_is_help=True)
tokens = typer.Typer(help="API tokens of your own.", no_args_is_help=True)
audit = typer.Typer(help="Who did what.", no_args_is_help=True)

_SYSTEM: list[Column] = [
    ("system", lambda s: s["id"]),
    ("code", lambda s: s["code"]),
    ("name", lambda s: f"{s['name_zh']} {s['name_en']}"),
    ("zone", lambda s: s["zone"]),
    ("level", lambda s: s["protection_level"]),
    ("department", lambda s: s["department_id"]),
]


@systems.command("list")
def list_systems(context: typer.Context, machine: Machine = False) -> None:
    """Systems that you may see."""
    rows(
        connect(context).all("/systems"),
        _SYSTEM,
        machine=machine,
        empty="No system yet. Register one with `cloudmgr system create -f FILE`.",
    )


@systems.command("create")
def create_system(
    context: typer.Context,
    file: Annotated[Path, typer.Option("--file", "-f", help="The system, YAML or JSON.")],
    machine: Machine = False,
) -> None:
    """Register what FILE describes."""
    facts(connect(context).post("/systems", read_document(file)), _SYSTEM, machine=machine)


@departments.command("list")
def list_departments(context: typer.Context, machine: Machine = False) -> None:
    """Departments that you may see."""
    rows(
        connect(context).all("/departments"),
        [
            ("department", lambda d: d["id"]),
            ("code", lambda d: d["code"]),
            ("name", lambda d: d["current"] and d["current"]["name_zh"]),
            ("", lambda d: d["current"] and d["current"]["name_en"]),
            ("pays", lambda d: d["current"] and d["current"]["billing_account_id"]),
        ],
        machine=machine,
        empty="No department yet: an administrator makes them.",
    )


@tokens.command("list")
def list_tokens(context: typer.Context, machine: Machine = False) -> None:
    """Your tokens; a secret is never shown again."""
    rows(
        connect(context).all("/me/tokens"),
        [
            ("token", lambda t: t["id"]),
            ("name", lambda t: t["name"]),
            ("scopes", lambda t: " ".join(t["scopes"])),
            ("expires", lambda t: t["expires_at"]),
            ("last used", lambda t: t["last_used_at"]),
            ("revoked", lambda t: t["revoked_at"]),
        ],
        machine=machine,
        empty="No token.",
    )


@tokens.command("create")
def create_token(
    context: typer.Context,
    name: str,
    scope: Annotated[list[str], typer.Option("--scope", help="read, write, billing, admin.")],
    days: Annotated[int, typer.Option(min=1, max=366)] = 90,
    machine: Machine = False,
) -> None:
    """Make a token; its secret is printed once."""
    made = connect(context).post("/me/tokens", {"name": name, "scopes": scope, "days": days})
    facts(
        made,
        [("secret", lambda t: t["secret"]), ("expires", lambda t: t["expires_at"])],
        machine=machine,
    )


@tokens.command("revoke")
def revoke_token(context: typer.Context, token: str) -> None:
    """Make a token worthless at once."""
    connect(context).call("DELETE", f"/me/tokens/{token}")
    out.print(f"revoked: {token}", markup=False)


@audit.command("list")
def list_audit(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    machine: Machine = False,
) -> None:
    """What was done, the newest first."""
    rows(
        connect(context).get("/audit", limit=limit)["items"],
        [
            ("at", lambda e: e["at"]),
            ("who", lambda e: e["actor_login"]),
            ("did", lambda e: e["action"]),
            ("to", lambda e: f"{e['object_kind']} {e['object_id']}"),
        ],
        machine=machine,
        empty="Nothing was done yet.",
    )
