"""``cloudmgr env demand`` and ``forecast``: what was asked, and what history tells of it."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudmgr.cli.options import Machine, connect
from cloudmgr.cli.show import Json, facts, rows


def demand(
    context: typer.Context,
    environment: str,
    start: Annotated[
        str | None, typer.Option("--from", help="A moment; a day before the end, if left out.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="A moment; now, if left out.")] = None,
    machine: Machine = False,
) -> None:
    """What was asked of it, by steps of five minutes; quiet steps are left out."""
    asked = {name: moment for name, moment in (("starts_at", start), ("ends_at", end)) if moment}
    found = connect(context).get(f"/environments/{environment}/demand", **asked)
    known = [{**step, "gap": ""} for step in found["steps"]]
    unknown = [{"starts_at": g["starts_at"], "gap": f"to {g['ends_at']}"} for g in found["gaps"]]
    rows(
        sorted(known + unknown, key=lambda one: str(one["starts_at"])),
        [
            ("from", lambda s: s["starts_at"]),
            ("requests", lambda s: s.get("requests")),
            ("in flight", lambda s: _number(s.get("in_flight"))),
            ("highest", lambda s: _number(s.get("highest"))),
            ("not counted", lambda s: s["gap"]),
        ],
        machine=machine,
        empty="Nothing was asked of it.",
    )


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


def forecast(context: typer.Context, environment: str, machine: Machine = False) -> None:
    """What did best on its history, and what that asks capacity for now."""
    facts(
        connect(context).get(f"/environments/{environment}/forecast"),
        [
            ("followed", lambda f: _learned(f["learned"])),
            ("there", lambda f: _did(f["learned"])),
            ("asks for now", lambda f: _told(f["told"])),
        ],
        machine=machine,
    )


def _learned(lesson: Json | None) -> str:
    if lesson is None:
        return "nothing: traffic and windows decide alone"
    return f"{lesson['way']}, by {lesson['days']:g} days of demand, since {lesson['learned_at']}"


def _did(lesson: Json | None) -> str | None:
    if lesson is None:
        return None
    return (
        f"{lesson['cost_to_oracle']:g} times the capacity of one who knows what comes, "
        f"{lesson['unmet']:.3%} of demand unmet"
    )


def _told(told: Json | None) -> str | None:
    if told is None:
        return None
    return f"{told['in_flight']:g} requests in flight, until {told['until']}"
