"""The demo, from an empty directory to the invoices."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import signal
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from cloudmgr.cli.demo import city, founding
from cloudmgr.cli.demo.day import Day
from cloudmgr.cli.demo.stage import Ports, Stage
from cloudmgr.cli.demo.startup import startup_seconds
from cloudmgr.cli.demo.teller import Teller
from cloudmgr.cli.demo.timeline import Timeline
from cloudmgr.cli.demo.traces import DAY_SECONDS, read_traces
from cloudmgr.cli.demo.verdict import conclude
from cloudmgr.cli.remote import Remote
from cloudmgr.errors import Invalid

if TYPE_CHECKING:
    from cloudmgr.cli.demo.founding import City

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Machine seconds for setting the city up before the day begins: on an idle machine, and as many
# times what one application takes to start on this one now.
_SET_UP_SECONDS = 9.0
_SET_UP_STARTS = 25.0


@dataclass(frozen=True, slots=True)
class Options:
    """What to play. ``since`` and ``until`` are seconds of the day."""

    speed: float
    headless: bool
    out: Path
    keep: bool
    since: float
    until: float
    chaos: bool
    times: bool = True


def play(options: Options) -> int:
    """Play the day; the exit status: 1 if a promise is broken."""
    if find_spec("locust") is None:
        raise Invalid(
            "the demo needs Locust, which sends its visitors",
            code="demo-not-installed",
            hint="install cloudmgr[demo], or type `make demo` in a checkout",
        )
    say = Teller()
    options.out.mkdir(parents=True, exist_ok=True)
    state = Path(tempfile.mkdtemp(prefix="cloudmgr-demo-"))
    stage = Stage(state, Ports.choose(), Timeline.leading_to(city.DAY, 0, options.speed))
    for sign in _ENDING:
        signal.signal(sign, _interrupt)
    try:
        return _played(options, stage, say)
    except KeyboardInterrupt:
        say("stopped")
        return 130
    finally:
        for sign in _ENDING:
            signal.signal(sign, signal.SIG_IGN)  # impatience must leave nothing behind
        ended = stage.clear()
        shutil.copy(stage.log, options.out / stage.log.name) if stage.log.exists() else None
        if options.keep:
            say(f"{ended} processes ended; the state is kept in {state}")
        else:
            shutil.rmtree(state, ignore_errors=True)
            say(f"{ended} processes ended, nothing is left")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _played(options: Options, stage: Stage, say: Teller) -> int:
    records = stage.state / "records"
    say(_introduction(options))
    own = startup_seconds("gaokao", stage.ports.plane, stage.state / "alone")
    say(f"an application by itself starts in {own:.2f} s")
    password = secrets.token_urlsafe(9)
    admin = Remote(stage.address, stage.initialise(password))
    stage.timeline = Timeline.leading_to(
        city.moment(options.since), _SET_UP_SECONDS + _SET_UP_STARTS * own, options.speed
    )
    say.follow(stage.timeline)
    stage.start()
    say(f"the control plane answers at {stage.address}")
    database = f"sqlite:///{stage.state / 'cloudmgr.db'}"
    found = founding.people(admin, password, database, stage.address)
    departments, everybody = len(city.DEPARTMENTS), len(city.PEOPLE)
    say(f"{departments} departments with their accounts, {everybody} people with their roles")
    founding.hosting(found, city.PLANS, records, options.since, say)
    founding.refusals(found, records, say)
    founding.await_ready(found, say)
    if not options.headless:
        _invite(stage, found, password, say)
    day = Day(options.since, options.until, stage, found, options.out, say)
    if options.headless:
        day.run(chaos=options.chaos)
        return conclude(day, own, say.console, times=options.times)
    _go_on(day, options, say)
    return 0


def _go_on(day: Day, options: Options, say: Teller) -> None:
    """One day after another, until somebody stops it."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            day.run(chaos=options.chaos)
            say(day.summary())
            if day.number == 0 and day.until >= DAY_SECONDS:
                say(f"{city.MONTH} is over: {city.FINANCE.login} may close it")
            day = day.following()
    say("stopping")
    day.stop()


def _introduction(options: Options) -> str:
    traces = read_traces()
    exam = next(plan for plan in city.PLANS if plan.peaks)
    small = next(plan for plan in city.PLANS if not plan.peaks)
    per = city.thinning(exam, options.speed)
    rest = city.thinning(small, options.speed)
    peak = traces[exam.trace].peak_rate() * options.speed / per
    return (
        f"30 June 2026 in Shanghai at {options.speed:g} × speed. "
        f"{exam.name_zh}: the World Cup's site of 30 June 1998, 1 request replayed for {per:,} of "
        f"the trace ({peak:.0f} a second at the peak). The other {len(city.PLANS) - 1} systems: "
        f"mentions of companies, 1 for {rest} of the trace. Each visit is sent when it is due, "
        "whatever became of those before (Locust, open model)."
    )


def _invite(stage: Stage, found: City, password: str, say: Teller) -> None:
    lines = [f"The pages are at {stage.address}. Everybody signs in with the password {password}:"]
    lines.append("  admin              administrator")
    lines += [f"  {p.login:<18} {p.role:<18} {p.name}" for p in city.PEOPLE]
    lines.append("The systems, for a browser on this machine:")
    for one in found.hosted.values():
        port = stage.ports.gateway(one.plan.zone).rsplit(":", 1)[1]
        lines.append(f"  http://{one.host}:{port}/  {one.plan.name_zh}")
    lines.append("Ctrl-C ends everything.")
    say.lines(*lines)
