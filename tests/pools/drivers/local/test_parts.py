"""The small parts of the local pool: files, bells, ports, logs, health checks, settings."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmgr.clock import SystemClock
from cloudmgr.errors import Invalid, Temporary
from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.admission import is_name
from cloudmgr.pools.drivers.driver import Allocation, ComponentWorkload, ReplicaState, Workload
from cloudmgr.pools.drivers.health import Checker
from cloudmgr.pools.drivers.local import logs, records
from cloudmgr.pools.drivers.local.bells import Bell, ring, ring_all
from cloudmgr.pools.drivers.local.files import PoolFiles, held, is_locked
from cloudmgr.pools.drivers.local.ports import Ports, is_free, listens
from cloudmgr.pools.drivers.local.process import Exit
from cloudmgr.pools.drivers.local.records import Replica, State, Storage, UnreadableError, Wanted
from cloudmgr.pools.drivers.local.settings import LocalSettings, Timing
from tests.conftest import free_port
from tests.fakes import ManualClock

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 6, 1, 12, 30, 15, 123456, tzinfo=UTC)
text = st.text(max_size=20)
components = st.builds(
    ComponentWorkload,
    name=text,
    replicas=st.integers(0, 9),
    cpu_millis=st.integers(1, 10**6),
    memory_mib=st.integers(1, 10**6),
    command=st.lists(text, max_size=3).map(tuple),
    port=st.none() | st.integers(1, 65535),
    variables=st.dictionaries(text, text, max_size=3),
)
replicas = st.builds(
    Replica,
    id=text,
    component=components,
    template=text,
    slot=st.integers(0, 9),
    department_id=text,
    system_id=text,
    state=st.sampled_from(ReplicaState),
    port=st.none() | st.integers(1, 65535),
    started_at=st.just(START),
    ready_at=st.none() | st.just(START),
    message=text,
)


@pytest.fixture
def files(tmp_path: Path) -> PoolFiles:
    found = PoolFiles(tmp_path)
    found.prepare()
    return found


# ------------------------------------------------------------------------------------------ files


@settings(deadline=None, max_examples=50)
@given(replica=replicas, name=text)
def test_what_is_written_down_is_read_back_the_same(replica: Replica, name: str) -> None:
    storage = Storage("sto_1", name, 0, 5, "dep", "sys", START)
    held = storage.allocation(name)
    state = State("env_a", (replica,), (storage,), (held,), (name,), (name,))
    assert records.load_state(records.dump(state)) == state
    wanted = Wanted(Workload("env_a", name, "d", "s", "z", (replica.component,)), name)
    again = records.load_wanted(records.dump(wanted))
    assert again == wanted
    assert again.workload.digest == wanted.workload.digest


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"workload": 3}', b"null"])
def test_what_is_no_record_is_unreadable(data: bytes) -> None:
    for load in (records.load_state, records.load_wanted, records.load_allocation):
        with pytest.raises(UnreadableError):
            load(data)


def test_what_a_newer_version_added_to_a_record_is_passed_over() -> None:
    allocation = Allocation("rep_1", "env_a", "d", "s", "web", Resources(1, 2, 3), START)
    data = records.dump(allocation).replace(b'"id":', b'"colour":"red","id":')
    assert records.load_allocation(data) == allocation


def test_an_allocation_never_ends_before_it_starts() -> None:
    storage = Storage("sto_1", "web", 0, 5, "dep", "sys", START)
    assert storage.allocation("env_a", START - timedelta(hours=1)).ended_at == START


@pytest.mark.parametrize("name", ["env_1", "a", "web-2", "A" * 63])
def test_a_name_may_become_part_of_a_path(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "_ended", "-", "a/b", "a\n", "a\x00", "a" * 64, "é"]
)
def test_what_may_not_become_part_of_a_path(name: str) -> None:
    assert not is_name(name)


def test_writers_that_find_the_pool_held_give_up_after_a_while(files: PoolFiles) -> None:
    wanted = Wanted(Workload("env_a", "a", "d", "s", "z", ()), "x")
    with held(files.writers_lock), pytest.raises(Temporary) as refused:
        files.write_wanted("env_a", wanted, ManualClock())
    assert refused.value.code == "pool-busy"
    assert files.read_wanted("env_a") is None
    files.write_wanted("env_a", wanted, SystemClock())
    assert files.read_wanted("env_a") == wanted


def test_a_lock_is_held_by_one_and_seen_by_all(files: PoolFiles) -> None:
    assert not is_locked(files.supervisor_lock)
    with held(files.supervisor_lock) as first, held(files.supervisor_lock) as second:
        assert first is not None
        assert second is None
        assert is_locked(files.supervisor_lock)
    assert not is_locked(files.supervisor_lock)


def test_what_is_wanted_again_is_not_discarded(files: PoolFiles) -> None:
    wanted = Wanted(Workload("env_a", "a", "d", "s", "z", ()), "x")
    files.write_wanted("env_a", wanted, SystemClock())
    assert not files.discard("env_a")
    files.write_wanted("env_a", replace(wanted, removed=True), SystemClock())
    with held(files.writers_lock):
        assert not files.discard("env_a")
    assert files.discard("env_a")
    assert files.environments() == []
    files.empty_trash()
    assert list(files.trash.iterdir()) == []


def test_a_pools_identity_is_its_directorys_and_not_its_copys(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    identity = PoolFiles(tmp_path / "a").identity
    (tmp_path / "b").mkdir()
    assert PoolFiles(tmp_path / "b").identity != identity
    (tmp_path / "a").rename(tmp_path / "c")
    assert PoolFiles(tmp_path / "c").identity == identity


# ------------------------------------------------------------------------------------------ bells


def test_a_bell_rings_for_whoever_listens(tmp_path: Path) -> None:
    path = tmp_path / "bell"
    assert not ring(path, "env_a")
    with Bell(path) as bell:
        assert bell.heard() == []
        for name in ("env_a", "env_b", "env_a"):
            assert ring(path, name)
        assert bell.heard() == ["env_a", "env_b"]
    assert not ring(path, "env_a")


def test_a_bell_that_overflows_blocks_nobody(tmp_path: Path) -> None:
    with Bell(tmp_path / "bell") as bell:
        for number in range(20_000):
            ring(bell.path, f"env_{number}")
        assert len(bell.heard()) > 1000


def test_deserted_bells_are_taken_down(tmp_path: Path) -> None:
    Bell(tmp_path / "deserted").close()
    with Bell(tmp_path / "mine") as mine, Bell(tmp_path / "other") as other:
        ring_all(tmp_path, "env_a", but=frozenset({"mine"}))
        assert (mine.heard(), other.heard()) == ([], ["env_a"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "other"]


# ------------------------------------------------------------------------------------------ ports


def test_a_port_comes_back_as_late_as_possible() -> None:
    # Below the range that the kernel lends out, where a neighbour's connection may sit on one.
    first = next(p for p in range(12_000, 20_000, 3) if all(is_free(p + n) for n in range(3)))
    ports = Ports(first, first + 2, seed=1)
    chosen = [ports.choose(()) for _ in range(4)]
    assert len({p for p in chosen if p is not None}) == 3
    assert chosen[3] == chosen[0]
    assert Ports(first, first, 0).choose({first}) is None


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        server.listen()
        assert not is_free(port)
        assert listens(port, [os.getpid()])
        assert not listens(port, [1 if os.getpid() != 1 else 2, 2**22 + 1])
    assert is_free(port)


# ------------------------------------------------------------------------------------------- logs


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "web.0.log"


def test_the_end_of_a_log_is_read_over_its_rotation(log: Path) -> None:
    log.write_text("1\n2\n3\n")
    assert not logs.rotate(log, 10)
    assert logs.rotate(log, 5)
    log.write_text("4\n半")
    assert logs.tail(log, 3) == ["3", "4", "半"]
    assert logs.tail(log, 99) == ["1", "2", "3", "4", "半"]
    assert logs.tail(log, 0) == []
    assert not logs.rotate(log.with_name("none"), 5)


@settings(deadline=None, max_examples=50)
@given(lines=st.lists(st.text("ab\r\x85\u2028", max_size=5), max_size=8), count=st.integers(0, 10))
def test_lines_are_what_stands_between_line_feeds(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], count: int
) -> None:
    log = tmp_path_factory.mktemp("log") / "log"
    log.write_bytes("".join(f"{line}\n" for line in lines).encode())
    expected = [line.rstrip("\r") for line in lines]
    assert logs.tail(log, count) == (expected[-count:] if count else [])


def test_a_long_log_is_read_from_its_end_alone(log: Path) -> None:
    with log.open("wb") as file:
        file.truncate(2**33)
        file.seek(0, 2)
        file.write(b"\nlast but one\n\xfflast\n")
    assert logs.tail(log, 2) == ["last but one", "\ufffdlast"]


# ----------------------------------------------------------------------------------------- health


async def checked(port: int, path: str, seconds: float) -> str:
    checker = Checker()
    try:
        return await checker.check(port, path, seconds)
    finally:
        checker.close()


def served(answer: bytes) -> tuple[str, str]:
    """What a check says of a server with this answer, and what the server was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async def run() -> str:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await checked(port, "/health?deep=1", 5)

    fault = asyncio.run(run())
    return fault, asked[0].decode()


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", ""),
        (b"HTTP/1.0 204\r\n\r\n", ""),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", ""),
        (b"HTTP/1.1 503 Busy\r\n\r\n", "GET /health?deep=1 answers 503"),
        (b"HTTP/1.1 404\r\n\r\n", "GET /health?deep=1 answers 404"),
        (b"SSH-2.0-OpenSSH\r\n", "GET /health?deep=1 was not answered in HTTP"),
        (b"x" * 10_000, "GET /health?deep=1 was not answered in HTTP"),
    ],
)
def test_an_answer_is_healthy_or_its_fault_is_said(answer: bytes, fault: str) -> None:
    found, request = served(answer)
    assert found == fault
    assert request.startswith("GET /health?deep=1 HTTP/1.1\r\nHost: localhost:")


def test_no_answer_at_all_is_a_fault() -> None:
    assert "broke off" in served(b"")[0]
    port = free_port()
    assert "nothing listens" in asyncio.run(checked(port, "/", 5))


def test_a_server_that_keeps_silent_is_not_waited_for_longer_than_allowed() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert "within 0.05 s" in asyncio.run(checked(port, "/", 0.05))


# --------------------------------------------------------------------------------------- settings


def test_settings_that_are_wrong_are_all_told() -> None:
    with pytest.raises(Invalid) as refused:
        LocalSettings.parse({"cpu_millis": "many", "colour": "red", "memory_overcommit": 0})
    assert {path for path, _ in refused.value.problems} == {
        "cpu_millis", "colour", "memory_overcommit",
    }  # fmt: skip
    with pytest.raises(Invalid):
        LocalSettings.parse({"first_port": 30000, "last_port": 2000})


def test_capacity_is_what_is_not_reserved_times_the_overcommit(tmp_path: Path) -> None:
    settings = LocalSettings.parse(
        {
            "cpu_millis": 4000,
            "memory_mib": 8192,
            "storage_gib": 50,
            "reserved_cpu_millis": 500,
            "reserved_memory_mib": 1192,
            "cpu_overcommit": 2,
        }
    )
    assert settings.capacity(tmp_path).allocatable == Resources(7000, 7000, 50)


def test_capacity_defaults_to_what_the_machine_has(tmp_path: Path) -> None:
    found = LocalSettings().capacity(tmp_path / "not" / "yet").allocatable
    assert found.cpu_millis > 0
    assert found.memory_mib > 0
    assert found.storage_gib > 0


def test_waits_double_up_to_the_longest() -> None:
    timing = Timing()
    waits = [timing.backoff(n) for n in range(1, 10)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert timing.backoff(10**6) == 30


def test_the_end_of_a_process_is_told_in_words() -> None:
    assert str(Exit(status=3)) == "exited with status 3"
    assert str(Exit(signal=11)) == "was ended by SIGSEGV"
    assert str(Exit(signal=40)) == "was ended by signal 40"
    assert str(Exit()) == "ended"
