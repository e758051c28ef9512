"""One hour of a city's usage: read from a pool, cut, written, brought to rest, and checked.

50,000 environments of one replica each, which holds cores, memory and storage: 150,000 lines. The
alternative, in the same run, is the least that any ledger must do: the same rows into a table of
the same columns with SQLAlchemy Core, and from there into one Parquet file with DuckDB.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import duckdb
import psutil
from sqlalchemy import Column, MetaData, String, Table, insert, select

from bench.databases import databases
from bench.table import machine, show, verdict
from cloudmgr.db.engine import Database
from cloudmgr.db.migrate import upgrade
from cloudmgr.db.types import ExactDecimal, UtcDateTime
from cloudmgr.metering.collector import Collector
from cloudmgr.metering.lake.exporter import Exporter
from cloudmgr.metering.lake.keeper import Keeper
from cloudmgr.metering.lake.table import LedgerTable
from cloudmgr.metering.store import MeteringStores
from cloudmgr.pools.capacity import Resources
from tests.builders import an_allocation
from tests.fakes import City, LedgerPool, ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable


ENVIRONMENTS = 50_000
GOAL = 60.0
_ZONE = ZoneInfo("Asia/Shanghai")
_START = datetime(2026, 6, 3, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of each step, and of the bare one; lines, and memory at its highest in MiB."""

    collect: float
    export: float
    check: float
    bare: float
    lines: int
    memory: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environments", type=int, default=ENVIRONMENTS)
    count = parser.parse_args().environments
    busy = machine()
    rows = []
    with databases() as found:
        for name, fresh in found.items():
            took = measure(fresh(), count)
            whole = took.collect + took.export
            rows.append(
                (
                    name,
                    f"{took.lines:,}",
                    f"{took.collect:.1f}",
                    f"{took.export:.1f}",
                    f"{took.bare:.1f}",
                    f"{whole / took.bare:.2f}",
                    f"{took.check:.1f}",
                    f"{took.memory:.0f} MiB",
                    verdict(held=whole < GOAL * count / ENVIRONMENTS),
                )
            )
    show(
        f"An hour of {count:,} environments",
        [
            "",
            "lines",
            "read, cut, written s",
            "to rest s",
            "bare s",
            "ratio",
            "checked s",
            "memory",
            f"goal {GOAL * count / ENVIRONMENTS:.0f} s",
        ],
        rows,
        "bare: the same rows into a table by SQLAlchemy Core, and from it into one Parquet file;",
        "ratio: of what comes before it, together. memory: of this process, pool and all.",
        busy,
    )


def measure(url: str, count: int) -> Took:
    """:param count: environments."""
    database, stores, clock = Database(url), MeteringStores(), ManualClock(_START)
    upgrade(database)
    size = Resources(500, 1024, 10)
    pool = LedgerPool(
        *(
            an_allocation(id=f"alloc_{n}", environment_id=f"env_{n}", started_at=_START, size=size)
            for n in range(count)
        )
    )
    collector = Collector(
        database, stores, City(), clock, _ZONE, drivers={"bench": pool}, gateways={}
    )
    # What is held is known; an hour is over, and is what is measured.
    collector.collect()
    clock.advance(_HOUR + timedelta(minutes=5))
    with tempfile.TemporaryDirectory(prefix="cloudmgr-bench-") as directory:
        table = LedgerTable(Path(directory, "ledger"), _ZONE)
        exporter = Exporter(database, stores.batches, table, clock)
        keeper = Keeper(database, stores, table, exporter, clock=clock, zone=_ZONE)
        collect = _seconds(collector.collect)
        export = _seconds(exporter.export)
        memory = psutil.Process().memory_info().rss / 2**20
        with database.read() as tx:
            lines = sum(batch.total.records for batch in stores.batches.all(tx))
        check = _seconds(lambda: _sound(keeper))
        bare = _bare(database, stores, Path(directory))
    database.close()
    return Took(collect, export, check, bare, lines, memory)


def _sound(keeper: Keeper) -> None:
    found = keeper.check()
    if not found.sound:
        raise SystemExit(found.sentences[0])


def _bare(database: Database, stores: MeteringStores, directory: Path) -> float:
    """The same rows once more, with nothing but what writes them."""
    columns = ("id", "source", "resource", "environment_id", "system_id", "department_id")
    texts = (*columns, "zone", "pool_id", "component", "meter")
    bare = Table(
        "bare_record",
        MetaData(),
        *(Column(name, String, primary_key=name == "id") for name in texts),
        Column("started_at", UtcDateTime),
        Column("ended_at", UtcDateTime),
        Column("quantity", ExactDecimal),
    )
    with database.read() as tx:
        rows = [
            {
                **{name: getattr(line.record, name) for name in texts},
                "started_at": line.record.interval.start,
                "ended_at": line.record.interval.end,
                "quantity": line.record.quantity,
            }
            for batch in stores.batches.all(tx)
            for line in stores.batches.lines(tx, batch.number)
        ]
    with database.write() as tx:
        bare.create(tx)

    def work() -> None:
        with database.write() as tx:
            tx.execute(insert(bare), rows)
        with database.read() as tx:
            found = [tuple(row) for row in tx.execute(select(bare))]
        _parquet(found, directory / "bare.parquet")

    return _seconds(work)


def _parquet(rows: list[tuple[Any, ...]], path: Path) -> None:
    text = path.with_suffix(".csv")
    with text.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    duckdb.execute(f"COPY (FROM read_csv('{text}', header = false)) TO '{path}'")


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
