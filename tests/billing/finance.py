"""A finance office for tests: the books of one month, over one pool and one gateway."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import text

from cloudmgr.billing.books import Books
from cloudmgr.billing.closing import Closing
from cloudmgr.billing.invoices import Label
from cloudmgr.billing.periods import billing_period
from cloudmgr.billing.store import BillingStore
from cloudmgr.metering.collector import Collector
from cloudmgr.metering.lake.exporter import Exporter
from cloudmgr.metering.lake.keeper import Keeper
from cloudmgr.metering.lake.table import LedgerTable
from cloudmgr.metering.store import MeteringStores
from tests.builders import a_price_list, an_allocation
from tests.fakes import City, CountingGateway, LedgerPool, ManualClock

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from cloudmgr.billing.rating import AccountOf
    from cloudmgr.db.engine import Database
    from cloudmgr.metering.usage import UsageRecord

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR = timedelta(hours=1)


class Finance:
    """A finance office: one pool, one gateway, a price list, and the books of a month of June."""

    def __init__(
        self, database: Database, zone: ZoneInfo = SHANGHAI, month: str = "2026-06"
    ) -> None:
        self.database = database
        self.month = billing_period(month, zone)
        self.clock = ManualClock(self.month.interval.start)
        self.metering = MeteringStores()
        self.pool = LedgerPool()
        self.gateway = CountingGateway()
        self.prices = a_price_list()
        self.pays: AccountOf = lambda department_id, _moment: (
            "acc_b" if department_id == "dep_b" else "acc_edu"
        )
        self.collector = Collector(
            database,
            self.metering,
            City(env_b="dep_b"),
            self.clock,
            zone,
            drivers={"a": self.pool},
            gateways={"extranet": self.gateway.read},
        )
        self.books = Books(
            database,
            BillingStore(),
            self.metering,
            prices=lambda: self.prices,
            accounts=lambda _tx: self.pays,
            labels=self.labels,
            zone=zone,
            clock=self.clock,
        )
        self.closing = Closing(self.books, self.collector.collect)

    def keep_a_ledger(self, directory: Path) -> LedgerTable:
        """From now on months are closed over the ledger at rest in ``directory``."""
        zone, batches = self.books.zone, self.metering.batches
        table = LedgerTable(directory, zone)
        exporter = Exporter(self.database, batches, table, self.clock)
        keeper = Keeper(self.database, self.metering, table, exporter, clock=self.clock, zone=zone)
        self.closing = Closing(self.books, self.collector.collect, keeper.check)
        return table

    def labels(self, _tx: object, ids: Collection[str]) -> Mapping[str, Label]:
        return {name: Label(f"名称{name}", f"name of {name}") for name in ids}

    def hold(self, days: float, name: str = "alloc_1", **changes: object) -> None:
        """One replica from the start of the month for so many days."""
        start = self.month.interval.start
        self.pool.hold(
            an_allocation(
                id=name, started_at=start, ended_at=start + timedelta(days=days), **changes
            )
        )

    def later(self, **span: float) -> None:
        """It is so much after the end of the month."""
        self.clock.set(self.month.interval.end + timedelta(**span))

    def write(self, *records: UsageRecord) -> None:
        with self.database.write() as tx:
            self.metering.ledger.append(tx, records, self.clock.now())

    def frozen(self) -> list[object]:
        with self.database.read() as tx:
            return [
                sorted(map(str, tx.execute(text(f"SELECT * FROM {name}"))))  # noqa: S608
                for name in ("billing_period", "invoice", "charge")
            ]
