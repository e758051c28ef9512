"""``cloudmgr scaling``: what policies of scaling would have cost over demand that was."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.progress import track
from rich.table import Table

from cloudmgr.cli.options import Machine
from cloudmgr.cli.show import Json, as_json, err, out, written
from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudmgr.scaling.backtest.trial import Terms, Trial
    from cloudmgr.scaling.forecast.demand import Demand
    from cloudmgr.scaling.icalendars import Announced

app = typer.Typer(help="How systems are scaled, and how else they might be.", no_args_is_help=True)

_SPAN = re.compile(r"([0-9]{1,6})(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
POOLED = "pooled"
MOST_DRAWN = 8


@app.command("backtest")
def backtest(
    *,
    demand: Annotated[
        Path, typer.Option(help="Parquet or CSV with series_id, timestamp and value.")
    ],
    windows: Annotated[
        Path | None,
        typer.Option(help="Announced peaks, as iCalendar; of one series if they name it."),
    ] = None,
    startup: Annotated[
        str, typer.Option(help="From the decision until it serves, as 90s, 10m or 2h.")
    ] = "10m",
    unit: Annotated[
        float | None,
        typer.Option(help="Demand that one replica carries; else a 25th of the highest."),
    ] = None,
    unmet: Annotated[
        float, typer.Option(help="Percent of demand that may find no capacity.")
    ] = 0.1,
    pool: Annotated[bool, typer.Option("--pool", help="The sum of all series, as one.")] = False,
    step: Annotated[
        str | None, typer.Option(help="5m to 1d; the distance in the file if left out.")
    ] = None,
    zone: Annotated[
        str, typer.Option(help="Of moments without one, and of people's days.")
    ] = "Asia/Shanghai",
    draw: Annotated[
        Path | None, typer.Option(help="Draw what happened into this .svg or .png.")
    ] = None,
    machine: Machine = False,
) -> None:
    """Compare policies on a history: tuned on its first half, scored on its second.

    Nothing is asked of a control plane, and nothing is sent anywhere.
    """
    # Other commands need none of it, and it takes half a second to import.
    from cloudmgr.scaling.backtest.trial import Terms  # noqa: PLC0415
    from cloudmgr.scaling.forecast.demand import pooled  # noqa: PLC0415
    from cloudmgr.scaling.forecast.histories import read  # noqa: PLC0415

    where = zone_of(zone)
    terms = Terms(startup_of(startup), where, share(unmet), above_zero(unit))
    if draw is not None and draw.suffix.lower() not in {".svg", ".png"}:
        raise Invalid(f"{draw} is neither .svg nor .png", code="invalid-option")
    series: Sequence[Demand] = read(demand, where, _step(step))
    if pool:
        series = [pooled(series, POOLED)]
    events = announced(windows, series, where)
    trials, left_out = tried(series, terms, events, quiet=machine)
    if machine:
        as_json(_document(trials, terms, left_out))
    else:
        _tables(trials, terms, left_out)
    if draw is not None:
        from cloudmgr.cli.trial_picture import picture  # noqa: PLC0415

        written(draw, picture(trials[:MOST_DRAWN], where, png=draw.suffix.lower() == ".png"))


def announced(file: Path | None, series: Sequence[Demand], zone: ZoneInfo) -> tuple[Announced, ...]:
    """What a calendar announces within the time of ``series``. :raises Invalid: it is none."""
    if file is None:
        return ()
    from cloudmgr.scaling import icalendars  # noqa: PLC0415 - as in backtest

    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}", code="unreadable-file") from None
    except UnicodeDecodeError:
        raise Invalid(f"{file} is not UTF-8", code="unreadable-file") from None
    whole = Interval(
        min(one.start for one in series), max(one.start + len(one) * one.step for one in series)
    )
    found = icalendars.read(text, whole, zone)
    if not found:
        raise Invalid(
            f"{file} announces nothing between {whole.start:%Y-%m-%d} and {whole.end:%Y-%m-%d}",
            code="invalid-calendar",
            hint="give the calendar of the time that the history covers, or none",
        )
    return found


def tried(
    series: Sequence[Demand], terms: Terms, events: Sequence[Announced], *, quiet: bool
) -> tuple[list[Trial], list[str]]:
    """A trial of each that can be put to one, and why the others cannot.

    :raises Invalid: none can.
    """
    from cloudmgr.scaling.backtest.trial import put_to_trial  # noqa: PLC0415 - as in backtest

    trials: list[Trial] = []
    left_out: list[str] = []
    quiet = quiet or len(series) == 1
    for one in series if quiet else track(series, console=err, transient=True):
        try:
            trials.append(put_to_trial(one, terms, of_system(events, one.series_id)))
        except Invalid as error:
            left_out.append(error.message)
    if not trials:
        raise Invalid(left_out[0], code="no-trial", hint="give a longer history")
    return trials, left_out


def of_system(events: Iterable[Announced], name: str) -> list[Interval]:
    """The windows of the system of this name, and of all that name none."""
    return [one.interval for one in events if one.environment_id in {None, name}]


def _document(trials: Iterable[Trial], terms: Terms, left_out: list[str]) -> Json:
    from cloudmgr.scaling.backtest.trial import ORACLE  # noqa: PLC0415 - as in backtest

    return {
        "startup_seconds": terms.startup.total_seconds(),
        "allowed_unmet": terms.unmet,
        "series": [
            {
                "series_id": trial.demand.series_id,
                "step_seconds": trial.demand.step.total_seconds(),
                "unit": trial.course.unit,
                "scored_from": (
                    trial.demand.start + trial.scored.start * trial.demand.step
                ).isoformat(),
                "windows": len(trial.windows),
                "forecast_covered": trial.covered,
                "policies": [
                    {
                        "policy": line.policy,
                        "paid": line.scored.paid,
                        "of_oracle": line.scored.paid / trial.line(ORACLE).scored.paid,
                        "unmet": line.scored.unmet,
                        "steps_short": line.scored.steps,
                        "setting": line.setting,
                        "tuned_unmet": line.tuned.unmet,
                    }
                    for line in trial.lines
                ],
            }
            for trial in trials
        ],
        "left_out": left_out,
    }


def _tables(trials: Sequence[Trial], terms: Terms, left_out: Sequence[str]) -> None:
    from cloudmgr.scaling.backtest.trial import ORACLE, OURS  # noqa: PLC0415 - as in backtest

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("series" if len(trials) > 1 else "", overflow="fold")
    table.add_column("policy")
    for title in ("of static", "of oracle", "unmet %", "steps short %"):
        table.add_column(title, justify="right")
    table.add_column("set to", overflow="fold")
    for trial in trials:
        static, oracle = trial.lines[0].scored.paid, trial.line(ORACLE).scored.paid
        lines = trial.lines if len(trials) == 1 else [trial.line(OURS)]
        for line in lines:
            table.add_row(
                trial.demand.series_id.replace("[", r"\["),
                line.policy,
                f"{line.scored.paid / static:.3f}",
                f"{line.scored.paid / oracle:.3f}",
                f"{100 * line.scored.unmet:.3f}",
                f"{100 * line.scored.steps:.2f}",
                line.setting.replace("[", r"\["),
            )
    out.print(table)
    if len(trials) > 1:
        _totals(trials)
    covered = [trial.covered for trial in trials if trial.covered is not None]
    out.print(
        f"start-up {terms.startup}, {100 * terms.unmet:g} % may be unmet; tuned on the first half, "
        "scored on the second; what is starting is paid for"
    )
    if covered:
        mean = sum(covered) / len(covered)
        out.print(f"demand stayed below the forecast's 95th percentile in {mean:.1%} of steps")
    else:
        out.print("nothing was learned: too little history, or no LightGBM (the extra forecast)")
    for sentence in left_out:
        err.print(f"left out: {sentence}", markup=False)


def _totals(trials: Sequence[Trial]) -> None:
    """Over all series that a policy was tried on, each counting alike."""
    from cloudmgr.scaling.backtest.trial import ORACLE  # noqa: PLC0415 - as in backtest

    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    table.add_column(f"all {len(trials)} series")
    for title in ("of oracle, mean", "median", "unmet %, mean", "worst"):
        table.add_column(title, justify="right")
    # One whose series no window touches was not tried with cron.
    for policy in max(([line.policy for line in trial.lines] for trial in trials), key=len):
        met = [(t, line) for t in trials for line in t.lines if line.policy == policy]
        ratios = sorted(line.scored.paid / t.line(ORACLE).scored.paid for t, line in met)
        misses = [line.scored.unmet for _, line in met]
        table.add_row(
            policy,
            f"{sum(ratios) / len(ratios):.3f}",
            f"{ratios[len(ratios) // 2]:.3f}",
            f"{100 * sum(misses) / len(misses):.3f}",
            f"{100 * max(misses):.3f}",
        )
    out.print(table)


def startup_of(said: str) -> timedelta:
    found = _span("startup", said)
    if found > timedelta(days=2):
        raise Invalid("--startup is at most 2d", code="invalid-option")
    return found


def _step(said: str | None) -> timedelta | None:
    if said is None:
        return None
    from cloudmgr.scaling.forecast.histories import STEPS  # noqa: PLC0415 - as in backtest

    span = _span("step", said)
    if span not in STEPS:
        known = ", ".join(f"{round(one.total_seconds() / 60)}m" for one in STEPS)
        raise Invalid(f"--step is one of {known}", code="invalid-option")
    return span


def _span(option: str, said: str) -> timedelta:
    found = _SPAN.fullmatch(said)
    if found is None:
        raise Invalid(
            f"{said} is no span",
            code="invalid-option",
            hint=f"give it as --{option} 10m, 90s or 2h",
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def share(percent: float) -> float:
    if not 0 <= percent < 100:
        raise Invalid("--unmet is a percentage, from 0 to less than 100", code="invalid-option")
    return percent / 100


def above_zero(unit: float | None) -> float | None:
    if unit is not None and not 0 < unit < float("inf"):
        raise Invalid("--unit is a number above 0", code="invalid-option")
    return unit


def zone_of(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(
            f"{name} is no time zone", code="invalid-option", hint="give it as --zone Asia/Shanghai"
        ) from None
