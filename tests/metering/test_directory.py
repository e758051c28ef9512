from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import NotFound
from cloudmgr.hosting.store import EnvironmentStore, SystemStore
from cloudmgr.metering.directory import HostedDirectory
from cloudmgr.metering.usage import Owner
from cloudmgr.pools.pool import Pool, Zone
from cloudmgr.pools.store import PoolStore
from tests.builders import a_system, an_environment

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database


def test_the_owner_is_who_hosts_the_environment_now(sqlite: Database) -> None:
    pools, environments = PoolStore(), EnvironmentStore()
    directory = HostedDirectory(pools, environments)
    with sqlite.write() as tx:
        pools.add(tx, Pool("pool_extranet", "extranet-1", "local", Zone.EXTRANET, 3))
        SystemStore().add(tx, a_system())
        environments.add(tx, an_environment())

        assert directory.zone_of_pool(tx, "pool_extranet") == "extranet"
        assert directory.owners(tx, ["env_exam", "env_gone"]) == {
            "env_exam": Owner("env_exam", "sys_exam", "dep_exam", "extranet", "pool_extranet")
        }
        with pytest.raises(NotFound):
            directory.zone_of_pool(tx, "pool_gone")
