"""Since when nova counts what holds nothing: told by what outlives a sleep and a deletion."""

from __future__ import annotations

from datetime import timedelta

from cloudmgr.pools.drivers.openstack import runs
from tests.pools.drivers.openstack.test_parts import NOW, server

SLEPT = f"cloudmgr city env_exam dep_exam sys_exam 1@{NOW.isoformat()}"


def launched(before: timedelta) -> str:
    return (NOW - before).replace(tzinfo=None).isoformat()


def test_what_sleeps_is_idle_since_the_end_of_its_run_and_deleted_too() -> None:
    said = {"description": SLEPT, "OS-SRV-USG:launched_at": launched(timedelta(hours=1))}
    assert runs.idle_from(server(0, status="SHELVED_OFFLOADED", **said)) == NOW
    ended = {"OS-SRV-USG:terminated_at": launched(timedelta(hours=-1))}
    assert runs.idle_from(server(0, status="DELETED", **said, **ended)) == NOW


def test_what_woke_since_or_never_slept_or_never_ran_is_not_idle() -> None:
    woken = {"description": SLEPT, "OS-SRV-USG:launched_at": launched(timedelta(hours=-1))}
    assert runs.idle_from(server(0, **woken)) is None
    assert runs.idle_from(server(0)) is None
    assert runs.idle_from(server(0, **{**woken, "OS-SRV-USG:launched_at": None})) is None


def test_every_run_of_a_server_is_that_servers() -> None:
    names = [runs.allocation_id("3d1b3f0e-52a1", number) for number in (1, 2, 30)]
    assert len(set(names)) == 3
    assert {runs.server_id(name) for name in names} == {"3d1b3f0e-52a1"}
