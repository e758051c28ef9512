"""What nova itself counted of a pool's servers, held against what the ledger says they held."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from cloudmgr.errors import Temporary
from cloudmgr.interval import Interval
from cloudmgr.metering.collector import Collector, pool_source
from cloudmgr.metering.observation import SETTLE
from cloudmgr.metering.reconciliation import METERS, Kind, Reconciliation, reconcile, runs
from cloudmgr.metering.store import MeteringStores
from cloudmgr.pools.drivers.driver import ReplicaState
from cloudmgr.pools.drivers.openstack import seen
from cloudmgr.pools.drivers.openstack.accounting import accounts
from tests.fakes import City
from tests.pools.drivers.openstack.cloud import servers
from tests.pools.grounds import observed, workload
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from httpx import Response

    from cloudmgr.db.engine import Database
    from cloudmgr.pools.drivers.driver import Allocation
    from tests.labs.openstack.cloud import Cloud
    from tests.pools.openstack_ground import OpenStackGround

pytestmark = pytest.mark.openstack

T = TypeVar("T")
# To be seen where whole seconds are counted.
LONG_ENOUGH = timedelta(seconds=2)
Told = dict[str, set[Kind]]


@dataclass
class Office:
    """Reads the pool into a ledger, and holds that against nova."""

    ground: OpenStackGround
    database: Database
    stores: MeteringStores = field(default_factory=MeteringStores)

    def __post_init__(self) -> None:
        self.since = datetime.now(UTC)
        self.collector = Collector(
            self.database,
            self.stores,
            City(),
            self.ground.clock,
            UTC,
            drivers={"lab": self.ground.driver},
            gateways={},
        )

    def report(self) -> Reconciliation:
        """Nothing is excused as not seen yet: it was all waited for.

        Up to a reading of some time from now: nova counts in whole seconds, and what has just begun
        is to be one of them.
        """
        name, asked = pool_source("lab"), datetime.now(UTC)

        def later() -> datetime | None:
            if self.collector.collect().problems:
                return None
            with self.database.read() as tx:
                source = self.stores.sources.get(tx, name)
            read_at = source.read_at if source else None
            return read_at if read_at and read_at - asked > LONG_ENOUGH else None

        read_at = when(later, "a reading")
        interval = Interval(self.since, read_at)
        with self.database.read() as tx:
            held = self.stores.holdings.during(tx, name, interval, METERS)
        books = runs(held, self.ground.driver.server_of)
        (theirs,) = when(lambda: [self.ground.driver.accounts(self.since)], "nova's accounts")
        return reconcile(books, theirs, interval, read_at + SETTLE)


def when(condition: Callable[[], T | None], what: str) -> T:
    """What it gives, once it gives something; a cloud that is slow to answer is waited for."""

    def given() -> T | None:
        try:
            return condition()
        except Temporary:
            return None

    found = until(given, seconds=60, what=what)
    assert found is not None
    return found


def told(found: Reconciliation) -> Told:
    """Why each server differs. That is all of it, and it is exact: not a second is let pass."""
    lines = [line for environment in found.environments for line in environment.servers]
    for line in lines:
        assert sum(d.seconds for d in line.differences) == line.difference
    return {line.server_id: {d.kind for d in line.differences} for line in lines}


@pytest.fixture
def office(ground: OpenStackGround, sqlite: Database) -> Office:
    return Office(ground, sqlite)


@pytest.mark.usefixtures("two_hosts")
def test_every_second_that_nova_counts_and_we_do_not_has_its_reason(
    ground: OpenStackGround, office: Office
) -> None:
    lab = ground.lab
    ground.driver.apply(workload(ground.web(replicas=2)))
    first, second = ready(ground, 2)
    ground.driver.apply(workload(ground.web(replicas=1)))
    strangers = a_strangers_server(ground)
    when(lambda: ended(ground, second), "one replica less")
    alone = {first: set(), second: set(), strangers: {Kind.STRANGER}}
    assert told(office.report()) == alone

    sleep(ground)
    assert told(office.report()) == {**alone, first: {Kind.ASLEEP}}
    ground.driver.apply(workload(ground.web(replicas=2)))
    (third,) = set(ready(ground, 2)) - {first}
    when(lambda: at_rest(ground), "all at rest")
    more = {**alone, third: set()}
    assert told(office.report()) == {**more, first: {Kind.RELAUNCHED}}

    resize(lab, first, "lab-2")
    when(lambda: at_rest(ground), "all at rest")
    # One that does not answer when it is to sleep would go instead.
    assert set(ready(ground, 2)) == {first, third}
    resized = office.report()
    assert told(resized) == {**more, first: {Kind.RELAUNCHED}}
    assert resized.explained

    sleep(ground)
    delete(lab, strangers)
    when(lambda: retired_from(ground), "its retirement")
    retired = office.report()
    assert told(retired) == {
        first: {Kind.RELAUNCHED, Kind.ASLEEP},
        second: set(),
        third: {Kind.ASLEEP},
    }
    assert [environment.environment_id for environment in retired.environments] == ["env_exam"]
    assert retired.explained

    by_pages = accounts(ground.driver._cloud, ground.prefix, {}, office.since, page=1)
    assert {account.server_id for account in by_pages} == {first, second, third}
    assert len(by_pages) == 3

    lab.archive()
    purged = office.report()
    assert set(told(purged)) == {first, second, third}
    assert {frozenset(kinds) for kinds in told(purged).values()} == {frozenset({Kind.FORGOTTEN})}
    assert purged.ours == retired.ours


def a_strangers_server(ground: OpenStackGround) -> str:
    """Somebody with rights in the environment's project has made one by hand."""
    there = ground.driver._mirror.project("env_exam")
    assert there is not None
    lab = ground.lab
    (flavor,) = [f["id"] for f in lab.find("compute", "flavors") if f["name"] == "lab-1"]
    (image,) = lab.find("image", "images", name="eq:lab-sleep:1")
    body = {
        "name": "by-hand",
        "imageRef": image["id"],
        "flavorRef": flavor,
        "networks": [{"uuid": there.ground["network"]}],
        "availability_zone": "contract",
    }
    tenant = ground.driver._ground.tenant(there)
    made = ground.driver._cloud.send("compute", "POST", "/servers", {"server": body}, tenant=tenant)
    assert made is not None
    until(lambda: look(lab, made["server"]["id"])["status"] == "ACTIVE", seconds=60)
    return str(made["server"]["id"])


def sleep(ground: OpenStackGround) -> None:
    ground.driver.apply(workload(ground.web(replicas=0)))
    when(lambda: held(ground) == set(), "the end of what was held")
    last = max(a.ended_at for a in ground.driver.allocations() if a.ended_at)
    until(lambda: datetime.now(UTC) - last > LONG_ENOUGH, what="a sleep that counts")


def resize(lab: Cloud, server_id: str, flavor: str) -> None:
    """By hand, and not confirmed: who cares for the server reverts it, which is one launch more.

    Nova takes both, a revert and a confirmation that come at one instant; no guest is left then.
    """
    (larger,) = [f["id"] for f in lab.find("compute", "flavors") if f["name"] == flavor]
    before = look(lab, server_id)["OS-SRV-USG:launched_at"]
    act(lab, server_id, {"resize": {"flavorRef": larger}}).raise_for_status()
    until(lambda: look(lab, server_id)["OS-SRV-USG:launched_at"] != before, seconds=60)


def delete(lab: Cloud, server_id: str) -> None:
    path = f"/servers/{server_id}"
    lab.api("compute").delete(path).raise_for_status()
    until(lambda: lab.api("compute").get(path).status_code == 404, seconds=60, what="its end")


def act(lab: Cloud, server_id: str, action: dict[str, Any]) -> Response:
    return lab.api("compute").post(f"/servers/{server_id}/action", json=action)


def look(lab: Cloud, server_id: str) -> dict[str, Any]:
    answer = lab.api("compute").get(f"/servers/{server_id}").raise_for_status()
    found: dict[str, Any] = answer.json()["server"]
    return found


def held(ground: OpenStackGround) -> set[str]:
    """What holds room on a host."""
    return {a.id for a in running(ground)}


def running(ground: OpenStackGround) -> list[Allocation]:
    return [a for a in ground.driver.allocations() if a.ended_at is None and a.size.cpu_millis]


def ended(ground: OpenStackGround, server_id: str) -> bool:
    return any(a.id == server_id and a.ended_at for a in ground.driver.allocations())


def retired_from(ground: OpenStackGround) -> bool:
    ground.driver.remove("env_exam")
    return ground.driver.observe("env_exam") is None


def at_rest(ground: OpenStackGround) -> bool:
    """Nova does nothing to any server, and every last launch has been seen."""
    mine = [s for s in servers(ground) if s["name"] != "by-hand"]
    idle = {(s["status"], s["OS-EXT-STS:task_state"]) for s in mine} == {("ACTIVE", None)}
    launched = {seen.instant(s["OS-SRV-USG:launched_at"]) for s in mine if idle}
    return idle and launched == {a.started_at for a in running(ground)}


def ready(ground: OpenStackGround, count: int) -> list[str]:
    """The ids of the replicas by their slots, once there are so many and all are Ready."""

    def found() -> list[str]:
        replicas = observed(ground.driver).replicas
        fit = [r for r in replicas if r.state is ReplicaState.READY]
        return [r.id for r in replicas] if len(fit) == len(replicas) == count else []

    return when(found, f"{count} replicas")
