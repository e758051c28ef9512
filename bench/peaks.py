"""What peaks cost: cloudmgr against the rules that others have, on demand that was.

Each series is tuned on its first half and scored on its second, with the same grids, in steps of
five minutes; capacity that is starting is paid for. Costs are relative to an oracle that knows what
comes. Pooled series are sums of shares of each one's highest, since their units tell nothing of
each other; a replica carries a 25th of the highest of the whole.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from bench.table import machine, show, verdict
from cloudmgr.interval import Interval
from cloudmgr.scaling import icalendars
from cloudmgr.scaling.backtest.trial import (
    CRON,
    ORACLE,
    OURS,
    REPLICAS,
    RULE,
    STATIC,
    Terms,
    prepare,
    put_to_trial,
)
from cloudmgr.scaling.forecast.demand import pooled
from cloudmgr.scaling.forecast.histories import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudmgr.scaling.backtest.trial import Trial
    from cloudmgr.scaling.forecast.demand import Demand

_DATA = Path(__file__).parent / "data"
_UTC, _PARIS = ZoneInfo("UTC"), ZoneInfo("Europe/Paris")
STARTUPS = (10, 30, 60, 120)  # minutes
ALLOWED = 0.001
BOUNDS = (0.0003, 0.003, 0.01)
POLICIES = (STATIC, RULE, CRON, OURS)
SERIES, DAYS, WITHIN = 50, 30, 60.0


@dataclass(frozen=True)
class Case:
    """``goals`` are costs relative to the oracle, by minutes of start-up."""

    name: str
    demand: Demand
    zone: ZoneInfo
    goals: dict[int, float]
    windows: tuple[Interval, ...] = ()


def main() -> None:
    busy = machine()
    rows = []
    bounds = []
    for case in _cases():
        unit = float(np.nanmax(case.demand.values)) / REPLICAS
        for minutes in STARTUPS:
            terms = Terms(timedelta(minutes=minutes), case.zone, ALLOWED, unit)
            prepared = prepare(case.demand, terms, case.windows)
            rows.append(_row(case, minutes, prepared.trial(ALLOWED)))
            bounds += [
                [f"{case.name}, {minutes} min, {allowed:.2%}", *_cells(prepared.trial(allowed))]
                for allowed in BOUNDS
            ]
    show(
        "Cost relative to an oracle, and the share of demand that found no capacity",
        ["series, start-up", *POLICIES, "forecast's 95th", "goal", ""],
        rows,
        f"tuned on the first half for at most {ALLOWED:.1%} unmet, scored on the second; "
        "cron + HPA where there is a calendar",
        "forecast's 95th: of a hundred steps, so many stayed below it",
        busy,
    )
    show(
        "The same by what may be left unmet",
        ["series, start-up, allowed", *POLICIES],
        bounds,
        "each policy is tuned for what is allowed; compare those that left as much unmet",
    )
    _pace()


def _cells(trial: Trial) -> list[str]:
    """Of each policy the cost relative to the oracle, and what it left unmet."""
    oracle = trial.line(ORACLE).scored.paid
    known = {line.policy: line.scored for line in trial.lines}
    return [
        f"{known[policy].paid / oracle:.2f} / {known[policy].unmet:.3%}" if policy in known else "–"
        for policy in POLICIES
    ]


def _row(case: Case, minutes: int, trial: Trial) -> list[str]:
    goal = case.goals.get(minutes)
    ours = trial.line(OURS).scored
    cost = ours.paid / trial.line(ORACLE).scored.paid
    held = goal is None or (cost <= goal and ours.unmet <= ALLOWED)
    return [
        f"{case.name}, {minutes} min",
        *_cells(trial),
        "–" if trial.covered is None else f"{100 * trial.covered:.1f}",
        "" if goal is None else f"{goal:.2f}",
        "" if goal is None else verdict(held=held),
    ]


def _cases() -> Iterable[Case]:
    (cup,) = read(_DATA / "worldcup98_requests_1min.parquet", _UTC)
    whole = Interval(cup.start, cup.start + len(cup) * cup.step)
    calendar = (_DATA / "worldcup98_matches.ics").read_text(encoding="utf-8")
    matches = tuple(one.interval for one in icalendars.read(calendar, whole, _PARIS))
    yield Case("World Cup 98 with its calendar", cup, _PARIS, {10: 1.35, 60: 2.0}, matches)
    yield Case("World Cup 98 without", cup, _PARIS, {})
    for name, file, goal in (
        ("Bitbrains, 50 pooled", "bitbrains50_cpu_5min", 1.08),
        ("NAB tweets, 10 pooled", "nab_twitter_volume_5min", 2.5),
    ):
        series = read(_DATA / f"{file}.parquet", _UTC)
        yield Case(name, pooled([_share(one) for one in series], name), _UTC, {10: goal})


def _share(demand: Demand) -> Demand:
    return replace(demand, values=demand.values / np.nanmax(demand.values))


def _pace() -> None:
    series: Sequence[Demand] = read(_DATA / "bitbrains50_cpu_5min.parquet", _UTC)
    count = timedelta(days=DAYS) // series[0].step
    # Machines that were not there for all of the month count as busy as the others.
    same = [
        replace(one, values=np.resize(one.values[~np.isnan(one.values)] + 1e-3, count))
        for one in series[:SERIES]
    ]
    terms = Terms(timedelta(minutes=10), _UTC, ALLOWED)
    began = time.perf_counter()
    for one in same:
        put_to_trial(one, terms)
    took = time.perf_counter() - began
    show(
        "How long a backtest takes",
        ["series × days", "seconds", "goal", ""],
        [[f"{len(same)} × {DAYS}", f"{took:.1f}", f"{WITHIN:.0f}", verdict(held=took < WITHIN)]],
    )


if __name__ == "__main__":
    main()
