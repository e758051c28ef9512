"""Options that many commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudmgr.cli.remote import Remote

Machine = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with what is done.")]


def connect(context: typer.Context) -> Remote:
    """The control plane that the command's options name."""
    url, token = context.find_root().obj or (None, None)
    remote = Remote(url, token)
    context.call_on_close(remote.close)
    return remote
