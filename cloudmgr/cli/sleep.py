"""``cloudmgr env sleep`` and ``wakes``: when an environment may sleep, and how it came back."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudmgr.cli.options import Machine, Reason, connect
from cloudmgr.cli.show import Json, facts, rows


def sleep(context: typer.Context, environment: str, machine: Machine = False) -> None:
    """When it may sleep, when it wakes by itself, and how soon it is promised to be back."""
    facts(
        connect(context).get(f"/environments/{environment}/hibernation"),
        [
            ("asleep", lambda s: s["asleep"]),
            ("class", lambda s: s["scaling_class"]),
            ("sleeps after", lambda s: _idle(s["idle_after_minutes"])),
            ("ready within", lambda s: f"{s['wake_within_minutes']:g} min of a wake"),
            ("before a peak", lambda s: s["lead"]["en"]),
            ("workdays", lambda s: _hours(s["workdays"], s["time_zone"])),
            ("other days", lambda s: _hours(s["other_days"], s["time_zone"])),
            ("not before", lambda s: s["held_until"]),
            ("kept awake until", lambda s: s["awake_until"]),
            ("wakes by itself at", lambda s: s["wakes_at"]),
            ("still costs asleep", lambda s: _cost(s["asleep_costs"])),
            ("waits", lambda s: s["waits"] and s["waits"]["en"]),
            ("its pool", lambda s: s["pool"]),
            ("last wake", lambda s: _wake(s["last_wake"])),
        ],
        machine=machine,
    )


def _cost(one: Json | None) -> str | None:
    if one is None:
        return None
    return (
        f"{one['month']} {one['currency']} a month: {one['storage_gib']} GiB of storage, "
        f"{one['addresses']} addresses"
    )


def _wake(one: Json | None) -> str | None:
    if one is None:
        return None
    ready = f"ready {one['ready_at']}" if one["ready_at"] else "not ready"
    return (
        f"{one['fate']}: asked {one['asked_at']}, promised by {one['promised_by']}, {ready} "
        f"({one['cause']})"
    )


def wakes(
    context: typer.Context,
    environment: str,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    machine: Machine = False,
) -> None:
    """Each wake, what was promised, and whether it was kept, the newest first."""
    rows(
        connect(context).get(f"/environments/{environment}/wakes", limit=limit)["items"],
        [
            ("asked", lambda w: w["asked_at"]),
            ("promised by", lambda w: w["promised_by"]),
            ("began", lambda w: w["begun_at"]),
            ("ready", lambda w: w["ready_at"]),
            ("promise", lambda w: w["fate"]),
            ("called by", lambda w: w["cause"]),
            ("took", lambda w: _took(w["ready_after_seconds"])),
            ("why", lambda w: w["why_not"] or w["why"]),
        ],
        machine=machine,
        empty="It was not woken yet.",
    )


def try_waking(
    context: typer.Context,
    environment: str,
    reason: Reason = "tried by hand",
    machine: Machine = False,
) -> None:
    """Wake it to see whether it does; it falls asleep again. `env wakes` says how long it took."""
    woken = connect(context).post(f"/environments/{environment}/test-wake", {"reason": reason})
    facts(
        woken,
        [
            ("environment", lambda e: e["id"]),
            ("state", lambda e: e["state"]),
            ("waits", lambda e: e["waits"] and e["waits"]["en"]),
        ],
        machine=machine,
    )


def _took(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:.0f} s"


def _idle(minutes: float | None) -> str:
    return "never" if minutes is None else f"{minutes:g} min without a request"


def _hours(hours: Json | None, zone: str) -> str:
    if hours is None:
        return "may sleep at any hour"
    wake = f"ready by {hours['latest_wake']}, " if hours["latest_wake"] else ""
    return f"{wake}not put to sleep before {hours['earliest_sleep']} ({zone})"
