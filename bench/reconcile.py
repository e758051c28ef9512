"""Reconciles per second with a pool that costs nothing, at two sizes, on both databases.

The alternative, in the same run, is the least that any such loop must do: select the row by its id
and update its status, with SQLAlchemy Core, on as many threads, in as many transactions.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from bench import city
from bench.databases import databases
from bench.null_pool import NullPool
from bench.table import machine, show
from cloudmgr.clock import SystemClock
from cloudmgr.db.engine import Database
from cloudmgr.db.migrate import upgrade
from cloudmgr.hosting.reconciler import EnvironmentReconciler
from cloudmgr.hosting.sealing import KeyFile
from cloudmgr.hosting.secrets import Secrets
from cloudmgr.hosting.store.environments import environments
from cloudmgr.reconcile.leases import Leases
from cloudmgr.reconcile.loop import Loop
from cloudmgr.wiring.stores import Stores

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIZES = (1_000, 10_000)
_WORKERS = 4
_BARE = 1_000
_WITHIN = 300.0


@dataclass(frozen=True, slots=True)
class Rates:
    """Environments per second."""

    first: float
    steady: float
    bare: float
    bare_read: float


class _Count:
    """Lets one thread wait until so many steps have been taken."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._kinds: dict[str, int] = {}

    def outcome(self, _name: str, kind: str, _seconds: float) -> None:
        with self._changed:
            self._kinds[kind] = self._kinds.get(kind, 0) + 1
            self._changed.notify_all()

    def wait(self, count: int) -> None:
        with self._changed:
            done = self._changed.wait_for(lambda: self._kinds.get("ok", 0) >= count, _WITHIN)
        if not done or set(self._kinds) != {"ok"}:
            message = (
                f"{count} steps were to be taken in {_WITHIN} s, and these were: {self._kinds}"
            )
            raise SystemExit(message)


def measure(url: str, size: int) -> Rates:
    """Rates with ``size`` environments, each of which wants two replicas."""
    database, stores, clock = Database(url), Stores(), SystemClock()
    upgrade(database)
    with database.write() as tx:
        ids = [e.id for e in city.found(tx, stores, size, replicas=2)]
    pool, count = NullPool(), _Count()
    drivers = {"pool_local-extranet": pool}
    secrets = Secrets(stores.environments, stores.secrets, KeyFile(Path("no-key")), clock)
    reconciler = EnvironmentReconciler(
        database, stores.environments, drivers, clock, secrets=secrets
    )
    leases = Leases(database, stores.leases, clock, "bench")
    loop = Loop(
        reconciler,
        leases.fence,
        clock,
        workers=_WORKERS,
        resync_seconds=3600,
        outcome=count.outcome,
    )
    leases.start()
    try:
        began = time.perf_counter()
        loop.start()
        count.wait(size)
        first = size / (time.perf_counter() - began)
        began = time.perf_counter()
        for key in ids:
            loop.wake(key)
        count.wait(2 * size)
        steady = size / (time.perf_counter() - began)
        if pool.applied != size:
            message = f"{pool.applied} orders for {size} environments"
            raise SystemExit(message)
    finally:
        loop.stop()
        leases.stop()
    # Thrice: what a commit costs depends on who else is at the disk.
    thirds = [ids[start :: max(3, 3 * size // _BARE)] for start in range(3)]
    bare, bare_read = (
        median(_bare(database, some, write=write) for some in thirds) for write in (True, False)
    )
    database.close()
    return Rates(first, steady, bare, bare_read)


def _bare(database: Database, ids: Sequence[str], *, write: bool) -> float:
    def one(key: str) -> None:
        with database.read() as tx:
            row = tx.execute(select(environments).where(environments.c.id == key)).one()
        if write:
            with database.write() as tx:
                tx.execute(
                    update(environments)
                    .where(environments.c.id == key, environments.c.version == row.version)
                    .values(status=row.status, version=row.version + 1)
                )

    began = time.perf_counter()
    with ThreadPoolExecutor(_WORKERS) as threads:
        for _ in threads.map(one, ids):
            pass
    return len(ids) / (time.perf_counter() - began)


def main() -> None:
    logging.disable(logging.INFO)
    about = machine()
    rows = []
    with databases() as found:
        for name, fresh in found.items():
            # The small city before and after the large one: a machine is not as fast all day long.
            before, large, after = (measure(fresh(), size) for size in (*_SIZES, _SIZES[0]))
            small = Rates(*map(mean, zip(astuple(before), astuple(after), strict=True)))
            for what, bare in (("first", "bare"), ("steady", "bare_read")):
                rates = [getattr(r, what) for r in (small, large)]
                against = [getattr(r, bare) for r in (small, large)]
                rows.append(
                    (
                        f"{name}, {what}",
                        *(f"{rate:,.0f}" for rate in rates),
                        f"{rates[1] / rates[0]:.2f}",
                        *(f"{rate:,.0f}" for rate in against),
                        *(f"{rate / a:.2f}" for rate, a in zip(rates, against, strict=True)),
                    )
                )
    show(
        "Reconciles per second, null driver",
        ["", "1,000 env.", "10,000 env.", "ratio", "bare 1,000", "bare 10,000", "of it", "of it"],
        rows,
        "first: each environment is read, applied and its status written. steady: nothing to do.",
        f"ratio: rate at 10,000 / rate at 1,000; 1 is linear. bare: {_WORKERS} threads that select "
        "the row and update",
        "its status (first), or only select it (steady), with SQLAlchemy Core; of it: our rate "
        "/ that rate.",
        about,
    )


if __name__ == "__main__":
    main()
