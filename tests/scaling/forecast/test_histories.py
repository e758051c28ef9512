"""Histories in files: what they mean, and what is wrong with them."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pytest

from cloudmgr.errors import Invalid
from cloudmgr.scaling.forecast.histories import read

if TYPE_CHECKING:
    from pathlib import Path

CITY = ZoneInfo("Asia/Shanghai")
HEAD = "series_id,timestamp,value\n"


def of(tmp_path: Path, text: str, name: str = "demand.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_rows_fall_into_steps_by_their_series(tmp_path: Path) -> None:
    rows = (
        "tax,2026-06-01 09:00,4\n"
        "exam,2026-06-01 09:01,1\nexam,2026-06-01 09:04,3\n"
        "exam,2026-06-01T01:10:00+00:00,8\nexam,2026-06-01T09:15:00+08:00,\n"
        "exam,2026-06-01 09:20,6\n"
    )
    exam, tax = read(of(tmp_path, HEAD + rows), CITY)
    assert (exam.series_id, tax.series_id) == ("exam", "tax")
    assert exam.start == datetime(2026, 6, 1, 1, tzinfo=UTC)
    assert exam.step == timedelta(minutes=5)
    np.testing.assert_array_equal(exam.values, [2, np.nan, 8, np.nan, 6])
    assert tax.values.tolist() == [4]


def test_the_step_is_the_usual_distance_or_the_one_that_is_asked_for(tmp_path: Path) -> None:
    path = of(tmp_path, "timestamp,value\n2026-06-01 08:00,1\n2026-06-01 09:00,3\n", "d.csv")
    (hourly,) = read(path, CITY)
    assert (hourly.step, hourly.values.tolist()) == (timedelta(hours=1), [1, 3])
    (daily,) = read(path, ZoneInfo("UTC"), timedelta(days=1))
    assert daily.values.tolist() == [2]


def test_parquet_and_packed_files_are_read_alike(tmp_path: Path) -> None:
    text = HEAD + "exam,2026-06-01 09:00,4\nexam,2026-06-01 09:05,5\n"
    (plain,) = read(of(tmp_path, text), CITY)
    packed = tmp_path / "demand.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    columns = tmp_path / "demand.parquet"
    made = duckdb.sql(
        "SELECT 'exam' AS series_id, t AS timestamp_utc, v::FLOAT AS value FROM (VALUES "
        "(TIMESTAMP '2026-06-01 01:00', 4), (TIMESTAMP '2026-06-01 01:05', 5)) AS x(t, v)"
    )
    assert made is not None
    made.write_parquet(str(columns))
    for path in (packed, columns):
        (other,) = read(path, CITY)
        assert (other.start, other.step) == (plain.start, plain.step)
        assert other.values.tolist() == plain.values.tolist() == [4, 5]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + "a,2026-01-01 00:00,1\na,2026-01-01 00:05,x\n", "row 3, column value: 'x' is no"),
        (HEAD + "a,2026-13-01 00:05,3\n", "row 2, column timestamp: '2026-13-01 00:05' is no mom"),
        (HEAD + "a,,3\n", "row 2, column timestamp: '' is no moment"),
        (HEAD + "a,2026-01-01 00:00,-1\n", "row 2, column value: -1 is below 0"),
        (HEAD + "a,2026-01-01 00:00,inf\n", "row 2, column value: 'inf' is no number"),
        ("series_id,time,value\na,2026-01-01,1\n", "no column timestamp; it has series_id, time"),
        ("timestamp,count\n2026-01-01,1\n", "no column value; it has timestamp, count"),
        (HEAD, "it has no value at all"),
        ("", "row 1: it has no column"),
        (HEAD + "a,0026-01-01 00:00,1\na,2026-01-01 00:00,1\na,2026-01-01 00:05,1\n", "spans"),
    ],
)
def test_what_is_wrong_is_told_with_row_and_column(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(of(tmp_path, text), CITY, timedelta(minutes=5))
    assert refused.value.code == "invalid-history"
    assert says in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("demand.txt", "x", "must end in"),
        ("demand.parquet", "no columns here", "demand.parquet"),
        ("absent.csv", None, "there is no such file"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, name: str, content: str | None, says: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(Invalid, match=says):
        read(path, CITY)
