"""Hosts that are lost, closed, or full by the time that nova looks for one."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.pools.drivers.driver import ReplicaState
from tests.pools.drivers.openstack.cloud import all_servers, problems, project, runs_of, servers
from tests.pools.drivers.openstack.conftest import SECOND
from tests.pools.grounds import in_state, observed, settled, workload
from tests.pools.openstack_ground import QUICK
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudmgr.pools.drivers.driver import Workload
    from tests.labs.openstack.cloud import Cloud
    from tests.pools.openstack_ground import OpenStackGround

pytestmark = pytest.mark.openstack

HOST = "OS-EXT-SRV-ATTR:host"


def test_what_ran_on_a_host_that_is_lost_is_made_anew_and_the_host_comes_back_to_nothing(
    two_hosts: OpenStackGround,
) -> None:
    ground, lab = two_hosts, two_hosts.lab
    with closed(lab, ground.where):
        ground.driver.apply(workload(ground.web(), ground.worker()))
        lost = settled(ground.driver, 2)
    victims = {r.id for r in lost}
    assert {s["id"] for s in on_host(lab, SECOND)} == victims

    said: dict[str, set[str]] = {r.id: set() for r in lost}

    def listen(environment_id: str) -> None:
        seen = ground.driver.observe(environment_id)
        for replica in seen.replicas if seen else ():
            said.setdefault(replica.id, set()).add(replica.message)

    ground.driver._listener = listen
    lab.lose_host(SECOND)
    until(lambda: not victims & {r.id for r in observed(ground.driver).replicas}, seconds=60)
    after = settled(ground.driver, 2)
    for victim in victims:
        assert any("its host does not answer" in message for message in said[victim]), said
    host = f"host {SECOND} is lost: its compute service does not answer"
    assert host in ground.driver.capacity().problems
    assert {s[HOST] for s in servers(ground)} == {ground.where}

    lab.host_back(SECOND)
    until(lambda: ground.driver.capacity().problems == (), what="the host")
    assert settled(ground.driver, 2) == after
    assert {s["id"] for s in servers(ground)} == {r.id for r in after}
    assert len(lab.find("network", "ports", project_id=project(ground))) == 2
    assert held(lab, SECOND) == set()
    assert held(lab, ground.where) == {r.id for r in after}
    ended = {a.id for a in runs_of(ground) if a.ended_at}
    assert ended == victims


def test_who_comes_too_late_for_the_last_room_is_told_so_and_starts_once_there_is_some(
    ground: OpenStackGround,
) -> None:
    lab = ground.lab
    lab.fault("nova", method="POST", path="/servers$", delay=5, times=1)
    ground.driver.apply(workload(ground.web()))
    name = f"{ground.prefix}-env_exam"

    def asks_nova() -> list[dict[str, Any]]:
        """Placement had room, and the server's port is made before the server."""
        mine = lab.find("identity", "projects", name=name)
        return lab.find("network", "ports", project_id=mine[0]["id"]) if mine else []

    until(asks_nova, what="a port")
    with room_taken(lab, ground.where, ground.host.cpu_millis // 1000):
        failed = in_state(ground.driver, ReplicaState.BACKOFF)
        assert "no host of the pool takes it at the moment" in failed.message
        assert "No valid host was found" in failed.message
        news = "web: finds no room for 1 replica"
        until(lambda: news in problems(ground), what="the problem")
    settled(ground.driver, 1)
    assert [s["status"] for s in servers(ground)] == ["ACTIVE"], "no other is left"
    assert len(lab.find("network", "ports", project_id=project(ground))) == 1
    until(lambda: observed(ground.driver).problems == (), what="no problem any more")


def test_what_nova_finds_no_host_for_is_told_and_starts_by_itself_once_there_is_one(
    ground: OpenStackGround,
) -> None:
    ground.driver.apply(workload(ground.worker(), id="env_sleeper"))
    (sleeper,) = settled(ground.driver, 1, "env_sleeper")
    asleep(ground, workload(ground.worker(replicas=0), id="env_sleeper"))
    # One that has seen its hosts before they are closed, and does not look again.
    ground.driver.close()
    ground.driver = ground.make(replace(QUICK, hosts=3600.0))
    ground.driver.start(ground.changes.append)
    until(lambda: ground.driver.converges, what="the lease")

    with closed(ground.lab, ground.where):
        ground.driver.apply(workload(ground.worker(), id="env_sleeper"))
        ground.driver.apply(workload(ground.web()))
        problem = until(lambda: observed(ground.driver, "env_sleeper").problems)[0]
        assert "worker 0 does not wake: nova has found no host for it" in problem
        problem = until(lambda: observed(ground.driver).problems)[0]
        assert "none of the pool's hosts is open for new servers" in problem

    settled(ground.driver, 1)
    assert [r.id for r in settled(ground.driver, 1, "env_sleeper")] == [sleeper.id]
    assert [s["status"] for s in servers(ground)] == ["ACTIVE"], "no other is left"
    assert len(ground.lab.find("network", "ports", project_id=project(ground))) == 1
    for environment_id in ("env_exam", "env_sleeper"):
        until(lambda e=environment_id: observed(ground.driver, e).problems == ())  # type: ignore[misc]


def test_what_finds_no_room_to_wake_says_so_and_wakes_once_there_is_some(
    ground: OpenStackGround,
) -> None:
    most = ground.worker(cpu_millis=ground.host.cpu_millis)
    ground.driver.apply(workload(most))
    (before,) = settled(ground.driver, 1)
    asleep(ground, workload(replace(most, replicas=0)))
    ground.driver.apply(workload(most, id="env_other"))
    settled(ground.driver, 1, "env_other")

    ground.driver.apply(workload(most))
    cpu = ground.host.cpu_millis // 1000
    news = f"worker: finds no room for 1 replica with {cpu} CPU"
    until(lambda: news in problems(ground), what="the problem")
    ground.driver.remove("env_other")
    assert [r.id for r in settled(ground.driver, 1)] == [before.id]
    until(lambda: observed(ground.driver).problems == (), what="no problem any more")


def asleep(ground: OpenStackGround, wanted: Workload) -> None:
    """Apply it, and wait until its servers have given their room back."""
    ground.driver.apply(wanted)

    def sleeps() -> bool:
        found = servers(ground, wanted.environment_id)
        return all(s[HOST] is None and s["OS-EXT-STS:task_state"] is None for s in found)

    until(sleeps, seconds=60, what="sleep")


@contextmanager
def closed(lab: Cloud, host: str) -> Iterator[None]:
    """Nova puts nothing on this host meanwhile."""
    path = f"/os-services/{service(lab, host)['id']}"
    lab.api("compute").put(path, json={"status": "disabled"}).raise_for_status()
    try:
        yield
    finally:
        lab.api("compute").put(path, json={"status": "enabled"}).raise_for_status()


@contextmanager
def room_taken(lab: Cloud, host: str, vcpus: int) -> Iterator[None]:
    """All CPU of this host is a stranger's meanwhile, as placement has it."""
    (provider,) = lab.find("placement", "resource_providers", name=host)
    path = f"/allocations/{uuid.uuid4()}"
    body = {
        "allocations": {provider["uuid"]: {"resources": {"VCPU": vcpus}}},
        "project_id": "stranger",
        "user_id": "stranger",
        "consumer_generation": None,
        "consumer_type": "INSTANCE",
    }
    lab.api("placement").put(path, json=body).raise_for_status()
    try:
        yield
    finally:
        lab.api("placement").delete(path).raise_for_status()


def service(lab: Cloud, host: str) -> dict[str, Any]:
    (found,) = lab.find("compute", "os-services", binary="nova-compute", host=host)
    return found


def on_host(lab: Cloud, host: str) -> list[dict[str, Any]]:
    return [s for s in all_servers(lab) if s[HOST] == host]


def held(lab: Cloud, host: str) -> set[str]:
    """Who takes something of a host, in placement."""
    (provider,) = lab.find("placement", "resource_providers", name=host)
    path = f"/resource_providers/{provider['uuid']}/allocations"
    return set(lab.api("placement").get(path).raise_for_status().json()["allocations"])
