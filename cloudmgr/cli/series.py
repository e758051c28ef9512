"""``cloudmgr series``: peaks that come round, and their dates."""

from __future__ import annotations

from typing import Annotated

import typer

from cloudmgr.cli.expected import PerUser, Replicas, Rps, Seconds, Times, Users, demand, worked_out
from cloudmgr.cli.options import Machine, Reason, connect
from cloudmgr.cli.rules import (
    After,
    Before,
    Closes,
    Days,
    Itself,
    Lunar,
    Opens,
    Rule,
    Since,
    Through,
    Workdays,
    Yearly,
    peak_of,
)
from cloudmgr.cli.show import Column, Json, as_json, facts, out, rows

app = typer.Typer(help="Peaks that come round.", no_args_is_help=True)

Day = Annotated[str, typer.Option("--day", help="The day on which it begins, as 2027-06-24.")]

_COLUMNS: list[Column] = [
    ("series", lambda s: s["id"]),
    ("environment", lambda s: s["environment_id"]),
    ("component", lambda s: s["component"]),
    ("replicas", lambda s: s["replicas"]),
    ("when", lambda s: s["en"]),
    ("unmet", lambda s: len(s["unmet"]) or None),
    ("ended", lambda s: s["ended_at"]),
]
_FACTS: list[Column] = [
    *_COLUMNS,
    ("何时", lambda s: s["zh"]),
    ("worked out", worked_out),
    ("note", lambda s: s["note"]),
]
_DATES: list[Column] = [
    ("day", lambda d: d["day"]),
    ("from", lambda d: d["starts_at"]),
    ("to", lambda d: d["ends_at"]),
    ("state", lambda d: d["state"]),
    ("working days not published", lambda d: ", ".join(map(str, d["waits_for"])) or None),
]


@app.command("list")
def list_series(
    context: typer.Context,
    environment: Annotated[str | None, typer.Option(help="Only of this environment.")] = None,
    machine: Machine = False,
) -> None:
    """Series of peaks."""
    rows(
        connect(context).all("/series", environment_id=environment),
        _COLUMNS,
        machine=machine,
        empty="No peak comes round. Announce one with `cloudmgr series draft --ask`.",
    )


@app.command("show")
def show_series(context: typer.Context, series: str, machine: Machine = False) -> None:
    """One series, its dates, and those that its pool cannot promise."""
    found = connect(context).get(f"/series/{series}")
    facts(found, _FACTS, machine=machine)
    if machine:
        return
    rows(found["dates"], _DATES, machine=False, empty="It has no date ahead.")
    for one in found["unmet"]:
        out.print(f"{one['day']} is unmet: {one['en']}", one["zh"], sep="\n", markup=False)


@app.command("draft")
def draft_series(
    context: typer.Context,
    environment: Annotated[str, typer.Argument(help="Which environment, by id.")],
    *,
    replicas: Replicas = None,
    users: Users = None,
    rps: Rps = None,
    times: Times = None,
    seconds: Seconds = None,
    per_user: PerUser = None,
    component: Annotated[str, typer.Option(help="Which component.")] = "web",
    yearly: Yearly = None,
    lunar: Lunar = None,
    rule: Rule = None,
    since: Since = None,
    day: Days = None,
    before: Before = 0,
    after: After = 0,
    workdays: Workdays = False,
    itself: Itself = True,
    opens: Opens = "00:00",
    closes: Closes = "00:00",
    through: Through = False,
    note: Annotated[str, typer.Option(help="What happens then.")] = "",
    ask: Annotated[bool, typer.Option("--ask", help="Ask for it, by a request.")] = False,
    replaces: Annotated[
        str | None, typer.Option(help="The series whose place it takes from now on.")
    ] = None,
    reason: Reason = "",
    machine: Machine = False,
) -> None:
    """When a peak would come round and whether its pool can promise each date; or ask for it."""
    series: Json = {
        "component": component,
        "note": note,
        "replaces": replaces,
        "peak": peak_of(
            yearly=yearly,
            lunar=lunar,
            rule=rule,
            since=since,
            day=day,
            before=before,
            after=after,
            workdays=workdays,
            itself=itself,
            opens=opens,
            closes=closes,
            through=through,
        ),
        **demand(replicas, users, rps, times, seconds, per_user),
    }
    remote = connect(context)
    if ask:
        there = remote.get(f"/environments/{environment}")
        body: Json = {
            "kind": "peak",
            "system_id": there["system_id"],
            "environment_id": environment,
            "series": [series],
            "reason": reason,
        }
        _asked(remote.post("/requests", body), machine=machine)
        return
    found = remote.post("/series/draft", {**series, "environment_id": environment})
    if machine:
        as_json(found)
        return
    out.print(found["zh"], found["en"], sep="\n", markup=False)
    if found["expected"]:
        out.print(worked_out(found), markup=False)
    rows(
        found["promises"],
        [
            ("from", lambda p: p["starts_at"]),
            ("to", lambda p: p["ends_at"]),
            ("replicas", lambda p: p["replicas"]),
            ("fits", lambda p: p["fits"]),
            ("why not", lambda p: p["en"] or None),
        ],
        machine=False,
        empty="It does not come round in this time.",
    )
    for year in found["waits_for"]:
        out.print(f"{year}: not published yet, booked once it is; {year} 年：工作日安排尚未公布")


def _asked(request: Json, *, machine: bool) -> None:
    facts(
        request,
        [
            ("request", lambda r: r["id"]),
            ("state", lambda r: r["state"]),
            ("when", lambda r: r["series"][0]["en"]),
            ("replicas", lambda r: r["series"][0]["replicas"]),
            ("because", lambda r: "\n".join(w["en"] for w in r["decision"]["reasons"])),
            ("message", lambda r: r["message"]),
        ],
        machine=machine,
    )


@app.command("skip")
def skip_date(
    context: typer.Context, series: str, day: Day, reason: Reason, machine: Machine = False
) -> None:
    """Leave out one date."""
    _act(context, series, "skip", {"day": day, "reason": reason}, machine=machine)


@app.command("move")
def move_date(
    context: typer.Context,
    series: str,
    day: Day,
    start: Annotated[str, typer.Option("--from", help="ISO 8601 with a zone.")],
    end: Annotated[str, typer.Option("--to", help="ISO 8601 with a zone.")],
    *,
    reason: Reason,
    machine: Machine = False,
) -> None:
    """Have one date at another time: for operators."""
    body = {"day": day, "reason": reason, "starts_at": start, "ends_at": end}
    _act(context, series, "move", body, machine=machine)


@app.command("undo")
def undo_date(
    context: typer.Context, series: str, day: Day, reason: Reason, machine: Machine = False
) -> None:
    """Have a date as the series says again."""
    _act(context, series, "undo", {"day": day, "reason": reason}, machine=machine)


@app.command("end")
def end_series(
    context: typer.Context, series: str, reason: Reason, machine: Machine = False
) -> None:
    """No date of it any more; what has begun runs on."""
    _act(context, series, "end", {"reason": reason}, machine=machine)


@app.command("resume")
def resume_series(
    context: typer.Context, series: str, reason: Reason, machine: Machine = False
) -> None:
    """Have a series that has ended go on: for operators."""
    _act(context, series, "resume", {"reason": reason}, machine=machine)


def _act(context: typer.Context, series: str, verb: str, body: Json, *, machine: bool) -> None:
    after = connect(context).post(f"/series/{series}/{verb}", body)
    facts(after, _FACTS, machine=machine)
