"""``cloudmgr serve``, ``init`` and ``db``: what runs where the control plane runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from cloudmgr.cli.show import out

database = typer.Typer(help="The database's tables.", no_args_is_help=True)


def serve(
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run a control plane until it is told to stop; what it hosts goes on."""
    from cloudmgr.cli import serving  # noqa: PLC0415 - see that module's docstring

    serving.serve(log_level)


def init(
    admin_login: Annotated[str, typer.Option(help="The first administrator's name.")] = "admin",
    password: Annotated[
        str | None,
        typer.Option(help="Their password for the pages; made up and printed if left out."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How long the token lives.")] = 90,
) -> None:
    """Make the tables and the first administrator; print a token and a password, once."""
    from cloudmgr.cli import serving  # noqa: PLC0415 - see that module's docstring

    word, secret = serving.first_administrator(admin_login, password, timedelta(days=days))
    out.print(f"login: {admin_login}", markup=False)
    if password is None:
        out.print(f"password: {word}", markup=False)
    out.print(f"token: {secret}", markup=False, soft_wrap=True)


@database.command("upgrade")
def upgrade_tables() -> None:
    """Bring the tables to what this version needs; safe to repeat."""
    from cloudmgr.cli import serving  # noqa: PLC0415 - see that module's docstring

    out.print(f"the tables are at {serving.upgrade_tables()}", markup=False)


@database.command("reseal")
def reseal() -> None:
    """Seal all secrets with the first key of the key file, so that the others may go."""
    from cloudmgr.cli import serving  # noqa: PLC0415 - see that module's docstring

    out.print(f"sealed with the first key: {serving.reseal()}", markup=False)
