"""A program that collects in a child which is killed with SIGKILL at its n-th step, for each n.

A step is whatever changes something outside the process: a statement that is no SELECT, a commit,
the pool's forgetting. After each kill another process goes on where it stopped. It prints, for
each n, what the ledger then says.

    python -m tests.metering.crash URL FOLDER
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import event

from cloudmgr.db.engine import Database
from cloudmgr.db.types import metadata
from cloudmgr.interval import Interval
from cloudmgr.metering.collector import Collector, gateway_source, pool_source
from cloudmgr.metering.queries import UsageFilter
from cloudmgr.metering.store import MeteringStores
from cloudmgr.pools.capacity import Resources
from cloudmgr.scaling.gateway.metrics import Counters, GatewayReading
from tests.builders import an_allocation
from tests.fakes import City, LedgerPool, ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cloudmgr.pools.drivers.driver import Allocation

TEN = datetime(2026, 6, 1, 10, tzinfo=UTC)
WHOLE = Interval(TEN - timedelta(days=1), TEN + timedelta(days=1))
HELD = (
    an_allocation(id="short", started_at=TEN, ended_at=TEN + timedelta(minutes=7)),
    an_allocation(id="long", started_at=TEN, ended_at=TEN + timedelta(minutes=80)),
    an_allocation(id="disk", started_at=TEN, size=Resources(storage_gib=10)),
)
# When the doomed process collects, and when the one after it does.
BEFORE, AFTER = (62, 81), (150, 182)


class FilePool(LedgerPool):
    """Shows its allocations as they are by the clock; what it forgot is a file, which survives."""

    def __init__(self, clock: ManualClock, file: Path, step: Callable[[], None]) -> None:
        super().__init__(*HELD)
        self._clock = clock
        self._file = file
        self._step = step
        self.gone: set[str] = set(file.read_text().split()) if file.exists() else set()

    def allocations(self) -> Iterable[Allocation]:
        now = self._clock.now()
        return [
            a if a.ended_at is None or a.ended_at <= now else replace(a, ended_at=None)
            for a in HELD
            if a.id not in self.gone
        ]

    def forget(self, allocation_ids: Iterable[str]) -> None:
        self._step()
        self.gone |= set(allocation_ids)
        self._file.write_text(" ".join(sorted(self.gone)))
        self._step()


def collect(url: str, folder: Path, name: str, minutes: Iterable[int], die_at: int = 0) -> None:
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if done == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    database = Database(url)
    if die_at:
        event.listen(database.engine, "commit", lambda _connection: step())

        @event.listens_for(database.engine, "before_cursor_execute")
        def _each(*arguments: object) -> None:
            if not str(arguments[2]).startswith(("SELECT", "BEGIN DEFERRED")):
                step()

    clock = ManualClock()
    collector = Collector(
        database,
        MeteringStores(),
        City(),
        clock,
        ZoneInfo("Asia/Shanghai"),
        drivers={name: FilePool(clock, folder / name, step)},
        gateways={name: lambda: GatewayReading("1", {"env_exam": _count(clock)})},
    )
    for minute in minutes:
        clock.set(TEN + timedelta(minutes=minute))
        report = collector.collect()
        assert not report.problems, report.problems
    database.close()


def _count(clock: ManualClock) -> Counters:
    """Ten requests a minute until 11:30, none after."""
    minutes = int((clock.now() - TEN).total_seconds()) // 60
    return Counters(10 * min(minutes, 90), 0.0)


def main(url: str, folder: Path) -> None:
    database = Database(url)
    metadata.create_all(database.engine)
    database.close()
    n = 0
    while True:
        n += 1
        child = os.fork()
        if child == 0:
            collect(url, folder, f"p{n}", BEFORE, die_at=n)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        collect(url, folder, f"p{n}", AFTER)
        print(json.dumps(_found(url, folder, f"p{n}", killed=os.WIFSIGNALED(status))))  # noqa: T201
        if not os.WIFSIGNALED(status):
            break


def _found(url: str, folder: Path, name: str, *, killed: bool) -> dict[str, object]:
    database, stores = Database(url), MeteringStores()
    with database.read() as tx:
        sums: Counter[str] = Counter()
        for record in stores.ledger.stream(tx, UsageFilter(WHOLE)):
            if record.source in (pool_source(name), gateway_source(name)):
                sums[record.meter] += int(record.quantity)
        notes = [note.kind for note in stores.sources.notes(tx, source=pool_source(name))]
    database.close()
    forgotten = (folder / name).read_text().split()
    return {"killed": killed, "sums": sums, "notes": notes, "forgotten": forgotten}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
