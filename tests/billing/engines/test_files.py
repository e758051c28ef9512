"""The ledger at rest, as the control plane writes it, is what is rated."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from cloudmgr.billing.engines.files import ledger_files
from cloudmgr.billing.engines.machine import RatingMachine
from cloudmgr.billing.rating import exact_cost, rate_all
from cloudmgr.errors import Invalid
from cloudmgr.metering.lake.shape import Line
from cloudmgr.metering.lake.table import LedgerTable
from tests.billing.engines.cases import SHANGHAI, at_random
from tests.billing.engines.engines import ACCOUNTS, account_of

if TYPE_CHECKING:
    from pathlib import Path

WRITTEN = datetime(2026, 9, 9, tzinfo=UTC)


def test_a_delta_table_is_rated_without_the_files_that_it_replaced(tmp_path: Path) -> None:
    records, tariff = at_random(seed=5, count=120)
    table = LedgerTable(tmp_path / "ledger", SHANGHAI)
    table.make()
    for batch in range(4):
        lines = [Line(record, WRITTEN) for record in records[batch::4]]
        assert table.append(batch + 1, lines)
    months = {file.month for file in table.files()}
    assert len(months) > 2
    for month in months:
        assert table.compact(month) > 1
    files = ledger_files([str(table.directory)])
    beside = sorted(map(str, table.directory.rglob("*.parquet")))
    assert len(files) == len(months) < len(beside)

    expected = rate_all(records, tariff, account_of).complete()
    with RatingMachine(files, tariff, SHANGHAI, accounts=ACCOUNTS) as rating:
        totals = rating.write(tmp_path / "out")
    assert totals.charges == len(expected)
    assert sum(totals.accounts.values()) == exact_cost(expected)


def test_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger" / "_delta_log").mkdir(parents=True)
    for name in ("ledger", "none"):
        with pytest.raises(Invalid, match=str(tmp_path / name)):
            ledger_files([str(tmp_path / name)])
