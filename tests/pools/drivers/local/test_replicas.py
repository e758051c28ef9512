"""What a local pool does with real processes that crash, hang, hide, overeat or will not end."""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cloudmgr.clock import SystemClock
from cloudmgr.errors import Permanent, Temporary
from cloudmgr.pools.drivers.driver import ReplicaState
from cloudmgr.pools.drivers.local import process
from tests.conftest import free_port
from tests.pools.grounds import QUICK, in_state, observed, ready, settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tests.pools.grounds import LocalGround


@contextmanager
def stranger(port: int) -> Iterator[None]:
    """Another program on ``port`` that answers everything with 200."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        server.settimeout(0.05)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def test_a_killed_replica_leaves_no_zombie_and_its_message_says_what_happened(
    local: LocalGround,
) -> None:
    local.driver.apply(workload(local.worker()))
    settled(local.driver, 1)
    (pid,) = local.processes()
    os.kill(pid, signal.SIGKILL)
    failed = in_state(local.driver, ReplicaState.BACKOFF)
    assert "SIGKILL" in failed.message
    assert process.entry(pid) is None
    in_state(local.driver, ReplicaState.READY, lambda r: r.restarts == 1)


def test_the_waits_between_tries_grow_to_a_longest(local: LocalGround) -> None:
    local.driver.apply(workload(local.broken()))
    seen = set[str]()

    def longest_waited() -> bool:
        seen.update(r.message for r in observed(local.driver).replicas if r.message)
        return any("in 0.4 s" in m for m in seen)

    until(longest_waited)
    assert seen == {
        f"exited with status 3; the next try follows in {wait} s" for wait in ("0.1", "0.2", "0.4")
    }


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("no-such-program", "--serve"), "the command 'no-such-program' does not exist"),
        (("/etc/passwd",), "the command '/etc/passwd' may not be executed"),
        (("/tmp",), "the command '/tmp' is a directory"),  # noqa: S108
    ],
)
def test_a_command_that_cannot_run_is_explained(
    local: LocalGround, command: tuple[str, ...], sentence: str
) -> None:
    local.driver.apply(workload(local.web(command=command)))
    failed = in_state(local.driver, ReplicaState.BACKOFF)
    assert failed.message.startswith(sentence)
    assert list(local.driver.allocations()) == []


def test_a_replica_that_hangs_is_restarted(local: LocalGround) -> None:
    local.driver.close()
    timing = replace(QUICK, probe_timeout=0.1, unhealthy_after=2, restart_after=5)
    driver = local.make(timing)
    driver.start(lambda _: None)
    driver.apply(workload(local.web()))
    (replica,) = settled(driver, 1)
    assert replica.port is not None
    with socket.create_connection(("127.0.0.1", replica.port)) as visitor:
        visitor.sendall(b"GET /hang HTTP/1.1\r\n\r\n")
        in_state(driver, ReplicaState.UNHEALTHY)
        failed = in_state(driver, ReplicaState.BACKOFF)
        assert "failed 5 health checks in a row" in failed.message
    in_state(driver, ReplicaState.READY, lambda r: r.restarts == 1)


def test_a_replica_that_is_deaf_to_being_asked_is_ended_after_its_drain(
    local: LocalGround,
) -> None:
    deaf = {"IGNORE_TERM": "1"}
    local.driver.apply(workload(local.web(variables=deaf, drain_seconds=60)))
    settled(local.driver, 1)
    # The time to drain is no part of the template: it may change without a replacement.
    local.driver.apply(workload(local.web(variables=deaf, drain_seconds=1)))
    local.driver.apply(workload(local.web(variables=deaf, drain_seconds=1, replicas=0)))
    until(lambda: not observed(local.driver).replicas)
    assert not local.processes()


def test_what_a_replica_left_outside_its_session_ends_with_it(local: LocalGround) -> None:
    local.driver.apply(workload(local.web()))
    (replica,) = settled(local.driver, 1)
    local.get(replica, "/fork")
    until(lambda: len(local.processes()) == 2)
    local.driver.apply(workload(local.web(replicas=0)))
    until(lambda: not observed(local.driver).replicas)
    assert not local.processes()


def test_a_draining_replica_that_is_wanted_again_is_not_ended(local: LocalGround) -> None:
    local.driver.close()
    driver = local.make(replace(QUICK, settle=60))
    driver.start(lambda _: None)
    driver.apply(workload(local.web()))
    before = settled(driver, 1)
    driver.apply(workload(local.web(replicas=0)))
    in_state(driver, ReplicaState.DRAINING)
    driver.apply(workload(local.web()))
    assert settled(driver, 1) == before


def test_a_replica_that_takes_too_much_memory_is_ended_and_told_why(local: LocalGround) -> None:
    local.driver.apply(workload(local.web(memory_mib=64)))
    (replica,) = settled(local.driver, 1)
    if not observed(local.driver).limitations:
        pytest.skip("this machine enforces limits by cgroup v2: nothing is watched")
    assert "memory limits are checked once a second" in observed(local.driver).limitations[0]
    with suppress(ConnectionError):  # it may be ended before it has answered
        local.get(replica, "/fill?100")
    failed = in_state(local.driver, ReplicaState.BACKOFF)
    assert failed.message.startswith("over its memory limit of 64 MiB")
    in_state(local.driver, ReplicaState.READY, lambda r: r.restarts == 1)


def test_a_port_that_another_program_took_meanwhile_is_given_up_for_another(
    local: LocalGround,
) -> None:
    local.driver.apply(workload(local.web(variables={"START_AFTER": "0.4"})))
    starting = in_state(local.driver, ReplicaState.STARTING, lambda r: r.port is not None)
    assert starting.port is not None
    with stranger(starting.port):
        # The stranger answers its health checks, and yet it does not count as Ready.
        replica = in_state(local.driver, ReplicaState.READY)
        assert replica.port != starting.port
        assert replica.message == f"port {starting.port} was taken by another program"
        assert replica.restarts == 1
        assert local.get(replica)[0] == 200


def test_ports_that_others_listen_on_are_passed_over_until_one_is_free(
    local: LocalGround,
) -> None:
    local.driver.close()
    port = free_port()
    driver = local.make(first_port=port, last_port=port)
    with stranger(port):
        driver.start(lambda _: None)
        driver.apply(workload(local.web()))
        failed = in_state(driver, ReplicaState.BACKOFF)
        assert "no port of this pool is free" in failed.message
    assert in_state(driver, ReplicaState.READY).port == port


def test_removing_leaves_no_process_and_no_file(local: LocalGround) -> None:
    local.driver.apply(workload(local.web(replicas=2, storage_gib=1), local.worker()))
    replicas = settled(local.driver, 3)
    local.get(replicas[0], "/put?note")
    local.driver.remove("env_exam")
    until(lambda: local.driver.observe("env_exam") is None)
    assert not local.processes()
    until(lambda: not list(local.files.trash.iterdir()))
    assert not local.files.home("env_exam").exists()

    local.driver.forget([a.id for a in local.driver.allocations()])
    assert list(local.driver.allocations()) == []
    rest = {p.relative_to(local.directory).as_posix() for p in local.directory.rglob("*")}
    assert {p for p in rest if not p.startswith("_bells/")} == {
        "_bells", "_ended", "_new", "_trash", "supervisor.lock", "writers.lock",
    }  # fmt: skip


def test_what_is_applied_while_it_is_being_removed_starts_anew(local: LocalGround) -> None:
    local.driver.apply(workload(local.web()))
    settled(local.driver, 1)
    local.driver.remove("env_exam")
    in_state(local.driver, ReplicaState.DRAINING)
    local.driver.apply(workload(local.web(variables={"VERSION": "2"})))
    (replica,) = settled(local.driver, 1)
    assert "VERSION=2" in local.get(replica)[1]


def test_an_environment_whose_directory_was_deleted_by_hand_is_ended(local: LocalGround) -> None:
    local.driver.apply(workload(local.worker()))
    settled(local.driver, 1)
    process_files = local.files
    process_files.home("env_exam").rename(local.directory / "_trash" / "by-hand")
    until(lambda: not local.processes())
    until(lambda: not list(process_files.trash.iterdir()))
    assert local.driver.observe("env_exam") is None


def test_a_full_disk_refuses_the_workload_and_leaves_the_old_one_as_it_was(
    local: LocalGround,
) -> None:
    resource = pytest.importorskip("resource")
    local.driver.apply(workload(local.web()))
    before = settled(local.driver, 1)
    local.driver.close()  # it writes in this process, too, and is not what is tested
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel refuses to write more than so many bytes: as near to a full disk as a test may go.
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
    try:
        with pytest.raises(Temporary) as refused:
            local.driver.apply(workload(local.web(replicas=3)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert refused.value.code == "disk-full"
    assert observed(local.driver).digest == workload(local.web()).digest
    assert ready(local.driver) == before
    assert list((local.directory / "_new").iterdir()) == []


def test_a_directory_that_cannot_be_reached_is_a_temporary_trouble(local: LocalGround) -> None:
    local.driver.close()
    local.directory.rename(local.directory.with_name("away"))
    local.directory.write_bytes(b"a file in its place")
    try:
        with pytest.raises(Temporary) as refused:
            local.driver.apply(workload(local.web()))
        assert refused.value.code == "pool-unreachable"
    finally:
        local.directory.unlink()
        local.directory.with_name("away").rename(local.directory)


def test_a_log_that_grows_is_cut_and_its_end_can_be_read(local: LocalGround) -> None:
    local.driver.close()
    driver = local.make(log_mib=1)
    driver.start(lambda _: None)
    script = "head -c 1500000 /dev/zero | tr '\\0' x; echo; echo 最后; sleep 600"
    driver.apply(workload(local.worker(command=("sh", "-c", script))))
    settled(driver, 1)
    older = local.files.log("env_exam", "worker", 0).with_name("worker.0.log.1")
    until(lambda: older.exists() and older.stat().st_size > 2**20)
    until(lambda: driver.log("env_exam", "worker", 0, 1) == ["最后"])


@pytest.mark.parametrize(
    "changes",
    [
        {"health_path": "/a\r\nX: y"},
        {"health_path": "health"},
        {"replicas": -1},
        {"replicas": 10**9},
        {"cpu_millis": 0},
        {"memory_mib": -5},
        {"startup_seconds": 0},
        {"command": ("",)},
        {"command": ("sh", "a\x00b")},
        {"variables": {"A=B": "x"}},
        {"variables": {"A": "x\x00"}},
    ],
)
def test_what_no_process_could_be_made_of_is_refused(
    local: LocalGround, changes: dict[str, object]
) -> None:
    with pytest.raises(Permanent) as refused:
        local.driver.apply(workload(local.web(**changes)))
    assert refused.value.code == "invalid-workload"
    assert refused.value.path.startswith("components[0].")
    assert list(local.driver.observe_all()) == []


def test_a_component_that_is_left_out_ends_and_keeps_its_storage(local: LocalGround) -> None:
    local.driver.apply(workload(local.web(storage_gib=2), local.worker()))
    settled(local.driver, 2)
    local.driver.apply(workload(local.worker()))
    settled(local.driver, 1)
    assert any("storage of web" in text for text in observed(local.driver).limitations)
    local.driver.apply(workload(local.web(storage_gib=3), local.worker()))
    settled(local.driver, 2)
    sizes = {
        (a.size.storage_gib, a.ended_at is None)
        for a in local.driver.allocations()
        if a.size.storage_gib
    }
    assert sizes == {(2, False), (3, True)}


class FaultyClock(SystemClock):
    """A clock that fails once when told to: as a fault of our own would."""

    def __init__(self) -> None:
        self.faults = 0

    def now(self) -> datetime:
        if self.faults:
            self.faults -= 1
            raise RuntimeError("a fault of our own")
        return super().now()


def test_a_fault_of_the_supervisor_ends_nothing_and_it_begins_again(local: LocalGround) -> None:
    local.driver.close()
    clock = local.clock = FaultyClock()
    driver = local.make()
    driver.start(lambda _: None)
    driver.apply(workload(local.web()))
    before = settled(driver, 1)
    clock.faults = 1
    driver.apply(workload(local.web(replicas=2)))
    assert settled(driver, 2)[:1] == before
    assert len(local.processes()) == 2
