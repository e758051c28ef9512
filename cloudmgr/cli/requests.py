"""``cloudmgr request``: ask, look what would come of it, decide, cancel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from cloudmgr.cli.expected import PerUser, Replicas, Rps, Seconds, Times, Users, demand, worked_out
from cloudmgr.cli.options import Machine, Reason, connect
from cloudmgr.cli.show import Column, Json, as_json, facts, out, rows
from cloudmgr.errors import Invalid

app = typer.Typer(help="Requests for environments, sizes, peaks.", no_args_is_help=True)


def _waits(request: Json) -> str:
    return ", ".join(f"{p['count']} × {p['role']}" for p in request["pending"])


_COLUMNS: list[Column] = [
    ("request", lambda r: r["id"]),
    ("kind", lambda r: r["kind"]),
    ("state", lambda r: r["state"]),
    ("system", lambda r: r["system_id"]),
    ("environment", lambda r: r["environment_id"]),
    ("by", lambda r: r["submitted_by_login"]),
    ("waits for", _waits),
]


def _reasons(request: Json) -> str:
    return "\n".join(r["en"] for r in request["decision"]["reasons"])


_FACTS: list[Column] = [
    *_COLUMNS,
    ("policy says", lambda r: r["decision"]["outcome"]),
    ("because", _reasons),
    ("message", lambda r: r["message"]),
    ("cost a month", lambda r: _cost(r["estimate"])),
]


def _cost(estimate: Json | None) -> str | None:
    if estimate is None:
        return None
    return f"{estimate['low']} to {estimate['high']} {estimate['currency']}"


def _peaks(assessment: Json) -> str | None:
    lines = [
        f"{w['starts_at']} to {w['ends_at']}: {w['replicas']} of {w['component']}"
        + (f"\n{worked_out(w)}" if w["expected"] else "")
        for w in assessment["windows"]
    ]
    return "\n".join(lines) or None


def _unfit(promises: list[Json]) -> str | None:
    return "\n".join(p["en"] for p in promises if not p["fits"]) or None


def read_document(file: Path) -> Json:
    """A YAML or JSON document that holds one thing.

    :raises Invalid: ``unreadable-file``, ``not-yaml``, ``not-a-request``.
    """
    try:
        content: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{file} cannot be read: {error}", code="unreadable-file") from None
    except yaml.YAMLError as error:
        raise Invalid(f"{file} is not YAML: {error}", code="not-yaml") from None
    if not isinstance(content, dict):
        raise Invalid(
            f"{file} does not hold a request",
            code="not-a-request",
            hint="docs/officer.md shows one",
        )
    return content


@app.command("submit")
def submit(
    context: typer.Context,
    file: Annotated[Path, typer.Option("--file", "-f", help="The request, YAML or JSON.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would come of it.")
    ] = False,
    machine: Machine = False,
) -> None:
    """Ask for what FILE says."""
    _ask(context, read_document(file), dry_run=dry_run, machine=machine)


@app.command("peak")
def peak(
    context: typer.Context,
    environment: Annotated[str, typer.Argument(help="Which environment, by id.")],
    start: Annotated[str, typer.Option("--from", help="ISO 8601 with a zone.")],
    end: Annotated[str, typer.Option("--to", help="ISO 8601 with a zone.")],
    *,
    replicas: Replicas = None,
    users: Users = None,
    rps: Rps = None,
    times: Times = None,
    seconds: Seconds = None,
    per_user: PerUser = None,
    component: Annotated[str, typer.Option(help="Which component.")] = "web",
    note: Annotated[str, typer.Option(help="What happens then.")] = "",
    reason: Reason = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would come of it.")
    ] = False,
    machine: Machine = False,
) -> None:
    """Announce a peak: as replicas, or as users, requests per second, times the normal."""
    window: Json = {
        "component": component,
        "starts_at": start,
        "ends_at": end,
        "note": note,
        **demand(replicas, users, rps, times, seconds, per_user),
    }
    there = connect(context).get(f"/environments/{environment}")
    body: Json = {
        "kind": "peak",
        "system_id": there["system_id"],
        "environment_id": environment,
        "windows": [window],
        "reason": reason,
    }
    _ask(context, body, dry_run=dry_run, machine=machine)


def _ask(context: typer.Context, body: Json, *, dry_run: bool, machine: bool) -> None:
    remote = connect(context)
    if not dry_run:
        facts(remote.post("/requests", body), _FACTS, machine=machine)
        return
    assessment = remote.post("/requests/dry-run", body)
    if machine:
        as_json(assessment)
        return
    facts(
        assessment,
        [
            ("policy says", lambda a: a["decision"]["outcome"]),
            ("because", _reasons),
            (
                "signatures",
                lambda a: ", ".join(f"{s['count']} × {s['role']}" for s in a["decision"]["steps"]),
            ),
            ("cost a month", lambda a: _cost(a["estimate"])),
            ("pool", lambda a: a["location"]["pool_name"]),
            ("peaks", _peaks),
            ("does not fit", lambda a: _unfit(a["promises"])),
        ],
        machine=False,
    )
    for pool in assessment["location"]["considered"]:
        for reason in pool["against"]:
            out.print(f"not {pool['pool_name']}: {reason['en']}", markup=False)


@app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="Only in this state.")] = None,
    kind: Annotated[str | None, typer.Option(help="new, resize, peak or retire.")] = None,
    system: Annotated[str | None, typer.Option(help="Only for this system, by id.")] = None,
    environment: Annotated[
        str | None, typer.Option(help="Only for this environment, by id.")
    ] = None,
    machine: Machine = False,
) -> None:
    """Requests, the newest first."""
    rows(
        connect(context).all(
            "/requests", state=state, kind=kind, system_id=system, environment_id=environment
        ),
        _COLUMNS,
        machine=machine,
        empty="No request yet. Make one with `cloudmgr request submit -f FILE`.",
    )


@app.command("show")
def show(context: typer.Context, request: str, machine: Machine = False) -> None:
    """One request with the reasons of policy."""
    facts(connect(context).get(f"/requests/{request}"), _FACTS, machine=machine)


def _act(context: typer.Context, request: str, verb: str, reason: str, machine: bool) -> None:
    remote = connect(context)
    seen = remote.call("GET", f"/requests/{request}")
    after = remote.post(f"/requests/{request}/{verb}", {"reason": reason}, etag=seen.etag)
    facts(after, _FACTS, machine=machine)


@app.command("approve")
def approve(
    context: typer.Context, request: str, reason: Reason = "", machine: Machine = False
) -> None:
    """Sign a request that waits for your role."""
    _act(context, request, "approve", reason, machine)


@app.command("reject")
def reject(context: typer.Context, request: str, reason: Reason, machine: Machine = False) -> None:
    """Refuse a request, with a reason for the department."""
    _act(context, request, "reject", reason, machine)


@app.command("cancel")
def cancel(
    context: typer.Context, request: str, reason: Reason = "", machine: Machine = False
) -> None:
    """Take a request back that nobody has decided on yet."""
    _act(context, request, "cancel", reason, machine)
