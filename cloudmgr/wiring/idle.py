"""What the costs of pools ask of the city: the pools there are, and what was promised in them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cloudmgr.billing.idle.shares import Promise, Tenant
from cloudmgr.errors import NotFound
from cloudmgr.hosting.requests import RequestKind
from cloudmgr.interval import Interval
from cloudmgr.metering.meters import MEMORY, VCPU
from cloudmgr.money import exact_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.billing.periods import BillingPeriod
    from cloudmgr.hosting.environments import Component
    from cloudmgr.policy.bundle import PolicyBundle
    from cloudmgr.policy.idle import IdlePolicy
    from cloudmgr.scaling.windows import PeakWindow
    from cloudmgr.wiring.stores import Stores

    # Department, system, pool and components of an environment.
    Place = tuple[str, str, str, Sequence[Component]]


class IdleAround:
    """As :class:`cloudmgr.billing.idle.control.Around`.

    :param accounts: makes, for a transaction, what says who pays for a department at a moment.
    """

    def __init__(
        self,
        stores: Stores,
        bundle: Callable[[], PolicyBundle],
        accounts: Callable[[Connection], Callable[[str, datetime], str]],
    ) -> None:
        self._stores = stores
        self._bundle = bundle
        self._accounts = accounts

    def policy(self) -> IdlePolicy:
        return self._bundle().idle

    def pools(self, tx: Connection) -> Mapping[str, tuple[str, str]]:
        return {pool.id: (pool.name, pool.zone.value) for pool in self._stores.pools.list(tx)}

    def promises(
        self, tx: Connection, period: BillingPeriod, weights: Mapping[str, int]
    ) -> Mapping[str, Sequence[Promise]]:
        """Windows as they were declared, without the time ahead in which replicas start.

        One that was cancelled counts until then; one of an environment that is gone counts by what
        was asked for.
        """
        account_of = self._accounts(tx)
        places: dict[str, Place | None] = {}
        found: dict[str, list[Promise]] = {}
        for window in self._stores.scaling.windows.list(tx, during=period.interval):
            if window.environment_id not in places:
                places[window.environment_id] = self._place(tx, window.environment_id)
            place = places[window.environment_id]
            interval = _promised(window, period.interval)
            if place is None or interval is None:
                continue
            department_id, system_id, pool_id, components = place
            part = next((c for c in components if c.name == window.component), None)
            if part is None:
                continue  # another size has done away with it: nothing of it is promised
            tenant = Tenant(
                department_id,
                account_of(department_id, interval.start),
                system_id,
                window.environment_id,
            )
            units = exact_sum(
                [
                    Decimal(weights.get(VCPU.name, 0)) * part.cpu_millis / 1000,
                    Decimal(weights.get(MEMORY.name, 0)) * part.memory_mib / 1024,
                ]
            )
            promise = Promise(window.id, tenant, interval, units * window.replicas)
            found.setdefault(pool_id, []).append(promise)
        return found

    def _place(self, tx: Connection, environment_id: str) -> Place | None:
        try:
            there = self._stores.environments.get(tx, environment_id)
        except NotFound:
            made = self._stores.requests.list(
                tx, environment_id=environment_id, kind=RequestKind.NEW, limit=1
            )
            if not made or made[0].ask is None or made[0].pool_id is None:
                return None
            one = made[0]
            return one.department_id, one.system_id, made[0].pool_id, made[0].ask.components
        return there.department_id, there.system_id, there.pool_id, there.components


def _promised(window: PeakWindow, month: Interval) -> Interval | None:
    """The part of the month in which the promise stood."""
    inside = window.interval.intersect(month)
    if inside is None or window.cancelled_at is None or window.cancelled_at >= inside.end:
        return inside
    if window.cancelled_at <= inside.start:
        return None
    return Interval(inside.start, window.cancelled_at)
