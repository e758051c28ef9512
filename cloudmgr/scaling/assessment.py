"""One look at one environment: from everything known to how many of what ought to run. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cloudmgr.hosting.environments import held
from cloudmgr.scaling import autoscaler, wakes, windows
from cloudmgr.scaling.autoscaler import Inputs, Verdict
from cloudmgr.scaling.hibernation import Cause, Rest, rest
from cloudmgr.scaling.hours import Standing
from cloudmgr.scaling.line import BEGINS, Turn, WaitsFor
from cloudmgr.scaling.signals import in_force, signals
from cloudmgr.scaling.starting import lead_now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from cloudmgr.hosting.environments import Component, Environment
    from cloudmgr.policy.scaling_class import ScalingClass
    from cloudmgr.pools.capacity import Room
    from cloudmgr.scaling.activity import Activity, ZoneTraffic
    from cloudmgr.scaling.foretold import Foretold
    from cloudmgr.scaling.lead import Lead
    from cloudmgr.scaling.orders import Order
    from cloudmgr.scaling.wakes import Wake
    from cloudmgr.scaling.windows import PeakWindow
    from cloudmgr.scaling.yielding import Cap


# What starts with as many replicas as its class says.
_STARTS = frozenset({Cause.WOKEN, Cause.NEEDED, Cause.TEST, Cause.AHEAD})


@dataclass(frozen=True, slots=True)
class ScalingState:
    """What scaling remembers of an environment from one look to the next.

    ``generation`` of the environment and ``digest`` of the policy are those last decided on: when
    one of them moves, somebody has to look. ``generation`` 0 means that nobody ever looked.
    ``calls_at`` is when, asleep, it has to be looked at because of the hours of its class.
    ``starts_at`` is when it begins to wake ahead of its time, ``ahead_until`` until when it is kept
    awake for that, and ``ahead_for`` what for, a cause of wakes.
    ``floors`` are what windows asked for at the last look, so that a boundary is told apart.
    """

    environment_id: str
    generation: int = 0
    digest: str = ""
    awake_since: datetime | None = None
    awake_until: datetime | None = None
    calls_at: datetime | None = None
    floors: Mapping[str, int] = field(default_factory=dict)
    starts_at: datetime | None = None
    ahead_until: datetime | None = None
    ahead_for: str | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything a look takes in.

    :param windows: those of the environment that are not over.
    :param traffic: the last reading of the zone's gateway; None when it is too old to go by.
    :param hours: what the hours of its class say at the moment of the look.
    :param wake: the last one.
    :param foretold: what history tells of the demand that comes, if anything.
    :param lead: what the lead time of ``scaling_class`` comes of.
    :param needed_since: since when one that needs it is awake or called; None if none is.
    :param cap: what it was told to leave to a more critical one, if anything.
    """

    environment: Environment
    scaling_class: ScalingClass
    state: ScalingState
    windows: tuple[PeakWindow, ...] = ()
    orders: tuple[Order, ...] = ()
    activity: Activity | None = None
    traffic: ZoneTraffic | None = None
    hours: Standing = field(default_factory=Standing)
    wake: Wake | None = None
    foretold: Foretold | None = None
    cap: Cap | None = None
    needed_since: datetime | None = None
    lead: Lead | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """What comes of a look.

    :param floors: what windows ask for now, by component; only those that ask.
    :param reserved: for how many replicas room is held for a peak to come, by component; only
        where that is more than what runs.
    :param void: orders that are over.
    :param turn: where its wake stands in line, if it is to wake.
    :param look_at: when the answer may change by time alone; in the past when it only waits for
        the next reading of the gateway; None for never.
    """

    verdicts: Mapping[str, Verdict]
    floors: Mapping[str, int]
    rest: Rest
    void: tuple[Order, ...]
    look_at: datetime | None
    reserved: Mapping[str, int] = field(default_factory=dict)
    turn: Turn = BEGINS

    @property
    def target(self) -> dict[str, int]:
        return {name: verdict.replicas for name, verdict in self.verdicts.items()}


def window_floors(scene: Scene, now: datetime) -> dict[str, int]:
    """What windows ask for now, by component, without those that an order to sleep overrules."""
    lead_time = lead_now(scene, now)
    counting = _not_overruled(scene, now)
    floors = {
        c.name: windows.floor(counting, c.name, now, lead_time)
        for c in scene.environment.components
    }
    return {name: value for name, value in floors.items() if value > 0}


def assess(
    scene: Scene,
    now: datetime,
    free: Callable[[], Room],
    turn: Callable[[Wake], Turn] = lambda _wake: BEGINS,
) -> Assessment:
    """How many replicas of each component ought to run now, and when to look again.

    :param free: what the pool could still give, over all targets in force; asked only when more is
        wanted than runs, since the answer is dear.
    :param turn: where a wake stands in line; asked only for one that is to wake.
    """
    floors = window_floors(scene, now)
    resting = rest(signals(scene, floors, now))
    orders = in_force(scene, now)
    void = tuple(
        o
        for o in scene.orders
        # Once a window has woken it, an order to sleep is spent: after the window it falls asleep
        # for want of requests, not in the middle of them.
        if o not in orders
        or (o.hibernates and not resting.asleep and resting.cause is not Cause.TEST)
    )
    environment = scene.environment
    found = BEGINS
    verdicts: Mapping[str, Verdict]
    if resting.asleep:
        verdicts = {c.name: _asleep(c, resting, floors) for c in environment.components}
    else:
        if environment.hibernated and scene.state.generation > 0:
            found = turn(_wake(scene, resting, now))
        if found.waits is None:
            verdicts = _awake(scene, resting, floors, now, free)
        else:
            verdicts = {c.name: _waits(c, resting, found) for c in environment.components}
        verdicts, found = _said(environment, verdicts, found)
    return Assessment(
        verdicts,
        floors,
        resting,
        void,
        _look_at(scene, resting, now),
        _reserved(scene, verdicts, now),
        found,
    )


def _wake(scene: Scene, resting: Rest, now: datetime) -> Wake:
    known = scene.wake
    return known if known is not None and known.open else wakes.called(scene, resting, now)


def _said(
    environment: Environment, verdicts: Mapping[str, Verdict], turn: Turn
) -> tuple[Mapping[str, Verdict], Turn]:
    """With what is to be said of its wake: it begins without what it needs, or has no room."""
    if (
        turn.waits is None
        and environment.hibernated
        and not verdicts[environment.first.name].replicas
    ):
        return verdicts, replace(turn, waits=WaitsFor.ROOM)
    zh, en = turn.words
    if turn.waits is not None or not en:
        return verdicts, turn
    said = {
        name: replace(verdict, zh=f"{verdict.zh}；{zh}", en=f"{verdict.en}; {en}")
        for name, verdict in verdicts.items()
    }
    return said, turn


def _reserved(scene: Scene, verdicts: Mapping[str, Verdict], now: datetime) -> dict[str, int]:
    """What windows that come soon will ask for, as far as that is more than what runs."""
    ahead = scene.scaling_class.lead_time + scene.scaling_class.reserve
    counting = _not_overruled(scene, now)
    promised = {
        c.name: min(windows.floor(counting, c.name, now, ahead), c.max_replicas)
        for c in scene.environment.components
    }
    return {name: count for name, count in promised.items() if count > verdicts[name].replicas}


def _not_overruled(scene: Scene, now: datetime) -> list[PeakWindow]:
    """An order to sleep overrules the windows that counted when it was given, and no other."""
    asleep_at = next((o.at for o in scene.orders if o.hibernates and o.in_force(now)), None)
    if asleep_at is None:
        return list(scene.windows)
    lead_time = scene.scaling_class.lead_time
    return [
        w
        for w in scene.windows
        if w.created_at > asleep_at or w.interval.start - lead_time > asleep_at
    ]


def _asleep(component: Component, resting: Rest, floors: Mapping[str, int]) -> Verdict:
    return Verdict(
        0,
        zh=f"0：{resting.zh}",
        en=f"0: {resting.en}",
        terms={
            "cause": resting.cause.value,
            "ceiling": component.max_replicas,
            **({"window": floors[component.name]} if component.name in floors else {}),
        },
    )


def _waits(component: Component, resting: Rest, turn: Turn) -> Verdict:
    zh, en = turn.words
    return Verdict(
        0,
        zh=f"0：{zh}",
        en=f"0: {en}",
        terms={
            "cause": resting.cause.value,
            "ceiling": component.max_replicas,
            "waits": str(turn.waits),
            "place": turn.place,
        },
    )


def _awake(
    scene: Scene,
    resting: Rest,
    floors: Mapping[str, int],
    now: datetime,
    free: Callable[[], Room],
) -> dict[str, Verdict]:
    environment = scene.environment
    manual = {o.component: o.replicas for o in in_force(scene, now) if not o.hibernates}
    web = environment.web
    # What people reach goes first when the pool is nearly full.
    components = sorted(environment.components, key=lambda c: c is not web)
    room: Room | None = None
    verdicts: dict[str, Verdict] = {}
    for c in components:
        inputs = _inputs(scene, c, resting, floors.get(c.name, 0), now)
        inputs = replace(inputs, manual=manual.get(c.name))
        more = min(autoscaler.wanted(inputs), c.max_replicas) - inputs.current
        copies = 0
        if more > 0:
            room = _with_promised(free(), environment) if room is None else room
            copies = room.sizes.takes(c.size).copies_in(room.left)
        verdict = autoscaler.decide(replace(inputs, room=copies))
        if room is not None and verdict.replicas > inputs.current:
            taken = room.sizes.takes(c.size).times(verdict.replicas - inputs.current)
            room = replace(room, left=room.left - taken)
        ready = environment.status.ready.get(c.name, 0)
        terms = {**verdict.terms, "cause": resting.cause.value, "ready": ready}
        verdicts[c.name] = replace(verdict, terms=terms)
    return {c.name: verdicts[c.name] for c in environment.components}


def _with_promised(room: Room, environment: Environment) -> Room:
    """With what is held for it beyond what runs: room that it may take."""
    running = held(environment.components, environment.target, room.sizes)
    return replace(room, left=room.left + environment.held_in(room.sizes) - running)


def _inputs(scene: Scene, component: Component, resting: Rest, floor: int, now: datetime) -> Inputs:
    scaling_class, traffic = scene.scaling_class, scene.traffic
    hold = scaling_class.scale_down_after
    in_flight: float | None = None
    if traffic is not None:
        # Until the last reading, not until now: no reading is no proof of quiet.
        in_flight = scene.activity.peak(traffic.at - hold) if scene.activity else 0.0
    return Inputs(
        minimum=component.min_replicas,
        ceiling=component.max_replicas,
        current=scene.environment.target.get(component.name, 0),
        window_floor=floor,
        room=0,
        woken=scaling_class.wake_replicas if resting.cause in _STARTS else 0,
        hours=scaling_class.wake_replicas if resting.cause is Cause.HOURS else 0,
        measured=component is scene.environment.web and not scaling_class.elastic,
        in_flight=in_flight,
        foretold=scene.foretold.in_flight(now, hold) if scene.foretold else None,
        cap=scene.cap.replicas if scene.cap and scene.cap.holds(now) else None,
        settled=traffic is not None and traffic.at - traffic.since >= hold,
        target_in_flight=float(scaling_class.target_in_flight),
    )


def _look_at(scene: Scene, resting: Rest, now: datetime) -> datetime | None:
    scaling_class = scene.scaling_class
    starts_at = scene.state.starts_at
    moments = [
        starts_at if starts_at is not None and starts_at > now else None,
        windows.next_boundary(scene.windows, now, scaling_class.lead_time),
        windows.next_boundary(scene.windows, now, scaling_class.lead_time + scaling_class.reserve),
        resting.look_at,
        *(o.until for o in scene.orders if o.in_force(now)),
    ]
    traffic, hold = scene.traffic, scaling_class.scale_down_after
    if scene.cap is not None and scene.cap.holds(now):
        moments.append(scene.cap.until)
    if scene.foretold is not None and not resting.asleep:
        moments += scene.foretold.moments(now, hold)
    if traffic is not None and not resting.asleep:
        if traffic.at - traffic.since < hold:
            moments.append(traffic.since + hold)
        recent = scene.activity.recent if scene.activity else ()
        # The highest goes first: when it is forgotten, less may be enough.
        moments.append(next((s.at + hold for s in recent if s.at > traffic.at - hold), None))
    return min((m for m in moments if m is not None), default=None)
