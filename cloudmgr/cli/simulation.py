"""``cloudmgr scaling simulate``: whether a pool has room for systems whose demand is known."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from cloudmgr.cli.options import Machine
from cloudmgr.cli.pool_simulation import body_of, simulate_pool
from cloudmgr.cli.scaling import above_zero, announced, share, startup_of, tried, zone_of
from cloudmgr.cli.show import Json, as_json, err, facts, out
from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval
from cloudmgr.planning.hosts import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from zoneinfo import ZoneInfo

    from cloudmgr.planning.whatif import Outcome, Tenant
    from cloudmgr.scaling.backtest.trial import Trial
    from cloudmgr.scaling.icalendars import Announced

_FAILURE = re.compile(r"([0-9]{1,4})@([^/]+)/([^/]+)")
_SHOWN = 5


def simulate(
    context: typer.Context,
    *,
    demand: Annotated[
        Path | None, typer.Option(help="Parquet or CSV with series_id, timestamp and value.")
    ] = None,
    hosts: Annotated[int | None, typer.Option(help="Of the pool, all alike.", min=1)] = None,
    each: Annotated[int | None, typer.Option(help="Replicas that one host holds.", min=1)] = None,
    pool: Annotated[
        str | None, typer.Option(help="A pool of the control plane, instead of a history.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="With --pool: a day or moment; else now.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="With --pool: a day or moment; else a year on.")
    ] = None,
    more_hosts: Annotated[
        int, typer.Option(help="With --pool: so many more than it has, or fewer, as -2.")
    ] = 0,
    like: Annotated[
        str | None, typer.Option(help="With --pool: more environments like this one.")
    ] = None,
    copies: Annotated[int, typer.Option(help="With --like: how many.", min=1)] = 1,
    draw: Annotated[
        Path | None, typer.Option(help="With --pool: draw it into this .svg or .png.")
    ] = None,
    spare: Annotated[int, typer.Option(help="Hosts that may fail.", min=0)] = 1,
    fail: Annotated[
        list[str] | None,
        typer.Option(help="Hosts that are away, as 2@2027-06-20T09:00/2027-06-20T18:00."),
    ] = None,
    windows: Annotated[
        Path | None,
        typer.Option(
            help="Announced peaks, as iCalendar; of one system if they name it. With --pool: "
            "peaks more than it has promised."
        ),
    ] = None,
    startup: Annotated[str, typer.Option(help="Of a replica, as 90s, 10m or 2h.")] = "10m",
    unit: Annotated[
        float | None,
        typer.Option(help="Demand that one replica carries; else a 25th of each one's highest."),
    ] = None,
    unmet: Annotated[float, typer.Option(help="Percent of demand that may be left.")] = 0.1,
    zone: Annotated[str, typer.Option(help="Of moments without one.")] = "Asia/Shanghai",
    machine: Machine = False,
) -> None:
    """Replay a history and its calendar against a pool: would it fit, also when hosts fail?

    Each series is one system. Its policy learns from the first half; the second is replayed.
    With --pool it is a pool of the control plane with what it has and has promised. Exit 1 if the
    pool had too little room.
    """
    where = zone_of(zone)
    failures = tuple(_failure(said, where) for said in fail or ())
    if pool is not None:
        body = body_of((since, until), where, more_hosts, failures, (like, copies))
        simulate_pool(context, pool, body, calendar=windows, draw=draw, zone=where, machine=machine)
        return
    if demand is None or hosts is None or each is None:
        raise Invalid(
            "there is nothing to simulate",
            code="invalid-option",
            hint="give --pool, or a history with --demand, --hosts and --each",
        )
    from cloudmgr.planning.whatif import Estate, replay  # noqa: PLC0415 - as in backtest
    from cloudmgr.scaling.backtest.trial import Terms  # noqa: PLC0415
    from cloudmgr.scaling.forecast.histories import read  # noqa: PLC0415

    terms = Terms(startup_of(startup), where, share(unmet), above_zero(unit))
    series = read(demand, where)
    events = announced(windows, series, where)
    trials, left_out = tried(series, terms, events, quiet=machine)
    step = series[0].step
    begin = min(one.demand.start + one.scored.start * step for one in trials)
    end = max(one.demand.start + len(one.demand) * step for one in trials)
    count = (end - begin) // step
    tenants = [_tenant(one, events, begin, count) for one in trials]
    found = replay(tenants, Estate(hosts, each, spare, failures), begin, step)
    if machine:
        as_json({**_document(found, begin, step), "left_out": left_out})
    else:
        _told(found, hosts, where)
        for sentence in left_out:
            err.print(f"left out: {sentence}", markup=False)
    if not found.fits:
        raise typer.Exit(1)


def _tenant(trial: Trial, events: Sequence[Announced], begin: datetime, count: int) -> Tenant:
    from cloudmgr.planning.whatif import Tenant  # noqa: PLC0415 - as in backtest
    from cloudmgr.scaling.backtest.trial import OURS  # noqa: PLC0415

    series, unit = trial.demand, trial.course.unit
    first = (series.start + trial.scored.start * series.step - begin) // series.step
    part = slice(first, first + trial.scored.stop - trial.scored.start)
    wanted, asked = np.full(count, np.nan), np.zeros(count, dtype=np.int64)
    wanted[part] = series.values[trial.scored]
    asked[part] = np.rint(trial.line(OURS).capacity[trial.scored] / unit).astype(np.int64)
    promised = np.zeros(count, dtype=np.int64)
    for event in events:
        if event.replicas and event.environment_id in {None, series.series_id}:
            start = (event.interval.start - begin) // series.step - trial.course.startup
            end = -((begin - event.interval.end) // series.step)
            at = slice(max(0, start), max(0, end))
            promised[at] = np.maximum(promised[at], event.replicas)
    return Tenant(
        series.series_id,
        wanted,
        np.maximum(asked, promised),
        promised,
        unit,
        trial.course.startup,
    )


def _document(found: Outcome, begin: datetime, step: timedelta) -> Json:
    return {
        "from": begin.isoformat(),
        "steps": found.steps,
        "step_seconds": step.total_seconds(),
        "fits": found.fits,
        "most_replicas": found.most,
        "most_at": found.most_at.isoformat(),
        "hosts_needed": found.hosts_needed,
        "steps_short": found.short,
        "unmet": found.unmet,
        "unmet_for_room": found.unmet_for_room,
        "short": [
            {
                "from": spell.interval.start.isoformat(),
                "to": spell.interval.end.isoformat(),
                "replicas_missing": spell.missing,
                "systems": [
                    {"series_id": name, "replicas": lacks} for name, lacks in spell.tenants
                ],
            }
            for spell in found.spells
        ],
    }


def _told(found: Outcome, hosts: int, zone: ZoneInfo) -> None:
    def at(moment: datetime) -> str:
        return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"

    facts(
        {},
        [
            ("fits", lambda _: found.fits),
            ("most replicas at once", lambda _: f"{found.most:,}, {at(found.most_at)}"),
            ("hosts needed, spare ones included", lambda _: f"{found.hosts_needed:,} of {hosts:,}"),
            ("steps with too little room", lambda _: f"{found.short:,} of {found.steps:,}"),
            ("demand unmet", lambda _: f"{found.unmet:.3%}"),
            ("… for want of room", lambda _: f"{found.unmet_for_room:.3%}"),
        ],
        machine=False,
    )
    for spell in found.spells[:_SHOWN]:
        met = ", ".join(
            f"{name or 'the system'} {lacks:,}" for name, lacks in spell.tenants[:_SHOWN]
        )
        out.print(
            f"{at(spell.interval.start)} to {at(spell.interval.end)}: {spell.missing:,} replicas "
            f"find no room ({met})",
            markup=False,
        )
    if len(found.spells) > _SHOWN:
        out.print(f"… and {len(found.spells) - _SHOWN:,} times more; --json tells all")


def _failure(said: str, zone: ZoneInfo) -> Failure:
    parts = _FAILURE.fullmatch(said)
    interval = _interval(parts[2], parts[3], zone) if parts else None
    if parts is None or interval is None:
        raise Invalid(
            f"{said} tells no failure",
            code="invalid-option",
            hint="give hosts, from and to, as --fail 2@2027-06-20T09:00/2027-06-20T18:00",
        )
    return Failure(interval, int(parts[1]))


def _interval(first: str, end: str, zone: ZoneInfo) -> Interval | None:
    """None for what is none; moments without a zone are of ``zone``."""
    try:
        moments = [datetime.fromisoformat(one) for one in (first, end)]
    except ValueError:
        return None
    begin, over = (m if m.tzinfo else m.replace(tzinfo=zone) for m in moments)
    return Interval(begin, over) if begin < over else None
