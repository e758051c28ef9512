"""Room that is promised to one environment, and what a person is told of what is taken."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.pools.capacity import Resources, Sizes
from cloudmgr.pools.drivers.openstack.rooms import has_room, is_coming, left_for, short_of
from cloudmgr.pools.drivers.openstack.told import limitations
from tests.pools.drivers.openstack.test_parts import WEB, server

if TYPE_CHECKING:
    from cloudmgr.pools.drivers.openstack.seen import Server

ONE = {"VCPU": 1, "MEMORY_MB": 512}
FOUR = {"VCPU": 4, "MEMORY_MB": 2048}
FREE = {
    "a": {"VCPU": 4, "MEMORY_MB": 4096, "DISK_GB": 90},
    "b": {"VCPU": 6, "MEMORY_MB": 4096, "DISK_GB": 90},
}


@pytest.mark.parametrize(
    ("wanted", "held", "count"),
    [
        (ONE, [], 10),
        (ONE, [ONE] * 3, 7),
        (FOUR, [], 2),
        (FOUR, [ONE] * 2, 2),
        (FOUR, [ONE] * 3, 1),
        (FOUR, [FOUR], 1),
        (FOUR, [FOUR, FOUR], 0),
        (ONE, [{"VCPU": 7, "MEMORY_MB": 1}], 10),
    ],
)
def test_what_is_held_leaves_the_most_that_it_can_to_others(
    wanted: dict[str, int], held: list[dict[str, int]], count: int
) -> None:
    assert left_for(wanted, FREE.keys(), FREE, held) == count


def test_what_is_held_goes_first_where_others_may_not_go() -> None:
    assert left_for(ONE, {"b"}, FREE, [ONE] * 4) == 6
    assert left_for(ONE, {"b"}, FREE, [ONE] * 5) == 5


def test_who_is_promised_what_no_host_has_is_known() -> None:
    assert short_of(FREE, {("env", "web"): [FOUR, FOUR]}) == set()
    held = {("env", "web"): [FOUR, FOUR], ("env", "jobs"): [ONE] * 3}
    assert short_of(FREE, held) == {("env", "jobs")}


def at(status: str, task: str) -> Server:
    said: dict[str, Any] = {"status": status, "OS-EXT-STS:task_state": task}
    return server(**said)


def test_a_server_that_no_host_is_found_for_yet_is_on_its_way_to_one() -> None:
    coming = [
        at("BUILD", "scheduling"),
        at("SHELVED_OFFLOADED", "unshelving"),
    ]
    there = [at("BUILD", "spawning"), server()]
    nowhere = [server(status="SHELVED_OFFLOADED"), server(status="ERROR")]
    assert [is_coming(s) for s in (*coming, *there, *nowhere)] == [True] * 2 + [False] * 4
    assert [has_room(s) for s in (*coming, *there, *nowhere)] == [False] * 2 + [True] * 2 + [
        False
    ] * 2


def test_a_person_is_told_what_a_replica_takes_and_what_sleep_keeps() -> None:
    sizes = Sizes((Resources(1000, 512), Resources(2000, 2048)))
    assert limitations((WEB,), [server()], sizes) == ()
    (said,) = limitations((replace(WEB, cpu_millis=1500),), [server()], sizes)
    assert said == "web: a replica takes a whole flavor of 2 CPU and 2048 MiB, which is billed"
    (said,) = limitations((WEB,), [server(status="SHELVED_OFFLOADED"), server(1)], sizes)
    assert said.startswith("asleep: 1 servers take no room on hosts")
    (said,) = limitations((replace(WEB, elastic=True),), [], sizes)
    assert "no autoscaler" in said
