"""Reads the ledger at rest with DuckDB: totals, and whether it is whole."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from cloudmgr.errors import Permanent
from cloudmgr.interval import Interval
from cloudmgr.metering.lake.lapses import Kept
from cloudmgr.metering.lake.shape import Total
from cloudmgr.metering.meters import METERS, MeterKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FILES = "read_parquet(?, hive_partitioning = true, hive_types = {'month': VARCHAR})"
_HELD = tuple(m.name for m in METERS.values() if m.kind is MeterKind.RATE and not m.measured)
_BATCH = 10_000
_MOST = 2**62


@contextmanager
def reading() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of our own that fetches nothing; moments are UTC.

    :raises Permanent: ``ledger-damaged`` for a file that is none any more.
    """
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as database:
        database.execute("SET TimeZone = 'UTC'")
        try:
            yield database
        except duckdb.Error as error:
            raise Permanent(
                f"the ledger at rest cannot be read: {str(error).splitlines()[0][:300]}",
                code="ledger-damaged",
                hint="see `cloudmgr usage ledger check`; the database still has every line",
            ) from error


def totals(paths: Sequence[str], batch: int | None = None) -> dict[int, Total]:
    """By batch, what lies in the files at ``paths``; of one batch alone if asked so.

    :raises Permanent: ``ledger-damaged``.
    """
    if not paths:
        return {}
    with reading() as database:
        # Of one batch, so that files that cannot hold it are not read.
        least, most = (0, _MOST) if batch is None else (batch, batch)
        rows = database.execute(
            f"SELECT batch, count(*), sum(quantity) FROM {_FILES} "  # noqa: S608
            "WHERE batch BETWEEN ? AND ? GROUP BY batch",
            [list(paths), least, most],
        ).fetchall()
    return {int(batch): Total(int(count), quantity) for batch, count, quantity in rows}


def kept(paths: Sequence[str], interval: Interval, last: int) -> Iterator[Kept]:
    """What the files say was held in ``interval``, of each allocation and meter, in their order.

    :param paths: of the month that is ``interval``: no line lies in two months.
    :param last: the batch after which lines are not looked at.
    :raises Permanent: ``ledger-damaged``.
    """
    if not paths:
        return
    with reading() as database:
        found = database.execute(_KEPT, [list(paths), last, list(_HELD)])
        while rows := found.fetchmany(_BATCH):
            for row in rows:
                yield _kept(row, interval)


# Lines in the order of time; one that begins elsewhere than where all before it ended is a lapse.
_KEPT = f"""
    WITH line AS (
        SELECT source, resource, meter, environment_id, start, "end", quantity,
            max("end") OVER (
                PARTITION BY source, resource, meter ORDER BY start, "end"
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS before
        FROM {_FILES} WHERE batch <= ? AND meter IN (SELECT unnest(?))
    )
    SELECT source, resource, meter, any_value(environment_id), min(start), max("end"),
        sum(quantity), list(before ORDER BY start) FILTER (before < start),
        list(start ORDER BY start) FILTER (before < start),
        list(start ORDER BY start) FILTER (before > start),
        list(least(before, "end") ORDER BY start) FILTER (before > start)
    FROM line GROUP BY source, resource, meter ORDER BY source, resource, meter
"""  # noqa: S608 - of our own words


def _kept(row: tuple[Any, ...], interval: Interval) -> Kept:
    source, resource, meter, environment_id, start, end, quantity, *lapses = row
    gaps, overlaps = (
        tuple(Interval(a, b) for a, b in zip(first or (), last or (), strict=True) if a < b)
        for first, last in (lapses[:2], lapses[2:])
    )
    span = Interval(start, end).intersect(interval)
    return Kept((source, resource, meter), environment_id, span, quantity, gaps, overlaps)
