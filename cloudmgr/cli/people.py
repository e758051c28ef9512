"""``cloudmgr system``, ``department``, ``account``, ``token``, ``audit``: who exists, who did."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloudmgr.cli.options import Machine, connect
from cloudmgr.cli.requests import read_document
from cloudmgr.cli.show import Column, Json, as_json, facts, out, rows

systems = typer.Typer(help="Business systems of departments.", no_args_is_help=True)
departments = typer.Typer(help="Departments.", no_args_is_help=True)
accounts = typer.Typer(help="Who pays for departments.", no_args_is_help=True)
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


_VERSION: list[Column] = [
    ("from", lambda v: v["valid_from"]),
    ("name", lambda v: f"{v['name_zh']} {v['name_en']}"),
    ("pays", lambda v: v["billing_account_id"]),
    ("active", lambda v: v["active"]),
]
_ACCOUNT: list[Column] = [
    ("account", lambda a: a["id"]),
    ("name", lambda a: f"{a['name_zh']} {a['name_en']}"),
    ("currency", lambda a: a["currency"]),
]
Zh = Annotated[str, typer.Option("--zh", help="Its Chinese name.")]
En = Annotated[str, typer.Option("--en", help="Its English name.")]
Account = Annotated[str, typer.Option("--account", help="The billing account that pays, by id.")]
From = Annotated[
    str | None, typer.Option("--from", help="From when on (ISO 8601 with a zone); now if left out.")
]


@systems.command("list")
def list_systems(
    context: typer.Context,
    department: Annotated[str | None, typer.Option(help="Only this department's, by id.")] = None,
    machine: Machine = False,
) -> None:
    """Systems that you may see."""
    rows(
        connect(context).all("/systems", department_id=department),
        _SYSTEM,
        machine=machine,
        empty="No system yet. Register one with `cloudmgr system create -f FILE`.",
    )


@systems.command("show")
def show_system(context: typer.Context, system: str, machine: Machine = False) -> None:
    """One system."""
    more: list[Column] = [
        ("criticality", lambda s: s["criticality"]),
        ("purpose", lambda s: s["purpose"]),
    ]
    facts(connect(context).get(f"/systems/{system}"), [*_SYSTEM, *more], machine=machine)


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


@departments.command("show")
def show_department(context: typer.Context, department: str, machine: Machine = False) -> None:
    """One department with all that it was and will be."""
    found = connect(context).get(f"/departments/{department}")
    _versions(found, machine)


@departments.command("create")
def create_department(
    context: typer.Context,
    code: str,
    zh: Zh,
    en: En,
    account: Account,
    valid_from: From = None,
    machine: Machine = False,
) -> None:
    """Make the department CODE; its code is for ever, all else can change from some day on."""
    body: Json = {"code": code, "name_zh": zh, "name_en": en, "billing_account_id": account}
    if valid_from is not None:
        body["valid_from"] = valid_from
    made = connect(context).post("/departments", body)
    facts(
        made,
        [("department", lambda d: d["id"]), ("code", lambda d: d["code"])],
        machine=machine,
    )


@departments.command("revise")
def revise_department(
    context: typer.Context,
    department: str,
    zh: Annotated[str | None, typer.Option("--zh", help="Its Chinese name from then on.")] = None,
    en: Annotated[str | None, typer.Option("--en", help="Its English name from then on.")] = None,
    account: Annotated[
        str | None, typer.Option("--account", help="Who pays from then on, by id.")
    ] = None,
    valid_from: From = None,
    end: Annotated[bool, typer.Option("--end", help="It exists no longer from then on.")] = False,
    machine: Machine = False,
) -> None:
    """Say what a department will be; what is left out stays as its latest version has it."""
    remote, path = connect(context), f"/departments/{department}"
    seen = remote.call("GET", path)
    latest = seen.body["versions"][-1]
    body: Json = {
        "name_zh": zh or latest["name_zh"],
        "name_en": en or latest["name_en"],
        "billing_account_id": account or latest["billing_account_id"],
        "active": not end,
    }
    if valid_from is not None:
        body["valid_from"] = valid_from
    after = remote.post(f"{path}/versions", body, etag=seen.etag)
    _versions(after, machine)


@accounts.command("list")
def list_accounts(context: typer.Context, machine: Machine = False) -> None:
    """Billing accounts that you may see."""
    rows(
        connect(context).all("/billing-accounts"),
        _ACCOUNT,
        machine=machine,
        empty="No billing account yet. Make one with `cloudmgr account create`.",
    )


@accounts.command("show")
def show_account(context: typer.Context, account: str, machine: Machine = False) -> None:
    """One billing account."""
    facts(connect(context).get(f"/billing-accounts/{account}"), _ACCOUNT, machine=machine)


@accounts.command("create")
def create_account(
    context: typer.Context,
    zh: Zh,
    en: En,
    currency: Annotated[str, typer.Option(help="ISO 4217; for ever.")] = "CNY",
    machine: Machine = False,
) -> None:
    """Make an account that departments can be paid from."""
    body: Json = {"name_zh": zh, "name_en": en, "currency": currency}
    facts(connect(context).post("/billing-accounts", body), _ACCOUNT, machine=machine)


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
    scope: Annotated[
        list[str], typer.Option("--scope", help="read, write, billing, admin, metrics.")
    ],
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


def _versions(department: Json, machine: bool) -> None:
    if machine:
        as_json(department)
    else:
        rows(department["versions"], _VERSION, machine=False, empty="")
