"""The command ``cloudmgr``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cloudmgr import __version__
from cloudmgr.cli import (
    billing,
    environments,
    notices,
    people,
    policy,
    pools,
    rating,
    readiness,
    requests,
    scaling,
    series,
    server,
    services,
    simulation,
    users,
    windows,
)
from cloudmgr.cli.demo.command import demo
from cloudmgr.cli.show import err
from cloudmgr.errors import (
    CloudmgrError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Temporary,
    Unauthenticated,
)

# What a script may tell apart, as docs/operator.md lists it; 1 is everything else.
EXIT_CODES = (
    (Invalid, 2),
    (NotFound, 3),
    (Conflict, 4),
    (Forbidden, 5),
    (Unauthenticated, 5),
    (Temporary, 75),  # EX_TEMPFAIL of sysexits.h
)

_BY_STATUS = {
    400: 2,
    401: 5,
    403: 5,
    404: 3,
    409: 4,
    412: 4,
    413: 2,
    422: 2,
    428: 2,
    502: 75,
    503: 75,
    504: 75,
}

app = typer.Typer(
    name="cloudmgr",
    help="Pool a city's infrastructure: host, scale, hibernate, meter and bill.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"cloudmgr {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    url: Annotated[
        str | None, typer.Option(help="The control plane's address, else CLOUDMGR_URL.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(help="An API token, else CLOUDMGR_TOKEN (which the process list hides)."),
    ] = None,
    _version_wanted: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    context.obj = (url, token)


app.command("serve")(server.serve)
app.command("init")(server.init)
app.add_typer(server.database, name="db")
app.add_typer(policy.app, name="policy")
app.add_typer(people.systems, name="system")
app.add_typer(people.departments, name="department")
app.add_typer(people.accounts, name="account")
app.add_typer(users.app, name="user")
app.add_typer(users.me, name="me")
app.add_typer(people.tokens, name="token")
app.add_typer(people.audit, name="audit")
app.add_typer(requests.app, name="request")
app.add_typer(environments.app, name="env")
windows.app.command("readiness")(readiness.readiness)
windows.app.command("check-readiness")(readiness.check_readiness)
app.add_typer(windows.app, name="window")
app.add_typer(notices.app, name="notice")
app.add_typer(series.app, name="series")
scaling.app.command("simulate")(simulation.simulate)
app.add_typer(scaling.app, name="scaling")
app.add_typer(pools.app, name="pool")
app.add_typer(services.app, name="service")
billing.app.command("rate")(rating.rate)
billing.app.command("rating-sql")(rating.rating_sql)
app.add_typer(billing.app, name="billing")
app.add_typer(billing.usage, name="usage")
app.command("demo")(demo)


def main() -> None:
    """The entry point."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command; an error of ours is one line and an exit status, never a traceback."""
    try:
        app(arguments)
    except CloudmgrError as error:
        err.print(_line(error), soft_wrap=True, markup=False)
        return exit_code(error)
    except KeyboardInterrupt:
        return 130
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def exit_code(error: CloudmgrError) -> int:
    """The exit status that stands for ``error``."""
    status = getattr(error, "status", None)
    if status is not None:
        return _BY_STATUS.get(status, 1)
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)


def _line(error: CloudmgrError) -> str:
    text = f"cloudmgr: {error.message}"
    return f"{text}. {error.hint}" if error.hint else text


if __name__ == "__main__":
    main()
