"""``cloudmgr demo``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from cloudmgr.cli.demo.city import DEFAULT_SPEED
from cloudmgr.errors import Invalid

_HOURS = re.compile(r"(\d{1,2})-(\d{1,2})")


def demo(
    speed: Annotated[
        float, typer.Option(min=1, max=1440, help="Business seconds that pass in a second.")
    ] = DEFAULT_SPEED,
    headless: Annotated[
        bool,
        typer.Option("--headless", help="One day, then the figures; exit status 1 if one is bad."),
    ] = False,
    out: Annotated[
        Path, typer.Option(help="Where invoices, figures and raw requests are written.")
    ] = Path("demo-out"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the state directory afterwards, and say where.")
    ] = False,
    hours: Annotated[
        str, typer.Option(help="Only these hours of the day, such as 15-19.")
    ] = "0-24",
    chaos: Annotated[
        bool | None,
        typer.Option(
            "--chaos/--no-chaos",
            help="Kill the control plane and a replica in the peaks; with --headless unless said.",
        ),
    ] = None,
    times: Annotated[
        bool,
        typer.Option(
            help="Judge promises of seconds too; without, they are shown, as on a busy machine."
        ),
    ] = True,
) -> None:
    """A city's business day in about four minutes, with real processes and real traffic.

    Six departments host eight systems; demand of a real day is replayed through the gateway.
    Without --headless it goes on until Ctrl-C, and the pages show it live.
    """
    # Other commands need none of it, and it takes half a second to import.
    from cloudmgr.cli.demo.play import Options, play  # noqa: PLC0415

    since, until = parse_hours(hours)
    wanted = Options(
        speed=speed,
        headless=headless,
        out=out,
        keep=keep,
        since=since,
        until=until,
        chaos=headless if chaos is None else chaos,
        times=times,
    )
    sys.exit(play(wanted))


def parse_hours(text: str) -> tuple[int, int]:
    """``15-19`` as seconds of the day, from and to.

    :raises Invalid: ``not-hours``.
    """
    found = _HOURS.fullmatch(text)
    since, until = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 0 <= since < until <= 24:
        raise Invalid(
            f"{text!r} are no hours of a day",
            code="not-hours",
            path="--hours",
            hint="give two full hours, such as 15-19",
        )
    return since * 3600, until * 3600
