"""Scaling around one database, one clock, and a gateway whose counters a test moves."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cloudmgr.hosting.store import EnvironmentStore, SystemStore
from cloudmgr.policy.holidays import Holidays
from cloudmgr.policy.lead_times import LeadTimes
from cloudmgr.policy.statutory import Country
from cloudmgr.policy.waking import Waking
from cloudmgr.pools.capacity import Resources, Room
from cloudmgr.pools.pool import Pool, Zone
from cloudmgr.pools.store import PoolStore
from cloudmgr.scaling.control import ScalingControl
from cloudmgr.scaling.gateway.metrics import Counters, GatewayReading
from cloudmgr.scaling.reconciler import ScalingReconciler
from cloudmgr.scaling.scaler import Scaler
from cloudmgr.scaling.store import ScalingStores
from cloudmgr.scaling.traffic import TrafficObserver
from tests.builders import a_scaling_class, a_system, an_environment
from tests.fakes import ManualClock, Unfenced

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

    from cloudmgr.db.engine import Database
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.policy.scaling_class import ScalingClass
    from cloudmgr.scaling.orders import ScalingDecision
    from cloudmgr.scaling.windows import PeakWindow

KEY = "env_exam"
NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Classes:
    """The part of a policy bundle that scaling reads."""

    digest: str = "digest-1"
    scaling_classes: Mapping[str, ScalingClass] = field(
        default_factory=lambda: {
            "standard": a_scaling_class(),
            "steady": a_scaling_class(name="steady", idle_after=None),
        }
    )
    scaling_default: str = "standard"
    lead: LeadTimes = field(default_factory=LeadTimes)
    waking: Waking = field(default_factory=Waking)
    holidays: Holidays = field(default_factory=lambda: Holidays(frozenset(), (), Country("CN")))


class Rig:
    """One system on one pool; ``moved`` are the environments told to be looked at."""

    def __init__(
        self,
        database: Database,
        *,
        now: datetime = NOW,
        capacity: Resources | None = None,
        zone: str = "Asia/Shanghai",
    ) -> None:
        self.zone = ZoneInfo(zone)
        self.database = database
        self.clock = ManualClock(now)
        self.capacity = capacity or Resources(64_000, 65_536, 1_000)
        self.classes = Classes()
        self.stores = ScalingStores()
        self.environments = EnvironmentStore()
        self.pools = PoolStore()
        self.moved: list[str] = []
        self.counters: dict[str, Counters] = {}
        self.epoch = "1"
        self.restart()

    def restart(self) -> None:
        """A new control plane on the same database."""
        self.scaler = Scaler(
            self.environments,
            self.stores,
            lambda: self.classes,
            self.free,
            self.clock,
            zone=self.zone,
            moved=lambda _tx, key: self.moved.append(key),
        )
        self.control = ScalingControl(self.scaler, self.stores, self.clock)
        self.reconciler = ScalingReconciler(
            self.database, self.stores, self.scaler, lambda: self.classes, self.clock
        )
        self.observer = TrafficObserver(
            self.database,
            self.stores.activities,
            self.stores.demand,
            lambda: self.classes,
            self.clock,
        )

    def free(self, tx: Connection, environment: Environment) -> Room:
        self.pools.lock(tx, environment.pool_id)
        return Room(self.capacity - self.environments.held(tx, environment.pool_id))

    def host(self, *environments: Environment) -> Rig:
        """Have these, or the usual one, with their pool and system."""
        with self.database.write() as tx:
            self.pools.put(tx, Pool("pool_extranet", "extranet", "instant", Zone.EXTRANET, 3))
            SystemStore().add(tx, a_system())
            for environment in environments or (an_environment(),):
                self.environments.add(tx, environment)
        return self

    def look(self, key: str = KEY) -> float | None:
        return self.reconciler.reconcile(key, Unfenced()).requeue_after

    def environment(self, key: str = KEY) -> Environment:
        with self.database.read() as tx:
            return self.environments.get(tx, key)

    def target(self, key: str = KEY) -> int:
        return self.environment(key).target["web"]

    def decisions(self, key: str = KEY) -> list[ScalingDecision]:
        """Oldest first."""
        with self.database.read() as tx:
            return self.stores.scaling.decisions(tx, environment_ids=[key])[::-1]

    def requests(self, count: int, seconds: float, key: str = KEY) -> None:
        """The gateway has answered ``count`` more requests that took ``seconds`` altogether."""
        had = self.counters.get(key, Counters(0, 0.0))
        self.counters[key] = Counters(had.requests + count, had.seconds + seconds)

    def read(self) -> frozenset[str]:
        return self.observer.observe(
            {Zone.EXTRANET: GatewayReading(self.epoch, dict(self.counters))}
        )

    def go_on(self, span: timedelta, *, in_flight: float = 0.0, step: float = 30.0) -> None:
        """Let time pass under a constant load, with readings and looks as the program has them."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.clock.advance(min(timedelta(seconds=step), end - self.clock.now()))
            if in_flight:
                self.requests(max(round(in_flight * step), 1), in_flight * step)
            self.read()
            for key in [*self.reconciler.keys()]:
                self.look(key)

    def sleep(self, **changes: Any) -> Rig:
        """Have the usual environment, asleep for a while already."""
        self.host(an_environment(**changes))
        with self.database.write() as tx:
            self.control.hibernate(tx, KEY, actor="usr_op", why="night", force=True)
            for order in self.stores.scaling.orders(tx, KEY):
                self.stores.scaling.drop_order(tx, KEY, order.component)
        self.look()
        return self

    def policy(self, **changes: Any) -> None:
        """Another bundle comes into force."""
        self.classes = replace(self.classes, **changes)


def announced(rig: Rig, *windows: PeakWindow) -> None:
    with rig.database.write() as tx:
        for window in windows:
            rig.stores.windows.add(tx, window)


@contextmanager
def without_writes(rig: Rig) -> Iterator[None]:
    """Nothing may be written here, not even the same again."""
    write = rig.database.write

    def refused() -> object:
        raise AssertionError("nothing had to be written")

    rig.database.write = refused  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        rig.database.write = write  # type: ignore[method-assign]
