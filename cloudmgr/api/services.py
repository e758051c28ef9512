"""What the routes work with; :mod:`cloudmgr.wiring` fills it in, tests fill in theirs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from prometheus_client import CollectorRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection

    from cloudmgr.api.store import IdempotencyStore
    from cloudmgr.audit.event import Trail
    from cloudmgr.audit.store import AuditStore
    from cloudmgr.billing.books import Books
    from cloudmgr.billing.budgets.control import Budgets
    from cloudmgr.billing.closing import Closing
    from cloudmgr.billing.reporting import Reports
    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.departments.store import BillingAccountStore, DepartmentStore
    from cloudmgr.hosting.bindings import Place
    from cloudmgr.hosting.desk import Desk
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.hosting.requests import Coming, SeriesAsk, WindowAsk
    from cloudmgr.hosting.secrets import Secrets
    from cloudmgr.hosting.store import EnvironmentStore, RequestStore, SystemStore
    from cloudmgr.identity.authentication import Authenticator
    from cloudmgr.identity.store import TokenStore, UserStore
    from cloudmgr.metering.lake.keeper import Keeper
    from cloudmgr.metering.store import MeteringStores
    from cloudmgr.notices.sender import Target
    from cloudmgr.notices.store import DeliveryStore, NoticeStore
    from cloudmgr.planning.additions import Additions
    from cloudmgr.planning.placement import PoolView
    from cloudmgr.planning.promise_words import PoolRisk, Told
    from cloudmgr.planning.scenario import Foreseen, Scenario
    from cloudmgr.policy.holder import PolicyHolder
    from cloudmgr.policy.scaling_class import ScalingClass
    from cloudmgr.policy.services import CityService
    from cloudmgr.pools.drivers.driver import Driver
    from cloudmgr.pools.pool import Pool
    from cloudmgr.pools.store import PoolStore
    from cloudmgr.scaling.control import ScalingControl
    from cloudmgr.scaling.dependence import Dependence
    from cloudmgr.scaling.freezing import Freezing
    from cloudmgr.scaling.readiness import Readiness
    from cloudmgr.scaling.rehearsing import Rehearsals
    from cloudmgr.scaling.series_changes import SeriesChanges
    from cloudmgr.scaling.series_control import SeriesControl
    from cloudmgr.scaling.store import (
        ActivityStore,
        DemandStore,
        ForecastStore,
        ReadinessStore,
        RehearsalStore,
        ScalingStore,
        SeriesStore,
        WakeStore,
        WindowStore,
    )
    from cloudmgr.scaling.trials import Trials
    from cloudmgr.scaling.windows import PeakWindow


class City(Protocol):
    """The pools as they stand now."""

    def view(self, tx: Connection, pool: Pool) -> PoolView:
        """``pool`` with its capacity and what is held of it."""
        ...


class Promises(Protocol):
    """What pools have promised to peaks."""

    def ask(
        self, tx: Connection, environment: Environment, asks: Iterable[WindowAsk]
    ) -> tuple[Told, ...]:
        """Whether each would fit. :raises Temporary: ``pool-unreachable``."""
        ...

    def check(self, tx: Connection, environment: Environment, asks: Iterable[WindowAsk]) -> None:
        """The same before it is booked, in a transaction that writes.

        :raises Conflict: ``promise-does-not-fit``. :raises Temporary: ``pool-unreachable``.
        """
        ...

    def at_risk(self, tx: Connection, pool: Pool) -> PoolRisk:
        """Which of the pool's promises cannot be kept with what it has now."""
        ...

    def foresee(self, tx: Connection, pool: Pool, scenario: Scenario, added: Additions) -> Foreseen:
        """What would come of them, and of what is added, over a span and with other hosts.

        :raises Temporary: ``pool-unreachable``. :raises NotFound: an environment that copies are to
            be like. :raises Invalid: ``invalid-scenario``.
        """
        ...


class SeriesDrafts(Protocol):
    """What would come of series."""

    def tried(
        self, tx: Connection, environment: Environment, ask: SeriesAsk
    ) -> tuple[SeriesAsk, Coming, tuple[Told, ...]]:
        """It with its replicas, when it comes round, and what the pool answers to each date.

        :raises Invalid: as requests. :raises Temporary: ``pool-unreachable``.
        """
        ...


class Leads(Protocol):
    """How long before a peak each environment starts."""

    def class_of(self, tx: Connection, environment: Environment) -> ScalingClass:
        """Its class, with the lead time that was measured for it."""
        ...


class Sizing(Protocol):
    """Replicas of what people expect."""

    def of(
        self, tx: Connection, environment: Environment, asks: Sequence[WindowAsk]
    ) -> tuple[WindowAsk, ...]:
        """``asks`` with the replicas of those that say what they expect instead.

        :raises Invalid: ``invalid-expectation``, ``nothing-measured``, ``above-the-ceiling``.
        """
        ...


class ChecksAhead(Protocol):
    """Whether announced peaks will find what they need."""

    def ask(self, tx: Connection, window: PeakWindow, *, actor: str) -> Readiness:
        """What is seen now, kept.

        :raises Conflict: ``window-cancelled``, ``window-begun``. :raises NotFound: its environment
            is gone.
        """
        ...


class Noticing(Protocol):
    """Sends notices to those who do not look at the pages."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """Where operators are told."""
        ...

    @property
    def mails(self) -> bool:
        """Whether officers can be mailed."""
        ...

    def test(self) -> list[tuple[Target, str | None]]:
        """Send a test to every target now: why each failed, or None."""
        ...


class Bindings(Protocol):
    """Where shared services are."""

    def place(self, tx: Connection, service: CityService) -> Place | None:
        """Where a service lies that is hosted here; None if it is not there."""
        ...

    def lacking(self, tx: Connection, environment: Environment) -> Mapping[str, str]:
        """A sentence on each service that ``environment`` is bound to and cannot use."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Stores, use cases and the clock. A route reaches them through its ``Caller``.

    ``checks`` are asked by ``/readyz``: each raises a :class:`~cloudmgr.errors.CloudmgrError` when
    its part cannot serve; the database is asked always. ``registry`` is what ``/metrics`` shows.
    """

    database: Database
    clock: Clock
    departments: DepartmentStore
    billing_accounts: BillingAccountStore
    users: UserStore
    tokens: TokenStore
    authenticator: Authenticator
    audit: AuditStore
    trail: Trail
    idempotency: IdempotencyStore
    systems: SystemStore
    environments: EnvironmentStore
    secrets: Secrets
    requests: RequestStore
    pools: PoolStore
    desk: Desk
    scaling: ScalingControl
    scaling_store: ScalingStore
    dependence: Dependence
    trials: Trials
    rehearsing: Rehearsals
    rehearsals: RehearsalStore
    wakes: WakeStore
    demand: DemandStore
    forecasts: ForecastStore
    windows: WindowStore
    activities: ActivityStore
    city: City
    promises: Promises
    leads: Leads
    sizing: Sizing
    checks_ahead: ChecksAhead
    readiness: ReadinessStore
    series: SeriesControl
    series_changes: SeriesChanges
    series_store: SeriesStore
    series_drafts: SeriesDrafts
    freezing: Freezing
    bindings: Bindings
    drivers: Mapping[str, Driver]
    policies: PolicyHolder
    notices: NoticeStore
    deliveries: DeliveryStore
    noticing: Noticing
    metering: MeteringStores
    ledger: Keeper | None
    books: Books
    closing: Closing
    budgets: Budgets
    reports: Reports
    time_zone: ZoneInfo
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    checks: Mapping[str, Callable[[], None]] = field(default_factory=dict)
