"""``cloudmgr scaling simulate --pool``: a pool's own calendar, other hosts, more systems."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import typer

from cloudmgr.cli.options import connect
from cloudmgr.cli.show import Column, Json, as_json, facts, out, rows, written
from cloudmgr.clock import SystemClock
from cloudmgr.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmgr.planning.hosts import Failure

_AHEAD = timedelta(days=366)
_SHOWN = 10


def _amount(of: Json) -> str:
    return f"{of['cpu_millis'] / 1000:g} cores, {of['memory_mib'] / 1024:g} GiB"


_FOUND: list[Column] = [
    ("fits", lambda s: s["fits"]),
    ("so", lambda s: s["en"]),
    ("结论", lambda s: s["zh"]),
    ("hosts", lambda s: f"{s['hosts']:,}, of which {s['spare_hosts']:,} may fail"),
    ("least number of hosts", lambda s: s["least_hosts"]),
    ("hosts to buy", lambda s: s["hosts_to_buy"]),
    ("held outside peaks", lambda s: _amount(s["held"])),
    ("taken when it is tightest", lambda s: _amount(s["tightest"]["asked"])),
    ("there then", lambda s: _amount(s["tightest"]["room"])),
    ("tightest from", lambda s: s["tightest"]["at"]),
    ("promises broken", lambda s: f"{s['broken_count']:,}"),
]
_BROKEN: list[Column] = [
    ("broken", lambda b: b["window_id"]),
    ("criticality", lambda b: b["criticality"]),
    ("system", lambda b: b["system_code"] or b["environment_id"]),
    ("from", lambda b: b["starts_at"]),
    ("to", lambda b: b["ends_at"]),
    ("replicas", lambda b: b["replicas"]),
    ("missing", lambda b: _amount(b["missing"])),
]


def simulate_pool(
    context: typer.Context,
    pool: str,
    asked: Json,
    *,
    calendar: Path | None,
    draw: Path | None,
    zone: ZoneInfo,
    machine: bool,
) -> None:
    """Ask the control plane, tell, and draw; exit 1 if it does not fit.

    :param asked: the body, without the calendar.
    """
    if draw is not None and draw.suffix.lower() not in {".svg", ".png"}:
        raise Invalid(f"{draw} is neither .svg nor .png", code="invalid-option")
    key = pool if pool.startswith("pool_") else f"pool_{pool}"
    body = {**asked, "calendar": _text(calendar)}
    found = connect(context).post(f"/pools/{key}/simulate", body)
    if machine:
        as_json(found)
    else:
        facts(found, _FOUND, machine=False)
        if found["broken"]:
            rows(found["broken"][:_SHOWN], _BROKEN, machine=False, empty="")
        if found["broken_count"] > _SHOWN:
            out.print(f"… and {found['broken_count'] - _SHOWN:,} more; --json tells more")
    if draw is not None:
        # Other commands need none of it, and it takes a second to import.
        from cloudmgr.api.routes.simulation import SimulationView  # noqa: PLC0415
        from cloudmgr.cli.pool_picture import picture  # noqa: PLC0415

        view = SimulationView.model_validate(found)
        written(draw, picture(view, zone, png=draw.suffix.lower() == ".png"))
    if not found["fits"]:
        raise typer.Exit(1)


def body_of(
    span: tuple[str | None, str | None],
    zone: ZoneInfo,
    more_hosts: int,
    failures: Sequence[Failure],
    more: tuple[str | None, int],
) -> Json:
    """What is asked of the control plane: a year from now on, if nothing else is said.

    :param more: like which environment, and how many.
    """
    now, (like, copies) = SystemClock().now(), more
    first = _moment("from", span[0], zone) or now
    body: Json = {
        "from": first.isoformat(),
        "to": (_moment("to", span[1], zone) or first + _AHEAD).isoformat(),
        "more_hosts": more_hosts,
        "failures": [
            {
                "hosts": one.hosts,
                "from": one.interval.start.isoformat(),
                "to": one.interval.end.isoformat(),
            }
            for one in failures
        ],
    }
    return {**body, "more": [{"like": like, "copies": copies}]} if like else body


def _moment(option: str, said: str | None, zone: ZoneInfo) -> datetime | None:
    if said is None:
        return None
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        raise Invalid(
            f"{said} is no moment",
            code="invalid-option",
            hint=f"give it as --{option} 2027-06-01 or --{option} 2027-06-01T09:00+08:00",
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _text(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}", code="unreadable-file") from None
    except UnicodeDecodeError:
        raise Invalid(f"{file} is not UTF-8", code="unreadable-file") from None
