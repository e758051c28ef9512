"""A control plane that is killed between any two of its writes: the next one finishes its work."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.errors import Temporary
from cloudmgr.pools.drivers.driver import ReplicaState
from cloudmgr.pools.drivers.openstack import names as words
from cloudmgr.pools.drivers.openstack import plan
from tests.pools.drivers.openstack.cloud import inventory, project, servers, volumes
from tests.pools.grounds import workload
from tests.pools.openstack_ground import QUICK
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmgr.pools.drivers.driver import Allocation, ComponentWorkload, Workload
    from tests.pools.openstack_ground import OpenStackGround

pytestmark = pytest.mark.openstack

SWIFT = replace(QUICK, poll=0.3, busy_poll=0.2, settle=0.1, retry=0.1)


class Mortal:
    """A control plane that is gone as soon as it has written what none before it has written.

    What it wrote is done, and nothing that it asks after that is ever sent.
    """

    def __init__(self, ground: OpenStackGround, written: set[str]) -> None:
        self.dead = False
        self._written = written
        self._lock = threading.Lock()
        self.driver = ground.make(SWIFT, parallel=1)
        self._lease = self.driver._converger._lease
        self._send = self.driver._cloud.send
        self.driver._cloud.send = self.send  # type: ignore[method-assign]
        self.driver.start(lambda _: None)

    def send(
        self, service: str, method: str, path: str, body: Any = None, **more: Any
    ) -> dict[str, Any] | None:
        # Neutron makes a group that it calls default whenever groups are asked for: always another.
        named = "/security-groups" if method == "DELETE" and "/security-groups/" in path else path
        said = f"{method} {named} {json.dumps(body)}"
        with self._lock:
            if self.dead:
                raise Temporary("it has been killed", code="pool-unreachable")
            answer = self._send(service, method, path, body, **more)
            reads = method == "GET" or "os-getConsoleOutput" in said
            sign = self._lease._name in said or path == f"/networks/{self._lease._id}"
            if not reads and not sign and said not in self._written:
                self._written.add(said)
                self.dead = True
            return answer


class Life:
    """One control plane after another until all is as it ought to be; ``told`` is what was held."""

    def __init__(self, ground: OpenStackGround) -> None:
        self._ground = ground
        self._written: set[str] = set()
        self._now: Mortal | None = None
        self._began = ground.clock.now()
        self.killed = 0
        self.told: dict[str, Allocation] = {}

    def lead(self, wanted: Workload | None, done: Callable[[], bool], what: str) -> None:
        """:param wanted: None to retire."""

        def led() -> bool:
            now = self._now
            if now is None:
                now = self._now = Mortal(self._ground, self._written)
            if now.dead:
                self._bury(now)
                return False
            with suppress(Temporary):
                return self._reconciled(now, wanted) and done()
            return False

        until(led, seconds=240, what=what)

    def _reconciled(self, now: Mortal, wanted: Workload | None) -> bool:
        """As the environment's reconciler does, and the collector."""
        held = [a for a in now.driver.allocations() if not a.addresses]
        self.told |= {a.id: a for a in held if a.started_at >= self._began}
        seen = now.driver.observe("env_exam")
        if wanted is None:
            if seen is not None:
                now.driver.remove("env_exam")
            return seen is None
        if seen is None or seen.digest != wanted.digest:
            now.driver.apply(wanted)
            return False
        count = sum(c.replicas for c in wanted.components)
        states = {r.state for r in seen.replicas}
        return len(seen.replicas) == count and states <= {ReplicaState.READY}

    def _bury(self, dead: Mortal) -> None:
        """The next one need not wait until the lease is over: that it would is tried elsewhere."""
        dead.driver.close()
        self.killed += 1
        self._now = None
        lab = self._ground.lab
        (lease,) = lab.find("network", "networks", name=dead._lease._name)
        said = {"network": {"description": "nobody"}}
        lab.api("network").put(f"/networks/{lease['id']}", json=said).raise_for_status()


def test_whoever_comes_next_finishes_it_wherever_the_last_one_was_killed(
    ground: OpenStackGround,
) -> None:
    before = inventory(ground.lab)
    ground.driver.close()
    life = Life(ground)

    def awake(component: ComponentWorkload, *slots: int) -> Callable[[], bool]:
        """Exactly these are there, each once, with a port and its room on a host."""
        names = [words.server_of("web", slot, plan.template(component)) for slot in slots]

        def so() -> bool:
            found = servers(ground)
            mine = project(ground)
            ports = ground.lab.find("network", "ports", project_id=mine)
            usages = ground.lab.api("placement").get("/usages", params={"project_id": mine}).json()
            return (
                sorted(s["name"] for s in found) == names
                and {s["status"] for s in found} == {"ACTIVE"}
                and sorted(p["device_id"] for p in ports) == sorted(s["id"] for s in found)
                and sum(kind["VCPU"] for kind in usages["usages"].values()) == len(slots)
                and stored(component, *slots)
            )

        return so

    def stored(component: ComponentWorkload, *slots: int) -> bool:
        """These have their volume, each one, of the size that it is to have."""
        found = {v["name"]: v["size"] for v in volumes(ground.lab) if v["attachments"]}
        whole = {words.volume_of("web", slot): component.storage_gib for slot in slots}
        return found == whole and len(volumes(ground.lab)) == len(
            {v["name"] for v in volumes(ground.lab)}
        )

    def asleep() -> bool:
        found = servers(ground)
        states = {(s["status"], s["OS-EXT-STS:task_state"]) for s in found}
        return len(found) == 2 and states == {("SHELVED_OFFLOADED", None)}

    web = ground.web(ceiling=2, storage_gib=1)
    life.lead(workload(web), awake(web, 0), "one replica")
    life.lead(workload(replace(web, replicas=2)), awake(web, 0, 1), "two")
    life.lead(workload(replace(web, replicas=0)), asleep, "sleep")
    life.lead(workload(web), awake(web, 0), "one that woke, and the other gone")
    other = replace(web, variables={"VERSION": "2"}, storage_gib=2)
    life.lead(workload(other), awake(other, 0), "one of the other template, the old one gone")
    life.lead(None, lambda: inventory(ground.lab) == before, "nothing in any of the services")

    assert life.killed > 40
    runs = sorted(a.id.partition(".")[2] for a in life.told.values() if a.size.cpu_millis)
    assert runs == ["", "", "", "2"], "three servers, of which one slept and woke"
    held = sorted(a.size.storage_gib for a in life.told.values() if a.size.storage_gib)
    assert held == [1, 1, 2], "two volumes, of which one grew"
    assert all(a.ended_at for a in life.told.values())
