"""Who wakes next, when more are called than may wake at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.conditions import Condition, Status
from cloudmgr.hosting.environments import Criticality, Endpoint, EnvironmentStatus
from cloudmgr.policy.waking import Waking
from cloudmgr.pools.capacity import Resources
from cloudmgr.scaling.line import BEGINS, Call, WaitsFor, offers, turn
from cloudmgr.scaling.waker.sleepers import waiting_words
from cloudmgr.scaling.wakes import WAKER, Wake, WakeCause
from tests.builders import a_window
from tests.scaling.rig import HOUR, KEY, MINUTE, NOW, Rig, announced
from tests.scaling.test_needs import Chain, one

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database
    from cloudmgr.scaling.line import Turn

SECOND = timedelta(seconds=1)
WITHIN = 3 * MINUTE


def a_call(name: str, criticality: int = 2, **changes: Any) -> Call:
    """Called by a request a moment ago."""
    needs = tuple(changes.pop("needs", ()))
    patience = changes.pop("patience", 5 * MINUTE)
    pool_id = changes.pop("pool_id", "pool_a")
    asked_at = changes.pop("asked_at", NOW)
    wake = Wake(name, WakeCause.REQUEST, asked_at, asked_at + WITHIN)
    return Call(replace(wake, **changes), pool_id, criticality, needs, patience, 2 * WITHIN)


def line(calls: list[Call]) -> list[str]:
    """In the order in which they would begin, if one could after the other."""
    return sorted((c.id for c in calls), key=lambda key: turn(calls, key, 1, NOW).place)


# --------------------------------------------------------------------------------------- pure


def test_the_more_critical_go_first_then_people_then_promises_then_calls() -> None:
    calls = [
        a_call("later", asked_at=NOW + SECOND, promised_by=NOW + WITHIN),
        a_call("test", 4, cause=WakeCause.TEST),
        a_call("first"),
        a_call("rules", cause=WakeCause.HOURS, promised_by=NOW),
        a_call("vital", 4, asked_at=NOW + MINUTE),
    ]
    assert line(calls) == ["vital", "first", "later", "rules", "test"]


def test_what_is_needed_stands_as_high_as_who_needs_it_and_before_it() -> None:
    calls = [
        a_call("normal", 3),
        a_call("vital", 4, needs=["middle"]),
        a_call("middle", 2, needs=["low"]),
        a_call("low", 1),
    ]
    assert line(calls) == ["low", "middle", "vital", "normal"]


def test_a_wait_says_its_place_and_how_many_wake() -> None:
    calls = [a_call("a", 4, begun_at=NOW), a_call("b", 3), a_call("c", 2)]
    found = turn(calls, "c", 1, NOW)
    assert (found.waits, found.place, found.of) == (WaitsFor.TURN, 2, 2)
    assert found.words == (
        "排队等待唤醒，第 2/2 位；1 个正在唤醒，最多同时 1 个",
        "waits for its turn, place 2/2; 1 wake, 1 may at once",
    )


def test_another_pool_has_a_line_of_its_own() -> None:
    calls = [a_call("a", begun_at=NOW), a_call("b", pool_id="pool_b")]
    assert turn(calls, "b", 1, NOW).waits is None
    assert offers(calls, 1, NOW) == ["b"]


def test_one_that_does_not_come_up_gives_its_place_away() -> None:
    calls = [a_call("stuck", begun_at=NOW), a_call("next")]
    assert offers(calls, 1, NOW + 2 * WITHIN - SECOND) == []
    assert offers(calls, 1, NOW + 2 * WITHIN) == ["next"]


def test_one_waits_for_what_it_needs_and_then_begins_anyhow_and_says_so() -> None:
    calls = [a_call("portal", 4, needs=["registry"]), a_call("other", 1)]
    found = turn(calls, "portal", 1, NOW)
    assert (found.waits, found.until) == (WaitsFor.NEEDS, NOW + 5 * MINUTE)
    assert turn(calls, "other", 1, NOW).waits is None, "it keeps nobody else from waking"
    late = turn(calls, "portal", 1, NOW + 5 * MINUTE)
    assert late.waits is None
    assert late.words[1] == "starts although registry, which it needs, is not ready"


def test_without_patience_they_start_at_the_same_time_and_nothing_is_said() -> None:
    calls = [
        a_call("portal", 4, needs=["registry"], patience=timedelta(0)),
        a_call("registry", 1),
    ]
    assert offers(calls, 2, NOW) == ["registry", "portal"]
    assert turn(calls, "portal", 2, NOW).words == ("", "")


def test_who_waits_for_room_keeps_nobody_from_waking_and_is_tried_again() -> None:
    calls = [a_call("large", 4, waits="room"), a_call("small", 1)]
    assert turn(calls, "small", 1, NOW).waits is None
    assert offers(calls, 1, NOW) == ["small", "large"]


@dataclass
class City:
    """Calls that come, begin when they may, and are Ready some minutes later, or never."""

    calls: dict[str, Call]
    took: dict[str, int]
    needs: dict[str, tuple[str, ...]]
    at_once: int

    def step(self, minute: int) -> None:
        now = NOW + minute * MINUTE
        for key, call in list(self.calls.items()):
            begun = call.wake.begun_at
            if begun is not None and self.took[key] and now >= begun + self.took[key] * MINUTE:
                self.calls[key] = replace(call, wake=replace(call.wake, ready_at=now))
        self.refresh()
        for key in offers(self.open, self.at_once, now):
            # As in the program: each is asked for again when it begins.
            if turn(self.open, key, self.at_once, now).waits is None:
                call = self.calls[key]
                assert not call.needs or now >= call.patient_until
                self.calls[key] = replace(call, wake=replace(call.wake, begun_at=now))
        waking = sum(c.waking(now) for c in self.open)
        assert waking <= self.at_once

    def refresh(self) -> None:
        up = {key for key, call in self.calls.items() if call.wake.ready_at is not None}
        for key, call in self.calls.items():
            down = tuple(n for n in self.needs[key] if n not in up)
            self.calls[key] = replace(call, needs=down)

    @property
    def open(self) -> list[Call]:
        return [c for c in self.calls.values() if c.wake.open]


@given(
    st.lists(
        st.tuples(
            st.integers(1, 4),  # criticality
            st.integers(0, 8),  # minutes to Ready; 0: never
            st.sets(st.integers(0, 11), max_size=3),  # what it needs, of those before it
            st.sampled_from(list(WakeCause)),
        ),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 4),
)
def test_the_cap_is_never_exceeded_everybody_begins_and_needs_go_first(
    systems: list[tuple[int, int, set[int], WakeCause]], at_once: int
) -> None:
    names = [f"s{n}" for n in range(len(systems))]
    needs = {
        names[n]: tuple(sorted(names[m] for m in wanted if m < n))
        for n, (_, _, wanted, _) in enumerate(systems)
    }
    city = City(
        calls={
            names[n]: a_call(names[n], criticality, cause=cause)
            for n, (criticality, _, _, cause) in enumerate(systems)
        },
        took={names[n]: took for n, (_, took, _, _) in enumerate(systems)},
        needs=needs,
        at_once=at_once,
    )
    for minute in range(12 * 8 + 1):
        city.step(minute)
    begun = {key: call.wake.begun_at for key, call in city.calls.items()}
    assert None not in begun.values(), "somebody starves"


# --------------------------------------------------------------------------- with the database


class Crowd(Rig):
    """Sleeping systems of one pool, of which two may wake at once."""

    def __init__(self, database: Database, *criticalities: int) -> None:
        super().__init__(database, now=NOW - HOUR)
        self.policy(waking=Waking(at_once=2))
        self.keys = [f"env_{n}" for n in range(len(criticalities))]
        self.host(
            *(
                one(str(n), criticality=Criticality(criticality))
                for n, criticality in enumerate(criticalities)
            )
        )
        for key in self.keys:
            with database.write() as tx:
                self.control.hibernate(tx, key, actor="usr_op", why="night", force=True)
                self.stores.scaling.drop_order(tx, key, "")
        self.settle()
        self.clock.set(NOW)

    def settle(self) -> None:
        for _ in range(3):
            for key in self.reconciler.due():
                self.look(key)

    def call(self, key: str, actor: str = WAKER) -> Turn:
        with self.database.write() as tx:
            return self.control.wake(tx, key, actor=actor, why="first request: GET /").turn

    def serve(self, key: str) -> None:
        """Its pool says that it is Ready."""
        environment = self.environment(key)
        now = self.clock.now()
        conditions = tuple(
            Condition(kind, Status.TRUE, "Seen", "", environment.generation, now)
            for kind in ("Applied", "Available")
        )
        endpoints = (Endpoint("web", "127.0.0.1", 9000),)
        with self.database.write() as tx:
            self.environments.set_status(
                tx,
                environment,
                EnvironmentStatus(environment.generation, conditions, endpoints),
            )
        self.look(key)

    def last(self, key: str) -> Wake:
        with self.database.read() as tx:
            found = self.stores.wakes.last(tx, key)
        assert found is not None
        return found

    @property
    def awake(self) -> list[str]:
        return [key for key in self.keys if not self.environment(key).hibernated]


def test_no_more_wake_at_once_than_may_and_the_next_begins_when_one_is_up(
    database: Database,
) -> None:
    rig = Crowd(database, 1, 1, 2, 4)
    turns = [rig.call(key) for key in rig.keys]
    assert [t.waits for t in turns] == [None, None, WaitsFor.TURN, WaitsFor.TURN]
    rig.settle()
    assert rig.awake == ["env_0", "env_1"]
    assert rig.decisions("env_2")[-1].en.startswith("0: waits for its turn, place 1/1")
    assert rig.last("env_2").waits == "turn"
    with rig.database.read() as tx:
        contract = rig.control.contract(tx, "env_2")
    assert (contract.turn.place, contract.turn.of) == (2, 2), "the vital one goes before it"
    with rig.database.read() as tx:
        assert rig.stores.wakes.waiting(tx) == 2
    rig.clock.advance(MINUTE)
    rig.moved.clear()
    rig.serve("env_0")
    assert "env_3" in rig.moved
    assert rig.reconciler.due() == ["env_3"]
    rig.settle()
    assert rig.awake == ["env_0", "env_1", "env_3"]
    assert rig.last("env_3").begun_at == NOW + MINUTE


def test_who_waits_is_not_looked_at_every_second(sqlite: Database) -> None:
    rig = Crowd(sqlite, *[2] * 6)
    for key in rig.keys:
        announced(rig, a_window(NOW, NOW + HOUR, id=f"win_{key}", environment_id=key))
    rig.settle()
    assert len(rig.awake) == 2
    assert rig.reconciler.due() == []


def test_a_person_who_comes_while_it_waits_for_its_hours_moves_it_ahead(
    sqlite: Database,
) -> None:
    rig = Crowd(sqlite, 2, 2, 2, 2)
    for key in rig.keys:
        announced(rig, a_window(NOW, NOW + HOUR, id=f"win_{key}", environment_id=key))
    rig.settle()
    assert rig.last("env_3").cause is WakeCause.WINDOW
    assert rig.call("env_3").place == 1
    assert rig.last("env_3").cause is WakeCause.REQUEST


def test_a_hundred_requests_of_one_that_waits_write_nothing_more(sqlite: Database) -> None:
    rig = Crowd(sqlite, 2, 2, 2)
    for key in rig.keys:
        rig.call(key)
    rig.settle()
    before = rig.last("env_2")
    with rig.database.read() as tx:
        state = rig.stores.scaling.state(tx, "env_2")
    for _ in range(100):
        assert rig.call("env_2").place == 1
    with rig.database.read() as tx:
        assert rig.stores.scaling.state(tx, "env_2") == state
    assert rig.last("env_2") == before


def test_a_dependant_starts_when_what_it_needs_is_ready(database: Database) -> None:
    rig = Chain(database, together=False)
    rig.call("portal")
    assert rig.awake == {"store"}
    serve = Crowd.serve
    rig.clock.advance(MINUTE)
    serve(rig, "env_store")  # type: ignore[arg-type]
    rig.settle()
    assert rig.awake == {"store", "registry"}
    serve(rig, "env_registry")  # type: ignore[arg-type]
    rig.settle()
    assert rig.awake == {"store", "registry", "portal"}


def test_a_dependant_starts_anyhow_when_that_takes_too_long_and_says_so(
    sqlite: Database,
) -> None:
    rig = Chain(sqlite, together=False)
    rig.call("portal")
    assert rig.decisions("env_portal")[-1].en == (
        "0: waits until env_registry, which it needs, is ready"
    )
    rig.clock.advance(5 * MINUTE)
    rig.settle()
    assert rig.awake == {"store", "registry", "portal"}
    assert rig.decisions("env_portal")[-1].en.endswith(
        "; starts although env_registry, which it needs, is not ready"
    )


def test_a_wake_into_a_full_pool_asks_less_critical_ones_for_room(database: Database) -> None:
    rig = Rig(database, capacity=Resources(4_000, 65_536, 1_000))
    vital = one("vital", criticality=Criticality(4))
    low = one("low", criticality=Criticality(1))
    size = low.components[0].cpu_millis
    rig.host(vital, low)
    with rig.database.write() as tx:
        rig.control.hibernate(tx, "env_vital", actor="usr_op", why="night", force=True)
    count = min(low.components[0].max_replicas, 6)
    rig.capacity = Resources(size * count, 65_536, 1_000)
    rig.clock.advance(HOUR)
    for _ in range(30):
        rig.clock.advance(30 * SECOND)
        rig.requests(900, 900.0 * count, "env_low")
        rig.read()
        rig.look("env_low")
    assert rig.target("env_low") == count
    with rig.database.write() as tx:
        found = rig.control.wake(tx, "env_vital", actor=WAKER, why="first request: GET /").turn
    assert found.waits is WaitsFor.ROOM
    assert "env_low" in rig.moved
    rig.look("env_low")
    assert rig.target("env_low") == count - 1
    rig.look("env_vital")
    assert rig.target("env_vital") == 1


@pytest.mark.parametrize("again", [False, True])
def test_an_order_to_sleep_ends_a_wake_that_waits(sqlite: Database, *, again: bool) -> None:
    rig = Crowd(sqlite, 2, 2, 2)
    for key in rig.keys:
        rig.call(key)
    rig.settle()
    if again:
        rig.restart()
    with rig.database.write() as tx:
        rig.control.hibernate(tx, "env_2", actor="usr_op", why="not now")
    rig.settle()
    assert rig.last("env_2").ended_at == NOW


@pytest.mark.parametrize("waits", list(WaitsFor))
def test_a_visitor_is_told_why_it_does_not_begin_to_wake(waits: WaitsFor) -> None:
    zh, en = waiting_words(replace(BEGINS, waits=waits, place=3)) or ("", "")
    assert zh
    assert en
    assert ("3" in en) is (waits is WaitsFor.TURN)
    assert waiting_words(BEGINS) is None


def test_a_wake_that_somebody_else_has_begun_stands_in_no_line(sqlite: Database) -> None:
    rig = Rig(sqlite).host()
    with rig.database.write() as tx:
        rig.stores.wakes.put(tx, Wake(KEY, WakeCause.ORDER, NOW, NOW + WITHIN))
    rig.look()
    assert rig.reconciler.due() == []
    with rig.database.read() as tx:
        assert [c.wake.begun_at for c in rig.scaler.calls(tx)] == [NOW]
