"""Many at the same instant: each in a transaction of its own."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from cloudmgr.pools.capacity import Resources
from tests.builders import an_environment
from tests.scaling.rig import Rig
from tests.scaling.test_control import WHO, wake
from tests.scaling.test_line import Crowd

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database


def test_a_hundred_first_requests_at_once_wake_it_once(database: Database) -> None:
    rig = Rig(database).sleep()
    before = len(rig.decisions())
    start = threading.Barrier(100)

    def first_request() -> bool:
        start.wait()
        return wake(rig, actor="waker", why="first request").changed

    with ThreadPoolExecutor(100) as crowd:
        woke = [future.result() for future in [crowd.submit(first_request) for _ in range(100)]]
    assert sum(woke) == 1
    assert rig.target() == 1
    assert len(rig.decisions()) == before + 1


def test_environments_that_grow_at_once_never_take_more_than_the_pool_has(
    database: Database,
) -> None:
    keys = [f"env_{n}" for n in range(6)]
    rig = Rig(database, capacity=Resources(250 * 15, 10**6, 10)).host(
        *(an_environment(id=key, name=key, host=f"{key}.localhost") for key in keys)
    )
    start = threading.Barrier(len(keys))

    def grow(key: str) -> None:
        start.wait()
        with rig.database.write() as tx:
            rig.control.scale(tx, key, "web", 8, **WHO)

    with ThreadPoolExecutor(len(keys)) as crowd:
        for future in [crowd.submit(grow, key) for key in keys]:
            future.result()
    assert sum(rig.target(key) for key in keys) == 15


def test_of_many_that_are_called_at_the_same_instant_no_more_begin_than_may(
    database: Database,
) -> None:
    rig = Crowd(database, *[2] * 8)
    with ThreadPoolExecutor(8) as pool:
        turns = list(pool.map(rig.call, rig.keys))
    assert sum(t.waits is None for t in turns) == 2
    assert len(rig.awake) == 2
