"""Two control planes on one database: each shard has one of them, and a dead one is replaced."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import Conflict
from cloudmgr.reconcile.leases import Leases
from cloudmgr.reconcile.store import LeaseStore

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database
    from tests.fakes import ManualClock

KEYS = [f"env_{n}" for n in range(200)]


def leases(database: Database, clock: ManualClock, holder: str) -> Leases:
    made = Leases(database, LeaseStore(), clock, holder, shards=8, singles=("gateway:extranet",))
    with database.write() as tx:
        LeaseStore().ensure(tx, made.names)
    return made


def held(plane: Leases) -> set[str]:
    return {key for key in KEYS if plane.fence(key) is not None}


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
    clock.advance(timedelta(seconds=9))
    two.tick()
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
