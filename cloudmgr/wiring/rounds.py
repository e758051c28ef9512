"""What a control plane looks at every so often, because no event of its own may tell.

How often depends on whether there is anything to see: a city mostly sleeps, and a control plane
that watches it sleep must cost next to nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from cloudmgr.errors import CloudmgrError, Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from cloudmgr.api.store import IdempotencyStore
    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.hosting.store import EnvironmentStore
    from cloudmgr.jobs.scheduler import Scheduler
    from cloudmgr.metering.collector import CollectReport, SourceReport
    from cloudmgr.policy.holder import PolicyHolder
    from cloudmgr.pools.pool import Zone
    from cloudmgr.reconcile.leases import Leases
    from cloudmgr.scaling.gateway.metrics import GatewayReading

log = logging.getLogger(__name__)

COLLECTOR = "collector"
BINDINGS = "bindings"

# Elapsed seconds between two rounds, and between two that have nothing to see.
_TRAFFIC, _TRAFFIC_ASLEEP = 1.0, 15.0
_DUE, _DUE_ALONE = 1.0, 5.0
_COLLECT, _COLLECT_ASLEEP = 10.0, 30.0
_MEASURE = 60.0
_BIND = 5.0
# What was awake a moment ago may still drain: so long nothing must have moved.
_QUIET = 60.0


def gateway_lease(zone: object) -> str:
    """The name of the work that is a zone's gateway."""
    return f"gateway:{zone}"


class Readable(Protocol):
    """A gateway, as far as its counters go."""

    def read(self) -> GatewayReading:
        """:raises Temporary: when it cannot be read now."""
        ...


class Collect(Protocol):
    """As :meth:`cloudmgr.metering.collector.Collector.collect`."""

    def __call__(self, *, pools: bool, gateways: Collection[str]) -> CollectReport: ...


class Rounds:
    """The jobs of one control plane.

    :param observe: takes readings of gateways; gives the environments to look at now.
    :param due: ids of environments that scaling ought to look at.
    :param reconcile: has an environment looked at by its reconciler.
    :param bind: has shared services follow policy; gives the environments to look at now.
    :param scale: has an environment looked at by scaling.
    :param clock: business time, and the machine's elapsed time.
    """

    def __init__(
        self,
        *,
        database: Database,
        environments: EnvironmentStore,
        answers: IdempotencyStore,
        leases: Leases,
        gateways: Mapping[Zone, Readable],
        policies: PolicyHolder,
        observe: Callable[[Mapping[Zone, GatewayReading]], Iterable[str]],
        due: Callable[[], Iterable[str]],
        collect: Collect,
        measure: Callable[[], Sequence[SourceReport]],
        bind: Callable[[], Iterable[str]],
        reconcile: Callable[[str], None],
        scale: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._database = database
        self._environments = environments
        self._answers = answers
        self._leases = leases
        self._gateways = gateways
        self._policies = policies
        self._observe = observe
        self._due = due
        self._collect = collect
        self._measure = measure
        self._bind = bind
        self._reconcile = reconcile
        self._scale = scale
        self._clock = clock
        self._read_at: dict[Zone, float] = {}
        self._quiet_until = float("-inf")  # when there may be something due again
        self._moved_at = clock.monotonic()
        self._collected_at = float("-inf")

    def schedule(self, scheduler: Scheduler) -> None:
        """Hand all rounds to ``scheduler``."""
        every = scheduler.every
        every(_TRAFFIC, "traffic", self.traffic, at_once=False)
        every(_DUE, "due", self.due)
        every(_COLLECT, "collect", self.collect, at_once=False)
        every(_MEASURE, "measure", self.measure, at_once=False)
        every(3600.0, "idempotency", self.purge)
        every(5.0, "policy", self.policy, at_once=False)
        every(_BIND, "bindings", self.bindings)

    def traffic(self) -> None:
        """Read the gateways that are ours: those with anything awake, the others now and then."""
        moment = self._clock.monotonic()
        ours = self._ours()
        awake = self._awake() if ours else frozenset()
        readings: dict[Zone, GatewayReading] = {}
        for zone, gateway in ours.items():
            read_at = self._read_at.get(zone)
            recently = read_at is not None and moment - read_at < _TRAFFIC_ASLEEP
            if recently and zone not in awake:
                continue
            try:
                readings[zone] = gateway.read()
            except CloudmgrError as error:
                log.info("the gateway of %s cannot be read now: %s", zone, error)
                continue
            self._read_at[zone] = moment
        if readings:
            for environment_id in self._observe(readings):
                self._scale(environment_id)

    def due(self) -> None:
        """Hear what another control plane was told: its events end at its own process.

        One that is alone hears everything, and what time alone brings about is foreseen for longer.
        """
        moment = self._clock.monotonic()
        if self._leases.alone and moment < self._quiet_until:
            return
        with self._database.read() as tx:
            unobserved = self._environments.unobserved(tx)
        for environment_id in unobserved:
            self._reconcile(environment_id)
        due = list(self._due())
        for environment_id in due:
            self._scale(environment_id)
        if not unobserved and not due:
            self._quiet_until = moment + _DUE_ALONE

    def collect(self) -> None:
        """Meter; rarely once nothing was awake, and nothing moved, for a while.

        A gateway is read by whoever runs it: from another machine it may be out of reach.
        """
        pools = self._leases.single(COLLECTOR) is not None
        gateways = [zone.value for zone in self._ours()]
        if not pools and not gateways:
            return
        moment = self._clock.monotonic()
        if self._awake():
            self._moved_at = moment
        quiet = moment - self._moved_at > _QUIET
        if quiet and moment - self._collected_at < _COLLECT_ASLEEP:
            return
        report = self._collect(pools=pools, gateways=gateways)
        self._collected_at = moment
        if any(source.records or source.forgotten for source in report.sources):
            self._moved_at = moment
        for problem in report.problems:
            log.warning("usage: %s", problem)

    def measure(self) -> None:
        """Meter what was really used: apart from the collector, which must not wait for others."""
        if self._leases.single(COLLECTOR) is None:
            return
        for source in self._measure():
            if source.problem:
                log.warning("usage: %s: %s", source.source, source.problem)

    def policy(self) -> None:
        """Take over policies whose files have changed."""
        known = self._policies.last_error
        try:
            if self._policies.reload():
                log.info("the policies %s are in force", self._policies.current.digest)
        except Invalid as error:
            if error is not known:  # said once, and for as long as it is so on the policy's page
                log.warning("the policies that were changed are not taken over: %s", error)

    def bindings(self) -> None:
        """Have every environment's shared services be what policy says now.

        One control plane does: while policies differ, two would write against each other.
        """
        if self._leases.single(BINDINGS) is None:
            return
        for environment_id in self._bind():
            self._reconcile(environment_id)

    def purge(self) -> None:
        """Forget answers to requests that nobody may repeat any more."""
        with self._database.write() as tx:
            self._answers.purge(tx, self._clock.now())

    def _ours(self) -> dict[Zone, Readable]:
        """The gateways that this control plane has the right to run now."""
        return {
            zone: gateway
            for zone, gateway in self._gateways.items()
            if self._leases.single(gateway_lease(zone)) is not None
        }

    def _awake(self) -> frozenset[Zone]:
        with self._database.read() as tx:
            return self._environments.awake_zones(tx)
