"""The life of an environment on a real OpenStack, and what the cloud's own services say of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.pools.drivers.driver import ReplicaState
from tests.pools.drivers.openstack.cloud import (
    gone,
    inventory,
    looks,
    project,
    runs_of,
    servers,
    writes,
)
from tests.pools.grounds import in_state, observed, settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    from tests.pools.openstack_ground import OpenStackGround

pytestmark = pytest.mark.openstack


def test_it_grows_and_shrinks_and_what_is_there_already_is_not_written_again(
    ground: OpenStackGround,
) -> None:
    ground.driver.apply(workload(ground.web(replicas=1)))
    (first,) = settled(ground.driver, 1)
    ground.driver.apply(workload(ground.web(replicas=6)))
    six = until(lambda: ready_of(ground, 6), seconds=90, what="six replicas")
    assert [r.slot for r in six] == list(range(6))
    assert len({r.address for r in six}) == 6
    assert all(ground.get(replica)[0] == 200 for replica in six)

    ground.driver.apply(workload(ground.web(replicas=2)))
    two = until(lambda: ready_of(ground, 2), seconds=90, what="two replicas")
    assert two == six[:2], "the newest go first"
    assert two[0].id == first.id

    before = len(ground.lab.requests())
    ground.driver.apply(workload(ground.web(replicas=2)))
    until(lambda: looks(ground.lab, before) >= 3, what="three more looks at the cloud")
    assert writes(ground.lab, before) == []
    quota = ground.lab.api("compute").get(f"/os-quota-sets/{project(ground)}").json()["quota_set"]
    assert (quota["instances"], quota["cores"], quota["ram"]) == (7, 7, 7 * 128)
    all_pages_are_read(ground)


def all_pages_are_read(ground: OpenStackGround) -> None:
    """However little the operator of a service lets it put on one."""
    cloud = ground.driver._cloud
    for service, path, key, query in (
        ("compute", "/servers/detail", "servers", {"all_tenants": 1}),
        ("compute", "/flavors/detail", "flavors", {}),
        ("network", "/ports", "ports", {}),
        ("image", "/images", "images", {}),
    ):
        whole = {item["id"] for item in cloud.list(service, path, key, None, **query)}
        assert len(whole) > 1
        by_ones = [item["id"] for item in cloud.list(service, path, key, None, limit=1, **query)]
        assert len(by_ones) == len(whole), key
        assert set(by_ones) == whole


def test_what_sleeps_gives_its_host_back_and_wakes_as_the_same_server(
    ground: OpenStackGround,
) -> None:
    wanted = workload(ground.web(replicas=2))
    ground.driver.apply(wanted)
    before = settled(ground.driver, 2)
    room = ground.driver.capacity()

    ground.driver.apply(workload(ground.web(replicas=0)))
    in_state(ground.driver, ReplicaState.DRAINING)
    until(lambda: not observed(ground.driver).replicas, seconds=60, what="sleep")
    over = until(lambda: all_over(ground, 2), what="the end of what was held")
    assert {a.id for a in over} == {r.id for r in before}
    found = servers(ground)
    assert {s["status"] for s in found} == {"SHELVED_OFFLOADED"}
    for server in found:
        (allocation,) = [a for a in over if a.id == server["id"]]
        assert allocation.ended_at == offloaded(ground, server["id"]), "exact to the change"
    kept = [a for a in ground.driver.allocations() if a.addresses]
    assert [(a.addresses, a.ended_at) for a in kept] == [(1, None)] * 2, "asleep, too"
    assert {a.started_at for a in kept} == {datetime.fromisoformat(s["created"]) for s in found}
    assert any("keep their addresses" in said for said in observed(ground.driver).limitations)
    usage = ground.lab.api("placement").get("/usages", params={"project_id": project(ground)})
    assert not any(usage.json()["usages"].values()), "nothing is held on a host"
    assert ground.driver.capacity().allocatable == room.allocatable

    ground.driver.apply(wanted)
    after = until(lambda: ready_of(ground, 2), seconds=60, what="waking")
    assert [(r.id, r.address) for r in after] == [(r.id, r.address) for r in before]
    held = [a for a in runs_of(ground) if a.ended_at is None]
    assert {a.id for a in held} == {f"{r.id}.2" for r in before}
    assert all(ground.get(replica)[0] == 200 for replica in after)
    until(lambda: [a for a in runs_of(ground) if a.ended_at], what="what was held")
    ground.driver.forget([a.id for a in over])
    until(lambda: {a.id for a in runs_of(ground)} == {a.id for a in held})

    gone(ground)
    over = [a for a in ground.driver.allocations() if a.addresses]
    assert [(a.id, a.ended_at is None) for a in over] == [(a.id, False) for a in kept]


def test_what_is_retired_leaves_nothing_in_any_service(ground: OpenStackGround) -> None:
    before = inventory(ground.lab)
    ground.driver.apply(workload(ground.web(replicas=2), ground.worker()))
    settled(ground.driver, 3)
    ground.driver.apply(workload(ground.web(replicas=0), ground.worker()))
    until(lambda: len(observed(ground.driver).replicas) == 1, seconds=60, what="sleep")
    until(lambda: not any(s["OS-EXT-STS:task_state"] for s in servers(ground)))
    during = inventory(ground.lab)
    assert len(during["images"]) == len(before["images"]) + 2, "what sleeps is kept as an image"

    gone(ground)
    until(lambda: inventory(ground.lab) == before, what="nothing of it in any service")


def test_what_nova_says_that_was_used_is_what_we_say(ground: OpenStackGround) -> None:
    ground.driver.apply(workload(ground.web(replicas=2)))
    (first, second) = settled(ground.driver, 2)
    mine = project(ground)
    ground.driver.apply(workload(ground.web(replicas=1)))
    until(lambda: len(observed(ground.driver).replicas) == 1, seconds=60)
    ours = {a.id: a for a in runs_of(ground)}
    asked = {"start": "2020-01-01T00:00:00"}
    answer = ground.lab.api("compute").get(f"/os-simple-tenant-usage/{mine}", params=asked)
    theirs = {
        u["instance_id"]: u
        for u in answer.raise_for_status().json()["tenant_usage"]["server_usages"]
    }
    assert theirs.keys() == ours.keys() == {first.id, second.id}
    for server_id, usage in theirs.items():
        assert instant(usage["started_at"]) == ours[server_id].started_at
        end = ours[server_id].ended_at
        assert (end is None) == (usage["ended_at"] is None)
        if end is not None:
            assert end == instant(usage["ended_at"])
            assert end - ours[server_id].started_at < timedelta(minutes=5)


def ready_of(ground: OpenStackGround, count: int) -> list[Any]:
    replicas = observed(ground.driver).replicas
    ready = [r for r in replicas if r.state is ReplicaState.READY]
    return ready if len(replicas) == count == len(ready) else []


def all_over(ground: OpenStackGround, count: int) -> list[Any]:
    found = runs_of(ground)
    return found if len([a for a in found if a.ended_at]) == count == len(found) else []


def offloaded(ground: OpenStackGround, server_id: str) -> datetime:
    """When nova was done with it."""
    path = f"/servers/{server_id}/os-instance-actions"
    actions = ground.lab.api("compute").get(path).raise_for_status().json()["instanceActions"]
    return instant(next(a["updated_at"] for a in actions if a["action"] == "shelve"))


def instant(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def test_room_that_is_promised_is_taken_by_nobody_else(ground: OpenStackGround) -> None:
    """The lab's host has eight vCPU, and each replica takes one."""
    if ground.host.cpu_millis != 8000:
        pytest.skip("needs the lab (OS_CLOUD is set): a host with eight vCPU")
    peak = ground.web(replicas=1, reserved=6)
    ground.driver.apply(workload(peak))
    settled(ground.driver, 1)
    others = replace(workload(ground.web(replicas=4)), environment_id="env_other")
    ground.driver.apply(others)
    settled(ground.driver, 2, "env_other")
    sentence = (
        "web: finds no room for 2 replicas with 1 CPU and 128 MiB; "
        "they start by themselves once there is some"
    )
    until(lambda: observed(ground.driver, "env_other").problems == (sentence,), what="the refusal")

    ground.driver.apply(workload(replace(peak, replicas=6)))
    settled(ground.driver, 6)
    assert observed(ground.driver).problems == ()
    assert len(observed(ground.driver, "env_other").replicas) == 2

    ground.driver.apply(workload(replace(peak, replicas=1, reserved=0)))
    settled(ground.driver, 4, "env_other")
    until(lambda: observed(ground.driver, "env_other").problems == ())


def test_a_department_whose_last_environment_goes_while_another_comes_lets_it_in(
    ground: OpenStackGround,
) -> None:
    """A project whose parent went while it was made would let nobody in, for ever."""
    ground.driver.apply(workload(ground.web()))
    settled(ground.driver, 1)
    (mine,) = ground.lab.find("identity", "projects", name=f"{ground.prefix}-env_exam")
    above = mine["parent_id"]
    ground.lab.fault("keystone", method="DELETE", path=f"/projects/{above}", delay=3)
    began = len(ground.lab.requests())
    ground.driver.remove("env_exam")
    until(
        lambda: ground.lab.api("identity").get(f"/projects/{mine['id']}").status_code == 404,
        seconds=60,
        what="the end of the last one",
    )
    ground.driver.apply(workload(ground.web(), id="env_other"))
    settled(ground.driver, 1, "env_other")
    taken = [
        entry["status"]
        for entry in ground.lab.requests()[began:]
        if (entry["method"], entry["path"]) == ("DELETE", f"/v3/projects/{above}")
    ]
    assert taken[:1] in ([], [204]), "the one waited for the other"
    # Who looks again before the list tells that it went finds nothing there: no parent of anybody.
    assert set(taken[1:]) <= {403, 404}
    gone(ground, "env_other")
