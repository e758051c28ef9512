"""``cloudmgr user`` and ``cloudmgr me``: who may come in, as what, and who one is oneself."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudmgr.cli.options import Machine, connect
from cloudmgr.cli.show import Column, Json, facts, out, rows

app = typer.Typer(help="People and their roles.", no_args_is_help=True)
me = typer.Typer(help="Who you are here.", no_args_is_help=True)

Roles = Annotated[
    list[str],
    typer.Option(
        "--role",
        help="department-officer, approver, operator, finance, auditor or administrator; "
        "may be repeated.",
    ),
]
Department = Annotated[
    str | None, typer.Option("--department", help="Id; left out for the city's own staff.")
]
Locale = Annotated[str | None, typer.Option(help="zh-CN or en.")]
Email = Annotated[str | None, typer.Option(help="Where notices are mailed to; '' for nowhere.")]

_USER: list[Column] = [
    ("user", lambda u: u["id"]),
    ("login", lambda u: u["login"]),
    ("name", lambda u: u["name"]),
    ("roles", lambda u: " ".join(u["roles"])),
    ("department", lambda u: u["department_id"]),
    ("mail", lambda u: u["email"]),
    ("active", lambda u: u["active"]),
]


@app.command("list")
def list_(context: typer.Context, department: Department = None, machine: Machine = False) -> None:
    """Users, by login."""
    rows(
        connect(context).all("/users", department_id=department),
        _USER,
        machine=machine,
        empty="No user is there.",
    )


@app.command("show")
def show(context: typer.Context, user: str, machine: Machine = False) -> None:
    """One user, by id."""
    facts(connect(context).get(f"/users/{user}"), _USER, machine=machine)


@app.command("create")
def create(
    context: typer.Context,
    login: str,
    name: Annotated[str, typer.Option(help="The person's name.")],
    role: Roles,
    department: Department = None,
    locale: Locale = None,
    email: Email = None,
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a password for the pages.")
    ] = False,
    machine: Machine = False,
) -> None:
    """Let a person in. Without a password they only have tokens."""
    body: Json = {"login": login, "name": name, "roles": role, "department_id": department}
    if locale is not None:
        body["locale"] = locale
    if email is not None:
        body["email"] = email
    if password:
        body["password"] = _asked()
    facts(connect(context).post("/users", body), _USER, machine=machine)


@app.command("change")
def change(
    context: typer.Context,
    user: str,
    name: Annotated[str | None, typer.Option()] = None,
    role: Annotated[
        list[str] | None, typer.Option("--role", help="All roles from now on; may be repeated.")
    ] = None,
    department: Annotated[
        str | None, typer.Option(help="Id of another department, or 'none' for the city's staff.")
    ] = None,
    locale: Locale = None,
    email: Email = None,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Whether they may come in at all.")
    ] = None,
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a new password; ends their sessions.")
    ] = False,
    machine: Machine = False,
) -> None:
    """Change what is said; the rest stays."""
    wanted: Json = {
        "name": name,
        "roles": role or None,
        "locale": locale,
        "email": email,
        "active": active,
    }
    body = {field: value for field, value in wanted.items() if value is not None}
    if department is not None:
        body["department_id"] = None if department == "none" else department
    if password:
        body["password"] = _asked()
    remote, path = connect(context), f"/users/{user}"
    etag = remote.call("GET", path).etag
    facts(remote.call("PATCH", path, body=body, etag=etag).body, _USER, machine=machine)


@me.command("show")
def whoami(context: typer.Context, machine: Machine = False) -> None:
    """You, and what your token is for."""
    facts(
        connect(context).get("/me"),
        [
            *((title, lambda m, value=value: value(m["user"])) for title, value in _USER),
            ("scopes", lambda m: " ".join(m["scopes"])),
        ],
        machine=machine,
    )


@me.command("password")
def password(context: typer.Context) -> None:
    """Change your password for the pages; asks for both. Ends your sessions there."""
    body = {"current": typer.prompt("Password until now", hide_input=True), "new": _asked()}
    connect(context).call("PUT", "/me/password", body=body)
    out.print("changed")


def _asked() -> str:
    answer: str = typer.prompt("New password", hide_input=True, confirmation_prompt=True)
    return answer
