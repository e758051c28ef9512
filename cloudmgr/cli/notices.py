"""``cloudmgr notice``: what you were told, what you are mailed, and whether it arrives."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudmgr.cli.options import Machine, connect
from cloudmgr.cli.show import Json, as_json, facts, out, rows
from cloudmgr.errors import Temporary

app = typer.Typer(help="What you are told without asking.", no_args_is_help=True)


@app.command("list")
def list_(
    context: typer.Context,
    kind: Annotated[
        str | None, typer.Option(help="refused, approved, booked, at-risk, safe, late, missed, …")
    ] = None,
    department: Annotated[str | None, typer.Option(help="Id of a department.")] = None,
    unread: Annotated[bool, typer.Option("--unread", help="Only what you have not read.")] = False,
    machine: Machine = False,
) -> None:
    """What you were told, the newest first."""
    found = connect(context).all(
        "/notices", kind=kind, department_id=department, unread="true" if unread else None
    )
    rows(
        found,
        [
            ("notice", lambda n: n["id"]),
            ("when", lambda n: n["at"]),
            ("what", lambda n: n["title_en"]),
            ("read", lambda n: n["read"]),
            ("in words", lambda n: n["en"]),
        ],
        machine=machine,
        empty="You were told nothing. What is refused, at risk, ready or missed appears here.",
    )


@app.command("read")
def read(
    context: typer.Context,
    notices: Annotated[list[str] | None, typer.Argument(help="Ids; none for all.")] = None,
    machine: Machine = False,
) -> None:
    """Say that you have read them."""
    body: Json = {"ids": list(dict.fromkeys(notices))} if notices else {}
    facts(
        connect(context).post("/notices/read", body),
        [("unread", lambda n: n["unread"])],
        machine=machine,
    )


@app.command("mail")
def mail(
    context: typer.Context,
    mute: Annotated[
        list[str] | None, typer.Option("--mute", help="A kind not to be mailed; repeatable.")
    ] = None,
    unmute: Annotated[
        list[str] | None, typer.Option("--unmute", help="A kind to be mailed again; repeatable.")
    ] = None,
    machine: Machine = False,
) -> None:
    """What you are mailed, and where; in the pages everything is always."""
    remote, path = connect(context), "/notices/wishes"
    found = remote.get(path)
    if mute or unmute:
        muted = {*found["muted"], *(mute or [])} - set(unmute or [])
        found = remote.call("PUT", path, body={"muted": sorted(muted)}).body
    facts(
        found,
        [
            ("mailed to", lambda w: w["email"] or "nowhere: an administrator sets your address"),
            ("muted", lambda w: " ".join(w["muted"]) or "nothing"),
        ],
        machine=machine,
    )


@app.command("deliveries")
def deliveries(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="waiting, sent or given-up.")] = None,
    notice: Annotated[str | None, typer.Option(help="Id of a notice.")] = None,
    machine: Machine = False,
) -> None:
    """What was sent where, and what did not arrive."""
    rows(
        connect(context).all("/notice-deliveries", state=state, notice_id=notice),
        [
            ("notice", lambda d: d["notice_id"]),
            ("to", lambda d: d["target"]),
            ("state", lambda d: d["state"]),
            ("tries", lambda d: d["tries"]),
            ("next try", lambda d: d["next_try_at"]),
            ("ended", lambda d: d["ended_at"]),
            ("because", lambda d: d["reason"]),
        ],
        machine=machine,
        empty="Nothing was sent. Set CLOUDMGR_NOTICE_TARGETS or CLOUDMGR_NOTICE_MAIL to begin.",
    )


@app.command("targets")
def targets(context: typer.Context, machine: Machine = False) -> None:
    """Where operators are told, and whether officers are mailed."""
    found = connect(context).get("/notice-deliveries/targets")
    if machine:
        as_json(found)
        return
    rows(
        found["targets"],
        [("target", lambda t: t["id"]), ("which", lambda t: t["shown"])],
        machine=False,
        empty="There is no target: set CLOUDMGR_NOTICE_TARGETS.",
    )
    out.print(f"officers are mailed: {'yes' if found['mail'] else 'no'}")


@app.command("test")
def try_targets(context: typer.Context, machine: Machine = False) -> None:
    """Send a test to every target now; exits with 75 if any did not take it."""
    found = connect(context).post("/notice-deliveries/test", {})["tried"]
    rows(
        found,
        [
            ("target", lambda t: t["id"]),
            ("which", lambda t: t["shown"]),
            ("arrived", lambda t: t["failure"] is None),
            ("because", lambda t: t["failure"]),
        ],
        machine=machine,
        empty="There is no target: set CLOUDMGR_NOTICE_TARGETS.",
    )
    failed = [one["shown"] for one in found if one["failure"] is not None]
    if failed:
        raise Temporary(f"it did not arrive at {', '.join(failed)}", code="notice-not-taken")
