"""``cloudmgr window``: the peaks ahead, what can be promised, when a peak comes round."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from cloudmgr.cli.announcing import drafted, read_calendar, told
from cloudmgr.cli.expected import PerUser, Replicas, Rps, Seconds, Times, Users, demand, worked_out
from cloudmgr.cli.options import Machine, Reason, connect
from cloudmgr.cli.rehearsals import rehearsals, rehearse, stop_rehearsal
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
from cloudmgr.cli.show import Column, Json, as_json, err, facts, rows, written
from cloudmgr.clock import SystemClock

app = typer.Typer(help="Announced peaks.", no_args_is_help=True)
app.command("rehearse")(rehearse)
app.command("rehearsals")(rehearsals)
app.command("stop-rehearsal")(stop_rehearsal)

_AHEAD = timedelta(days=366)

From = Annotated[
    str | None, typer.Option("--from", help="ISO 8601 with a zone; now if it is left out.")
]
To = Annotated[
    str | None, typer.Option("--to", help="ISO 8601 with a zone; a year on if it is left out.")
]
Within = Annotated[str | None, typer.Option(help="Only of this environment.")]

_COLUMNS: list[Column] = [
    ("window", lambda w: w["id"]),
    ("environment", lambda w: w["environment_id"]),
    ("component", lambda w: w["component"]),
    ("from", lambda w: w["starts_at"]),
    ("to", lambda w: w["ends_at"]),
    ("replicas", lambda w: w["replicas"]),
    ("note", lambda w: w["note"]),
]

_BOOKED: list[Column] = [*_COLUMNS, ("worked out", worked_out)]


@app.command("list")
def list_windows(
    context: typer.Context,
    environment: Annotated[str | None, typer.Option()] = None,
    machine: Machine = False,
) -> None:
    """Announced peaks, the next one first."""
    rows(
        connect(context).all("/windows", environment_id=environment),
        _COLUMNS,
        machine=machine,
        empty="No peak is announced. Announce one with a request of the kind peak.",
    )


@app.command("cancel")
def cancel_window(
    context: typer.Context, window: str, reason: Reason, machine: Machine = False
) -> None:
    """Take an announced peak back."""
    after = connect(context).post(f"/windows/{window}/cancel", {"reason": reason})
    facts(after, [*_COLUMNS, ("cancelled", lambda w: w["cancelled_at"])], machine=machine)


@app.command("afterwards")
def afterwards(context: typer.Context, window: str, machine: Machine = False) -> None:
    """Look back on a peak that is over: promised, there, asked for, and what to ask for next."""
    facts(
        connect(context).get(f"/windows/{window}/afterwards"),
        [
            ("promised", lambda w: w["promised"]),
            ("all there since", lambda w: w["there_since"]),
            ("minutes early", lambda w: _short(w["minutes_early"])),
            ("fewest", lambda w: w["least"]),
            ("minutes short", lambda w: _short(w["minutes_short"])),
            ("requests", lambda w: w["asked"] and w["asked"]["requests"]),
            (
                "replicas asked for, highest",
                lambda w: w["asked"] and w["asked"]["highest_replicas"],
            ),
            ("replicas asked for, mean", lambda w: w["asked"] and w["asked"]["mean_replicas"]),
            ("beyond what ran", lambda w: w["asked"] and f"{w['asked']['unmet_share']:.2%}"),
            ("minutes nobody counted", lambda w: _short(w["minutes_uncounted"])),
            ("would do next time", lambda w: w["advice"]),
            ("in words", lambda w: w["en"]),
        ],
        machine=machine,
    )


def _short(minutes: float | None) -> str | None:
    return None if minutes is None else f"{minutes:g}"


@app.command("show")
def show_window(context: typer.Context, window: str, machine: Machine = False) -> None:
    """One announced peak, also one that is over or cancelled."""
    more: list[Column] = [
        ("cancelled", lambda w: w["cancelled_at"]),
        ("expected requests/s", lambda w: w["expected_rps"]),
        ("request", lambda w: w["request_id"]),
    ]
    facts(connect(context).get(f"/windows/{window}"), [*_COLUMNS, *more], machine=machine)


Environment = Annotated[str, typer.Argument(help="The environment's id.")]
Component = Annotated[str, typer.Option(help="Which component.")]
Starts = Annotated[str, typer.Option("--from", help="ISO 8601 with a zone.")]
Ends = Annotated[str, typer.Option("--to", help="ISO 8601 with a zone.")]

_ANSWERED: list[Column] = [
    ("fits", lambda p: p["fits"]),
    ("pool", lambda p: p["pool_name"]),
    ("from", lambda p: p["starts_at"]),
    ("to", lambda p: p["ends_at"]),
    ("replicas", lambda p: p["replicas"]),
    ("worked out", worked_out),
    ("why not", lambda p: p["en"] or None),
    ("原因", lambda p: p["zh"] or None),
    ("earlier", lambda p: _start(p["alternatives"]["earlier"])),
    ("later", lambda p: _start(p["alternatives"]["later"])),
    ("at most", lambda p: p["alternatives"]["replicas"]),
]


@app.command("check")
def check_window(
    context: typer.Context,
    environment: Environment,
    start: Starts,
    end: Ends,
    *,
    replicas: Replicas = None,
    users: Users = None,
    rps: Rps = None,
    times: Times = None,
    seconds: Seconds = None,
    per_user: PerUser = None,
    component: Component = "web",
    machine: Machine = False,
) -> None:
    """Whether its pool can promise a peak, and what would fit. Nothing is announced."""
    body = {
        "environment_id": environment,
        "component": component,
        "starts_at": start,
        "ends_at": end,
        **demand(replicas, users, rps, times, seconds, per_user),
    }
    found = connect(context).post("/windows/check", body)
    facts(found, _ANSWERED, machine=machine)
    if machine or not found["collisions"]:
        return
    rows(
        found["collisions"],
        [
            ("collides with", lambda c: c["system_code"]),
            ("system", lambda c: c["system_zh"]),
            ("from", lambda c: c["starts_at"]),
            ("to", lambda c: c["ends_at"]),
            ("cores", lambda c: f"{c['cpu_millis'] / 1000:g}"),
            ("memory MiB", lambda c: c["memory_mib"]),
        ],
        machine=False,
        empty="",
    )


@app.command("book")
def book_window(
    context: typer.Context,
    environment: Environment,
    start: Starts,
    end: Ends,
    *,
    replicas: Replicas = None,
    users: Users = None,
    rps: Rps = None,
    times: Times = None,
    seconds: Seconds = None,
    per_user: PerUser = None,
    component: Component = "web",
    note: Annotated[str, typer.Option(help="What it is.")] = "",
    reason: Annotated[str, typer.Option(help="Why it is booked without a request.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Though it does not fit; with a reason.")
    ] = False,
    machine: Machine = False,
) -> None:
    """Promise a peak without a request: for operators."""
    body = {
        "environment_id": environment,
        "component": component,
        "starts_at": start,
        "ends_at": end,
        **demand(replicas, users, rps, times, seconds, per_user),
        "note": note,
        "reason": reason,
        "force": force,
    }
    facts(connect(context).post("/windows", body), _BOOKED, machine=machine)


@app.command("at-risk")
def at_risk(
    context: typer.Context,
    pool: Annotated[str | None, typer.Option(help="Only of this pool.")] = None,
    criticality: Annotated[int | None, typer.Option(help="Only 1, 2, 3 or 4.")] = None,
    machine: Machine = False,
) -> None:
    """Peaks that their pool has not enough for any more, the least critical first."""
    rows(
        connect(context).all("/windows/at-risk", pool_id=pool, criticality=criticality),
        [
            ("window", lambda r: r["window_id"]),
            ("criticality", lambda r: r["criticality"]),
            ("system", lambda r: r["system_code"]),
            ("pool", lambda r: r["promise"]["pool_name"]),
            ("from", lambda r: r["promise"]["starts_at"]),
            ("to", lambda r: r["promise"]["ends_at"]),
            ("why", lambda r: r["promise"]["en"]),
        ],
        machine=machine,
        empty="No promise is at risk.",
    )


def _start(times: Json | None) -> str | None:
    return times["starts_at"] if times else None


@app.command("when")
def when(
    context: typer.Context,
    *,
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
    start: From = None,
    end: To = None,
    machine: Machine = False,
) -> None:
    """When a peak comes round, by the city's holidays and make-up days. Nothing is announced."""
    peak = peak_of(
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
    )
    found = connect(context).post("/calendar/expand", {"peak": peak, **_span(start, end)})
    if machine:
        as_json(found)
        return
    err.print(found["zh"], found["en"], sep="\n", markup=False)
    rows(
        found["items"],
        [
            ("from", lambda t: t["starts_at"]),
            ("to", lambda t: t["ends_at"]),
            ("working days not published", lambda t: ", ".join(map(str, t["uncertain"])) or None),
        ],
        machine=False,
        empty="It does not come round in this time.",
    )


@app.command("read")
def read(
    context: typer.Context, file: Path, start: From = None, end: To = None, machine: Machine = False
) -> None:
    """What an iCalendar file announces, each time that it comes round. Nothing is announced yet."""
    text = read_calendar(file)
    found = connect(context).post("/calendar/read", {"calendar": text, **_span(start, end)})
    rows(
        found["items"],
        [
            ("from", lambda e: e["starts_at"]),
            ("to", lambda e: e["ends_at"]),
            ("summary", lambda e: e["summary"]),
            ("component", lambda e: e["component"]),
            ("replicas", lambda e: e["replicas"]),
            ("expected requests/s", lambda e: e["expected_rps"]),
        ],
        machine=machine,
        empty="It announces nothing in this time.",
    )


@app.command("ask")
def ask(
    context: typer.Context,
    environment: Environment,
    file: Path,
    *,
    replicas: Replicas = None,
    users: Users = None,
    rps: Rps = None,
    times: Times = None,
    seconds: Seconds = None,
    per_user: PerUser = None,
    component: Component = "web",
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Ask for the others, though some are refused.")
    ] = False,
    reason: Reason = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would come of it.")
    ] = False,
    machine: Machine = False,
) -> None:
    """Ask for all that an iCalendar file announces, as one request. What it does not say is said
    here.
    """
    said = any(one is not None for one in (replicas, users, rps, times))
    body: Json = {
        "environment_id": environment,
        "calendar": read_calendar(file),
        "component": component,
        "leave_out": leave_out,
        "reason": reason,
        **(demand(replicas, users, rps, times, seconds, per_user) if said else {}),
    }
    remote = connect(context)
    if not dry_run:
        told(remote.post("/calendar/ask", body), machine=machine)
        return
    drafted(remote.post("/calendar/draft", body), machine=machine)


@app.command("save")
def save(context: typer.Context, file: Path, environment: Within = None) -> None:
    """Write the announced peaks into an iCalendar file."""
    written(file, connect(context).raw("/calendar/peaks", environment_id=environment))


def _span(start: str | None, end: str | None) -> Json:
    now = SystemClock().now()
    return {"from": start or now.isoformat(), "to": end or (now + _AHEAD).isoformat()}
