"""Options that say when a peak comes round."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from cloudmgr.errors import Invalid

if TYPE_CHECKING:
    from cloudmgr.cli.show import Json

_DAY_OF_YEAR = re.compile(r"([0-9]{1,2})-([0-9]{1,2})")

Yearly = Annotated[str | None, typer.Option(help="A day of each year, as 06-30.")]
Lunar = Annotated[str | None, typer.Option(help="Of each lunar year, as 01-15.")]
Rule = Annotated[
    str | None, typer.Option(help="RFC 5545, as 'FREQ=MONTHLY;BYMONTHDAY=15'; with --since.")
]
Since = Annotated[str | None, typer.Option(help="The first day of --rule.")]
Days = Annotated[list[str] | None, typer.Option(help="This day; more than once.")]
Before = Annotated[int, typer.Option(help="So many days before it.")]
After = Annotated[int, typer.Option(help="So many days after it.")]
Workdays = Annotated[bool, typer.Option("--workdays", help="Count working days.")]
Itself = Annotated[bool, typer.Option("--itself/--not-itself", help="With that day.")]
Opens = Annotated[str, typer.Option(help="In the city's time.")]
Closes = Annotated[str, typer.Option(help="In the city's time.")]
Through = Annotated[bool, typer.Option("--through", help="With the nights between.")]


def peak_of(
    *,
    yearly: str | None,
    lunar: str | None,
    rule: str | None,
    since: str | None,
    day: list[str] | None,
    before: int,
    after: int,
    workdays: bool,
    itself: bool,
    opens: str,
    closes: str,
    through: bool,
) -> Json:
    """As the API takes it. :raises Invalid: ``invalid-day``."""
    return {
        "days": day or None,
        "yearly": _day_of_year("yearly", yearly),
        "lunar": _day_of_year("lunar", lunar),
        "rule": rule,
        "since": since,
        "before": before,
        "after": after,
        "workdays": workdays,
        "itself": itself,
        "opens": opens,
        "closes": closes,
        "each_day": not through,
    }


def _day_of_year(option: str, said: str | None) -> Json | None:
    if said is None:
        return None
    found = _DAY_OF_YEAR.fullmatch(said)
    if found is None:
        raise Invalid(
            f"{said} is no day of a year",
            code="invalid-day",
            hint=f"give month and day, as --{option} 06-30",
        )
    return {"month": int(found[1]), "day": int(found[2])}
