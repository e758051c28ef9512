"""The steps of one environment, in every order in which things can happen."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmgr.pools.drivers.driver import ComponentWorkload, ReplicaState, Workload
from cloudmgr.pools.drivers.local.plan import Discard, Drain, Revive, Start, plan
from cloudmgr.pools.drivers.local.records import Replica

START = datetime(2026, 6, 1, tzinfo=UTC)
WEB = ComponentWorkload("web", 1, 100, 64, command=("web",), port=80)


def wanted(*components: ComponentWorkload) -> Workload:
    return Workload("env_a", "a", "dep_a", "sys_a", "extranet", components)


def replica(
    state: ReplicaState,
    of: ComponentWorkload = WEB,
    slot: int = 0,
    id: str = "r",  # noqa: A002
) -> Replica:
    return Replica(id, of, of.template_digest, slot, "dep_a", "sys_a", state, 20000, START, pid=1)


NEW = replace(WEB, variables={"VERSION": "2"})
STORED = replace(WEB, storage_gib=1)


def test_every_wanted_slot_is_started_from_the_lowest() -> None:
    assert plan(wanted(replace(WEB, replicas=2)), []) == [
        Start(replace(WEB, replicas=2), 0),
        Start(replace(WEB, replicas=2), 1),
    ]


def test_what_is_not_wanted_drains_or_is_discarded() -> None:
    there = [replica(ReplicaState.READY), replica(ReplicaState.BACKOFF, slot=1, id="s")]
    assert plan(None, there) == [Drain("r"), Discard("s")]


def test_a_failed_one_is_started_when_its_wait_is_over_and_not_before() -> None:
    there = [replica(ReplicaState.BACKOFF)]
    assert plan(wanted(WEB), there) == []
    assert plan(wanted(WEB), there, due={"r"}) == [Start(WEB, 0, after="r")]


def test_the_old_one_drains_once_the_new_one_is_ready() -> None:
    old = replica(ReplicaState.READY)
    assert plan(wanted(NEW), [old]) == [Start(NEW, 0)]
    assert plan(wanted(NEW), [old, replica(ReplicaState.STARTING, NEW, id="n")]) == []
    assert plan(wanted(NEW), [old, replica(ReplicaState.READY, NEW, id="n")]) == [Drain("r")]


def test_slots_are_replaced_one_at_a_time() -> None:
    component = replace(NEW, replicas=2)
    there = [replica(ReplicaState.READY), replica(ReplicaState.READY, slot=1, id="s")]
    assert plan(wanted(component), there) == [Start(component, 0)]


def test_an_old_one_that_does_not_serve_is_not_waited_for() -> None:
    assert plan(wanted(NEW), [replica(ReplicaState.UNHEALTHY)]) == [Drain("r"), Start(NEW, 0)]


def test_with_storage_the_old_one_is_gone_before_the_new_one_starts() -> None:
    new = replace(STORED, variables={"VERSION": "2"})
    assert plan(wanted(new), [replica(ReplicaState.READY, STORED)]) == [Drain("r")]
    assert plan(wanted(new), [replica(ReplicaState.DRAINING, STORED)]) == []
    assert plan(wanted(new), []) == [Start(new, 0)]


def test_a_draining_one_is_revived_only_if_it_was_not_asked_to_end() -> None:
    there = [replica(ReplicaState.DRAINING)]
    assert plan(wanted(WEB), there, revivable={"r"}) == [Revive("r")]
    assert plan(wanted(WEB), there) == [Start(WEB, 0)]


@dataclass
class World:
    """A pool in which actions succeed at once and everything else happens when it is told to."""

    wanted: Workload | None = None
    replicas: dict[str, Replica] = field(default_factory=dict)
    due: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    count: itertools.count[int] = field(default_factory=itertools.count)

    def set(self, id: str, state: ReplicaState) -> None:  # noqa: A002
        self.replicas[id] = replace(self.replicas[id], state=state)

    def converge(self) -> None:
        while actions := self.plan():
            for action in actions:
                self.do(action)
            self.check()

    def plan(self) -> list[Start | Drain | Revive | Discard]:
        revivable = set(self.replicas) - self.asked
        return plan(self.wanted, self.replicas.values(), self.due, revivable)

    def do(self, action: Start | Drain | Revive | Discard) -> None:
        match action:
            case Start(component, slot, after):
                if after:
                    del self.replicas[after]
                number = next(self.count)
                fresh = replica(ReplicaState.STARTING, component, slot, f"r{number}")
                self.replicas[fresh.id] = replace(
                    fresh, started_at=START + timedelta(seconds=number)
                )
            case Drain(id):
                self.may_drain(self.replicas[id])
                self.set(id, ReplicaState.DRAINING)
            case Revive(id):
                assert id not in self.asked
                self.set(id, ReplicaState.READY)
            case Discard(id):
                assert self.replicas[id].state is ReplicaState.BACKOFF
                del self.replicas[id]

    def may_drain(self, leaving: Replica) -> None:
        """One that serves in a wanted slot, without storage, leaves only for one that serves."""
        components = {c.name: c for c in self.wanted.components} if self.wanted else {}
        component = components.get(leaving.component.name)
        if component is None or leaving.slot >= component.replicas or component.storage_gib:
            return
        if leaving.state is ReplicaState.READY:
            assert any(
                r.state is ReplicaState.READY and r.slot == leaving.slot and r.id != leaving.id
                for r in self.replicas.values()
            )

    def check(self) -> None:
        for slot in {r.slot for r in self.replicas.values()}:
            there = [r for r in self.replicas.values() if r.slot == slot]
            staying = [r.template for r in there if r.state is not ReplicaState.DRAINING]
            assert len(staying) == len(set(staying))
            if any(r.component.storage_gib for r in there):
                assert len([r for r in there if r.holds]) <= 1

    def happen(self, event: str, which: int) -> None:
        ids = sorted(self.replicas)
        if not ids:
            return
        id = ids[which % len(ids)]  # noqa: A001
        state = self.replicas[id].state
        match event, state:
            case "ready", ReplicaState.STARTING | ReplicaState.UNHEALTHY:
                self.set(id, ReplicaState.READY)
            case "ill", ReplicaState.READY:
                self.set(id, ReplicaState.UNHEALTHY)
            case "asked", ReplicaState.DRAINING:
                self.asked.add(id)
            case "ends", ReplicaState.DRAINING:
                del self.replicas[id]
            case "ends", ReplicaState.STARTING | ReplicaState.READY | ReplicaState.UNHEALTHY:
                self.set(id, ReplicaState.BACKOFF)
            case "due", ReplicaState.BACKOFF:
                self.due.add(id)

    def go_well(self) -> None:
        """What starts gets ready, what failed is due, what drains ends."""
        for id in sorted(self.replicas):  # noqa: A001
            match self.replicas[id].state:
                case ReplicaState.STARTING | ReplicaState.UNHEALTHY:
                    self.set(id, ReplicaState.READY)
                case ReplicaState.BACKOFF:
                    self.due.add(id)
                case ReplicaState.DRAINING:
                    del self.replicas[id]
            self.converge()


@dataclass(frozen=True)
class Event:
    """Something happens to the ``which``-th replica."""

    name: str
    which: int


@dataclass(frozen=True)
class Version:
    """Another workload is wanted."""

    name: str
    count: int


events = st.builds(
    Event, st.sampled_from(["ready", "ill", "asked", "ends", "due"]), st.integers(0, 9)
)
versions = st.builds(Version, st.sampled_from("abc"), st.integers(0, 3))


@settings(max_examples=150, deadline=None)
@given(
    stored=st.booleans(),
    story=st.lists(st.one_of(events, versions, st.none()), max_size=30),
    last=versions,
)
def test_whatever_happens_what_is_wanted_comes_to_be_and_no_rule_is_broken_on_the_way(
    stored: bool,  # noqa: FBT001
    story: list[Event | Version | None],
    last: Version,
) -> None:
    world = World()
    for step in [*story, last]:
        match step:
            case Version(name, count):
                component = STORED if stored else WEB
                world.wanted = wanted(
                    replace(component, replicas=count, variables={"VERSION": name})
                )
            case Event(name, which):
                world.happen(name, which)
            case None:
                world.wanted = None
        world.converge()
    for _ in range(100):
        world.go_well()
    assert sorted(
        (r.slot, r.state, r.component.variables["VERSION"]) for r in world.replicas.values()
    ) == [(slot, ReplicaState.READY, last.name) for slot in range(last.count)]
