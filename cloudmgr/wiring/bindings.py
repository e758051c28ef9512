"""The shared services of environments, kept what policy and what is hosted make of them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from cloudmgr.errors import NotFound
from cloudmgr.hosting.bindings import Place, label, resolve, unbound
from cloudmgr.hosting.environments import EnvironmentStatus
from cloudmgr.hosting.store.environments import environments as table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from cloudmgr.db.engine import Database
    from cloudmgr.departments.store import DepartmentStore
    from cloudmgr.hosting.bindings import Resolved
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.hosting.store import EnvironmentStore
    from cloudmgr.policy.bundle import PolicyBundle
    from cloudmgr.policy.services import CityService
    from cloudmgr.pools.store import PoolStore

# Moves whenever any environment is made, approved anew, scaled, retired or gone.
_MARK = select(func.count(), func.coalesce(func.sum(table.c.generation), 0), func.max(table.c.id))


class Bindings:
    """Looks up where shared services are, and has :meth:`follow` called every so often.

    :param domain: what the addresses of all environments end in.
    """

    def __init__(
        self,
        *,
        database: Database,
        environments: EnvironmentStore,
        pools: PoolStore,
        departments: DepartmentStore,
        policy: Callable[[], PolicyBundle],
        domain: str,
    ) -> None:
        self._database = database
        self._environments = environments
        self._pools = pools
        self._departments = departments
        self._policy = policy
        self._domain = domain
        self._mark: object = None
        self._known: dict[str, Environment] = {}  # as far as bindings go
        self._lacking: dict[str, Mapping[str, str]] = {}

    def place(self, tx: Connection, service: CityService) -> Place | None:
        """Where a service lies that is hosted here; None if it is not there."""
        host = f"{service.environment}.{service.zone}.{self._domain}"
        environment = self._environments.by_host(tx, host)
        if environment is None:
            return None
        return Place(environment, self._pools.get(tx, environment.pool_id))

    def resolve(self, tx: Connection, environment: Environment) -> Resolved:
        """What policy makes of the bindings of one environment."""
        return resolve(
            environment,
            self._departments.get(tx, environment.department_id).code,
            self._policy().services,
            lambda service: self.place(tx, service),
        )

    def lacking(self, tx: Connection, environment: Environment) -> Mapping[str, str]:
        """A sentence on each service that it is bound to and cannot use."""
        return self.resolve(tx, environment).lacking

    def follow(self) -> list[str]:
        """Write anew what differs from policy; ids of the environments to look at.

        One short query, and no more, while neither policy nor any environment has changed; then
        only those that have are read, since a city scales all the time.
        """
        policy = self._policy()
        with self._database.read() as tx:
            mark = (policy.digest, *tx.execute(_MARK).one())
            if mark == self._mark:
                return []
            self._read(tx)
            differing, lacking = self._survey(tx, policy)
        written = [key for key in differing if self._write(key)]
        told = {
            key
            for key in lacking.keys() | self._lacking.keys()
            if lacking.get(key) != self._lacking.get(key)
        }
        self._lacking = lacking
        # What was not written, since somebody else was faster, is looked at again.
        self._mark = mark if len(written) == len(differing) else None
        return sorted({*written, *told})

    def _read(self, tx: Connection) -> None:
        generations = select(table.c.id, table.c.generation)
        there = {row.id: row.generation for row in tx.execute(generations)}
        known = {k: e for k, e in self._known.items() if there.get(k) == e.generation}
        for environment in self._environments.by_ids(tx, there.keys() - known.keys()):
            known[environment.id] = replace(environment, status=EnvironmentStatus())
        self._known = known

    def _survey(
        self, tx: Connection, policy: PolicyBundle
    ) -> tuple[list[str], dict[str, Mapping[str, str]]]:
        """Ids of what differs, and what is lacking, over all environments at once."""
        rows = self._known.values()
        there = {(e.zone.value, label(e)): e for e in rows}
        offering = {(s.zone, s.environment) for s in policy.services.values()}
        pools = {pool.id: pool for pool in self._pools.list(tx)}

        @cache
        def code(department_id: str) -> str:
            return self._departments.get(tx, department_id).code

        def place(service: CityService) -> Place | None:
            environment = there.get((service.zone, service.environment))
            pool = pools.get(environment.pool_id) if environment else None
            return Place(environment, pool) if environment and pool else None

        def concerned(environment: Environment) -> bool:
            return bool(
                environment.services
                or environment.offers
                or unbound(environment)
                or (environment.zone.value, label(environment)) in offering
            )

        differing: list[str] = []
        lacking: dict[str, Mapping[str, str]] = {}
        for environment in rows:
            if environment.retiring or not concerned(environment):
                continue
            found = resolve(environment, code(environment.department_id), policy.services, place)
            if found.differs(environment):
                differing.append(environment.id)
            if found.lacking:
                lacking[environment.id] = found.lacking
        return differing, lacking

    def _write(self, key: str) -> bool:
        with self._database.write() as tx:
            try:
                environment = self._environments.get(tx, key, lock=True)
            except NotFound:
                return False
            found = self.resolve(tx, environment)
            if environment.retiring or not found.differs(environment):
                return False
            self._environments.set_services(tx, environment, found.services, found.offers)
        return True
