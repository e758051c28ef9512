"""The ground of a Kubernetes pool: a node of its own in the lab's cluster."""

from __future__ import annotations

import secrets
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.driver import ComponentWorkload
from cloudmgr.pools.drivers.kubernetes.driver import KubernetesDriver
from cloudmgr.pools.drivers.kubernetes.names import ENVIRONMENT, POOL
from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings, Timing
from tests.pools.grounds import fetch
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from cloudmgr.clock import Clock
    from cloudmgr.pools.drivers.driver import ObservedReplica
    from tests.labs.kubernetes.controlplane import ControlPlane

_NUMBERS = count(1)
# A cluster that outlives this run may still have the names of the last one.
_RUN = secrets.token_hex(2)
QUICK = Timing(first_retry=0.05, slowest_retry=0.5, stale=2.0)


class KubernetesGround:
    """Each has its own prefix and, in the lab, its own node, so that none waits for what another
    leaves.
    """

    host = Resources(8000, 8192, 100)
    keeps_room = True
    names_services = True

    def __init__(self, lab: ControlPlane, kubeconfig: Path, clock: Clock) -> None:
        self.lab = lab
        self.kubeconfig = kubeconfig
        self.clock = clock
        self.prefix = f"t{next(_NUMBERS)}-{_RUN}"
        self.changes: list[str] = []
        self._drivers: list[KubernetesDriver] = []
        self._node = lab.room(self.prefix, f"{self.host.cpu_millis}m", f"{self.host.memory_mib}Mi")
        self.driver = self.make()
        self.driver.start(self.changes.append)
        if self._node:
            # A new node is closed until the controllers have seen that it is well.
            until(lambda: self.driver.capacity().allocatable == self.host, what="the node")
        else:
            self.host = self.driver.capacity().allocatable

    def make(self, timing: Timing = QUICK, **settings: Any) -> KubernetesDriver:
        """A driver that is not started yet; it is closed with the ground."""
        given: dict[str, Any] = {
            "kubeconfig": str(self.kubeconfig),
            "prefix": self.prefix,
            "node_selector": self._node,
            "storage_class": self.lab.storage_class,
            "storage_gib": self.host.storage_gib,
            # There is but one.
            "spare_nodes": 0,
        }
        driver = KubernetesDriver(
            "test", self.clock, KubernetesSettings(**{**given, **settings}), timing
        )
        self._drivers.append(driver)
        return driver

    def another(self) -> KubernetesDriver:
        driver = self.make()
        driver.start(lambda _: None)
        return driver

    def web(self, **changes: Any) -> ComponentWorkload:
        component = ComponentWorkload(
            "web",
            replicas=1,
            cpu_millis=100,
            memory_mib=128,
            image="lab/web:1",
            port=8080,
            health_path="/health",
            startup_seconds=20,
            drain_seconds=2,
            ceiling=10,
        )
        return replace(component, **changes)

    def worker(self, **changes: Any) -> ComponentWorkload:
        return self.web(**{"name": "worker", "port": None, "image": "lab/sleep:1", **changes})

    def broken(self, **changes: Any) -> ComponentWorkload:
        return self.web(**{"image": "lab/broken:1", **changes})

    def foreign(self) -> ComponentWorkload:
        return self.web(command=("web",), image="")

    def get(self, replica: ObservedReplica, path: str = "/") -> tuple[int, str]:
        assert replica.port is not None
        return fetch(replica.address, replica.port, path)

    def close(self) -> None:
        """What is left is removed; it is waited for only where the next one has the same node."""
        for observed in list(self.driver.observe_all()):
            self.driver.remove(observed.environment_id)
        if not self._node:
            mine = {"labelSelector": f"{POOL}={self.prefix},{ENVIRONMENT}"}
            with self.lab.client() as api:
                until(
                    lambda: not api.get("/api/v1/namespaces", params=mine).json()["items"],
                    seconds=100,
                    what="an empty node",
                )
        for driver in self._drivers:
            driver.close()
