"""The ground of an OpenStack pool: an availability zone with one host of a cloud."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.driver import ComponentWorkload
from cloudmgr.pools.drivers.openstack.driver import OpenStackDriver
from cloudmgr.pools.drivers.openstack.settings import OpenStackSettings, Timing
from tests.pools.grounds import fetch
from tests.waiting import PATIENCE, until

if TYPE_CHECKING:
    from pathlib import Path

    from cloudmgr.clock import Clock
    from cloudmgr.pools.drivers.driver import ObservedReplica
    from tests.labs.openstack.cloud import Cloud

QUICK = Timing(
    poll=1.0,
    busy_poll=0.5,
    projects=2.0,
    hosts=3.0,
    renew=2.0,
    lease=6.0,
    stale=30.0,
    settle=0.3,
    first_probe=0.05,
    probe=0.2,
    probe_timeout=2.0,
    first_backoff=0.3,
    longest_backoff=1.0,
    retry=0.3,
    longest_retry=2.0,
)
ZONE = "contract"
# vCPU and MiB: what grows together. Another is all of the host.
FLAVORS = {"lab-1": (1, 128), "lab-2": (2, 256), "lab-4": (4, 1024)}
WHOLE = "lab-host"
# Of the lab's host.
HOST = (8, 8192)


class OpenStackGround:
    """One for all tests of a session, since it takes its time; between two it is emptied."""

    keeps_room = True
    names_services = False

    def __init__(self, lab: Cloud, clouds: Path, clock: Clock) -> None:
        self.lab = lab
        self.clouds = clouds
        self.clock = clock
        # A cloud that outlives this run may still have the names of the last one.
        self.prefix = f"t-{secrets.token_hex(2)}"
        self.changes: list[str] = []
        self._drivers: list[OpenStackDriver] = []
        self.where, self.host = room(lab)
        self.driver = self._usual = self.make()
        self.driver.start(self.changes.append)
        until(lambda: self.driver.capacity().allocatable == self.host, what="the host")
        until(lambda: self.driver.converges, what="the lease")

    def make(self, timing: Timing = QUICK, **settings: Any) -> OpenStackDriver:
        """A driver that is not started yet; it is closed with the ground."""
        given = {
            **pool(self.lab, self.clouds, self.prefix),
            "flavors": (*FLAVORS, WHOLE),
            "storage_gib": self.host.storage_gib,
        }
        driver = OpenStackDriver(
            "test", self.clock, OpenStackSettings(**{**given, **settings}), timing
        )
        self._drivers.append(driver)
        return driver

    def another(self) -> OpenStackDriver:
        driver = self.make()
        driver.start(lambda _: None)
        return driver

    def web(self, **changes: Any) -> ComponentWorkload:
        component = ComponentWorkload(
            "web",
            replicas=1,
            cpu_millis=1000,
            memory_mib=128,
            image="lab-web:1",
            port=8080,
            health_path="/health",
            startup_seconds=20,
            drain_seconds=2,
            ceiling=6,
        )
        return replace(component, **changes)

    def worker(self, **changes: Any) -> ComponentWorkload:
        return self.web(**{"name": "worker", "port": None, "image": "lab-sleep:1", **changes})

    def broken(self, **changes: Any) -> ComponentWorkload:
        return self.web(**{"image": "lab-broken:1", **changes})

    def foreign(self) -> ComponentWorkload:
        return self.web(command=("web",), image="")

    def get(self, replica: ObservedReplica, path: str = "/") -> tuple[int, str]:
        assert replica.port is not None
        return fetch(replica.address, replica.port, path)

    def empty(self) -> None:
        """What is left is removed, and waited for."""
        self.lab.no_faults()
        if not self.driver.started:
            self.driver = self._usual = self.make()
            self.driver.start(self.changes.append)
        for driver in self._drivers:
            if driver is not self.driver:
                driver.close()
        self._drivers = [self.driver]
        until(lambda: self.driver.converges, what="the lease")
        for observed in list(self.driver.observe_all()):
            self.driver.remove(observed.environment_id)
        until(lambda: not list(self.driver.observe_all()), seconds=90, what="an empty host")
        self.driver.forget([a.id for a in self.driver.allocations()])
        if self.driver is not self._usual:
            # One that a test has made for itself, perhaps in no hurry to look at anything.
            self.driver.close()
            self._drivers.clear()
            self.driver = self._usual = self.make()
            self.driver.start(self.changes.append)
            until(lambda: self.driver.converges, what="the lease")
        until(lambda: self.driver.capacity().allocatable == self.host, what="the host")
        self.changes.clear()

    def close(self) -> None:
        for driver in self._drivers:
            driver.close()


def room(lab: Cloud) -> tuple[str, Resources]:
    """The availability zone ``contract``, of one host of its own, and the flavors; once.

    :return: the host's name, and what it has, with storage beside it.
    """
    PATIENCE["times"] = 3.0  # to boot is the work of four services on two cores
    compute = lab.api("compute")
    found = {a["name"]: a for a in lab.find("compute", "os-aggregates")}
    if ZONE not in found:
        body = {"name": ZONE, "availability_zone": ZONE}
        found[ZONE] = lab.make("compute", "aggregate", body, "os-aggregates")
    if not found[ZONE].get("hosts"):
        host = lab.spare_host(ZONE, *HOST)
        path = f"/os-aggregates/{found[ZONE]['id']}/action"
        compute.post(path, json={"add_host": {"host": host}}).raise_for_status()
        found[ZONE]["hosts"] = [host]
    (where,) = found[ZONE]["hosts"]
    vcpus, memory = size = lab.size_of(where)
    there = {flavor["name"] for flavor in lab.find("compute", "flavors")}
    for name, (cpus, mib) in {**FLAVORS, WHOLE: size}.items():
        if name not in there:
            lab.make("compute", "flavor", {"name": name, "vcpus": cpus, "ram": mib, "disk": 1})
    return where, Resources(1000 * vcpus, memory, 100)


def pool(lab: Cloud, clouds: Path, prefix: str) -> dict[str, Any]:
    """The settings of a pool that stands in the room.

    :param clouds: a clouds.yaml with its credential.
    """
    (found,) = lab.find("network", "subnetpools", name="lab")
    # Neutron has no loopback addresses with DHCP; and who has one is reached from nowhere else.
    loopback = str(found["prefixes"][0]).startswith("127.")
    return {
        "clouds_file": str(clouds),
        "cloud": "lab",
        "prefix": prefix,
        "availability_zone": ZONE,
        "flavors": list(FLAVORS),
        "spare_hosts": 0,  # there is but one
        "subnet_pool": "lab",
        "subnet_prefix": 26,
        "dhcp": not loopback,
        "gateway_cidrs": ["127.0.0.1/32" if loopback else "0.0.0.0/0"],
        "storage_gib": 50,
    }
