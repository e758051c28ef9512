"""A control plane looks often while there is something to see, and rarely while all sleeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cloudmgr.api.store import IdempotencyStore
from cloudmgr.errors import Temporary
from cloudmgr.hosting.environments import EnvironmentStatus
from cloudmgr.hosting.store import EnvironmentStore, SystemStore
from cloudmgr.metering.collector import CollectReport, SourceReport
from cloudmgr.policy.default import packaged_policies
from cloudmgr.policy.holder import PolicyHolder
from cloudmgr.pools.pool import Zone
from cloudmgr.reconcile.leases import Leases
from cloudmgr.reconcile.store import LeaseStore
from cloudmgr.wiring.rounds import BINDINGS, COLLECTOR, Rounds, gateway_lease
from tests.builders import a_system, an_environment
from tests.fakes import CountingGateway, ManualClock

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cloudmgr.db.engine import Database
    from cloudmgr.scaling.gateway.metrics import GatewayReading

store = EnvironmentStore()
ASLEEP = an_environment(
    id="env_asleep", name="asleep", host="asleep.localhost", zone=Zone.INTRANET, target={"web": 0}
)


@dataclass
class City:
    """A control plane's rounds, and what they led to."""

    database: Database
    clock: ManualClock
    due: list[str] = field(default_factory=list)
    read: list[Zone] = field(default_factory=list)
    reconciled: list[str] = field(default_factory=list)
    scaled: list[str] = field(default_factory=list)
    asked: int = 0
    bound: int = 0
    collected: int = 0
    sources: list[tuple[bool, list[str]]] = field(default_factory=list)
    measured: int = 0
    records: int = 0

    def __post_init__(self) -> None:
        self.leases = self.control_plane("one")
        self.gateways = {zone: CountingGateway() for zone in Zone}
        self.rounds = Rounds(
            database=self.database,
            environments=store,
            answers=IdempotencyStore(),
            leases=self.leases,
            gateways=self.gateways,
            policies=PolicyHolder(packaged_policies()),
            observe=self._observe,
            due=self._due,
            collect=self._collect,
            measure=self._measure,
            bind=self._bind,
            reconcile=self.reconciled.append,
            scale=self.scaled.append,
            clock=self.clock,
        )
        with self.database.write() as tx:
            LeaseStore().ensure(tx, self.leases.names)
            SystemStore().add(tx, a_system())
            observed = EnvironmentStatus(observed_generation=1)
            store.add(tx, an_environment(status=observed, target={"web": 1}))
            store.add(tx, ASLEEP)
            store.set_status(tx, ASLEEP, observed)
        self.leases.tick()

    def control_plane(self, holder: str) -> Leases:
        singles = [BINDINGS, COLLECTOR, *(gateway_lease(zone) for zone in Zone)]
        return Leases(self.database, LeaseStore(), self.clock, holder, singles=singles)

    def later(self, seconds: float, *others: Leases) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        for plane in (self.leases, *others):
            plane.tick()

    def sleep(self) -> None:
        with self.database.write() as tx:
            awake = store.set_target(tx, store.get(tx, "env_exam"), {"web": 0})
            store.set_status(tx, awake, EnvironmentStatus(awake.generation))

    def _observe(self, readings: Mapping[Zone, GatewayReading]) -> list[str]:
        self.read += readings
        return ["env_loud"]

    def _bind(self) -> list[str]:
        self.bound += 1
        return ["env_bound"]

    def _due(self) -> list[str]:
        self.asked += 1
        return self.due

    def _measure(self) -> tuple[SourceReport, ...]:
        self.measured += 1
        return (SourceReport("measured/a", problem="it does not tell"),)

    def _collect(self, *, pools: bool, gateways: Collection[str]) -> CollectReport:
        self.collected += 1
        self.sources.append((pools, sorted(gateways)))
        return CollectReport(self.clock.now(), (SourceReport("pool/a", records=self.records),))


@pytest.fixture
def city(sqlite: Database, clock: ManualClock) -> City:
    return City(sqlite, clock)


def test_shared_services_are_followed_by_one_control_plane_alone(city: City) -> None:
    city.rounds.bindings()
    assert city.reconciled == ["env_bound"]
    other = city.control_plane("two")
    other.tick()
    city.clock.advance(timedelta(seconds=3600))
    other.tick()
    city.rounds.bindings()
    assert city.bound == 1


def test_a_gateway_is_read_each_time_only_while_its_zone_is_awake(city: City) -> None:
    city.rounds.traffic()
    assert sorted(city.read) == sorted(Zone), "both are read once, for a start"
    assert city.scaled == ["env_loud"]
    for _ in range(14):
        city.later(1)
        city.rounds.traffic()
    assert city.read.count(Zone.EXTRANET) == 15
    assert city.read.count(Zone.INTRANET) == 1
    city.later(1)
    city.rounds.traffic()
    assert city.read.count(Zone.INTRANET) == 2


def test_a_gateway_that_is_another_control_planes_is_not_read(city: City) -> None:
    give(city, gateway_lease(Zone.EXTRANET))
    city.rounds.traffic()
    assert city.read == [Zone.INTRANET]


def test_a_gateway_that_does_not_answer_is_asked_again_the_next_time(city: City) -> None:
    city.gateways[Zone.INTRANET].failing = Temporary("it is away", code="gateway-not-running")
    city.rounds.traffic()
    assert city.read == [Zone.EXTRANET]
    city.gateways[Zone.INTRANET].failing = None
    city.later(1)
    city.rounds.traffic()
    assert city.read.count(Zone.INTRANET) == 1


def test_one_that_is_alone_and_found_nothing_looks_again_after_five_seconds(city: City) -> None:
    for _ in range(11):
        city.rounds.due()
        city.later(1)
    assert city.asked == 3


def test_one_that_found_something_looks_again_at_once(city: City) -> None:
    city.due = ["env_full"]
    for _ in range(3):
        city.rounds.due()
        city.later(1)
    assert city.scaled == ["env_full"] * 3
    city.due = []
    with city.database.write() as tx:
        store.set_target(tx, store.get(tx, "env_exam"), {"web": 2})
    city.rounds.due()
    assert city.reconciled == ["env_exam"], "nobody has acted on its new generation"


def test_with_another_control_plane_about_each_second_is_looked_at(city: City) -> None:
    city.rounds.due()
    other = city.control_plane("two")
    other.tick()
    city.later(1, other)
    for _ in range(4):
        city.rounds.due()
        city.later(1, other)
    assert city.asked == 5


def test_usage_is_collected_rarely_once_all_has_slept_for_a_minute(city: City) -> None:
    def rounds(count: int) -> int:
        before = city.collected
        for _ in range(count):
            city.rounds.collect()
            city.later(4)
            city.later(6 - 0.001)  # a tick in between, so that the lease does not lapse
        return city.collected - before

    assert rounds(12) == 12
    city.sleep()
    assert rounds(6) == 6, "what was awake a moment ago may still drain"
    rounds(2)
    assert rounds(12) <= 5
    city.records = 1
    rounds(3)
    assert rounds(6) == 6, "something was recorded: it may go on"


def give(city: City, *names: str) -> None:
    """Let another control plane take ``names`` over."""
    with city.database.write() as tx:
        for name in names:
            LeaseStore().release(tx, name, "one")
    other = city.control_plane("two")
    other.tick()
    city.later(1, other)


def test_only_one_control_plane_reads_the_pools(city: City) -> None:
    give(city, COLLECTOR, *(gateway_lease(zone) for zone in Zone))
    city.rounds.collect()
    city.rounds.measure()
    assert (city.collected, city.measured) == (0, 0)


def test_a_gateway_is_metered_by_whoever_runs_it(city: City) -> None:
    city.rounds.collect()
    give(city, COLLECTOR, gateway_lease(Zone.EXTRANET))
    city.rounds.collect()
    assert city.sources == [(True, ["extranet", "intranet"]), (False, ["intranet"])]


def test_who_cannot_be_asked_what_was_used_is_named_in_the_log(
    city: City, caplog: pytest.LogCaptureFixture
) -> None:
    city.rounds.measure()
    assert city.measured == 1
    assert "measured/a: it does not tell" in caplog.text
