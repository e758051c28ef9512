"""Where the usage ledger lies at rest, and who pays, as a person names them."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cloudmgr.billing.engines.inputs import BEGINNING, AccountSpan
from cloudmgr.errors import Invalid, Temporary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_ACCOUNT_COLUMNS = ("department_id", "account_id", "valid_from")


def ledger_files(places: Iterable[str]) -> tuple[str, ...]:
    """The Parquet files of ``places``: files, directories of them, or Delta tables.

    Of a Delta table those that its newest version has; what it has dropped lies beside them.

    :raises Invalid: ``no-ledger`` for a place where there is none.
    """
    return tuple(file for place in places for file in _files(place))


def _files(place: str) -> Iterator[str]:
    path = Path(place)
    if (path / "_delta_log").is_dir():
        yield from _delta(path)
    elif path.is_dir():
        found = sorted(
            file
            for file in path.rglob("*.parquet")
            if not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
        )
        if not found:
            raise Invalid(f"there is no Parquet file in {path}", code="no-ledger", path="ledger")
        yield from map(str, found)
    elif path.is_file():
        yield place
    else:
        raise Invalid(f"there is no {path}", code="no-ledger", path="ledger")


def _delta(path: Path) -> list[str]:
    # Takes a third of a second to import, and plain files need none of it.
    from cloudmgr.metering.lake.table import data_files  # noqa: PLC0415

    try:
        return data_files(path)
    except Temporary as error:
        raise Invalid(error.message, code="unreadable-ledger", path="ledger") from error


def accounts_in(path: Path) -> tuple[AccountSpan, ...]:
    """Who pays for which department, from a CSV file.

    Its columns are ``department_id``, ``account_id`` and, where it is not for ever, ``valid_from``
    (ISO 8601 with a zone).

    :raises Invalid: ``bad-accounts`` with the row.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _bad(path, f"it cannot be read: {error}") from None
    lacking = [name for name in _ACCOUNT_COLUMNS[:2] if not rows or name not in rows[0]]
    if lacking:
        raise _bad(path, f"row 1: it has no column {' and '.join(lacking)}, or nothing below")
    return tuple(_span(path, number, row) for number, row in enumerate(rows, start=2))


def _span(path: Path, number: int, row: Mapping[str, str | None]) -> AccountSpan:
    department_id, account_id, since = ((row.get(name) or "").strip() for name in _ACCOUNT_COLUMNS)
    for name, value in zip(_ACCOUNT_COLUMNS, (department_id, account_id), strict=False):
        if not value:
            raise _bad(path, f"row {number}, column {name}: it is empty")
    try:
        valid_from = datetime.fromisoformat(since) if since else BEGINNING
    except ValueError:
        valid_from = None
    if valid_from is None or valid_from.tzinfo is None:
        raise _bad(
            path,
            f"row {number}, column valid_from: {since[:40]!r} is no moment with a zone,"
            " as 2026-06-15T00:00:00+08:00",
        )
    return AccountSpan(department_id, valid_from, account_id)


def _bad(path: Path, why: str) -> Invalid:
    return Invalid(
        f"{path}: {why}",
        code="bad-accounts",
        hint="the columns are department_id, account_id and valid_from",
    )
