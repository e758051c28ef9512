"""What the contract suite stands on, one for each kind of pool."""

from __future__ import annotations

import http.client
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cloudmgr.errors import Temporary
from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.driver import ComponentWorkload, ReplicaState, Workload
from cloudmgr.pools.drivers.local import process
from cloudmgr.pools.drivers.local.driver import LocalDriver
from cloudmgr.pools.drivers.local.files import PoolFiles
from cloudmgr.pools.drivers.local.settings import LocalSettings, Timing
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmgr.clock import Clock
    from cloudmgr.pools.drivers.driver import Driver, ObservedReplica, ObservedWorkload

APP = Path(__file__).parent.parent / "apps" / "web.py"
RUN_APP = (sys.executable, "-I", "-S", str(APP))

# Everything that a test waits for, in a fraction of the time that production gives it.
QUICK = Timing(
    takeover=0.05,
    resync=0.5,
    first_probe=0.02,
    slowest_probe=0.05,
    probe=0.05,
    probe_timeout=2.0,
    settle=0.3,
    grace=0.3,
    first_backoff=0.1,
    longest_backoff=0.4,
    watch=0.05,
)


class Ground(Protocol):
    """One pool of some kind, empty at first, with a started driver."""

    driver: Driver
    changes: list[str]
    host: Resources
    keeps_room: bool  # for a replica that died, which stays the same one
    names_services: bool  # that its own environments offer

    def another(self) -> Driver:
        """A second started driver on the same pool, as another control plane would have."""
        ...

    def web(self, **changes: Any) -> ComponentWorkload:
        """A component that runs ``tests/apps/web.py``, with one replica."""
        ...

    def worker(self, **changes: Any) -> ComponentWorkload:
        """A component without a port that runs until it is ended."""
        ...

    def broken(self, **changes: Any) -> ComponentWorkload:
        """A component whose program ends at once."""
        ...

    def foreign(self) -> ComponentWorkload:
        """A component that this kind of pool cannot run."""
        ...

    def get(self, replica: ObservedReplica, path: str = "/") -> tuple[int, str]:
        """What the replica answers."""
        ...

    def close(self) -> None:
        """Close, and leave nothing behind."""
        ...


class LocalGround:
    """A pool of processes of this machine, in ``directory``."""

    host = Resources(8000, 8192, 100)
    keeps_room = False
    names_services = False

    def __init__(self, directory: Path, clock: Clock) -> None:
        self.directory = directory
        self.clock = clock
        self.changes: list[str] = []
        self._drivers: list[LocalDriver] = []
        self.driver = self.make()
        self.driver.start(self.changes.append)

    def make(self, timing: Timing = QUICK, **settings: Any) -> LocalDriver:
        """A driver that is not started yet; it is closed with the ground."""
        size = {
            "cpu_millis": self.host.cpu_millis,
            "memory_mib": self.host.memory_mib,
            "storage_gib": self.host.storage_gib,
            "reserved_cpu_millis": 0,
            "reserved_memory_mib": 0,
        }
        driver = LocalDriver(
            "test", self.directory, self.clock, LocalSettings(**{**size, **settings}), timing
        )
        self._drivers.append(driver)
        return driver

    def another(self) -> LocalDriver:
        driver = self.make()
        driver.start(lambda _: None)
        return driver

    def web(self, **changes: Any) -> ComponentWorkload:
        component = ComponentWorkload(
            "web",
            replicas=1,
            cpu_millis=100,
            memory_mib=128,
            command=RUN_APP,
            port=8080,
            health_path="/health",
            startup_seconds=20,
            drain_seconds=2,
        )
        return replace(component, **changes)

    def worker(self, **changes: Any) -> ComponentWorkload:
        return self.web(**{"name": "worker", "port": None, "command": ("sleep", "600"), **changes})

    def broken(self, **changes: Any) -> ComponentWorkload:
        return self.web(**{"command": ("sh", "-c", "echo no luck; exit 3"), **changes})

    def foreign(self) -> ComponentWorkload:
        return self.web(command=(), image="registry.example/web:1")

    def get(self, replica: ObservedReplica, path: str = "/") -> tuple[int, str]:
        assert replica.port is not None
        return fetch(replica.address, replica.port, path)

    @property
    def files(self) -> PoolFiles:
        return PoolFiles(self.directory)

    def processes(self) -> dict[int, str]:
        """All living processes of this pool, by the mark they bear: pid to replica."""
        return {e.pid: name for e, name in process.marked(self.files.identity)}

    def close(self) -> None:
        for driver in self._drivers:
            driver.close()
        for found, _ in process.marked(self.files.identity):
            process.kill_exactly(found)
        until(lambda: not self.processes())


def fetch(address: str, port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address, port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def workload(*components: ComponentWorkload, id: str = "env_exam") -> Workload:  # noqa: A002
    return Workload(id, "exam-production", "dep_exam", "sys_exam", "extranet", components)


def applied(driver: Driver, wanted: Workload) -> None:
    """Tell it until it is told: what was there before may have to end first."""

    def told() -> bool:
        try:
            driver.apply(wanted)
        except Temporary as error:
            if error.code != "still-ending":
                raise
            return False
        return True

    until(told)


def ready(driver: Driver, id: str = "env_exam") -> list[ObservedReplica]:  # noqa: A002
    observed = driver.observe(id)
    replicas = observed.replicas if observed else ()
    return [r for r in replicas if r.state is ReplicaState.READY]


def settled(
    driver: Driver,
    count: int,
    id: str = "env_exam",  # noqa: A002
) -> list[ObservedReplica]:
    """The replicas, once there are ``count`` of them, all Ready, and no others."""

    def condition() -> bool:
        observed = driver.observe(id)
        return observed is not None and len(observed.replicas) == count == len(ready(driver, id))

    try:
        until(condition)
    except AssertionError as error:
        raise AssertionError(f"not {count} replicas, but {driver.observe(id)}") from error
    return ready(driver, id)


def observed(driver: Driver, id: str = "env_exam") -> ObservedWorkload:  # noqa: A002
    found = driver.observe(id)
    assert found is not None
    return found


def in_state(
    driver: Driver, state: ReplicaState, where: Callable[[ObservedReplica], bool] = lambda _: True
) -> ObservedReplica:
    """The first replica of ``env_exam`` in ``state``, waited for."""

    def find() -> list[ObservedReplica]:
        return [r for r in observed(driver).replicas if r.state is state and where(r)]

    return until(find)[0]
