"""A ledger of many usage records at rest, rated and written, and the same by the reference loop.

``--rows`` says how many; every part runs in a process of its own, whose peak memory is told.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import duckdb

from bench.table import machine, show, verdict
from cloudmgr.billing.engines.machine import RatingMachine
from cloudmgr.billing.invoices import LineKey, line_key
from cloudmgr.billing.prices import Tariff
from cloudmgr.billing.rating import charge_fields, rate_all
from cloudmgr.clock import SystemClock
from cloudmgr.interval import Interval
from cloudmgr.metering.usage import UsageRecord
from cloudmgr.money import EXACT
from cloudmgr.policy.prices import Price, PriceList

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS, REFERENCE_ROWS, CHUNK = 10_000_000, 200_000, 5_000_000
ENVIRONMENTS, DEPARTMENTS = 50_000, 500
# Of the ledger and of what is made of it, with a margin.
BYTES_A_ROW = 320
GOAL_ROWS, GOAL_MEMORY = 2_000_000, 2 << 30
CITY = ZoneInfo("Asia/Shanghai")
JUNE = datetime(2026, 5, 31, 16, tzinfo=UTC)
# Within an hour of the ledger, so that some records are divided.
CHANGE = JUNE + timedelta(hours=12, minutes=20)
PRICES = PriceList(
    "CNY",
    (
        Price("vcpu", None, JUNE, Decimal("0.12")),
        Price("vcpu", "intranet", JUNE, Decimal("0.138")),
        Price("vcpu", None, CHANGE, Decimal("0.108")),
        Price("memory", None, JUNE, Decimal("0.045")),
        Price("storage", None, JUNE, Decimal("0.00082")),
        Price("requests", None, JUNE, Decimal("0.002")),
    ),
)
_COLUMNS = (
    "id, source, resource, environment_id, system_id, department_id, zone, pool_id, component,"
    ' meter, epoch_us("start"), epoch_us("end"), quantity'
)


def make(directory: Path, rows: int) -> None:
    """A ledger of June: an environment's four meters, hour by hour, in files of a few million."""
    with duckdb.connect(config={"memory_limit": "1GB", "preserve_insertion_order": "false"}) as db:
        db.execute("SET TimeZone = 'UTC'")
        for first in range(0, rows, CHUNK):
            last = min(first + CHUNK, rows)
            db.execute(
                f"""COPY (
                SELECT sha256(CAST(i AS VARCHAR)) AS id, 'pool/pool_' || e % 8 AS source,
                  'alloc_' || e AS resource, 'env_' || e AS environment_id,
                  'sys_' || e // 2 AS system_id, 'dep_' || e % {DEPARTMENTS} AS department_id,
                  CASE WHEN e % 3 = 0 THEN 'intranet' ELSE 'extranet' END AS zone,
                  'pool_' || e % 8 AS pool_id, 'web' AS component,
                  ['vcpu', 'memory', 'storage', 'requests'][1 + i % 4] AS meter,
                  $june + to_hours(h % 720) AS "start", $june + to_hours(h % 720 + 1) AS "end",
                  $june + to_hours(h % 720 + 1) AS recorded_at,
                  CASE WHEN i % 4 = 3 THEN CAST(hash(i) % 100000 AS DECIMAL(38, 18))
                    ELSE CAST(CAST(1 + hash(i) % 65536 AS DECIMAL(19, 0))
                      * CAST('3.515625' AS DECIMAL(18, 6)) AS DECIMAL(38, 18)) END AS quantity,
                  '2026-06' AS month
                FROM (SELECT i, i // 4 % {ENVIRONMENTS} AS e, i // {4 * ENVIRONMENTS} AS h
                  FROM range({first}, {last}) AS r(i))
                ) TO '{directory}/{first:012}.parquet' (FORMAT parquet, COMPRESSION zstd)""",
                {"june": JUNE},
            )


def by_engine(directory: Path, out: Path, *, charges: bool) -> dict[str, Any]:
    """Charges and lines, or lines alone, by DuckDB: as ``cloudmgr billing rate`` does it."""
    clock = SystemClock()
    began = clock.monotonic()
    files = sorted(map(str, directory.glob("*.parquet")))
    with RatingMachine(files, Tariff(PRICES), CITY, scratch=out.parent) as rating:
        totals = rating.write(out, charges=charges)
    return {
        "rows": totals.records,
        "seconds": clock.monotonic() - began,
        "total": str(sum(totals.accounts.values())),
        "bytes": sum(f.stat().st_size for f in out.rglob("*") if f.is_file()),
    }


def by_reference(directory: Path, out: Path) -> dict[str, Any]:
    """The same by the loop over Python's decimals: read, rate, write charges, sum up lines."""
    clock = SystemClock()
    began = clock.monotonic()
    rated = rate_all(_records(directory), Tariff(PRICES), lambda department_id, _: department_id)
    lines: dict[LineKey, list[Decimal]] = {}
    out.mkdir()
    with (out / "charges.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        for charge in rated.complete():
            writer.writerow(charge_fields(charge).values())
            sums = lines.setdefault(line_key(charge, CITY), [Decimal(0), Decimal(0)])
            sums[0] = EXACT.add(sums[0], charge.quantity)
            sums[1] = EXACT.add(sums[1], charge.numerator)
    with (out / "lines.csv").open("w", newline="") as file:
        csv.writer(file).writerows((key, *sums) for key, sums in lines.items())
    seconds = clock.monotonic() - began
    return {
        "rows": len({charge.usage_id for charge in rated.charges}),
        "seconds": seconds,
        "total": str(sum(charge.cost for charge in rated.charges)),
        "bytes": sum(f.stat().st_size for f in out.iterdir()),
    }


def _records(directory: Path) -> Iterator[UsageRecord]:
    with duckdb.connect() as db:
        told = db.execute(f"SELECT {_COLUMNS} FROM read_parquet('{directory}/*.parquet')")
        while rows := told.fetchmany(10_000):
            for *names, start, end, quantity in rows:
                fields: list[Any] = [*names, Interval(_moment(start), _moment(end)), quantity]
                yield UsageRecord(*fields)


def _moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def part(name: str, directory: Path, out: Path) -> None:
    """One part, in this process: prints what came of it as JSON."""
    found: dict[str, Any] = {}
    match name:
        case "make":
            make(directory, int(out.name))
        case "charges" | "lines":
            found = by_engine(directory, out, charges=name == "charges")
        case _:
            found = by_reference(directory, out)
    used = resource.getrusage(resource.RUSAGE_SELF)
    found["peak"], found["cpu"] = used.ru_maxrss << 10, used.ru_utime + used.ru_stime
    print(json.dumps(found))


def apart(name: str, directory: Path, out: Path) -> dict[str, Any]:
    """A part in a process of its own; what it wrote is removed."""
    command = [sys.executable, "-m", "bench.rating", "--part", name, str(directory), str(out)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    shutil.rmtree(out, ignore_errors=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Print how fast a ledger is rated and written, by the engine and by the loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="usage records of the ledger")
    parser.add_argument("--directory", type=Path, help="where it is made; else a temporary one")
    parser.add_argument("--part", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        part(asked.part[0], Path(asked.part[1]), Path(asked.part[2]))
        return
    began_on = machine()
    with tempfile.TemporaryDirectory(prefix="cloudmgr-rating-", dir=asked.directory) as name:
        home = Path(name)
        need, free = asked.rows * BYTES_A_ROW, shutil.disk_usage(home).free
        if free < need:
            sys.exit(f"{asked.rows:,} rows need {need >> 30} GiB in {home}; {free >> 30} are free")
        whole, small = home / "ledger", home / "small"
        for directory, rows in ((whole, asked.rows), (small, min(REFERENCE_ROWS, asked.rows))):
            directory.mkdir()
            apart("make", directory, home / str(rows))
        found = {
            "charges and lines": apart("charges", whole, home / "charges"),
            "lines only": apart("lines", whole, home / "lines"),
            "the reference loop": apart("reference", small, home / "reference"),
        }
        same = apart("charges", small, home / "same")
    if same["total"] != found["the reference loop"]["total"]:
        sys.exit(f"the engine says {same['total']}, the loop {found['the reference loop']}")
    show(
        "A month's ledger, rated and written",
        (
            "",
            "usage rows",
            "seconds",
            "rows/s",
            "CPU s",
            "peak MiB",
            "written MiB",
            "speed",
            "memory",
        ),
        [
            (
                what,
                f"{one['rows']:,}",
                f"{one['seconds']:.1f}",
                f"{one['rows'] / one['seconds']:,.0f}",
                f"{one['cpu']:.1f}",
                f"{one['peak'] / (1 << 20):,.0f}",
                f"{one['bytes'] / (1 << 20):,.0f}",
                "" if loop else verdict(held=one["rows"] / one["seconds"] >= GOAL_ROWS),
                "" if loop else verdict(held=one["peak"] <= GOAL_MEMORY),
            )
            for what, one in found.items()
            for loop in (what == "the reference loop",)
        ],
        f"goal: {GOAL_ROWS:,} usage rows/s, {GOAL_MEMORY >> 30} GiB on two cores; {began_on}",
        f"engine and loop come to the same on the same {same['rows']:,} rows, exactly",
    )


if __name__ == "__main__":
    main()
