"""Names of what invoices speak of, and who pays: from the stores that know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.billing.invoices import Label
from cloudmgr.errors import NotFound
from cloudmgr.hosting.requests import RequestKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.departments.department import BillingAccount
    from cloudmgr.hosting.environments import System
    from cloudmgr.wiring.stores import Stores


class Labels:
    """What people call departments, accounts, systems, pools and environments, gone or not."""

    def __init__(self, stores: Stores, clock: Clock) -> None:
        self._stores = stores
        self._clock = clock

    def __call__(self, tx: Connection, ids: Collection[str]) -> Mapping[str, Label]:
        """Names of those of ``ids`` that are known."""
        labels: dict[str, Label] = {}
        for thing in ids:
            label = self._label(tx, thing)
            if label is not None:
                labels[thing] = label
        return labels

    def accounts(self, tx: Connection) -> Callable[[str, datetime], str]:
        """Which account paid for a department at a moment, as known in ``tx``."""
        known = {d.id: d for d in self._stores.departments.list(tx)}

        def account_of(department_id: str, moment: datetime) -> str:
            """:raises NotFound: for a department that is not known."""
            if department_id not in known:
                raise NotFound(f"there is no department {department_id}", code="no-such-department")
            return known[department_id].at(moment).billing_account_id

        return account_of

    def _label(self, tx: Connection, thing: str) -> Label | None:
        stores, kind = self._stores, thing.split("_", 1)[0]
        try:
            if kind == "dep":
                department = stores.departments.get(tx, thing)
                version = department.in_force(self._clock.now()) or department.versions[0]
                return Label(version.name_zh, version.name_en)
            if kind == "pool":
                pool = stores.pools.get(tx, thing)
                return Label(pool.name, pool.name)
            if kind == "env":
                return self._environment(tx, thing)
            named: BillingAccount | System
            if kind == "acc":
                named = stores.accounts.get(tx, thing)
            elif kind == "sys":
                named = stores.systems.get(tx, thing)
            else:
                return None
        except NotFound:
            return None
        return Label(named.name_zh, named.name_en)

    def _environment(self, tx: Connection, environment_id: str) -> Label:
        try:
            environment = self._stores.environments.get(tx, environment_id)
            system_id, name = environment.system_id, environment.name
        except NotFound:
            # Its row is gone with it; the request that made it stays.
            made = self._stores.requests.list(
                tx, environment_id=environment_id, kind=RequestKind.NEW, limit=1
            )
            if not made or made[0].ask is None:
                raise
            system_id, name = made[0].system_id, made[0].ask.name
        system = self._stores.systems.get(tx, system_id)
        return Label(f"{system.name_zh} {name}", f"{system.name_en} {name}")
