"""What the desk, scaling and metering need of other floors, put together from their stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.billing.cost import estimate
from cloudmgr.billing.prices import Tariff
from cloudmgr.errors import CloudmgrError, Temporary
from cloudmgr.hosting.assessment import Location, Refusal
from cloudmgr.hosting.requests import Estimate
from cloudmgr.metering.usage import Owner
from cloudmgr.planning.placement import UNREACHABLE, PoolView, choose
from cloudmgr.policy.decision import Reason
from cloudmgr.pools.capacity import ANY_SIZE, Capacity, Resources, Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from cloudmgr.audit.event import Trail
    from cloudmgr.clock import Clock
    from cloudmgr.departments.store import DepartmentStore
    from cloudmgr.hosting.assessment import Asker
    from cloudmgr.hosting.environments import Component, Environment
    from cloudmgr.hosting.requests import HostingRequest
    from cloudmgr.hosting.store import EnvironmentStore
    from cloudmgr.policy.bundle import PolicyBundle
    from cloudmgr.policy.holder import PolicyHolder
    from cloudmgr.pools.capacity import Sizes
    from cloudmgr.pools.drivers.driver import Driver
    from cloudmgr.pools.pool import Pool, Zone
    from cloudmgr.pools.store import PoolStore
    from cloudmgr.scaling.control import ScalingControl
    from cloudmgr.scaling.freezing import Freezing
    from cloudmgr.wiring.bindings import Bindings
    from cloudmgr.wiring.expected import Sizing
    from cloudmgr.wiring.promises import Promises
    from cloudmgr.wiring.series import Series


class City:
    """The pools as they stand now, and who has what on them."""

    def __init__(
        self,
        pools: PoolStore,
        environments: EnvironmentStore,
        drivers: Mapping[str, Driver],
    ) -> None:
        self._pools = pools
        self._environments = environments
        self._drivers = drivers

    def view(self, tx: Connection, pool: Pool, besides: str | None = None) -> PoolView:
        """``pool`` with what every environment on it holds, but for the one called ``besides``.

        A pool that does not answer now has nothing to give.
        """
        driver = self._drivers.get(pool.id)
        try:
            capacity = driver.capacity() if driver else Capacity(())
        except CloudmgrError:
            capacity = Capacity(())
        if not capacity.sizes.known:
            return PoolView(pool, capacity, self._environments.held(tx, pool.id, besides))
        # Flavors come and go, so that what they make of a replica is reckoned anew.
        there = (e for e in self._environments.list(tx, pool_id=pool.id) if e.id != besides)
        return PoolView(
            pool, capacity, sum((e.held_in(capacity.sizes) for e in there), start=Resources())
        )

    def sizes(self, pool_id: str | None) -> Sizes:
        """As :meth:`cloudmgr.hosting.means.Means.sizes`."""
        driver = self._drivers.get(pool_id or "")
        try:
            return driver.capacity().sizes if driver else ANY_SIZE
        except CloudmgrError:
            return ANY_SIZE

    def views(self, tx: Connection) -> list[PoolView]:
        return [self.view(tx, pool) for pool in self._pools.list(tx)]

    def free(self, tx: Connection, environment: Environment) -> Room:
        """What the environment's pool could still give, above all targets in force.

        The pool is locked until ``tx`` ends, so that two decisions cannot give the same room away.
        """
        self._pools.lock(tx, environment.pool_id)
        return self.view(tx, self._pools.get(tx, environment.pool_id)).room

    def locate(
        self,
        tx: Connection,
        components: Sequence[Component],
        accepts: Callable[[Pool], tuple[Reason, ...]],
        zone: Zone,
        resized: Environment | None = None,
        *,
        promise: bool = False,
    ) -> Location:
        """As :meth:`cloudmgr.hosting.means.Means.locate`.

        :raises Temporary: ``pool-unreachable``.
        """
        pools = [
            pool
            for pool in self._pools.list(tx)
            if (pool.id == resized.pool_id if resized else pool.zone is zone)
        ]
        if promise:
            for pool in pools:  # by name, so that two who place at once cannot block each other
                self._pools.lock(tx, pool.id)
        views = [self.view(tx, pool, besides=resized.id if resized else None) for pool in pools]
        placement = choose(views, components, accepts, Reason)
        for c in placement.considered if placement.pool_id is None else ():
            # Neither a denial nor a failure, which stay: it may fit there when it answers again.
            if c.pool_id in self._drivers and {r.rule for r in c.against} == {UNREACHABLE}:
                raise Temporary(
                    f"the pool {c.pool_name} does not answer now, and no other can take it",
                    code=UNREACHABLE,
                    hint="nothing was changed; try again in a few minutes",
                )
        return Location(
            placement.pool_id,
            tuple(Refusal(c.pool_name, c.against) for c in placement.considered),
            next((v.room for v in views if v.pool.id == placement.pool_id), Room()),
        )

    # ----------------------------------------------------------------- what metering must know

    def zone_of_pool(self, tx: Connection, pool_id: str) -> str:
        """:raises NotFound: ``no-such-pool``."""
        return self._pools.get(tx, pool_id).zone.value

    def owners(self, tx: Connection, environment_ids: Iterable[str]) -> Mapping[str, Owner]:
        return {
            e.id: Owner(
                environment_id=e.id,
                system_id=e.system_id,
                department_id=e.department_id,
                zone=e.zone.value,
                pool_id=e.pool_id,
            )
            for e in self._environments.by_ids(tx, environment_ids)
        }


class DeskMeans:
    """As :class:`cloudmgr.hosting.means.Means` asks."""

    def __init__(
        self,
        *,
        policies: PolicyHolder,
        city: City,
        departments: DepartmentStore,
        scaling: ScalingControl,
        bindings: Bindings,
        promises: Promises,
        sizing: Sizing,
        series: Series,
        freezing: Freezing,
        trail: Trail,
        tell: Callable[[Connection, HostingRequest], object],
        clock: Clock,
        wake: Callable[[Connection, str], None],
    ) -> None:
        self._policies = policies
        self._city = city
        self._departments = departments
        self._scaling = scaling
        self._trail = trail
        self._tell = tell
        self._clock = clock
        self.wake = wake
        self.locate = city.locate
        self.sizes = city.sizes
        self.hold = scaling.hold
        self._promises = promises
        self.promises = promises.ask
        self.sized = sizing.sized
        self._series = series
        self.coming = series.coming
        self.promised = promises.against
        self.frozen = freezing.frozen
        self.check_change = freezing.check
        self.place = bindings.place
        self.resolve = bindings.resolve

    def policy(self) -> PolicyBundle:
        return self._policies.current

    def department_code(self, tx: Connection, department_id: str) -> str:
        return self._departments.get(tx, department_id).code

    def department_active(self, tx: Connection, department_id: str) -> bool:
        version = self._departments.get(tx, department_id).in_force(self._clock.now())
        return version is not None and version.active

    def estimate(self, components: Sequence[Component], zone: Zone) -> Estimate:
        tariff = Tariff(self._policies.current.price_list)
        found = estimate(components, tariff, zone.value, self._clock.now())
        return Estimate(found.low.amount, found.high.amount, found.low.currency)

    def announce(self, tx: Connection, request: HostingRequest, environment: Environment) -> None:
        if request.windows:
            self._promises.check(tx, environment, request.windows)
        self._scaling.announce(
            tx,
            environment.id,
            request.windows,
            actor=request.submitted_by,
            request_id=request.id,
        )
        for ask in request.series:
            self._series.control.begin(
                tx, environment.id, ask, actor=request.submitted_by, request_id=request.id
            )

    def record(self, tx: Connection, actor: Asker, action: str, request: HostingRequest) -> None:
        self._trail.record(
            tx,
            actor,
            action,
            object_kind="request",
            object_id=request.id,
            department_id=request.department_id,
            detail={
                "kind": request.kind.value,
                "state": request.state.value,
                "policy": request.decision.digest,
                "message": request.message,
            },
        )
        self._tell(tx, request)
