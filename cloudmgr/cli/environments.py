"""``cloudmgr env``: see, scale, hibernate, wake."""

from __future__ import annotations

import sys
from typing import Annotated
from urllib.parse import quote

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cloudmgr.cli.demand import demand, forecast
from cloudmgr.cli.freezes import freeze
from cloudmgr.cli.needs import needs
from cloudmgr.cli.options import Machine, Reason, connect
from cloudmgr.cli.remote import Remote
from cloudmgr.cli.show import Column, Json, err, facts, out, rows
from cloudmgr.cli.sleep import sleep, try_waking, wakes
from cloudmgr.clock import SystemClock
from cloudmgr.errors import Invalid, Temporary

app = typer.Typer(help="Hosted environments.", no_args_is_help=True)
app.command("sleep")(sleep)
app.command("demand")(demand)
app.command("forecast")(forecast)
app.command("wakes")(wakes)
app.command("needs")(needs)
app.command("freeze")(freeze)
app.command("test-wake")(try_waking)

# More than any secret may have, so that the control plane says what is too long.
_MOST_READ = 200_000

Wait = Annotated[
    int, typer.Option("--wait", help="Wait up to so many seconds until it is Ready.", min=0)
]
Until = Annotated[
    str | None, typer.Option(help="Until when (ISO 8601 with a zone); open if left out.")
]


def _replicas(environment: Json) -> str:
    return ", ".join(
        f"{name} {environment['status']['ready'].get(name, 0)}/{count}"
        for name, count in environment["target"].items()
    )


_COLUMNS: list[Column] = [
    ("environment", lambda e: e["id"]),
    ("host", lambda e: e["host"]),
    ("state", lambda e: e["state"]),
    ("ready/wanted", _replicas),
    ("pool", lambda e: e["pool_id"]),
    ("class", lambda e: e["scaling_class"]),
]
_FACTS: list[Column] = [
    *_COLUMNS,
    (
        "services",
        lambda e: (
            ", ".join(
                f"{s['name']} ({'hosted here' if s['hosted'] else s['host']}, port {s['port']})"
                for s in e["services"]
            )
            or "none"
        ),
    ),
    ("ready", lambda e: f"{e['ready']['status']} {e['ready']['reason']} {e['ready']['message']}"),
    (
        "conditions",
        lambda e: "\n".join(
            f"{c['type']}: {c['status']} {c['reason']} {c['message']}".strip()
            for c in e["status"]["conditions"]
        ),
    ),
]


@app.command("list")
def list_(
    context: typer.Context,
    zone: Annotated[str | None, typer.Option(help="intranet or extranet.")] = None,
    department: Annotated[str | None, typer.Option(help="Only this department's, by id.")] = None,
    system: Annotated[str | None, typer.Option(help="Only of this system, by id.")] = None,
    pool: Annotated[str | None, typer.Option(help="Only on this pool, by id.")] = None,
    awake: Annotated[
        bool | None, typer.Option("--awake/--asleep", help="Only awake, or only hibernated.")
    ] = None,
    machine: Machine = False,
) -> None:
    """All environments that you may see."""
    rows(
        connect(context).all(
            "/environments",
            zone=zone,
            department_id=department,
            system_id=system,
            pool_id=pool,
            awake=awake,
        ),
        _COLUMNS,
        machine=machine,
        empty="No environment yet. Ask for one with `cloudmgr request submit -f FILE`.",
    )


@app.command("show")
def show(context: typer.Context, environment: str, machine: Machine = False) -> None:
    """One environment with its conditions."""
    facts(connect(context).get(f"/environments/{environment}"), _FACTS, machine=machine)


@app.command("scale")
def scale(
    context: typer.Context,
    environment: str,
    replicas: Annotated[int, typer.Argument(min=0, max=1000)],
    reason: Reason,
    component: Annotated[str, typer.Option(help="Which component.")] = "web",
    until: Until = None,
    wait: Wait = 0,
    machine: Machine = False,
) -> None:
    """Hold a component at so many replicas, until --until or `cloudmgr env release`."""
    remote = connect(context)
    body: Json = {
        "component": component,
        "replicas": replicas,
        "reason": reason,
        "until": until,
    }
    remote.post(f"/environments/{environment}/scale", body)
    _settle(remote, environment, wait, machine)


@app.command("release")
def release(
    context: typer.Context,
    environment: str,
    reason: Reason,
    component: Annotated[str, typer.Option(help="Which component.")] = "web",
    wait: Wait = 0,
    machine: Machine = False,
) -> None:
    """Take a scaling by hand back: windows and traffic decide again."""
    remote = connect(context)
    body: Json = {"component": component, "reason": reason}
    remote.post(f"/environments/{environment}/release", body)
    _settle(remote, environment, wait, machine)


@app.command("hibernate")
def hibernate(
    context: typer.Context,
    environment: str,
    reason: Reason,
    force: Annotated[bool, typer.Option("--force", help="Even inside a peak window.")] = False,
    until: Until = None,
    wait: Wait = 0,
    machine: Machine = False,
) -> None:
    """Give all compute back; data, address and configuration stay."""
    remote = connect(context)
    body: Json = {"reason": reason, "force": force, "until": until}
    remote.post(f"/environments/{environment}/hibernate", body)
    _settle(remote, environment, wait, machine)


@app.command("wake")
def wake(
    context: typer.Context,
    environment: str,
    reason: Reason = "woken by hand",
    until: Until = None,
    wait: Wait = 0,
    machine: Machine = False,
) -> None:
    """Bring a hibernated environment back now, and keep it awake at least until --until."""
    remote = connect(context)
    woken = remote.post(f"/environments/{environment}/wake", {"reason": reason, "until": until})
    if woken["waits"] is not None and not machine:
        err.print(f"It is woken as soon as can be: {woken['waits']['en']}.")
    _settle(remote, environment, wait, machine, up=True)


@app.command("decisions")
def decisions(
    context: typer.Context,
    environment: str,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    machine: Machine = False,
) -> None:
    """What scaling decided, and why, the newest first."""
    page = connect(context).get(f"/environments/{environment}/decisions", limit=limit)
    rows(
        page["items"],
        [
            ("at", lambda d: d["at"]),
            ("component", lambda d: d["component"]),
            ("from", lambda d: d["before"]),
            ("to", lambda d: d["after"]),
            ("why", lambda d: d["en"]),
            ("who", lambda d: d["actor"]),
        ],
        machine=machine,
        empty="Nothing was decided yet.",
    )


@app.command("log")
def log(
    context: typer.Context,
    environment: str,
    component: Annotated[str, typer.Option()] = "web",
    slot: Annotated[int, typer.Option(min=0)] = 0,
    lines: Annotated[int, typer.Option(min=1, max=5000)] = 100,
) -> None:
    """The last lines that a replica wrote."""
    answer = connect(context).get(
        f"/environments/{environment}/log", component=component, slot=slot, lines=lines
    )
    for line in answer["lines"]:
        out.print(line, markup=False, soft_wrap=True)


@app.command("changes")
def changes(context: typer.Context, environment: str, machine: Machine = False) -> None:
    """What its pool would change if it were told again what ought to run: a dry run."""
    rows(
        connect(context).get(f"/environments/{environment}/changes")["changes"],
        [
            ("what", lambda c: c["what"]),
            ("field", lambda c: c["path"] or "(all of it)"),
            ("is", lambda c: c["before"] or "nothing"),
            ("would be", lambda c: c["after"] or "nothing"),
        ],
        machine=machine,
        empty="Nothing would change.",
    )


@app.command("correct")
def correct(
    context: typer.Context,
    environment: str,
    reason: Annotated[str, typer.Option(help="Kept in the audit trail.")],
    machine: Machine = False,
) -> None:
    """Put right what others changed in its pool; see `changes` first."""
    answer = connect(context).post(f"/environments/{environment}/correct", {"reason": reason})
    facts(answer, _COLUMNS, machine=machine)


@app.command("secrets")
def secrets(context: typer.Context, environment: str, machine: Machine = False) -> None:
    """What its components are told in secret; no value is ever shown."""
    rows(
        connect(context).get(f"/environments/{environment}/secrets")["secrets"],
        [
            ("secret", lambda s: s["name"]),
            ("told to", lambda s: ", ".join(s["components"]) or "(nobody any more)"),
            ("value", lambda s: "set" if s["has_value"] else "NOT SET YET"),
            ("set at", lambda s: s["set_at"]),
            ("by", lambda s: s["set_by_login"]),
        ],
        machine=machine,
        empty="No component has a secret. Ask for one with a resize.",
    )


@app.command("set-secret")
def set_secret(context: typer.Context, environment: str, name: str) -> None:
    """Give a secret its value, asked for without showing it, or read from standard input."""
    body: Json = {"value": _value(name)}
    connect(context).call("PUT", _secret(environment, name), body=body)
    out.print("set: its replicas are replaced by ones that are told it")


@app.command("drop-secret")
def drop_secret(context: typer.Context, environment: str, name: str) -> None:
    """Forget the value of a secret that no component is told any more."""
    connect(context).call("DELETE", _secret(environment, name))
    out.print("dropped")


def _secret(environment: str, name: str) -> str:
    return f"/environments/{environment}/secrets/{quote(name, safe='')}"


def _value(name: str) -> str:
    """From a person or a pipe; never an argument, which everybody on the machine can read.

    :raises Invalid: ``invalid-secret`` for what is not UTF-8.
    """
    if sys.stdin.isatty():
        asked: str = typer.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True)
        return asked
    try:
        text = sys.stdin.buffer.read(_MOST_READ).decode()
    except UnicodeDecodeError:
        raise Invalid(
            "what stands on standard input is not UTF-8",
            code="invalid-secret",
            hint="encode what is not text, as base64 for instance",
        ) from None
    # The newline that every editor and `echo` add is not meant.
    return text.removesuffix("\n").removesuffix("\r")


def _settle(
    remote: Remote, environment: str, wait: int, machine: bool, *, up: bool = False
) -> None:
    """Show the environment, after waiting for it with a progress display if that is wished.

    :param up: one that sleeps still is not what was waited for.

    :raises Temporary: ``not-ready-yet``, the order stands.
    """
    seen = remote.get(f"/environments/{environment}")
    if wait:
        seen = _awaited(remote, environment, wait, seen, up=up)
    facts(seen, _FACTS, machine=machine)


def _awaited(remote: Remote, environment: str, wait: int, seen: Json, *, up: bool) -> Json:
    clock = SystemClock()
    end = clock.monotonic() + wait
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        console=err,
        transient=True,
    ) as progress:
        bar = progress.add_task("ready replicas", total=None)
        while True:
            seen = remote.get(f"/environments/{environment}")
            progress.update(
                bar,
                total=sum(seen["target"].values()),
                completed=sum(seen["status"]["ready"].values()),
            )
            scaled = [c for c in seen["status"]["conditions"] if c["type"] == "Scaled"]
            current = seen["status"]["observed_generation"] == seen["generation"]
            current = current and not (up and seen["state"] == "hibernated")
            if current and scaled and scaled[0]["status"] == "True":
                return seen
            if clock.monotonic() > end:
                raise Temporary(
                    f"not all replicas are ready after {wait} seconds: {seen['ready']['message']}",
                    code="not-ready-yet",
                    hint="the order stands; see `cloudmgr env show`",
                )
            clock.sleep(0.2)
