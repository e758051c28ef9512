"""A pool that has counted servers itself, and a ledger that was read from it."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from cloudmgr.metering.collector import Collector
from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.besides import Account
from tests.builders import an_allocation
from tests.fakes import AccountedPool, City

if TYPE_CHECKING:
    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.metering.store import MeteringStores

SIZE = Resources(500, 768)
HOUR = timedelta(hours=1)


def a_counted_pool(clock: Clock, environment_id: str = "env_exam") -> AccountedPool:
    """Two servers began ten hours ago. One slept after an hour and woke an hour ago; the other has
    slept for two, and the pool counts it still.
    """
    now = clock.now()
    began = now - 10 * HOUR

    allocations = [
        an_allocation(
            id=name,
            environment_id=environment_id,
            size=SIZE,
            started_at=began + start * HOUR,
            ended_at=None if end is None else began + end * HOUR,
        )
        for name, start, end in (("one", 0, 1), ("one.2", 9, None), ("two", 0, 8))
    ]
    return AccountedPool(
        *allocations,
        accounts=[
            Account(
                "one", environment_id, "web-0-abcdef01", SIZE, now - HOUR, None, "active", ours=True
            ),
            Account(
                "two",
                environment_id,
                "web-1-abcdef01",
                SIZE,
                began,
                None,
                "shelved_offloaded",
                ours=True,
                idle_from=began + 8 * HOUR,
            ),
        ],
    )


def read(
    database: Database, stores: MeteringStores, clock: Clock, pool_id: str, pool: AccountedPool
) -> None:
    """The ledger has what ``pool`` holds now."""
    collector = Collector(
        database, stores, City(), clock, UTC, drivers={pool_id: pool}, gateways={}
    )
    assert collector.collect().problems == ()
