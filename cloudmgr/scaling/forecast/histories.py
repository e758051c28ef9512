"""Histories of demand in files: Parquet or CSV with ``series_id``, ``timestamp`` and ``value``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from cloudmgr.errors import Invalid
from cloudmgr.scaling.forecast.demand import Demand

if TYPE_CHECKING:
    from pathlib import Path
    from zoneinfo import ZoneInfo

MOST_SERIES = 2_000
MOST_STEPS = 1_000_000
# Each divides a day, so that yesterday at this time is a whole number of steps ago.
STEPS = tuple(timedelta(minutes=m) for m in (5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1440))
_SERIES, _VALUE = "series_id", "value"
_MOMENTS = ("timestamp", "timestamp_utc")
_LONGEST_SHOWN = 40
_PARQUET = "read_parquet(?)"
# Text, so that what is wrong can be shown as it stands there.
_CSV = "read_csv(?, all_varchar = true, header = true, skip = 0, null_padding = true)"


def read(path: Path, zone: ZoneInfo, step: timedelta | None = None) -> tuple[Demand, ...]:
    """All series of a file, by their names, at even steps: the mean of what falls into each.

    Without a column ``series_id`` there is one series. An empty value is a gap, as is a step that
    nothing falls into.

    :param zone: of moments that tell none; those of ``timestamp_utc`` are UTC.
    :param step: one of :data:`STEPS`; the usual distance in the file, and at least five minutes,
        if it is left out.
    :raises Invalid: ``invalid-history`` with the row and column: no such file, none that can be
        read, a column that is missing, a moment or value that is none, a value below 0, too much.
    """
    kind = "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:]).lower()
    if kind not in {".parquet", ".csv", ".csv.gz"}:
        raise _invalid(path, "its name must end in .parquet, .csv or .csv.gz")
    if not path.is_file():
        raise _invalid(path, "there is no such file")
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as database:
        try:
            return _read(database, path, kind == ".parquet", zone, step)
        except (duckdb.Error, UnicodeDecodeError) as error:
            raise _invalid(path, str(error).splitlines()[0]) from error


def _read(
    database: duckdb.DuckDBPyConnection,
    path: Path,
    parquet: bool,  # noqa: FBT001 - one of two kinds
    zone: ZoneInfo,
    step: timedelta | None,
) -> tuple[Demand, ...]:
    source = _PARQUET if parquet else _CSV
    name = str(path)
    found = database.execute(f"DESCRIBE SELECT * FROM {source}", [name]).fetchall()  # noqa: S608
    columns = [str(row[0]) for row in found]
    moment = next((one for one in _MOMENTS if one in columns), None)
    lacking = [one for one in ("timestamp" if moment is None else None, _VALUE) if one]
    lacking = [one for one in lacking if one not in columns]
    if lacking:
        has = ", ".join(columns[:10])
        raise _invalid(path, f"row 1: it has no column {' and '.join(lacking)}; it has {has}")
    series = f'CAST("{_SERIES}" AS VARCHAR)' if _SERIES in columns else "''"
    database.execute(f"SET TimeZone = '{'UTC' if moment == _MOMENTS[1] else zone.key}'")
    database.execute(
        "CREATE TEMP TABLE given AS SELECT row_number() OVER () AS place, "  # noqa: S608
        f"coalesce({series}, '') AS series, "
        f'CAST("{moment}" AS VARCHAR) AS moment, '
        f'epoch(TRY_CAST("{moment}" AS TIMESTAMPTZ)) AS seconds, '
        f"nullif(CAST(\"{_VALUE}\" AS VARCHAR), '') AS said, "
        f'TRY_CAST("{_VALUE}" AS DOUBLE) AS value FROM {source}',
        [name],
    )
    _check(database, path, moment or "", parquet=parquet)
    names = [str(row[0]) for row in database.execute(_NAMES).fetchall()]
    if not names:
        raise _invalid(path, "it has no value at all")
    if len(names) > MOST_SERIES:
        raise _invalid(path, f"it has {len(names):,} series; {MOST_SERIES:,} at most")
    step = step or _usual_step(database)
    return tuple(_series(database, path, one, step) for one in names)


_NAMES = "SELECT DISTINCT series FROM given WHERE said IS NOT NULL ORDER BY series"


def _check(database: duckdb.DuckDBPyConnection, path: Path, moment: str, *, parquet: bool) -> None:
    bad = database.execute(
        "SELECT place, seconds, moment, said, value FROM given WHERE seconds IS NULL "
        "OR said IS NOT NULL AND (value IS NULL OR value < 0 OR isinf(value)) "
        "ORDER BY place LIMIT 1"
    ).fetchone()
    if bad is None:
        return
    place, seconds, said_moment, said, value = bad
    row = place if parquet else place + 1
    if seconds is None:
        text = str(said_moment or "")[:_LONGEST_SHOWN]
        why = f"column {moment}: {text!r} is no moment, as 2026-06-30T09:00:00+08:00"
    elif value is not None and value < 0:
        why = f"column {_VALUE}: {said[:_LONGEST_SHOWN]} is below 0"
    else:
        why = f"column {_VALUE}: {said[:_LONGEST_SHOWN]!r} is no number"
    raise _invalid(path, f"row {row:,}, {why}")


def _usual_step(database: duckdb.DuckDBPyConnection) -> timedelta:
    usual = database.execute(
        "SELECT max(usual) FROM (SELECT median(seconds - before) AS usual FROM (SELECT series, "
        "seconds, lag(seconds) OVER (PARTITION BY series ORDER BY seconds) AS before FROM given) "
        "WHERE seconds > before GROUP BY series)"
    ).fetchone()
    seconds = float(usual[0] or 0) if usual else 0.0
    return next((one for one in STEPS if one.total_seconds() >= seconds), STEPS[-1])


def _series(database: duckdb.DuckDBPyConnection, path: Path, name: str, step: timedelta) -> Demand:
    span = step.total_seconds()
    found = database.execute(
        "SELECT CAST(floor(seconds / $span) AS BIGINT) AS step, avg(value) AS value FROM given "
        "WHERE series = $name AND value IS NOT NULL AND NOT isnan(value) GROUP BY 1 ORDER BY 1",
        {"span": span, "name": name},
    ).fetchnumpy()
    steps = found["step"].astype(np.int64)
    if not len(steps):
        raise _invalid(path, f"series {name} has no value at all")
    count = int(steps[-1] - steps[0]) + 1
    if count > MOST_STEPS:
        years = count * step / timedelta(days=365)
        raise _invalid(
            path, f"series {name} spans {years:,.0f} years; see that its dates are right"
        )
    values = np.full(count, np.nan)
    values[steps - steps[0]] = found["value"].astype(np.float64)
    start = datetime.fromtimestamp(float(steps[0]) * span, UTC)
    return Demand(name, start, step, values)


def _invalid(path: Path, why: str) -> Invalid:
    return Invalid(
        f"{path}: {why}",
        code="invalid-history",
        hint="a history has the columns series_id, timestamp and value",
    )
