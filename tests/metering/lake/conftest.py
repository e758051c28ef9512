"""A ledger at rest in a directory of its own, and what brings lines to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from cloudmgr.interval import Interval
from cloudmgr.metering.lake.exporter import Exporter
from cloudmgr.metering.lake.table import LedgerTable
from cloudmgr.metering.store import MeteringStores
from tests.builders import a_record
from tests.fakes import ManualClock

if TYPE_CHECKING:
    from pathlib import Path

    from cloudmgr.db.engine import Database
    from cloudmgr.metering.usage import UsageRecord

STORES = MeteringStores()
SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR = timedelta(hours=1)
# Eight hours before June begins in Shanghai's months, so that lines lie in two of them.
FIRST = datetime(2026, 5, 31, 12, tzinfo=UTC)
NOW = datetime(2026, 6, 2, tzinfo=UTC)


@pytest.fixture
def table(tmp_path: Path) -> LedgerTable:
    return LedgerTable(tmp_path / "ledger", SHANGHAI)


def exporter(database: Database, table: LedgerTable, **how: object) -> Exporter:
    options = {"lines": 4, **how}
    return Exporter(database, STORES.batches, table, ManualClock(NOW), **options)  # type: ignore[arg-type]


def an_hour(number: int, **changes: object) -> UsageRecord:
    """The line of one allocation for the hour with this number since :data:`FIRST`."""
    start = FIRST + number * HOUR
    quantity = Decimal(3600) + Decimal(number).scaleb(-18)
    fields = {"interval": Interval(start, start + HOUR), "quantity": quantity, **changes}
    return a_record(**fields)


def some_hours(database: Database, count: int) -> list[UsageRecord]:
    """So many lines of one allocation, metered and not yet at rest."""
    lines = [an_hour(n) for n in range(count)]
    with database.write() as tx:
        STORES.ledger.append(tx, lines, NOW)
    return lines
