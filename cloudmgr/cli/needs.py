"""``cloudmgr env needs``: which environments wake with another one."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudmgr.cli.options import Machine, connect
from cloudmgr.cli.show import Json, as_json, rows
from cloudmgr.errors import Invalid


def needs(
    context: typer.Context,
    environment: str,
    add: Annotated[
        list[str] | None, typer.Option("--add", help="It needs this environment, too.")
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", help="It needs this one no more.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why, with --add or --drop.")] = None,
    machine: Machine = False,
) -> None:
    """What it needs, and what needs it; say what it needs with --add and --drop."""
    remote, path = connect(context), f"/environments/{environment}/needs"
    found = remote.get(path)
    if add or drop:
        if not reason:
            raise Invalid("say why with --reason", code="reason-missing")
        known = [one["environment_id"] for one in found["needs"]]
        wanted = [key for key in known if key not in (drop or [])]
        wanted += [key for key in dict.fromkeys(add or []) if key not in wanted]
        body: Json = {"needs": wanted, "reason": reason}
        found = remote.call("PUT", path, body=body).body
    if machine:
        as_json(found)
        return
    rows(
        [
            *({**one, "word": "needs"} for one in found["needs"]),
            *({**one, "word": "is needed by"} for one in found["needed_by"]),
        ],
        [
            ("", lambda o: o["word"]),
            ("environment", lambda o: o["environment_id"]),
            ("host", lambda o: o["host"]),
            ("asleep", lambda o: o["asleep"]),
        ],
        machine=False,
        empty="It needs nothing, and nothing needs it.",
    )
