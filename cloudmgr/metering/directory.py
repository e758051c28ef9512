"""What the collector asks of pools and environments, answered from their stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.errors import NotFound
from cloudmgr.metering.usage import Owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from cloudmgr.hosting.store import EnvironmentStore
    from cloudmgr.pools.store import PoolStore


class HostedDirectory:
    """Environments as they are hosted now."""

    def __init__(self, pools: PoolStore, environments: EnvironmentStore) -> None:
        self._pools = pools
        self._environments = environments

    def zone_of_pool(self, tx: Connection, pool_id: str) -> str:
        """:raises NotFound: ``no-such-pool``."""
        return self._pools.get(tx, pool_id).zone.value

    def owners(self, tx: Connection, environment_ids: Iterable[str]) -> Mapping[str, Owner]:
        """By environment; those that are gone are left out."""
        found: dict[str, Owner] = {}
        for environment_id in environment_ids:
            try:
                environment = self._environments.get(tx, environment_id)
            except NotFound:
                continue
            found[environment_id] = Owner(
                environment.id,
                environment.system_id,
                environment.department_id,
                environment.zone.value,
                environment.pool_id,
            )
        return found
