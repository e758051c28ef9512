"""When a pool has run out, the less critical give what nobody promised them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.hosting.environments import Criticality
from cloudmgr.pools.capacity import ANY_SIZE, Resources
from cloudmgr.scaling.yielding import Cap, caps
from tests.builders import a_component, a_window, an_environment
from tests.scaling.rig import HOUR, MINUTE, NOW, Rig, announced

if TYPE_CHECKING:
    from datetime import timedelta

    from cloudmgr.db.engine import Database
    from cloudmgr.hosting.environments import Environment

Others: TypeAlias = "list[tuple[Environment, dict[str, int]]]"
ONE = Resources(1000, 1024, 0)


def one(name: str, criticality: int, running: int = 1, minimum: int = 1) -> Environment:
    """With replicas of one core and one GiB."""
    web = a_component(
        cpu_millis=1000, memory_mib=1024, storage_gib=0, min_replicas=minimum, max_replicas=40
    )
    return an_environment(
        id=f"env_{name}",
        name=name,
        host=f"{name}.localhost",
        criticality=Criticality(criticality),
        components=(web,),
        target={"web": running},
    )


def told(found: list[Cap]) -> dict[str, int]:
    return {cap.environment_id: cap.replicas for cap in found}


def test_the_least_critical_give_first_and_no_more_than_is_needed() -> None:
    vital = one("vital", 4)
    others: Others = [(one("high", 3, 9), {}), (one("low", 1, 3), {}), (one("normal", 2, 9), {})]
    assert told(caps(vital, ONE.times(5), others, ANY_SIZE, NOW)) == {
        "env_low": 1,
        "env_normal": 6,
    }


def test_nobody_gives_to_one_that_is_no_more_critical() -> None:
    others: Others = [(one("alike", 2, 9), {}), (one("high", 3, 9), {})]
    assert caps(one("normal", 2), ONE.times(5), others, ANY_SIZE, NOW) == []


def test_what_is_promised_is_not_given() -> None:
    others: Others = [(one("low", 1, 9, minimum=2), {"web": 7})]
    assert told(caps(one("vital", 4), ONE.times(5), others, ANY_SIZE, NOW)) == {"env_low": 7}


@given(
    needed=st.integers(1, 30),
    running=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 10)), max_size=6),
)
def test_what_is_given_covers_what_is_needed_or_is_all_that_there_is(
    needed: int, running: list[tuple[int, int]]
) -> None:
    others: Others = [(one(f"e{n}", *found), {}) for n, found in enumerate(running)]
    found = caps(one("vital", 4), ONE.times(needed), others, ANY_SIZE, NOW)
    before = {environment.id: environment.target["web"] for environment, _ in others}
    given_up = sum(before[cap.environment_id] - cap.replicas for cap in found)
    there = sum(count - 1 for criticality, count in running if criticality < 4)
    assert given_up == min(needed, there)
    assert all(cap.replicas >= 1 for cap in found)


class Full(Rig):
    """A pool of ten replicas: a low system that is busy runs on eight, a vital one on two."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, capacity=Resources(10_000, 10_240, 1_000))
        self.host(one("low", 1, 1), one("vital", 4, 2, minimum=2))
        self.busy = {"env_low": 32.0, "env_vital": 1.0}
        self.go(HOUR)

    def go(self, span: timedelta) -> None:
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.clock.advance(MINUTE)
            for key, in_flight in self.busy.items():
                self.requests(100, in_flight * 60, key)
            self.read()
            for key in (*self.busy, *self.busy):
                self.look(key)

    def running(self) -> tuple[int, int]:
        return self.target("env_low"), self.target("env_vital")


def test_a_vital_system_gets_room_from_a_low_one_until_it_needs_it_no_more(
    database: Database,
) -> None:
    rig = Full(database)
    assert rig.running() == (8, 2)
    rig.busy["env_vital"] = 20.0
    rig.go(5 * MINUTE)
    assert rig.running() == (5, 5)
    last = rig.decisions("env_low")[-1]
    assert last.en.startswith("5 = min(")
    assert "after yielding to a more critical system 5" in last.en
    assert "让给更关键的系统后 5" in last.zh
    rig.go(HOUR)
    assert rig.running() == (5, 5), "it stays as it is while both are busy"
    rig.busy["env_vital"] = 1.0
    rig.go(HOUR)
    assert rig.running() == (8, 2)


def test_a_low_system_gets_nothing_from_a_vital_one(sqlite: Database) -> None:
    rig = Full(sqlite)
    rig.busy["env_vital"] = 8.0
    rig.busy["env_low"] = 200.0
    rig.go(HOUR)
    assert rig.running() == (8, 2)


def test_a_window_of_a_low_system_is_kept(sqlite: Database) -> None:
    rig = Full(sqlite)
    now = rig.clock.now()
    announced(
        rig, a_window(now + MINUTE, now + HOUR, id="win_low", environment_id="env_low", replicas=7)
    )
    rig.busy["env_vital"] = 40.0
    rig.go(HOUR / 2)
    assert rig.running() == (7, 3)


def test_an_order_of_a_person_is_kept(sqlite: Database) -> None:
    rig = Full(sqlite)
    with rig.database.write() as tx:
        rig.control.scale(tx, "env_low", "web", 8, actor="usr_op", why="an audit")
    rig.busy["env_vital"] = 40.0
    rig.go(HOUR / 2)
    assert rig.running() == (8, 2)


def test_nothing_is_written_again_and_again_while_room_lacks(sqlite: Database) -> None:
    rig = Full(sqlite)
    rig.busy["env_vital"] = 400.0
    rig.go(HOUR)
    assert rig.running() == (1, 9)
    with rig.database.read() as tx:
        count = len(rig.stores.scaling.decisions(tx))
    rig.go(HOUR)
    with rig.database.read() as tx:
        assert len(rig.stores.scaling.decisions(tx)) == count
