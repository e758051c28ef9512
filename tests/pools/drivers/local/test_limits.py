"""Limits by cgroup v2, against a directory that looks like one.

This proves which files are written, with what, in which order, and what is made of refusals. It
does not prove that a kernel enforces them: that takes a machine with the cpu and memory controllers
on cgroup v2, where the contract suite runs with them and ``limitations`` is empty.
"""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.driver import ComponentWorkload, ReplicaState
from cloudmgr.pools.drivers.local import limits
from cloudmgr.pools.drivers.local.limits import Cgroups, Watched, prepare
from cloudmgr.pools.drivers.local.records import Replica


def files(directory: Path, **content: str) -> Path:
    """A cgroup as the kernel would make it: its files are there with the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in content.items():
        (directory / name.replace("_", ".", 1)).write_text(text)
    return directory


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = files(
        tmp_path / "delegated",
        cgroup_controllers="cpuset cpu io memory pids\n",
        cgroup_subtree_control="",
        cgroup_procs="",
    )
    (root / "cgroup.type").write_text("domain\n")  # the root of all has none
    files(root / "cloudmgr-pool", cgroup_subtree_control="")
    files(root / "cloudmgr-control", cgroup_procs="")
    return root


@pytest.fixture
def group(root: Path) -> Path:
    group = files(root / "cloudmgr-pool" / "rep_1", cpu_max="max 100000", cgroup_procs="")
    for name in ("memory.max", "memory.swap.max", "memory.oom.group", "cgroup.kill"):
        (group / name).write_text("")
    (group / "memory.events").write_text("low 0\noom 0\noom_kill 0\n")
    return group


def test_a_delegated_directory_gets_its_controllers_switched_on(root: Path) -> None:
    assert prepare(root, "pool") == root / "cloudmgr-pool"
    assert (root / "cgroup.subtree_control").read_text() == "+cpu +memory"
    assert (root / "cloudmgr-pool" / "cgroup.subtree_control").read_text() == "+cpu +memory"
    assert (root / "cloudmgr-control" / "cgroup.procs").read_text() == ""


def test_a_control_plane_that_sits_in_it_moves_into_a_leaf_first(root: Path) -> None:
    (root / "cgroup.procs").write_text(f"{os.getpid()}\n")
    prepare(root, "pool")
    assert (root / "cloudmgr-control" / "cgroup.procs").read_text() == str(os.getpid())


def test_a_control_plane_that_shares_it_with_other_programs_leaves_it_alone(root: Path) -> None:
    (root / "cgroup.procs").write_text(f"1\n{os.getpid()}\n")
    assert "other programs run in the cgroup" in limits.find(str(root), "pool").problem
    assert (root / "cloudmgr-control" / "cgroup.procs").read_text() == ""
    assert (root / "cgroup.subtree_control").read_text() == ""


@pytest.mark.parametrize(
    ("controllers", "reason"),
    [("cpuset io pids", "offers no cpu and no memory"), ("cpu pids", "offers no memory")],
)
def test_a_missing_controller_is_a_limitation_in_words(
    root: Path, controllers: str, reason: str
) -> None:
    (root / "cgroup.controllers").write_text(controllers)
    found = limits.find(str(root), "pool")
    assert isinstance(found, Watched)
    assert reason in found.problem


def test_a_directory_that_is_none_is_a_limitation_in_words(tmp_path: Path) -> None:
    assert "is no cgroup v2 directory" in limits.find(str(tmp_path), "pool").problem


def test_what_this_machine_offers_is_found_without_a_fault() -> None:
    found = limits.find("", f"test-{os.getpid()}")
    if isinstance(found, Cgroups):
        Path(found._directory).rmdir()
    else:
        assert found.problem.startswith("CPU limits are not enforced")


def test_the_size_of_a_replica_becomes_its_limits(group: Path) -> None:
    Cgroups(group.parent).enter("rep_1", Resources(250, 64), ("web",))
    assert (group / "cpu.max").read_text() == "25000 100000"
    assert (group / "memory.max").read_text() == str(64 * 2**20)
    assert (group / "memory.swap.max").read_text() == "0"
    assert (group / "memory.oom.group").read_text() == "1"


def test_the_least_that_the_kernel_takes_is_asked_for(group: Path) -> None:
    Cgroups(group.parent).enter("rep_1", Resources(1, 1), ("web",))
    assert (group / "cpu.max").read_text() == "1000 100000"


def test_a_kernel_without_swap_accounting_is_no_obstacle(group: Path) -> None:
    (group / "memory.swap.max").unlink()
    Cgroups(group.parent).enter("rep_1", Resources(100, 64), ("web",))
    (group / "memory.max").unlink()
    with pytest.raises(FileNotFoundError):
        Cgroups(group.parent).enter("rep_1", Resources(100, 64), ("web",))


def test_the_program_enters_its_group_before_it_is_itself(group: Path) -> None:
    command = Cgroups(group.parent).enter(
        "rep_1", Resources(100, 64), ("sh", "-c", 'cat "$1"; echo " $2"', "x", "cgroup", "a  b")
    )
    done = subprocess.run(
        [c if c != "cgroup" else str(group / "cgroup.procs") for c in command],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0\n a  b\n"


def test_a_program_that_may_not_enter_its_group_does_not_run(group: Path) -> None:
    command = Cgroups(group.parent).enter("rep_1", Resources(100, 64), ("echo", "free"))
    (group / "cgroup.procs").unlink()
    (group / "cgroup.procs").mkdir()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout == ""


def test_the_kernel_says_whether_it_ended_a_replica_for_its_memory(group: Path) -> None:
    cgroups = Cgroups(group.parent)
    assert cgroups.finish("rep_1") is False
    assert (group / "cgroup.kill").read_text() == "1"
    (group / "memory.events").write_text("low 0\noom 1\noom_kill 2\n")
    assert cgroups.finish("rep_1") is True
    assert cgroups.finish("rep_gone") is False


def test_a_group_that_is_not_empty_yet_goes_with_the_next(group: Path) -> None:
    cgroups = Cgroups(group.parent)
    cgroups.finish("rep_1")  # its files are in the way here, as a dying process is in the kernel's
    for path in group.iterdir():
        path.unlink()
    cgroups.finish("rep_2")
    assert not group.exists()


def test_groups_of_replicas_that_are_gone_are_tidied_away(group: Path) -> None:
    pool = group.parent
    (pool / "rep_old").mkdir()
    Cgroups(pool).keep_only(frozenset({"rep_1"}))
    assert not (pool / "rep_old").exists()
    assert (group / "cgroup.kill").read_text() == ""


def test_a_watched_replica_is_measured_with_its_family() -> None:
    component = ComponentWorkload("web", 1, 100, memory_mib=1, command=("sleep", "600"))
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as running:
        try:
            replica = Replica(
                "rep_1", component, "", 0, "", "", ReplicaState.READY, None,
                datetime(2026, 6, 1, tzinfo=UTC), pid=running.pid,
            )  # fmt: skip
            # A sleeping `sleep` has a resident set of over 1 MiB, nearly all of it shared.
            assert Watched("there is none").over([replica]) == []
        finally:
            running.kill()
