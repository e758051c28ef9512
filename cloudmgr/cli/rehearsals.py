"""``cloudmgr window rehearse``: scale to what a peak is promised, load it, and see."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudmgr.cli.options import Machine, Reason, connect
from cloudmgr.cli.show import Column, Json, as_json, facts, out, rows


def _came(one: Json) -> str:
    if one["ended_at"] is None:
        return "under way" if one["load_from"] is None else "under load"
    return str(one["ending"])


def _load(one: Json) -> str:
    load = one["load"]
    if load is None:
        return "none"
    return f"{load['per_second']} per second for {load['seconds']} s of {load['path']}"


def _latency(one: Json) -> str:
    result = one["result"]
    if not result:
        return ""
    return ", ".join(f"{name} {value:.3f} s" for name, value in result["latency_seconds"].items())


def _requests(one: Json) -> str:
    result = one["result"]
    if not result:
        return ""
    why = ", ".join(f"{count} x {said}" for said, count in result["failures"].items())
    told = f"{result['sent']} sent, {result['failed']} failed" + (f" ({why})" if why else "")
    return told + (f", {result['withheld']} withheld" if result["withheld"] else "")


def _ready(one: Json) -> str:
    after = one["ready_after_seconds"]
    return "not all were" if after is None else f"after {after:.0f} s"


_COLUMNS: list[Column] = [
    ("ordered", lambda r: r["ordered_at"]),
    ("came to", _came),
    ("replicas", lambda r: f"{r['replicas']} of {r['component']}"),
    ("ready", _ready),
    ("load", _load),
    ("requests", _requests),
    ("latency", _latency),
    ("in flight", lambda r: r["result"]["highest_in_flight"] if r["result"] else ""),
]
_FACTS: list[Column] = [*_COLUMNS, ("until", lambda r: r["until"]), ("why", lambda r: r["reason"])]


def rehearse(
    context: typer.Context,
    window: str,
    reason: Reason,
    *,
    minutes: Annotated[int, typer.Option(help="For how long at most.")] = 15,
    rate: Annotated[
        int | None, typer.Option(help="Requests per second; no load if left out.")
    ] = None,
    seconds: Annotated[int, typer.Option("--for", help="Seconds that the load lasts.")] = 60,
    path: Annotated[str, typer.Option(help="What is asked for, on its own address.")] = "/",
    most_failures: Annotated[
        float, typer.Option(help="Stop when a larger share of answers fails.")
    ] = 0.05,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say whether it could begin.")
    ] = False,
    machine: Machine = False,
) -> None:
    """Scale to what the peak is promised, send a load once all is ready, and give all back."""
    load = (
        None
        if rate is None
        else {
            "per_second": rate,
            "seconds": seconds,
            "path": path,
            "most_failures": most_failures,
        }
    )
    body: Json = {"minutes": minutes, "load": load, "reason": reason}
    remote = connect(context)
    if not dry_run:
        facts(remote.post(f"/windows/{window}/rehearsals", body), _FACTS, machine=machine)
        return
    tried = remote.post(f"/windows/{window}/rehearsals/dry-run", body)
    if machine:
        as_json(tried)
    elif tried["may"]:
        out.print(f"It may begin: {tried['replicas']} replicas.", markup=False)
    for one in [] if machine else tried["against"]:
        out.print(f"{one['code']}: {one['message']}", markup=False)


def rehearsals(context: typer.Context, window: str, machine: Machine = False) -> None:
    """What came of the rehearsals of a peak, the newest first."""
    found = connect(context).get(f"/windows/{window}/rehearsals")
    rows(found["rehearsals"], _COLUMNS, machine=machine, empty="It was not rehearsed yet.")


def stop_rehearsal(
    context: typer.Context, window: str, reason: Reason, machine: Machine = False
) -> None:
    """Stop the one that is under way; replicas go as after any peak."""
    body: Json = {"reason": reason}
    facts(
        connect(context).post(f"/windows/{window}/rehearsals/stop", body), _FACTS, machine=machine
    )
