"""One control plane, put together: everything that runs in one process beside the HTTP servers."""

from __future__ import annotations

import logging
import os
import platform
import uuid
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from cloudmgr.audit.event import Trail
from cloudmgr.billing.books import Books
from cloudmgr.billing.closing import Closing
from cloudmgr.billing.rating import charge_for
from cloudmgr.clock import SystemClock
from cloudmgr.db.engine import Database, after_commit
from cloudmgr.db.migrate import upgrade
from cloudmgr.errors import CloudmgrError
from cloudmgr.hosting.assessment import Assessor
from cloudmgr.hosting.desk import Desk
from cloudmgr.hosting.reconciler import EnvironmentReconciler
from cloudmgr.hosting.secrets import Secrets
from cloudmgr.jobs.scheduler import Scheduler
from cloudmgr.metering.collector import Collector
from cloudmgr.metering.measured.collector import Measurer
from cloudmgr.policy.default import packaged_policies
from cloudmgr.policy.holder import PolicyHolder
from cloudmgr.reconcile.leases import Leases
from cloudmgr.reconcile.loop import Loop
from cloudmgr.scaling.control import ScalingControl
from cloudmgr.scaling.freezing import Freezing
from cloudmgr.scaling.gateway.reconciler import GatewayReconciler
from cloudmgr.scaling.reconciler import ScalingReconciler
from cloudmgr.scaling.scaler import Scaler
from cloudmgr.scaling.traffic import TrafficObserver
from cloudmgr.wiring.bindings import Bindings
from cloudmgr.wiring.budgets import Budgeting
from cloudmgr.wiring.drivers import make_driver
from cloudmgr.wiring.duties import DUTIES, schedule
from cloudmgr.wiring.expected import Sizing
from cloudmgr.wiring.faces import services
from cloudmgr.wiring.forecasts import Forecasts
from cloudmgr.wiring.gateways import make_gateways
from cloudmgr.wiring.labels import Labels
from cloudmgr.wiring.ledger import LedgerAtRest
from cloudmgr.wiring.lookout import Lookout
from cloudmgr.wiring.means import City, DeskMeans
from cloudmgr.wiring.metrics import Metrics
from cloudmgr.wiring.notices import noticing
from cloudmgr.wiring.promises import Promises
from cloudmgr.wiring.readiness import Checks
from cloudmgr.wiring.rehearsals import Rehearsing
from cloudmgr.wiring.rounds import BINDINGS, COLLECTOR, Rounds, gateway_lease
from cloudmgr.wiring.series import Series
from cloudmgr.wiring.sleepers import StoredSleepers
from cloudmgr.wiring.stores import Stores
from cloudmgr.wiring.waking import Waking

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.api.services import Services
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.planning.promise_words import PoolRisk
    from cloudmgr.policy.bundle import PolicyBundle
    from cloudmgr.pools.drivers.driver import Driver
    from cloudmgr.wiring.settings import Settings

log = logging.getLogger(__name__)


class ControlPlane:
    """Everything of one process; :meth:`start` and :meth:`stop` it once.

    What it hosts goes on when it stops.
    """

    def __init__(self, settings: Settings) -> None:
        """:raises Invalid: for settings or policies that are wrong."""
        self.settings = settings
        self.clock = settings.make_clock()
        self.stores = Stores()
        self.database = Database(settings.database)
        self.policies = PolicyHolder(settings.policy_dir or packaged_policies())
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.drivers: dict[str, Driver] = {}
        self.gateways = make_gateways(settings, self.clock)
        self.city = City(self.stores.pools, self.stores.environments, self.drivers)
        self.promises = Promises(self, settings.zone)
        self.sizing = Sizing(self.stores.scaling.demand, self._policy, self.clock)
        self.metrics.promises(self._at_risk, self.clock)
        self.freezing = Freezing(self.stores.scaling, self._policy, self.clock)
        self.secrets = Secrets(
            self.stores.environments,
            self.stores.secrets,
            settings.key_file,
            self.clock,
            wake=self._moved,
            check_change=self.freezing.check,
        )
        self.bindings = Bindings(
            database=self.database,
            environments=self.stores.environments,
            pools=self.stores.pools,
            departments=self.stores.departments,
            policy=self._policy,
            domain=settings.gateway_domain,
        )
        self._scaling_part()
        self._loops()
        self.waking = Waking(self, self._moved, self.scaling_loop.wake)
        self._desk_part()
        self._billing_part()
        self.notices = noticing(self)
        self.rehearsing = Rehearsing(self)
        self.forecasts = Forecasts(
            self.database,
            self.stores.environments,
            self.stores.scaling,
            self._policy,
            self.clock,
            zone=settings.zone,
            scale=self.scaling_loop.wake,
        )
        parts = self.forecasts, self.waking, self.series, self.checks, self.notices, self.ledger
        self.duties = tuple(
            d for part in (*parts, self.rehearsing, self.budgets) for d in part.duties
        )
        self.scheduler = Scheduler(self.clock)
        self.rounds = Rounds(
            database=self.database,
            environments=self.stores.environments,
            answers=self.stores.idempotency,
            leases=self.leases,
            gateways=self.gateways,
            policies=self.policies,
            observe=self.traffic.observe,
            due=self.scaling_reconciler.due,
            collect=self.collector.collect,
            measure=self.measurer.collect,
            bind=self.bindings.follow,
            reconcile=self.environment_loop.wake,
            scale=self.scaling_loop.wake,
            clock=self.clock,
        )

    # ------------------------------------------------------------------------------ the parts

    def _scaling_part(self) -> None:
        stores = self.stores
        self.scaler = Scaler(
            stores.environments,
            stores.scaling,
            self._policy,
            self.city.free,
            self.clock,
            zone=self.settings.zone,
            moved=self._moved,
        )
        self.scaling = ScalingControl(self.scaler, stores.scaling, self.clock)
        self.traffic = TrafficObserver(
            self.database,
            stores.scaling.activities,
            stores.scaling.demand,
            self._policy,
            self.clock,
        )
        self.scaling_reconciler = ScalingReconciler(
            self.database, stores.scaling, self.scaler, self._policy, self.clock
        )

    def _loops(self) -> None:
        settings, stores = self.settings, self.stores
        self.leases = Leases(
            self.database,
            stores.leases,
            SystemClock(),
            f"{platform.node()}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
            shards=settings.shards,
            singles=[BINDINGS, COLLECTOR, DUTIES, *(gateway_lease(zone) for zone in self.gateways)],
            ttl=settings.lease_ttl,
            gained=self._gained,
        )
        self.metrics.leases(lambda: self.leases.count)
        self.metrics.wakes(self.database, stores.scaling.wakes, self.clock)
        environments = EnvironmentReconciler(
            self.database,
            stores.environments,
            self.drivers,
            self.clock,
            self._seen,
            secrets=self.secrets,
            lacking=self.bindings.lacking,
        )
        gateways = GatewayReconciler(
            self.database,
            stores.environments,
            self.gateways,
            lambda: settings.wakers,
            SystemClock(),
            not_counted=lambda: self._policy().not_counted,
        )
        machine = SystemClock()
        self.environment_loop = Loop(
            environments,
            self.leases.fence,
            machine,
            workers=settings.workers,
            resync_seconds=settings.resync_seconds,
            outcome=self.metrics.step,
        )
        self.scaling_loop = Loop(
            self.scaling_reconciler,
            self.leases.fence,
            machine,
            workers=2,
            resync_seconds=60,
            outcome=self.metrics.step,
        )
        self.gateway_loop = Loop(
            gateways,
            lambda zone: self.leases.single(gateway_lease(zone)),
            machine,
            workers=len(self.gateways) or 1,
            resync_seconds=5,
            outcome=self.metrics.step,
        )

    def _desk_part(self) -> None:
        stores = self.stores
        self.trail = Trail(stores.audit, self.clock)
        self.series = Series(self)
        self.checks = Checks(self)
        means = DeskMeans(
            policies=self.policies,
            city=self.city,
            departments=stores.departments,
            scaling=self.scaling,
            bindings=self.bindings,
            promises=self.promises,
            sizing=self.sizing,
            series=self.series,
            freezing=self.freezing,
            trail=self.trail,
            tell=Lookout(self).request,
            clock=self.clock,
            wake=self._moved,
        )
        assessor = Assessor(
            stores.systems,
            stores.environments,
            means,
            self.clock,
            self.settings.gateway_domain,
        )
        self.desk = Desk(
            systems=stores.systems,
            environments=stores.environments,
            requests=stores.requests,
            assessor=assessor,
            means=means,
            clock=self.clock,
        )
        self.sleepers = StoredSleepers(
            self.database, stores, self.scaling, self._policy, self.clock
        )

    def _billing_part(self) -> None:
        stores, settings = self.stores, self.settings
        self.collector = Collector(
            self.database,
            stores.metering,
            self.city,
            self.clock,
            settings.zone,
            drivers=self.drivers,
            gateways={zone.value: gateway.read for zone, gateway in self.gateways.items()},
        )
        self.measurer = Measurer(
            self.database,
            stores.metering,
            self.clock,
            settings.zone,
            drivers=self.drivers,
            charge=lambda gap: charge_for(gap, self.books.tariff()),
        )
        labels = Labels(stores, self.clock)
        self.books = Books(
            self.database,
            stores.billing,
            stores.metering,
            prices=lambda: self.policies.current.price_list,
            accounts=labels.accounts,
            labels=labels,
            zone=settings.zone,
            clock=self.clock,
        )
        self.ledger = LedgerAtRest(self)
        self.closing = Closing(self.books, self.collector.collect, self.ledger.check)
        self.budgets = Budgeting(self)

    @property
    def services(self) -> Services:
        """What the HTTP faces work with."""
        return services(self)

    # -------------------------------------------------------------------------------- life

    def prepare(self) -> None:
        """Make the state directory, the key for secrets, the tables and the configured pools.

        :raises Permanent: ``state-directory``, ``secrets-sealed``, ``newer-database``.
        :raises Temporary: the database cannot be reached.
        """
        self.settings.make_state_dir()
        self.settings.make_key()
        upgrade(self.database)
        with self.database.write() as tx:
            for configured in self.settings.pools:
                self.stores.pools.put(tx, configured.pool())

    def start(self) -> None:
        """Begin to work.

        :raises CloudmgrError: when a part cannot begin; nothing runs then.
        """
        self.prepare()
        names = {configured.name for configured in self.settings.pools}
        with self.database.read() as tx:
            pools = [pool for pool in self.stores.pools.list(tx) if pool.name in names]
        for pool in pools:
            directory = self.settings.state_dir / "pools" / pool.name
            self.drivers[pool.id] = make_driver(pool, directory, self.clock)
        try:
            for driver in self.drivers.values():
                driver.start(self.environment_loop.wake)
            self.leases.start()
        except CloudmgrError:
            for driver in self.drivers.values():
                driver.close()
            raise
        for loop in self._all_loops:
            loop.start()
        self.rounds.schedule(self.scheduler)
        schedule(self.duties, self.scheduler, self.leases)
        self.scheduler.start()

    def stop(self) -> None:
        """Stop working; what is hosted, and the gateways, go on."""
        self.scheduler.stop()
        for loop in self._all_loops:
            loop.stop()
        for driver in self.drivers.values():
            driver.close()
        try:
            self.leases.stop()
        except CloudmgrError as error:
            log.warning("the leases could not be given back: %s", error)
        self.database.close()

    @property
    def _all_loops(self) -> tuple[Loop, ...]:
        return self.environment_loop, self.scaling_loop, self.gateway_loop

    # ------------------------------------------------------------------------------ signals

    def _policy(self) -> PolicyBundle:
        return self.policies.current

    def _at_risk(self) -> list[PoolRisk]:
        with self.database.read() as tx:
            return self.promises.all_at_risk(tx)

    def _moved(self, tx: Connection, environment_id: str) -> None:
        def look() -> None:
            self.environment_loop.wake(environment_id)
            self.scaling_loop.wake(environment_id)

        after_commit(tx, look)

    def _seen(self, environment: Environment) -> None:
        self.gateway_loop.wake(environment.zone.value)

    def _gained(self, name: str) -> None:
        """Look at all that is in a shard that came to us: its last holder left who knows what."""
        if name.startswith("gateway:"):
            self.gateway_loop.wake(name.removeprefix("gateway:"))
        elif name.startswith("shard:"):
            with self.database.read() as tx:
                keys = self.stores.environments.ids(tx)
            for key in keys:
                if self.leases.shard_of(key) == name:
                    self.environment_loop.wake(key)
                    self.scaling_loop.wake(key)
