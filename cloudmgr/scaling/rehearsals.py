"""Rehearsals of peaks: what speaks against one, and what comes next of one that is under way. Pure.

A rehearsal holds the component of a peak ahead at the promised size, by an order like any other,
which ends by itself. Once all replicas are Ready it sends a bounded load, if one was asked for, and
gives everything back.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - results are read by their types
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cloudmgr.errors import Conflict, Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime, timedelta

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.interval import Interval
    from cloudmgr.policy.rehearsing import Rehearsing
    from cloudmgr.scaling.orders import Order
    from cloudmgr.scaling.windows import PeakWindow

LONGEST_PATH = 200
# Of fewer answers nothing is concluded.
ENOUGH = 20


class Ending(StrEnum):
    """Why a rehearsal is over."""

    DONE = "done"
    STOPPED = "stopped"  # by a person
    FAILURES = "failures"  # too many of its requests failed
    NOT_READY = "not-ready"  # not all replicas came up in its time
    PEAK = "peak"  # a peak on its pool began
    OVERRULED = "overruled"  # somebody ordered something else of the component
    INTERRUPTED = "interrupted"  # whoever sent its load is gone
    GONE = "gone"  # its environment is


class Next(StrEnum):
    """What is to be done of one now."""

    WAIT = "wait"
    LOAD = "load"  # all are Ready: send the load
    END = "end"


@dataclass(frozen=True, slots=True)
class Load:
    """``per_second`` GET requests of ``path`` for so many elapsed ``seconds``.

    :param most_failures: it stops when a larger share of its answers fails, 0 to 1.
    """

    per_second: int
    seconds: int
    path: str
    most_failures: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for: at most ``lasting`` from now on, with ``load`` or without any."""

    lasting: timedelta
    load: Load | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a load. Latencies in seconds, from when a request was due.

    :param sent: requests that went out; ``withheld``: due ones that did not, since too many were on
        their way already.
    :param failures: no answer in time, or one that blames the server, by what was said.
    :param latency: by quantile: ``p50``, ``p90``, ``p99``, ``max``; empty without an answer.
    """

    sent: int
    answered: int
    withheld: int
    failures: Mapping[str, int]
    latency: Mapping[str, float]
    highest_in_flight: int

    @property
    def failed(self) -> int:
        return sum(self.failures.values())


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One rehearsal, under way or over.

    :param ordered_at: of its order to scale, by which that is known again.
    :param until: nothing of it lasts longer.
    :param stopped_by: who wants it over.
    """

    id: str
    window_id: str
    environment_id: str
    component: str
    replicas: int
    load: Load | None
    ordered_by: str
    reason: str
    ordered_at: datetime
    until: datetime
    ready_at: datetime | None = None
    load_from: datetime | None = None
    stopped_by: str | None = None
    ended_at: datetime | None = None
    ending: Ending | None = None
    result: Result | None = None

    @property
    def ready_after(self) -> timedelta | None:
        """From its order until all replicas were Ready."""
        return None if self.ready_at is None else self.ready_at - self.ordered_at


@dataclass(frozen=True, slots=True)
class Around:
    """What a rehearsal would meet.

    :param lead: how long before a peak its capacity is prepared, by the class of the environment.
    :param peaks: windows on its pool that are prepared or last at some time of the rehearsal, its
        own one left out.
    :param under_way: another rehearsal on its pool.
    :param room: whether its pool has room for what it starts.
    """

    environment: Environment
    window: PeakWindow
    lead: timedelta
    orders: tuple[Order, ...]
    peaks: tuple[PeakWindow, ...]
    under_way: Rehearsal | None
    room: bool


def check_plan(plan: Plan, bounds: Rehearsing) -> None:
    """:raises Invalid: ``invalid-rehearsal`` with all that is beyond what policy allows."""
    problems = list(_problems(plan, bounds))
    if problems:
        path, sentence = problems[0]
        raise Invalid(sentence, code="invalid-rehearsal", path=path, problems=tuple(problems))


def _problems(plan: Plan, bounds: Rehearsing) -> Iterator[tuple[str, str]]:
    longest = int(bounds.longest.total_seconds() // 60)
    if not 0 < plan.lasting.total_seconds() <= bounds.longest.total_seconds():
        yield "minutes", f"a rehearsal lasts 1 to {longest} minutes"
    if plan.load is None:
        return
    load = plan.load
    if not 0 < load.per_second <= bounds.most_per_second:
        yield "per_second", f"a rehearsal sends 1 to {bounds.most_per_second} requests per second"
    if not 0 < load.seconds < plan.lasting.total_seconds():
        yield "seconds", "the load must be shorter than the rehearsal"
    if not 0 <= load.most_failures <= bounds.most_failures:
        yield "most_failures", f"it must be 0 to {bounds.most_failures:g}"
    if (
        not load.path.startswith("/")
        or not load.path.isascii()
        or not load.path.isprintable()
        or len(load.path) > LONGEST_PATH
        or " " in load.path
    ):
        yield "path", "it must begin with a slash and hold what stands in addresses"


def obstacles(around: Around, plan: Plan, now: datetime) -> tuple[Conflict, ...]:
    """All that speaks against it now; nothing if it may begin."""
    return tuple(_obstacles(around, plan, now))


def _obstacles(around: Around, plan: Plan, now: datetime) -> Iterator[Conflict]:
    window, environment = around.window, around.environment
    if window.cancelled_at is not None or window.interval.start <= now:
        yield Conflict("only a peak that is ahead is rehearsed", code="not-ahead")
        return
    if now + plan.lasting > window.interval.start - around.lead:
        yield Conflict(
            "the peak itself is prepared before the rehearsal would be over",
            code="peak-too-near",
            hint="make it shorter, or do without",
        )
    known = {component.name: component for component in environment.components}
    component = known.get(window.component)
    if component is None or component.max_replicas < window.replicas:
        yield Conflict(
            f"{window.replicas} replicas of {window.component} are not approved any more",
            code="not-approved",
        )
    elif plan.load is not None and environment.web != component:
        yield Conflict(
            f"nobody reaches {window.component} through the gateway: no load can be sent to it",
            code="no-address",
            hint="rehearse it without a load",
        )
    if any(order.component == window.component for order in around.orders):
        yield Conflict(
            f"{window.component} is held by an order",
            code="held-by-hand",
            hint="release it first",
        )
    if around.under_way is not None:
        yield Conflict(
            f"another rehearsal on its pool lasts until {around.under_way.until.isoformat()} at "
            "most",
            code="rehearsal-under-way",
            hint="try again when it is over",
        )
    if around.peaks:
        begins = min(peak.interval.start for peak in around.peaks).isoformat()
        yield Conflict(
            f"a peak on its pool is prepared or lasts meanwhile: the one of {begins}",
            code="peak-on-pool",
            hint="try again when it is over",
        )
    if not around.room:
        yield Conflict(
            f"its pool has no room for {window.replicas} replicas of {window.component} now",
            code="no-room",
            hint="try again when less runs there",
        )


def meets(window: PeakWindow, during: Interval, lead: timedelta) -> bool:
    """Whether ``window`` is prepared or lasts at some time of ``during``."""
    if window.cancelled_at is not None:
        return False
    return window.interval.start - lead < during.end and during.start < window.interval.end


@dataclass(frozen=True, slots=True)
class Underway:
    """How the load of a rehearsal stands that this process sends."""

    over: bool
    failing: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """How things stand with a rehearsal.

    :param alive: whether its environment is there and not being retired.
    :param ready: replicas of the component that are Ready.
    :param ours: whether its order holds still.
    :param peak: whether a peak is prepared or lasts on its pool.
    :param load: None where this process sends none.
    """

    alive: bool
    ready: int
    ours: bool
    peak: bool
    load: Underway | None


def next_step(rehearsal: Rehearsal, seen: Seen, now: datetime) -> tuple[Next, Ending | None]:
    """What is to be done of one that is under way."""
    ending = _ending(rehearsal, seen, now)
    if ending is not None:
        return Next.END, ending
    if rehearsal.load_from is None and seen.ready >= rehearsal.replicas:
        return (Next.END, Ending.DONE) if rehearsal.load is None else (Next.LOAD, None)
    return Next.WAIT, None


def _ending(rehearsal: Rehearsal, seen: Seen, now: datetime) -> Ending | None:
    """The first that is true says why."""
    sends, over = rehearsal.load_from is not None, now >= rehearsal.until
    load = seen.load
    reasons = (
        (Ending.GONE, not seen.alive),
        (Ending.STOPPED, rehearsal.stopped_by is not None),
        (Ending.PEAK, seen.peak),
        (Ending.INTERRUPTED, sends and load is None),
        (Ending.FAILURES, sends and load is not None and load.failing),
        (Ending.DONE, sends and ((load is not None and load.over) or over)),
        (Ending.NOT_READY, not sends and over),
        (Ending.OVERRULED, not seen.ours),
    )
    return next((ending for ending, true in reasons if true), None)


def failing(answered: int, failed: int, most: float) -> bool:
    """Whether a load is to stop: of few answers nothing is concluded."""
    return answered >= ENOUGH and failed > most * answered


def quantiles(latencies: Iterable[float]) -> dict[str, float]:
    """Of seconds; each is one that was measured."""
    known = sorted(latencies)
    if not known:
        return {}
    last = len(known) - 1
    found = {f"p{q}": known[min(last, -(-q * len(known) // 100) - 1)] for q in (50, 90, 99)}
    return {**found, "max": known[last]}
