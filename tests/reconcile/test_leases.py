"""Two control planes on one database: each shard has one of them, and a dead one is replaced."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cloudmgr.db.engine import Database
from cloudmgr.db.types import metadata
from cloudmgr.errors import Conflict, Temporary
from cloudmgr.hosting.reconciler import EnvironmentReconciler
from cloudmgr.hosting.sealing import KeyFile
from cloudmgr.hosting.secrets import Secrets
from cloudmgr.hosting.store import EnvironmentStore, SecretStore, SystemStore
from cloudmgr.pools.drivers.driver import ReplicaState
from cloudmgr.reconcile.leases import Leases
from cloudmgr.reconcile.store import LeaseStore
from cloudmgr.reconcile.store import leases as table
from tests.builders import a_system, an_environment
from tests.fakes import InstantPool
from tests.postgres import fresh

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes import ManualClock

KEYS = [f"env_{n}" for n in range(200)]


def leases(database: Database, clock: ManualClock, holder: str) -> Leases:
    made = Leases(database, LeaseStore(), clock, holder, shards=8, singles=("gateway:extranet",))
    with database.write() as tx:
        LeaseStore().ensure(tx, made.names)
    return made


def held(plane: Leases) -> set[str]:
    return {key for key in KEYS if plane.fence(key) is not None}


def later(clock: ManualClock, plane: Leases, *seconds: float) -> None:
    """``plane`` goes on, looking after each of ``seconds``."""
    for more in seconds:
        clock.advance(timedelta(seconds=more))
        plane.tick()


def test_the_first_control_plane_takes_everything(database: Database, clock: ManualClock) -> None:
    one = leases(database, clock, "one")
    one.tick()
    assert held(one) == set(KEYS)
    assert one.single("gateway:extranet") is not None


def test_a_second_one_gets_its_half_and_no_key_has_two_holders(
    database: Database, clock: ManualClock
) -> None:
    one, two = leases(database, clock, "one"), leases(database, clock, "two")
    one.tick()
    for _ in range(4):
        clock.advance(timedelta(seconds=2))
        two.tick()
        one.tick()
        assert not held(one) & held(two)
    assert held(one) | held(two) == set(KEYS)
    assert len({one.shard_of(key) for key in held(one)}) == 4
    assert two.single("gateway:extranet") is None


def test_a_dead_holder_is_replaced_after_the_time_to_live_and_not_before(
    database: Database, clock: ManualClock
) -> None:
    one, two = leases(database, clock, "one"), leases(database, clock, "two")
    one.tick()
    two.tick()
    clock.advance(timedelta(seconds=7))
    two.tick()
    assert not held(two)
    clock.advance(timedelta(seconds=2))
    two.tick()
    assert held(two) == set(KEYS)
    assert two.single("gateway:extranet") is not None


def test_a_holder_that_cannot_renew_stops_before_another_may_begin(
    database: Database, clock: ManualClock
) -> None:
    one = leases(database, clock, "one")
    one.tick()
    clock.advance(timedelta(seconds=6))
    assert not held(one)


def test_a_control_plane_that_slept_cannot_write_after_its_successor_began(
    database: Database, clock: ManualClock
) -> None:
    one, two = leases(database, clock, "one"), leases(database, clock, "two")
    one.tick()
    two.tick()
    old = one.fence("env_1")
    assert old is not None
    later(clock, two, 5, 4)
    with database.write() as tx, pytest.raises(Conflict, match="taken over"):
        old.check(tx)
    new = two.fence("env_1")
    assert new is not None
    assert new.token > old.token
    with database.write() as tx:
        new.check(tx)


def test_one_that_leaves_gives_back_at_once(database: Database, clock: ManualClock) -> None:
    one, two = leases(database, clock, "one"), leases(database, clock, "two")
    one.tick()
    one.stop()
    two.tick()
    assert held(two) == set(KEYS)


def test_what_is_gained_is_announced_once(database: Database, clock: ManualClock) -> None:
    gained: list[str] = []
    one = Leases(database, LeaseStore(), clock, "one", shards=4, gained=gained.append)
    with database.write() as tx:
        LeaseStore().ensure(tx, one.names)
    one.tick()
    one.tick()
    assert sorted(gained) == ["shard:00", "shard:01", "shard:02", "shard:03"]


def test_what_could_not_be_said_when_it_was_gained_is_said_at_the_next_round(
    database: Database, clock: ManualClock
) -> None:
    told: list[str] = []

    def gained(name: str) -> None:
        told.append(name)
        if len(told) == 2:
            raise Temporary("the database is away")

    one = Leases(database, LeaseStore(), clock, "one", shards=3, gained=gained)
    with database.write() as tx:
        LeaseStore().ensure(tx, one.names)
    with pytest.raises(Temporary):
        one.tick()
    one.tick()
    assert told == ["shard:00", "shard:01", "shard:01", "shard:02"]


def test_what_was_left_undone_while_it_could_not_renew_is_looked_at_afterwards(
    database: Database, clock: ManualClock
) -> None:
    gained: list[str] = []
    one = Leases(database, LeaseStore(), clock, "one", shards=2, gained=gained.append)
    with database.write() as tx:
        LeaseStore().ensure(tx, one.names)
    one.tick()
    clock.advance(timedelta(seconds=7))
    assert one.fence("env_1") is None
    one.tick()
    assert one.fence("env_1") is not None
    assert gained == ["shard:00", "shard:01"] * 2


def test_who_could_not_look_itself_takes_nothing_from_those_who_could_not_beat(
    database: Database, clock: ManualClock
) -> None:
    one, two = leases(database, clock, "one"), leases(database, clock, "two")
    one.tick()
    two.tick()
    clock.advance(timedelta(minutes=1))  # the database was away for both
    two.tick()
    assert not held(two)
    one.tick()
    assert len({one.shard_of(key) for key in held(one)}) == 4, "of its eight it gives half back"


def test_control_planes_that_start_at_once_do_not_get_in_each_others_way(
    database: Database, clock: ManualClock
) -> None:
    names = leases(database, clock, "one").names
    with database.write() as tx:
        tx.execute(table.delete())
    gate = threading.Barrier(4)

    def ensure(_number: int) -> None:
        gate.wait()
        with database.write() as tx:
            LeaseStore().ensure(tx, names)

    with ThreadPoolExecutor(4) as planes:
        list(planes.map(ensure, range(4)))
    with database.read() as tx:
        assert [row.name for row in LeaseStore().all(tx)] == sorted(names)


def test_a_lease_cannot_change_hands_while_its_holder_writes(
    postgres_url: str, clock: ManualClock
) -> None:
    impatient = Database(fresh(postgres_url), patience=0.1)
    metadata.create_all(impatient.engine)
    one, two = leases(impatient, clock, "one"), leases(impatient, clock, "two")
    one.tick()
    two.tick()
    fence = one.fence("env_1")
    assert fence is not None
    clock.advance(timedelta(seconds=7))
    two.tick()
    clock.advance(timedelta(seconds=2))
    with impatient.write() as tx:
        fence.check(tx)
        with pytest.raises(Temporary):
            two.tick()
        assert two.fence("env_1") is None
    two.tick()
    assert two.fence("env_1") is not None
    impatient.close()


def test_what_a_successor_wrote_is_not_overwritten_by_a_control_plane_that_slept(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    """Both real reconcilers, on one environment and one pool."""
    one, two = leases(database, clock, "one"), leases(database, clock, "two")
    store, pool = EnvironmentStore(), InstantPool()
    secrets = Secrets(store, SecretStore(), KeyFile(tmp_path / "secrets.key"), clock)
    planes = [
        EnvironmentReconciler(database, store, {"pool_extranet": pool}, clock, secrets=secrets)
        for _ in range(2)
    ]
    with database.write() as tx:
        SystemStore().add(tx, a_system())
        store.add(tx, an_environment())
    one.tick()
    two.tick()
    old = one.fence("env_exam")
    assert old is not None
    later(clock, two, 5, 4)
    new = two.fence("env_exam")
    assert new is not None
    with pytest.raises(Conflict, match="taken over"):
        planes[0].reconcile("env_exam", old)
    assert pool.writes == [], "the one that slept has not told the pool anything either"
    planes[1].reconcile("env_exam", new)
    with database.read() as tx:
        written = store.get(tx, "env_exam")
    assert written.status.ready == {"web": 1}
    pool.states["env_exam"] = ReplicaState.UNHEALTHY
    with pytest.raises(Conflict, match="taken over"):
        planes[0].reconcile("env_exam", old)
    with database.read() as tx:
        assert store.get(tx, "env_exam") == written


def test_a_control_plane_knows_whether_it_is_alone(database: Database, clock: ManualClock) -> None:
    one, two = leases(database, clock, "one"), leases(database, clock, "two")
    said = [one.alone]  # it has not looked yet
    one.tick()
    said.append(one.alone)
    two.tick()
    later(clock, one, 1)
    said.append(one.alone)
    later(clock, one, 4, 4, 1)  # the other gave no sign of life for longer than the time to live
    said.append(one.alone)
    clock.advance(timedelta(seconds=7))  # who knows who came since
    said.append(one.alone)
    assert said == [False, True, False, True, False]
