"""What is held ahead of a peak, and what is left to the pool's own autoscaler."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.hosting.environments import EnvironmentStatus
from cloudmgr.hosting.workload import settled, status, workload
from cloudmgr.pools.capacity import Capacity, Host, Resources
from cloudmgr.pools.drivers.driver import ObservedReplica, ObservedWorkload, ReplicaState
from tests.builders import a_scaling_class, a_window, an_environment
from tests.scaling.rig import HOUR, MINUTE, NOW, Classes, Rig

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database

ONE = Resources(250, 128)


def rig_of(database: Database, capacity: Resources | None = None, **changes: Any) -> Rig:
    rig = Rig(database, capacity=capacity)
    rig.classes = Classes(scaling_classes={"standard": a_scaling_class(**changes)})
    return rig.host(
        an_environment(), an_environment(id="env_tax", name="tax", host="tax.localhost")
    )


def announced(rig: Rig, start_in: int) -> None:
    """Six replicas from ``start_in`` minutes on, for an hour."""
    start = NOW + start_in * MINUTE
    with rig.database.write() as tx:
        rig.stores.windows.add(tx, a_window(start, start + HOUR))


def test_room_for_a_peak_is_held_before_its_lead_time_and_never_twice(database: Database) -> None:
    rig = rig_of(database, reserve=30 * MINUTE)
    announced(rig, start_in=60)
    again = rig.look()
    assert rig.environment().reserved == {}
    assert again == 20 * 60, "it looks again when the room is to be held"

    rig.clock.advance(20 * MINUTE)
    rig.look()
    environment = rig.environment()
    assert (environment.target, environment.reserved) == ({"web": 1}, {"web": 6})
    assert environment.held.cpu_millis == 6 * ONE.cpu_millis
    with rig.database.read() as tx:
        assert rig.environments.held(tx, "pool_extranet").cpu_millis == 7 * ONE.cpu_millis
    assert workload(environment).components[0].reserved == 6
    generation = environment.generation
    rig.look()
    assert rig.environment().generation == generation, "a second look writes nothing"

    rig.clock.advance(30 * MINUTE)
    rig.look()
    assert rig.target() == 6
    assert rig.environment().reserved == {}, "what runs holds its room itself"
    rig.clock.advance(71 * MINUTE)
    rig.look()
    assert rig.environment().reserved == {}


def test_what_is_held_is_for_nobody_else(sqlite: Database) -> None:
    rig = rig_of(sqlite, capacity=Resources(8 * 250, 65_536, 10), reserve=30 * MINUTE)
    announced(rig, start_in=30)
    rig.look()
    assert rig.environment().reserved == {"web": 6}
    with rig.database.write() as tx:
        rig.control.scale(tx, "env_tax", "web", 8, actor="usr_operator", why="try")
    assert rig.target("env_tax") == 2, "eight fit, six are promised"
    rig.clock.advance(20 * MINUTE)
    rig.look()
    assert rig.target() == 6


def test_without_a_time_to_reserve_nothing_is_held_ahead(sqlite: Database) -> None:
    rig = rig_of(sqlite)
    announced(rig, start_in=11)
    rig.look()
    assert rig.environment().reserved == {}


def test_an_environment_of_an_elastic_class_follows_windows_and_no_traffic(
    sqlite: Database,
) -> None:
    rig = rig_of(sqlite, elastic=True, corrects_drift=False)
    rig.look()
    environment = rig.environment()
    assert environment.elastic
    assert not environment.corrects_drift
    assert not workload(environment).corrects_drift
    rig.go_on(5 * MINUTE, in_flight=20)
    assert rig.target() == 1, "twenty in flight would be five replicas of four"
    assert rig.environment().held.cpu_millis == 8 * ONE.cpu_millis, "all that it may take"
    announced(rig, start_in=10)
    rig.look()
    assert rig.target() == 6
    assert workload(rig.environment()).components[0].elastic


@pytest.mark.parametrize(("running", "fine"), [(1, False), (2, True), (8, True), (9, False)])
def test_what_the_pool_adds_is_no_change_under_way(*, running: int, fine: bool) -> None:
    environment = an_environment(target={"web": 2}, elastic=True)
    replicas = tuple(
        ObservedReplica(str(n), "web", n, ReplicaState.READY, "127.0.0.1", 80, NOW)
        for n in range(running)
    )
    seen = ObservedWorkload("env_exam", workload(environment).digest, replicas)
    assert settled(environment, seen) is fine
    (scaled,) = [c for c in status(environment, seen, NOW).conditions if c.type == "Scaled"]
    assert (scaled.status.value == "True") is fine
    strict = replace(environment, elastic=False, status=EnvironmentStatus())
    assert settled(strict, replace(seen, digest=workload(strict).digest)) is (running == 2)


def test_what_the_largest_hosts_have_is_kept_back() -> None:
    hosts = tuple(
        Host(name, Resources(cpu, memory), usable)
        for name, cpu, memory, usable in [
            ("a", 8000, 4096, True), ("b", 4000, 8192, True), ("c", 2000, 2048, True),
            ("d", 64_000, 65_536, False),
        ]
    )  # fmt: skip
    shared = Resources(storage_gib=100)
    assert Capacity(hosts, shared).allocatable == Resources(14_000, 14_336, 100)
    careful = Capacity(hosts, shared, spare=1)
    assert careful.kept_back == Resources(8000, 8192)
    assert careful.allocatable == Resources(6000, 6144, 100)
    assert careful.has_host_for(Resources(8000, 4096)), "one that fits while all is well"
    assert careful.has_host_for(Resources(64_000, 65_536)), "one that comes back"
    assert not careful.has_host_for(Resources(64_001, 1))
    assert Capacity(hosts, shared, spare=5).allocatable == shared
