"""A server gets another size in its place: what is planned, and what nova makes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.pools.drivers.driver import ReplicaState
from cloudmgr.pools.drivers.openstack import names as words
from cloudmgr.pools.drivers.openstack import plan, runs
from cloudmgr.pools.drivers.openstack.actions import Create, Do, Note, Resize
from cloudmgr.pools.drivers.openstack.reading import Health
from cloudmgr.pools.drivers.openstack.told import problems
from tests.pools.drivers.openstack.cloud import runs_of
from tests.pools.drivers.openstack.test_parts import NOW, WEB, planned, server
from tests.pools.grounds import observed, settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    from cloudmgr.pools.drivers.openstack.seen import Server
    from tests.pools.openstack_ground import OpenStackGround

LARGE = replace(WEB, cpu_millis=2000, memory_mib=1024)
MARK = plan.template(LARGE)
RESIZES = {words.RESIZES: MARK, words.DRAINS: NOW.isoformat()}
# Nova dates the run of a resized server anew, and keeps its metadata.
AGAIN = "2026-11-26T11:59:30.500000"
SICK = Health("503", 3, checked=True)


def moved(status: str, noted: Note | None = None, *, large: bool = True) -> Server:
    """One that was resized, and did not have to be reverted if it is ``large`` now."""
    written = {key: text or "" for key, text in noted.said.items()} if noted else {}
    said: dict[str, Any] = {
        "OS-SRV-USG:launched_at": AGAIN,
        "metadata": {**RESIZES, words.MOVES: NOW.isoformat(), **written},
        "flavor": {"vcpus": 2, "ram": 1024} if large else {"vcpus": 1, "ram": 512},
    }
    return server(status=status, **said)


def test_one_after_the_other_gets_no_more_traffic_and_is_resized() -> None:
    (note,) = planned(server(0), server(1), component=LARGE)
    assert isinstance(note, Note)
    assert (note.server.slot, note.said) == (0, RESIZES)
    draining = server(0, metadata=RESIZES)
    soon, later = NOW + timedelta(seconds=1), NOW + timedelta(seconds=6)
    assert planned(draining, server(1), component=LARGE, now=soon) == []
    asked = {words.MOVES: later.isoformat()}
    found = planned(draining, server(1), component=LARGE, now=later)
    assert found == [Resize(draining, asked)]
    assert planned(server(0, status="RESIZE"), server(1), component=LARGE) == []


def test_one_that_is_well_with_its_new_size_is_confirmed_and_then_the_next_begins() -> None:
    there = moved("VERIFY_RESIZE")
    assert planned(there, server(1), component=LARGE) == [Do(there, "confirmResize")]
    assert planned(there, server(1), component=LARGE, health=Health()) == []
    (note,) = planned(moved("ACTIVE"), server(1), component=LARGE)
    assert isinstance(note, Note)
    assert note.said[words.TEMPLATE] == MARK
    assert (note.said[words.RESIZES], note.said[words.READY]) == (None, NOW.isoformat())
    assert {k: v for k, v in note.said.items() if k.startswith(words.RUN)} == runs.news(there)
    done = moved("ACTIVE", Note(note.server, {**note.said, words.OF: AGAIN}))
    (note,) = planned(done, server(1), component=LARGE)
    assert isinstance(note, Note)
    assert (note.server.slot, note.said[words.RESIZES]) == (1, MARK)


def test_one_that_is_not_well_with_it_in_time_gets_its_old_size_back_and_that_is_told() -> None:
    sick = moved("VERIFY_RESIZE")
    late = NOW + timedelta(seconds=WEB.startup_seconds)
    assert planned(sick, server(1), component=LARGE, health=SICK) == []
    found = planned(sick, server(1), component=LARGE, health=SICK, now=late)
    assert Do(sick, "revertResize") in found
    back = moved("ACTIVE", large=False)
    (note, *_) = planned(back, server(1), component=LARGE)
    assert isinstance(note, Note)
    assert (note.server.slot, note.said[words.RESIZES]) == (0, None)
    noted = moved("ACTIVE", note, large=False)
    (sentence,) = problems((LARGE,), [noted, server(1)])
    assert sentence == (
        "web 0: could not get its new size: it did not become healthy with it; it goes on with "
        "the old one and is tried again"
    )
    (ready,) = planned(noted, server(1), component=LARGE)
    assert isinstance(ready, Note)
    assert words.READY in ready.said, "it serves again, and nothing replaces it"
    assert problems((WEB,), [noted]) == (), "nobody wants that any more"


def test_one_that_nova_finds_no_host_for_goes_on_and_is_tried_again_later() -> None:
    refused = server(0, metadata={**RESIZES, words.MOVES: NOW.isoformat()})
    (note,) = planned(refused, server(1), component=LARGE)
    assert isinstance(note, Note)
    assert (note.said[words.DRAINS], note.said[words.RESIZES]) == (None, None)
    unfit = {words.UNFIT: note.said[words.UNFIT] or ""}
    waits = server(0, metadata=unfit)
    later = NOW + timedelta(seconds=301)
    found = planned(waits, server(1), component=LARGE)
    assert [a.server.slot for a in found if isinstance(a, Note)] == [1], "another may fit"
    (again,) = planned(waits, server(1, metadata=unfit), component=LARGE, now=later)
    assert isinstance(again, Note)
    assert again.said[words.RESIZES] == MARK


def test_a_size_that_is_not_wanted_any_more_is_reverted() -> None:
    there = moved("VERIFY_RESIZE")
    assert planned(there, server(1)) == [Do(there, "revertResize")]


def test_a_single_one_is_replaced_so_that_it_serves_all_the_time() -> None:
    one = replace(LARGE, replicas=1)
    assert planned(server(0), component=one) == [Create("web", 0)]


def test_two_sizes_of_one_flavor_need_no_move() -> None:
    little = replace(WEB, cpu_millis=500, replicas=1)
    (note,) = planned(server(0), component=little)
    assert isinstance(note, Note)
    assert note.said[words.TEMPLATE] == plan.template(little)


def test_what_it_held_before_is_told_while_nova_lets_us_write_nothing() -> None:
    before, now, _ = runs.allocations(moved("VERIFY_RESIZE"))
    assert (before.id, before.size.cpu_millis, before.ended_at) == ("s0", 1000, now.started_at)
    assert (now.id, now.size.cpu_millis, now.ended_at) == ("s0.2", 2000, None)


@pytest.mark.openstack
def test_replicas_are_resized_up_and_down_in_their_places(
    two_hosts: OpenStackGround,
) -> None:
    ground = two_hosts
    small = ground.web(replicas=2)
    ground.driver.apply(workload(small))
    before = settled(ground.driver, 2)
    for cpu in (2000, 1000):
        ground.driver.apply(workload(replace(small, cpu_millis=cpu)))
        until(lambda: held(ground) == [cpu] * 2, seconds=120, what="two of the new size")  # noqa: B023
        after = settled(ground.driver, 2)
        assert [(r.id, r.address) for r in after] == [(r.id, r.address) for r in before]
        assert all(ground.get(replica)[0] == 200 for replica in after)
    assert observed(ground.driver).problems == ()
    found = sorted(runs_of(ground), key=lambda a: (a.id.partition(".")[0], a.id))
    for one in (found[:3], found[3:]):
        assert [a.size.cpu_millis for a in one] == [1000, 2000, 1000]
        assert [a.ended_at for a in one] == [one[1].started_at, one[2].started_at, None]


@pytest.mark.openstack
def test_a_size_that_no_host_has_leaves_what_is_there_at_work(ground: OpenStackGround) -> None:
    """Nova moves a server to another host, and there is but one."""
    small = ground.web(replicas=2)
    ground.driver.apply(workload(small))
    before = settled(ground.driver, 2)
    ground.driver.apply(workload(replace(small, cpu_millis=2000)))
    until(lambda: "new size" in "".join(observed(ground.driver).problems), what="the refusal")
    after = settled(ground.driver, 2)
    assert [r.id for r in after] == [r.id for r in before]
    assert all(r.state is ReplicaState.READY for r in after)
    ground.driver.apply(workload(small))
    until(lambda: observed(ground.driver).problems == (), what="no more problem")
    assert [r.id for r in settled(ground.driver, 2)] == [r.id for r in before]


def held(ground: OpenStackGround) -> list[int]:
    return [a.size.cpu_millis for a in runs_of(ground) if a.ended_at is None]
