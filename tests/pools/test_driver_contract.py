"""The contract of ``cloudmgr/pools/drivers/driver.py``, held against real pools of every kind.

A new kind of pool needs a ground in ``grounds.py`` and its name in ``conftest.py``.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import NotFound, Permanent
from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.driver import ReplicaState
from tests.pools.grounds import in_state, observed, ready, settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    from cloudmgr.pools.drivers.driver import Allocation, Driver
    from tests.pools.grounds import Ground


def held(driver: Driver) -> list[Allocation]:
    return [a for a in driver.allocations() if a.ended_at is None and not a.addresses]


def ended(driver: Driver) -> list[Allocation]:
    return [a for a in driver.allocations() if a.ended_at is not None and not a.addresses]


def test_what_is_applied_runs_and_is_served(ground: Ground) -> None:
    wanted = workload(ground.web(variables={"GREETING": "您好", "PORT": "1"}))
    ground.driver.apply(wanted)
    assert observed(ground.driver).digest == wanted.digest

    (replica,) = settled(ground.driver, 1)

    assert (replica.component, replica.slot, replica.restarts) == ("web", 0, 0)
    assert replica.ready_at is not None
    assert replica.started_at <= replica.ready_at
    status, body = ground.get(replica)
    assert status == 200
    assert "GREETING=您好" in body
    assert f"CLOUDMGR_REPLICA={replica.id}" in body.splitlines()


def test_a_replica_is_not_told_what_the_control_plane_keeps_in_its_environment(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_DATABASE_URL", "postgresql://city:secret@db/cloudmgr")
    monkeypatch.setenv("API_TOKEN", "secret")
    ground.driver.apply(workload(ground.web()))
    (replica,) = settled(ground.driver, 1)
    assert "secret" not in ground.get(replica)[1]


def test_a_component_without_a_port_is_ready_once_it_runs(ground: Ground) -> None:
    ground.driver.apply(workload(ground.worker(replicas=2)))
    replicas = settled(ground.driver, 2)
    assert [(r.slot, r.port) for r in replicas] == [(0, None), (1, None)]


def test_applying_the_same_again_changes_nothing(ground: Ground) -> None:
    ground.driver.apply(workload(ground.web(replicas=2)))
    before = settled(ground.driver, 2)

    ground.driver.apply(workload(ground.web(replicas=2)))
    # Something that is done after it shows that it has been seen.
    ground.driver.apply(workload(ground.worker(), id="env_other"))
    settled(ground.driver, 1, "env_other")

    assert settled(ground.driver, 2) == before


def test_more_replicas_take_the_lowest_free_slots_and_fewer_drain_the_newest(
    ground: Ground,
) -> None:
    ground.driver.apply(workload(ground.web(replicas=1)))
    (first,) = settled(ground.driver, 1)
    ground.driver.apply(workload(ground.web(replicas=3)))
    three = settled(ground.driver, 3)
    assert [r.slot for r in three] == [0, 1, 2]
    assert three[0] == first

    ground.driver.apply(workload(ground.web(replicas=1)))
    newest = in_state(ground.driver, ReplicaState.DRAINING, lambda r: r.slot == 2)
    # It finishes what it has, though it must get nothing new.
    assert ground.get(newest, "/slow") == (200, "slow")
    assert settled(ground.driver, 1) == [first]


def test_another_template_replaces_every_replica_without_a_moment_of_none_ready(
    ground: Ground,
) -> None:
    ground.driver.apply(workload(ground.web(replicas=2, variables={"VERSION": "1"})))
    before = settled(ground.driver, 2)
    fewest, answers, done = [2], set[int](), threading.Event()

    def visit() -> None:
        while not done.is_set():
            replicas = ready(ground.driver)
            fewest.append(len(replicas))
            answers.update(ground.get(replica)[0] for replica in replicas)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        ground.driver.apply(workload(ground.web(replicas=2, variables={"VERSION": "2"})))
        until(lambda: not {r.id for r in before} & {r.id for r in observed(ground.driver).replicas})
        after = settled(ground.driver, 2)
    finally:
        done.set()
        visitor.join()

    assert [r.slot for r in after] == [0, 1]
    assert all("VERSION=2" in ground.get(r)[1] for r in after)
    assert min(fewest) >= 2
    assert answers == {200}


def test_a_new_template_that_never_gets_ready_leaves_the_old_one_serving(ground: Ground) -> None:
    ground.driver.apply(workload(ground.web()))
    (old,) = settled(ground.driver, 1)
    ground.driver.apply(workload(ground.broken()))
    in_state(ground.driver, ReplicaState.BACKOFF, lambda r: r.restarts >= 1)
    assert ready(ground.driver) == [old]

    ground.driver.apply(workload(ground.web()))
    assert settled(ground.driver, 1) == [old]


def test_a_replica_that_dies_is_started_again(ground: Ground) -> None:
    ground.driver.apply(workload(ground.web()))
    (replica,) = settled(ground.driver, 1)
    with pytest.raises(ConnectionError):
        ground.get(replica, "/exit?7")

    failed = in_state(ground.driver, ReplicaState.BACKOFF)
    assert failed.slot == 0
    assert "7" in failed.message
    again = in_state(ground.driver, ReplicaState.READY)
    assert (again.slot, again.restarts) == (0, 1)
    if ground.keeps_room:
        assert again.id == replica.id
        assert [a.id for a in held(ground.driver)] == [replica.id]
    else:
        assert again.id != replica.id
        until(lambda: [a.id for a in ended(ground.driver)] == [replica.id])


def test_a_program_that_always_ends_is_tried_again_and_again(ground: Ground) -> None:
    ground.driver.apply(workload(ground.broken()))
    failed = in_state(ground.driver, ReplicaState.BACKOFF, lambda r: r.restarts >= 2)
    assert failed.ready_at is None
    assert failed.message


def test_a_replica_that_never_gets_healthy_is_replaced(ground: Ground) -> None:
    component = ground.web(startup_seconds=3, variables={"HEALTH": "503"})
    ground.driver.apply(workload(component))
    starting = in_state(ground.driver, ReplicaState.STARTING)
    assert starting.ready_at is None
    failed = in_state(ground.driver, ReplicaState.BACKOFF)
    assert "503" in failed.message
    assert ready(ground.driver) == []


def test_a_replica_that_turns_ill_is_not_ready_until_it_is_well_again(ground: Ground) -> None:
    ground.driver.apply(workload(ground.web()))
    (replica,) = settled(ground.driver, 1)
    ground.get(replica, "/sick")
    ill = in_state(ground.driver, ReplicaState.UNHEALTHY)
    assert ill.id == replica.id
    ground.get(replica, "/well")
    well = in_state(ground.driver, ReplicaState.READY)
    assert (well.id, well.ready_at) == (replica.id, replica.ready_at)


def test_storage_survives_restarts_and_zero_replicas_and_goes_with_the_environment(
    storing: Ground,
) -> None:
    component = storing.web(storage_gib=1)
    storing.driver.apply(workload(component))
    (replica,) = settled(storing.driver, 1)
    storing.get(replica, "/put?kept")
    with pytest.raises(ConnectionError):
        storing.get(replica, "/exit?1")
    in_state(storing.driver, ReplicaState.READY, lambda r: r.restarts == 1)

    storing.driver.apply(workload(storing.web(storage_gib=1, replicas=0)))
    until(lambda: not observed(storing.driver).replicas)
    # Room on a host may be given back a moment after the replica has gone.
    (storage,) = until(lambda: one if len(one := held(storing.driver)) == 1 else None)
    assert storage.size == Resources(storage_gib=1)

    storing.driver.apply(workload(component))
    (replica,) = settled(storing.driver, 1)
    assert storing.get(replica, "/get") == (200, "kept")
    assert storage in held(storing.driver)

    storing.driver.remove("env_exam")
    until(lambda: storing.driver.observe("env_exam") is None)
    assert storage.id in {a.id for a in ended(storing.driver)}
    storing.driver.apply(workload(component))
    (replica,) = settled(storing.driver, 1)
    with pytest.raises(ConnectionError):
        storing.get(replica, "/get")  # nothing was ever put there, so the program dies


def test_two_replicas_never_have_one_storage(storing: Ground) -> None:
    storing.driver.apply(workload(storing.web(storage_gib=1, variables={"VERSION": "1"})))
    (old,) = settled(storing.driver, 1)
    storing.get(old, "/put?kept")
    storing.driver.apply(workload(storing.web(storage_gib=1, variables={"VERSION": "2"})))
    seen = []

    def replaced() -> bool:
        seen.append([r.id for r in observed(storing.driver).replicas])
        return any(r.id != old.id for r in ready(storing.driver))

    until(replaced)
    assert max(len(ids) for ids in seen) == 1
    (new,) = settled(storing.driver, 1)
    assert storing.get(new, "/get") == (200, "kept")


def test_removing_ends_everything_and_forgets_the_environment(ground: Ground) -> None:
    ground.driver.apply(workload(ground.web(replicas=2), ground.worker()))
    settled(ground.driver, 3)
    ground.driver.remove("env_exam")
    in_state(ground.driver, ReplicaState.DRAINING)
    until(lambda: ground.driver.observe("env_exam") is None)
    assert "env_exam" not in [w.environment_id for w in ground.driver.observe_all()]
    assert held(ground.driver) == []


def test_removing_what_is_not_there_is_no_error(ground: Ground) -> None:
    ground.driver.remove("env_nobody")
    ground.driver.remove("../\x00")
    assert ground.driver.observe("env_nobody") is None
    assert ground.driver.observe("../\x00") is None


def test_what_fits_no_host_is_refused_and_nothing_changes(ground: Ground) -> None:
    ground.driver.apply(workload(ground.web()))
    before = settled(ground.driver, 1)
    for size in (
        {"cpu_millis": ground.host.cpu_millis + 1},
        {"memory_mib": ground.host.memory_mib + 1},
        {"storage_gib": ground.host.storage_gib + 1},
    ):
        with pytest.raises(Permanent) as refused:
            ground.driver.apply(workload(ground.web(**size)))
        assert refused.value.code == "does-not-fit"
    assert observed(ground.driver).digest == workload(ground.web()).digest
    assert settled(ground.driver, 1) == before


def test_what_this_kind_of_pool_cannot_run_is_refused(ground: Ground) -> None:
    with pytest.raises(Permanent) as refused:
        ground.driver.apply(workload(ground.foreign()))
    assert refused.value.code == "unsupported"
    assert ground.driver.observe("env_exam") is None


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\x00b", "a\nb", "-rf", "x" * 10_000, "统计"])
def test_a_name_that_is_no_name_is_refused(ground: Ground, name: str) -> None:
    for faulty in (workload(ground.web(name=name)), workload(ground.web(), id=name)):
        with pytest.raises(Permanent) as refused:
            ground.driver.apply(faulty)
        assert refused.value.code == "invalid-workload"
    assert list(ground.driver.observe_all()) == []


def test_what_finds_no_room_waits_for_it_and_says_so(ground: Ground) -> None:
    most = ground.host.cpu_millis
    ground.driver.apply(workload(ground.worker(cpu_millis=most)))
    settled(ground.driver, 1)
    ground.driver.apply(workload(ground.worker(cpu_millis=most), id="env_other"))
    until(lambda: observed(ground.driver, "env_other").problems)
    assert observed(ground.driver, "env_other").replicas == ()

    ground.driver.remove("env_exam")
    settled(ground.driver, 1, "env_other")
    assert observed(ground.driver, "env_other").problems == ()


def test_capacity_is_that_of_the_hosts(ground: Ground) -> None:
    capacity = ground.driver.capacity()
    assert capacity.allocatable == ground.host
    assert capacity.has_host_for(ground.host)
    assert not capacity.has_host_for(ground.host + Resources(cpu_millis=1))


def test_an_allocation_runs_from_start_to_end_and_is_listed_until_it_is_forgotten(
    ground: Ground,
) -> None:
    ground.driver.apply(workload(ground.web(replicas=2)))
    replicas = settled(ground.driver, 2)
    running = held(ground.driver)
    assert {a.id for a in running} == {r.id for r in replicas}
    assert all(a.size == ground.web().size for a in running)
    assert {(a.department_id, a.system_id) for a in running} == {("dep_exam", "sys_exam")}
    assert held(ground.driver) == running

    ground.driver.apply(workload(ground.web(replicas=1)))
    in_state(ground.driver, ReplicaState.DRAINING)
    assert len(held(ground.driver)) == 2
    settled(ground.driver, 1)
    (over,) = ended(ground.driver)
    assert over.id == replicas[1].id
    assert over.ended_at is not None
    assert over.started_at <= over.ended_at
    assert ended(ground.driver) == [over]

    def forgotten() -> bool:
        ground.driver.forget([over.id, "rep_unknown", "../\x00"])
        return ended(ground.driver) == []

    until(forgotten)
    ground.driver.forget([replicas[0].id])
    assert [a.id for a in held(ground.driver)] == [replicas[0].id]


def test_the_log_is_kept_over_restarts(ground: Ground) -> None:
    ground.driver.apply(workload(ground.broken()))
    in_state(ground.driver, ReplicaState.BACKOFF, lambda r: r.restarts >= 1)
    lines = list(ground.driver.log("env_exam", "web", 0, 4))
    # The console of a server also has what its guest says of a program that has ended.
    assert [line for line in lines if not line.startswith("program ended")][-2:] == ["no luck"] * 2
    assert len(ground.driver.log("env_exam", "web", 0, 1)) == 1


@pytest.mark.parametrize(
    ("environment", "component", "slot"),
    [("env_exam", "web", 9), ("env_exam", "../web", 0), ("env_nobody", "web", 0)],
)
def test_the_log_of_a_slot_that_never_ran_is_not_found(
    ground: Ground, environment: str, component: str, slot: int
) -> None:
    ground.driver.apply(workload(ground.worker()))
    with pytest.raises(NotFound):
        ground.driver.log(environment, component, slot, 10)


def test_whoever_listens_is_told_of_changes(ground: Ground) -> None:
    ground.driver.apply(workload(ground.web()))
    (replica,) = settled(ground.driver, 1)
    until(lambda: "env_exam" in ground.changes)
    calls = len(ground.changes)
    with pytest.raises(ConnectionError):
        ground.get(replica, "/exit?1")
    until(lambda: "env_exam" in ground.changes[calls:])


def test_two_control_planes_see_one_pool_and_either_may_apply(ground: Ground) -> None:
    other = ground.another()
    other.apply(workload(ground.web(replicas=2)))
    replicas = settled(ground.driver, 2)
    assert settled(other, 2) == replicas
    assert held(other) == held(ground.driver)
    assert observed(other) == observed(ground.driver)

    ground.driver.apply(workload(ground.web(replicas=1)))
    assert settled(other, 1) == replicas[:1]
    other.remove("env_exam")
    until(lambda: ground.driver.observe("env_exam") is None)


def test_what_runs_survives_that_the_driver_is_closed(ground: Ground) -> None:
    ground.driver.apply(workload(ground.web(replicas=2)))
    replicas = settled(ground.driver, 2)
    ground.driver.close()
    assert ground.get(replicas[0])[0] == 200

    other = ground.another()
    again = settled(other, 2)
    assert [r.slot for r in again] == [0, 1]
    # Which of two without storage is which need not be remembered.
    assert {r.id: replace(r, slot=0) for r in again} == {r.id: replace(r, slot=0) for r in replicas}
    assert {r.id for r in replicas} <= {a.id for a in held(other)}


def test_what_has_storage_has_it_in_its_slot_when_the_driver_was_closed(storing: Ground) -> None:
    storing.driver.apply(workload(storing.web(replicas=2, storage_gib=1)))
    replicas = settled(storing.driver, 2)
    storing.driver.close()
    other = storing.another()
    assert settled(other, 2) == replicas
    assert {r.id for r in replicas} <= {a.id for a in held(other)}
