"""Options that say what is expected of a peak instead of how many replicas it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cloudmgr.errors import Invalid

if TYPE_CHECKING:
    from cloudmgr.cli.show import Json

_RANGE = "one number, LOW..HIGH or LOW..LIKELY..HIGH"

Replicas = Annotated[
    int | None, typer.Option(help="How many of it; or say what is expected instead.")
]
Users = Annotated[str | None, typer.Option(help=f"Users at once: {_RANGE}.")]
Rps = Annotated[str | None, typer.Option(help=f"Requests per second: {_RANGE}.")]
Times = Annotated[str | None, typer.Option(help=f"Times what is normal: {_RANGE}.")]
Seconds = Annotated[
    str | None,
    typer.Option("--seconds-per-request", help="What a request takes; measured if left out."),
]
PerUser = Annotated[
    str | None,
    typer.Option("--requests-per-user", help="Of one user in a minute; policy's if left out."),
]


def demand(
    replicas: int | None,
    users: str | None,
    rps: str | None,
    times: str | None,
    seconds: str | None,
    per_user: str | None,
) -> Json:
    """The members of a body that say how much is needed.

    :raises Invalid: ``invalid-demand``: not exactly one of them, or no range.
    """
    said = {"users": users, "requests": rps, "times": times}
    given = {unit: text for unit, text in said.items() if text is not None}
    if len(given) + (replicas is not None) != 1:
        raise Invalid(
            "say how much is needed, in one way",
            code="invalid-demand",
            hint="give one of --replicas, --users, --rps and --times",
        )
    if replicas is not None:
        return {"replicas": replicas}
    ((unit, text),) = given.items()
    ends = [part.strip().replace(",", "") for part in text.split("..")]
    if not 1 <= len(ends) <= 3 or not all(ends):
        raise Invalid(f"{text} is no range", code="invalid-demand", hint=f"give {_RANGE}")
    return {
        "expected": {
            "unit": unit,
            "low": ends[0],
            "likely": ends[1] if len(ends) == 3 else None,
            "high": ends[-1],
            "seconds_per_request": seconds,
            "requests_per_user_minute": per_user,
        }
    }


def worked_out(item: Json) -> str | None:
    """What the replicas were worked out from, in both languages; None if they were asked for."""
    expected = item.get("expected")
    return f"{expected['en']}\n{expected['zh']}" if expected else None
