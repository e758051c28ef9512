"""``cloudmgr env freeze``: whether changes are refused near a peak, and letting them through."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudmgr.cli.options import Machine, connect
from cloudmgr.cli.show import Json, facts
from cloudmgr.errors import Invalid


def freeze(
    context: typer.Context,
    environment: str,
    lift: Annotated[bool, typer.Option("--lift", help="Let changes through.")] = False,
    restore: Annotated[bool, typer.Option("--restore", help="Freeze them again.")] = False,
    until: Annotated[
        str | None, typer.Option(help="With --lift; the freeze's end if it is left out.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why, with --lift or --restore.")] = None,
    machine: Machine = False,
) -> None:
    """Whether changes of it are frozen for a peak; operators may lift that, and restore it."""
    remote, path = connect(context), f"/environments/{environment}/freeze"
    if lift and restore:
        raise Invalid("either lift it or restore it", code="contradiction")
    if lift or restore:
        if not reason:
            raise Invalid("say why with --reason", code="reason-missing")
        body: Json = {"reason": reason}
        if lift and until:
            body["until"] = until
        found = remote.post(f"{path}/{'lift' if lift else 'restore'}", body)
    else:
        found = remote.get(path)
    facts(
        found,
        [
            ("changes", _said),
            ("since", lambda f: f["since"]),
            ("until", lambda f: f["until"]),
            ("for the peak", lambda f: f["window_id"]),
            ("let through until", lambda f: f["lift"] and f["lift"]["until"]),
            ("why", lambda f: f["lift"] and f["lift"]["reason"]),
        ],
        machine=machine,
    )


def _said(found: Json) -> str:
    if found["frozen"]:
        return "frozen"
    return "let through" if found["lift"] else "not frozen"
