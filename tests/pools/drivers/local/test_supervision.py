"""Who supervises a local pool, and what becomes of what runs when that one dies."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloudmgr.clock import SystemClock
from cloudmgr.errors import Conflict
from cloudmgr.pools.drivers.driver import ReplicaState
from cloudmgr.pools.drivers.local import process
from cloudmgr.pools.drivers.local.files import PoolFiles, is_locked
from tests.pools.grounds import LocalGround, fetch, in_state, observed, ready, settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudmgr.pools.drivers.driver import Allocation, ObservedReplica
    from cloudmgr.pools.drivers.local.records import Replica, State

ROOT = Path(__file__).parents[4]


@contextmanager
def control_plane(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that supervises ``directory``, or waits to; killed when the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.pools.drivers.local.supervise", str(directory)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        try:
            assert running.stdout.readline() == "started\n"
            until(lambda: is_locked(PoolFiles(directory).supervisor_lock))
            yield running
        finally:
            running.kill()


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[LocalGround]:
    """A pool whose driver here is not started, so that another process may supervise."""
    ground = LocalGround(tmp_path / "pool", SystemClock())
    ground.driver.close()
    yield ground
    ground.close()


def pids(ground: LocalGround, id: str = "env_exam") -> dict[str, int]:  # noqa: A002
    """What the supervisor wrote down: replica to pid."""
    state = ground.files.read_state(id)
    return {r.id: r.pid for r in state.replicas} if state else {}


def rewrite(ground: LocalGround, change: Callable[[State], State]) -> None:
    """Put the pool's state into one that a crash may leave; nobody may be supervising."""
    state = ground.files.read_state("env_exam")
    assert state is not None
    ground.files.write_state(change(state), durable=False)


def in_all(state: State, change: Callable[[Replica], Replica]) -> State:
    return replace(state, replicas=tuple(change(r) for r in state.replicas))


def recorded(replica: Replica) -> Replica:
    """As it was written down before its process was made."""
    return replace(replica, pid=0, state=ReplicaState.STARTING)


def serving_pid(replica: ObservedReplica) -> int:
    assert replica.port is not None
    _, body = fetch(replica.address, replica.port, "/")
    return int(dict(line.split("=", 1) for line in body.splitlines())["pid"])


def test_a_killed_control_plane_is_succeeded_and_what_runs_is_adopted(idle: LocalGround) -> None:
    with control_plane(idle.directory) as first:
        idle.driver.apply(workload(idle.web(replicas=2), idle.worker()))
        before = settled(idle.driver, 3)
        assert observed(idle.driver).problems == ()
        processes = pids(idle)
        held = list(idle.driver.allocations())
        first.kill()
        first.wait()
        # Nobody supervises: what runs serves on, and what is seen of it is called in question.
        until(lambda: observed(idle.driver).problems)
        assert ready(idle.driver) == before
        assert serving_pid(before[1]) == processes[before[1].id]

    driver = idle.another()
    until(lambda: driver.supervising)
    assert settled(driver, 3) == before
    assert observed(driver).problems == ()
    assert pids(idle) == processes
    assert idle.processes() == {pid: name for name, pid in processes.items()}
    assert list(driver.allocations()) == held

    # The successor does all that the first one did, though none of them is its child.
    os.kill(processes[before[0].id], signal.SIGKILL)
    again = in_state(driver, ReplicaState.READY, lambda r: r.restarts == 1)
    assert again.slot == before[0].slot
    driver.apply(workload(idle.web(replicas=1), idle.worker(replicas=0)))
    settled(driver, 1)
    assert set(idle.processes().values()) == {again.id}


def test_a_started_driver_takes_over_by_itself_and_tells_its_listener(idle: LocalGround) -> None:
    with control_plane(idle.directory) as first:
        changes: list[str] = []
        follower = idle.make()
        follower.start(changes.append)
        idle.driver.apply(workload(idle.web()))
        before = settled(follower, 1)
        until(lambda: "env_exam" in changes)  # told by the other process
        assert not follower.supervising
        first.kill()
        until(lambda: follower.supervising)
        follower.apply(workload(idle.web(replicas=2)))
        assert settled(follower, 2)[:1] == before


def test_of_many_drivers_one_supervises(local: LocalGround) -> None:
    until(lambda: local.driver.supervising)
    others = [local.another() for _ in range(3)]
    others[0].apply(workload(local.web(replicas=2)))
    settled(others[1], 2)
    assert [d.supervising for d in others] == [False] * 3
    local.driver.close()
    until(lambda: any(d.supervising for d in others))
    others[2].apply(workload(local.web(replicas=3)))
    settled(others[2], 3)
    assert [d.supervising for d in others].count(True) == 1
    assert len(local.processes()) == 3


def test_whenever_control_planes_are_killed_nothing_is_doubled_orphaned_or_forgotten(
    idle: LocalGround,
) -> None:
    """Allocations are watched all along: none vanishes, none ends twice, none changes."""
    chance = random.Random(7)  # noqa: S311 - not for secrets; other runs meet other moments anyway
    seen: dict[str, Allocation] = {}
    faults: list[tuple[Allocation, Allocation | None]] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            now = {a.id: a for a in idle.driver.allocations()}
            for id, old in seen.items():  # noqa: A001
                new = now.get(id)
                if (
                    new is None
                    or replace(new, ended_at=old.ended_at) != old
                    or (old.ended_at is not None and new.ended_at != old.ended_at)
                ):
                    faults.append((old, new))
            seen.update(now)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(2):
            with control_plane(idle.directory) as first, control_plane(idle.directory) as second:
                for _ in range(4):
                    component = idle.web(
                        replicas=chance.randint(0, 2), variables={"V": chance.choice("ab")}
                    )
                    idle.driver.apply(workload(component))
                    done.wait(chance.random() * 0.2)
                first.kill()
                first.wait()
                idle.driver.apply(workload(idle.web(replicas=2)))
                done.wait(chance.random() * 0.2)
                second.kill()
        driver = idle.another()
        driver.apply(workload(idle.web(replicas=2)))
        settled(driver, 2)
    finally:
        done.set()
        watcher.join()

    assert faults == []
    running = {r.id for r in ready(driver)}
    until(lambda: set(idle.processes().values()) == running)
    assert len(idle.processes()) == 2
    assert {a.id for a in driver.allocations() if a.ended_at is None} == running


def test_a_replica_whose_process_was_never_written_down_is_found_by_its_mark(
    local: LocalGround,
) -> None:
    local.driver.apply(workload(local.web()))
    (before,) = settled(local.driver, 1)
    local.driver.close()
    pid = serving_pid(before)
    rewrite(
        local,
        lambda s: in_all(
            s, lambda r: replace(r, pid=0, state=ReplicaState.STARTING, ready_at=None)
        ),
    )
    assert list(local.driver.allocations()) == []

    driver = local.another()
    (after,) = settled(driver, 1)
    assert (after.id, after.started_at) == (before.id, before.started_at)
    assert serving_pid(after) == pid
    assert set(local.processes()) == {pid}
    assert [(a.id, a.started_at) for a in driver.allocations()] == [(before.id, before.started_at)]


def test_a_replica_that_was_written_down_and_never_made_held_nothing(local: LocalGround) -> None:
    local.driver.apply(workload(local.web()))
    (before,) = settled(local.driver, 1)
    local.driver.close()
    for found, _ in process.marked(local.files.identity):
        process.kill_exactly(found)
    until(lambda: not local.processes())
    rewrite(local, lambda s: in_all(s, recorded))

    driver = local.another()
    (after,) = settled(driver, 1)
    assert after.id != before.id
    assert [a.id for a in driver.allocations()] == [after.id]


def test_a_replica_that_died_while_nobody_watched_ended_when_that_was_noticed(
    local: LocalGround,
) -> None:
    local.driver.apply(workload(local.web()))
    (before,) = settled(local.driver, 1)
    local.driver.close()
    os.kill(serving_pid(before), signal.SIGKILL)
    until(lambda: not local.processes())
    (held,) = local.driver.allocations()
    assert held.ended_at is None
    noticed = SystemClock().now()

    driver = local.another()
    after = in_state(driver, ReplicaState.READY, lambda r: r.id != before.id)
    assert after.restarts == 1
    ended = {a.id: a.ended_at for a in driver.allocations()}
    over = ended[before.id]
    assert over is not None
    assert over >= noticed
    assert ended[after.id] is None


def test_a_process_that_has_a_replicas_number_by_chance_is_left_alone(local: LocalGround) -> None:
    local.driver.apply(workload(local.web()))
    (before,) = settled(local.driver, 1)
    local.driver.close()
    os.kill(serving_pid(before), signal.SIGKILL)
    until(lambda: not local.processes())
    with subprocess.Popen(["sleep", "600"]) as stranger:
        try:
            rewrite(local, lambda s: in_all(s, lambda r: replace(r, pid=stranger.pid)))
            driver = local.another()
            in_state(driver, ReplicaState.READY, lambda r: r.id != before.id)
            driver.remove("env_exam")
            until(lambda: driver.observe("env_exam") is None)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_replica_of_an_earlier_run_of_the_kernel_is_not_looked_for(local: LocalGround) -> None:
    local.driver.apply(workload(local.worker()))
    (before,) = settled(local.driver, 1)
    local.driver.close()
    rewrite(local, lambda s: in_all(s, lambda r: replace(r, boot="another")))
    driver = local.another()
    after = in_state(driver, ReplicaState.READY, lambda r: r.id != before.id)
    # It bears this pool's mark and belongs to nobody: ended, not left as an orphan.
    until(lambda: set(local.processes().values()) == {after.id})


def test_what_bears_the_mark_of_no_known_replica_is_ended(local: LocalGround) -> None:
    local.driver.apply(workload(local.web()))
    (before,) = settled(local.driver, 1)
    local.driver.close()
    local.files.state("env_exam").write_bytes(b'{"half": ')
    assert "damaged" in observed(local.driver).problems[-1]

    driver = local.another()
    after = in_state(driver, ReplicaState.READY, lambda r: r.id != before.id)
    until(lambda: set(local.processes().values()) == {after.id})


def test_a_damaged_workload_file_ends_nothing_and_is_reported(local: LocalGround) -> None:
    local.driver.apply(workload(local.web()))
    before = settled(local.driver, 1)
    local.driver.close()
    local.files.wanted("env_exam").write_bytes(b"\xff\xfe")
    driver = local.another()
    until(lambda: any("damaged" in p for p in observed(driver).problems))
    assert ready(driver) == before
    assert observed(driver).digest == ""

    driver.apply(workload(local.web()))
    until(lambda: not observed(driver).problems)
    assert settled(driver, 1) == before


def test_an_allocation_that_ended_in_a_crash_keeps_its_first_end(local: LocalGround) -> None:
    local.driver.apply(workload(local.web(replicas=2)))
    settled(local.driver, 2)
    local.driver.apply(workload(local.web(replicas=1)))
    settled(local.driver, 1)
    (over,) = (a for a in local.driver.allocations() if a.ended_at)
    local.driver.close()
    # As if it had been killed after the end was written down, before that was tidied away …
    rewrite(local, lambda s: replace(s, ended=(over,)))
    assert [a for a in local.driver.allocations() if a.ended_at] == [over]
    # … and forgotten by whoever read it in between.
    local.driver.forget([over.id])
    driver = local.another()
    until(lambda: driver.supervising)
    until(lambda: (local.files.read_state("env_exam") or over).ended == ())  # type: ignore[union-attr]
    assert [a for a in driver.allocations() if a.ended_at] == [over]


def test_a_drain_goes_on_after_a_change_of_supervisors(local: LocalGround) -> None:
    local.driver.apply(workload(local.web()))
    settled(local.driver, 1)
    local.driver.apply(workload(local.web(replicas=0)))
    in_state(local.driver, ReplicaState.DRAINING)
    local.driver.close()
    driver = local.another()
    until(lambda: not observed(driver).replicas)
    until(lambda: not local.processes())


def test_a_listener_that_fails_or_blocks_holds_nobody_up(local: LocalGround) -> None:
    local.driver.close()
    calls: list[str] = []

    def listen(environment_id: str) -> None:
        calls.append(environment_id)
        raise Conflict("the listener has a fault")

    driver = local.make()
    driver.start(listen)
    driver.apply(workload(local.web()))
    settled(driver, 1)
    driver.apply(workload(local.web(replicas=2)))
    settled(driver, 2)
    until(lambda: len(calls) >= 2)
