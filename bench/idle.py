"""What a control plane costs while everything that it hosts sleeps.

A real ``cloudmgr serve`` with a local pool and a Traefik for each zone. Each sleeping
environment has run before: its pool keeps a storage slot of its own for it, which is metered.
The alternative, in the same run, is the same control plane that hosts nothing.
"""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from sqlalchemy import func, select

from bench import city
from bench.databases import databases
from bench.table import machine, ratio, show, verdict
from cloudmgr.clock import SystemClock
from cloudmgr.db.engine import Database
from cloudmgr.hosting.store.environments import environments
from cloudmgr.hosting.workload import workload
from cloudmgr.metering.store.holdings import resource_intervals
from cloudmgr.pools.drivers.local.files import PoolFiles
from cloudmgr.pools.drivers.local.records import State, Storage, Wanted
from cloudmgr.pools.pool import Zone
from cloudmgr.scaling.assessment import ScalingState
from cloudmgr.scaling.wakes import Wake, WakeCause
from cloudmgr.wiring.stores import Stores
from tests.end_to_end.plane import Place
from tests.ports import free_port
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudmgr.hosting.environments import Environment

SLEEPING = 500
SECONDS = 60.0
# Of one core, in percent, and of MiB.
_CPU_GOAL, _MEMORY_GOAL = 2.0, 250.0
_SETTLE = 20.0
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Cost:
    """Percent of one core over the time, and the most memory that was seen, in MiB."""

    cpu: float
    rss: float


@contextmanager
def asleep(count: int, database_url: str) -> Iterator[Place]:
    """A place with ``count`` sleeping environments, nothing of it running yet."""
    with tempfile.TemporaryDirectory(prefix="cloudmgr-idle-") as directory:
        place = Place(Path(directory), database_url)
        pools = [
            {"name": f"local-{zone}", "zone": zone, "settings": {"storage_gib": 10 * SLEEPING}}
            for zone in Zone
        ]
        place.environment["CLOUDMGR_POOLS"] = json.dumps(pools)
        ports = {zone.value: free_port() for zone in Zone}
        place.environment["CLOUDMGR_GATEWAY_PORTS"] = json.dumps(ports)
        place.init()
        try:
            _put_to_sleep(place, count, database_url)
            yield place
        finally:
            place.down()


def _address(place: Place, database_url: str) -> str:
    return database_url or f"sqlite:///{place.state / 'cloudmgr.db'}"


def _put_to_sleep(place: Place, count: int, database_url: str) -> None:
    database, stores = Database(_address(place, database_url)), Stores()
    now = SystemClock().now()
    with database.write() as tx:
        made = city.found(tx, stores, count, zones=tuple(Zone))
        for environment in made:
            # What nobody ever looked at is woken until its gateway has been watched for a while.
            stores.scaling.scaling.locked_state(tx, environment.id)
            stores.scaling.scaling.put_state(tx, ScalingState(environment.id, generation=1))
            # Who was never woken is tried at night: what that costs is no idling.
            stores.scaling.wakes.put(
                tx, Wake(environment.id, WakeCause.REQUEST, now, now, ready_at=now)
            )
    database.close()
    for environment in made:
        _has_run(place, environment)


def _has_run(place: Place, environment: Environment) -> None:
    """What the pool keeps of an environment that ran and was put to sleep."""
    files = PoolFiles(place.state / "pools" / f"local-{environment.zone}")
    files.prepare()
    wanted = workload(environment)
    files.write_wanted(environment.id, Wanted(wanted, wanted.digest), SystemClock())
    (component,) = environment.components
    slot = Storage(
        id=f"{environment.id}-storage",
        component=component.name,
        slot=0,
        gib=component.storage_gib,
        department_id=environment.department_id,
        system_id=environment.system_id,
        created_at=SystemClock().now(),
    )
    files.write_state(State(environment.id, storage=(slot,)), durable=False)


def measure(count: int, database_url: str, seconds: float = SECONDS) -> tuple[Cost, Cost]:
    """The control plane's cost, and that of its gateways together."""
    with asleep(count, database_url) as place:
        plane = place.plane().start()
        await_settled(place, count, database_url)
        time.sleep(_SETTLE)
        planes, gateways = _processes(place)
        if (len(planes), len(gateways)) != (1, len(Zone)):
            message = f"{len(planes)} control planes run, and {len(gateways)} gateways"
            raise SystemExit(message)
        own, theirs = _watch([planes, gateways], seconds)
        plane.stop()
        return own, theirs


def _processes(place: Place) -> tuple[list[psutil.Process], list[psutil.Process]]:
    """The control planes and the gateways of ``place``."""
    planes, gateways = [], []
    for process in psutil.process_iter():
        try:
            command, variables = process.cmdline(), process.environ()
        except psutil.Error:
            continue
        if command[-1:] == ["serve"] and variables.get("CLOUDMGR_STATE_DIR") == str(place.state):
            planes.append(process)
        elif "traefik" in process.name() and str(place.state) in " ".join(command):
            gateways.append(process)
    return planes, gateways


def await_settled(place: Place, count: int, database_url: str) -> None:
    """Until all ``count`` environments are looked at, and their storage is metered."""
    database = Database(_address(place, database_url))
    seen = select(func.count()).where(
        environments.c.observed_generation == environments.c.generation
    )
    held = select(func.count()).select_from(resource_intervals)

    def settled() -> bool:
        with database.read() as tx:
            return [tx.execute(query).scalar_one() for query in (seen, held)] == [count, count]

    until(settled, seconds=180)
    database.close()


def _watch(groups: list[list[psutil.Process]], seconds: float) -> list[Cost]:
    def spent(group: list[psutil.Process]) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in group)

    before = [spent(group) for group in groups]
    most = [0.0] * len(groups)
    began = time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        for index, group in enumerate(groups):
            rss = sum(process.memory_info().rss for process in group) / _MIB
            most[index] = max(most[index], rss)
        time.sleep(min(1.0, seconds - elapsed))
    elapsed = time.perf_counter() - began
    return [
        Cost((spent(group) - first) / elapsed * 100, rss)
        for group, first, rss in zip(groups, before, most, strict=True)
    ]


def main() -> None:
    about = machine()
    rows = []
    held = True
    with databases() as found:
        for name, fresh in found.items():
            # A control plane that is told of no database makes a file of SQLite's.
            embedded = name == "SQLite"
            empty, empty_gateways = measure(0, "" if embedded else fresh(), SECONDS / 2)
            own, gateways = measure(SLEEPING, "" if embedded else fresh())
            held &= own.cpu < _CPU_GOAL and own.rss < _MEMORY_GOAL
            for what, cost, base in (
                ("control plane", own, empty),
                (f"Traefik × {len(Zone)}", gateways, empty_gateways),
            ):
                rows.append(
                    (
                        f"{name}, {what}",
                        f"{base.cpu:.2f} %",
                        f"{cost.cpu:.2f} %",
                        ratio(cost.cpu, base.cpu),
                        f"{base.rss:.0f} MiB",
                        f"{cost.rss:.0f} MiB",
                        ratio(cost.rss, base.rss),
                    )
                )
    show(
        f"Idle for {SECONDS:.0f} s with {SLEEPING} sleeping environments",
        ["", "CPU, none", f"CPU, {SLEEPING}", "ratio", "RSS, none", f"RSS, {SLEEPING}", "ratio"],
        rows,
        "CPU: of one core. none: the same control plane that hosts nothing.",
        f"goal for the control plane: under {_CPU_GOAL:.0f} % and {_MEMORY_GOAL:.0f} MiB: "
        + verdict(held=held),
        about,
    )


if __name__ == "__main__":
    main()
