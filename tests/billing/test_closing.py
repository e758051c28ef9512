from __future__ import annotations

import random
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from cloudmgr.billing.books import Books
from cloudmgr.billing.closing import Closing
from cloudmgr.billing.invoices import Label
from cloudmgr.billing.periods import billing_period, period_after, period_at, period_before
from cloudmgr.billing.rating import Category, exact_cost
from cloudmgr.billing.store import BillingStore
from cloudmgr.db.engine import Database
from cloudmgr.db.types import metadata
from cloudmgr.errors import Conflict, Invalid, NotFound, Permanent, Temporary, Unpriced
from cloudmgr.interval import Interval
from cloudmgr.metering.collector import Collector
from cloudmgr.metering.store import MeteringStores
from cloudmgr.money import exact_sum, to_cents
from cloudmgr.policy.prices import Price, PriceList
from cloudmgr.pools.capacity import Resources
from tests.billing.worlds import account_of, price_lists, usage
from tests.builders import a_price_list, a_record, an_allocation
from tests.fakes import City, CountingGateway, LedgerPool, ManualClock

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cloudmgr.billing.books import ExplainedCharge
    from cloudmgr.billing.rating import AccountOf
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


def test_a_month_is_closed_into_invoices_that_add_up(database: Database) -> None:
    office = Finance(database)
    office.hold(10)
    office.hold(3, name="b", environment_id="env_b", department_id="dep_b", size=Resources(2000))
    office.gateway.serve("env_exam", 12345)
    office.clock.advance(timedelta(days=1))
    office.collector.collect()
    office.later(minutes=2)
    closed = office.closing.close("2026-06", "usr_finance")

    assert (closed.closed_by, closed.gaps) == ("usr_finance", ())
    first, second = office.books.invoices(month="2026-06")
    assert [first.number, second.number] == ["2026-06-0001", "2026-06-0002"]
    assert {first.account_id, second.account_id} == {"acc_b", "acc_edu"}
    assert first.account.zh == "名称acc_b"
    assert first.exact == Fraction(2) * 72 * Fraction("0.12")
    assert first.total == Decimal("17.28")
    assert second.exact == (
        Fraction(1, 2) * 240 * Fraction("0.12")
        + Fraction(3, 4) * 240 * Fraction("0.035")
        + Fraction(12345, 1000) * Fraction("0.0021")
    )
    assert office.books.invoice(second.id) == second
    assert office.books.invoices(account_id="acc_b") == (first,)
    assert office.closing.verify("2026-06").equal


def test_a_second_close_is_refused_with_who_and_when_and_changes_nothing(
    database: Database,
) -> None:
    office = Finance(database)
    office.hold(1)
    office.later(minutes=2)
    office.closing.close("2026-06", "usr_li")
    before = office.frozen()
    office.later(days=1)

    with pytest.raises(Conflict) as refused:
        office.closing.close("2026-06", "usr_wang")
    assert refused.value.code == "period-closed"
    assert "usr_li" in refused.value.message
    assert "2026-07-01 00:02:00" in refused.value.message
    assert office.frozen() == before


def test_two_who_close_at_once_close_it_once(database: Database) -> None:
    office = Finance(database)
    office.hold(1)
    office.later(minutes=2)

    # The other closes while this one collects, after it has looked whether it is closed.
    slower = Closing(
        office.books,
        lambda: (
            office.closing.close("2026-06", "usr_li")
            if not office.books.invoices(month="2026-06")
            else None
        ),
    )
    with pytest.raises(Conflict) as refused:
        slower.close("2026-06", "usr_wang")
    assert refused.value.code == "period-closed"
    assert "usr_li" in refused.value.message
    assert office.closing.verify("2026-06").equal


def test_a_month_that_is_not_over_is_not_closed(database: Database) -> None:
    office = Finance(database)
    office.later(seconds=-1)

    with pytest.raises(Conflict) as refused:
        office.closing.close("2026-06", "usr_li")
    assert refused.value.code == "period-not-ended"
    [ended, *_] = office.books.checklist("2026-06")
    assert (ended.code, ended.ok) == ("ended", False)


def test_a_month_is_not_closed_before_what_is_held_is_cut_at_its_end(database: Database) -> None:
    office = Finance(database)
    start = office.month.interval.start
    office.pool.hold(an_allocation(started_at=start, size=Resources(1000)))
    office.later(seconds=30)

    with pytest.raises(Conflict) as refused:
        office.closing.close("2026-06", "usr_li")
    assert refused.value.code == "usage-not-collected"
    office.later(minutes=1)
    office.closing.close("2026-06", "usr_li")
    [bill] = office.books.invoices()
    assert bill.exact == 720 * Fraction("0.12")


def test_a_pool_that_cannot_be_read_holds_the_month_open_unless_the_gap_is_accepted(
    database: Database,
) -> None:
    office = Finance(database)
    office.hold(29.5, size=Resources(1000))
    office.clock.advance(timedelta(days=20, minutes=2))
    office.collector.collect()
    office.pool.failing = Temporary("no route to host")
    office.later(hours=1)

    with pytest.raises(Conflict) as refused:
        office.closing.close("2026-06", "usr_li")
    assert refused.value.code == "usage-not-collected"
    assert len(refused.value.problems) == 2
    checks = {check.code: check for check in office.books.checklist("2026-06")}
    assert not checks["collected"].ok
    assert checks["priced"].ok

    closed = office.closing.close("2026-06", "usr_li", accept_gaps=True)
    assert len(closed.gaps) == 2
    assert office.closing.verify("2026-06").equal

    # What came late is billed in July, as an adjustment, with its own interval.
    before = office.frozen()
    office.pool.failing = None
    office.later(days=1)
    office.collector.collect()
    late = office.books.late()
    assert late
    assert all(record.interval.start in office.month.interval for record in late)
    assert office.frozen() == before
    july = period_after(office.month, SHANGHAI)
    office.clock.set(july.interval.end + timedelta(minutes=2))
    office.closing.close("2026-07", "usr_li")
    assert office.books.late() == ()
    [june_bill] = office.books.invoices(month="2026-06")
    [july_bill] = office.books.invoices(month="2026-07")
    assert {(x.key.category, x.key.month) for x in july_bill.lines} == {("Adjustment", "2026-06")}
    assert june_bill.exact + july_bill.exact == Fraction("29.5") * 24 * Fraction("0.12")
    assert june_bill.exact == 20 * 24 * Fraction("0.12")
    assert office.closing.verify("2026-07").equal


def test_late_usage_is_billed_once_and_the_closed_month_stays_as_it_was(
    database: Database,
) -> None:
    office = Finance(database)
    office.hold(1)
    office.later(minutes=2)
    office.closing.close("2026-06", "usr_li")
    before = office.frozen()
    late = a_record(
        resource="late",
        interval=Interval(office.month.interval.start, office.month.interval.start + HOUR),
    )
    much_earlier = a_record(resource="earlier")
    office.write(late, late, replace(much_earlier))

    assert {record.id for record in office.books.late()} == {late.id, much_earlier.id}
    assert office.frozen() == before
    preview = office.books.preview("2026-07")
    assert {charge.category for charge in preview.charges} == {Category.ADJUSTMENT}
    assert office.books.preview("2026-08").charges == ()

    for month in ("2026-07", "2026-08"):
        office.clock.set(billing_period(month, SHANGHAI).interval.end + timedelta(minutes=2))
        office.closing.close(month, "usr_li")
    assert len(office.books.preview("2026-07").charges) == 2
    assert office.books.preview("2026-08").charges == ()
    assert office.books.late() == ()


def test_months_are_closed_in_order(database: Database) -> None:
    office = Finance(database)
    office.hold(1)
    office.later(days=40)

    with pytest.raises(Conflict) as refused:
        office.closing.close("2026-07", "usr_li")
    assert refused.value.code == "period-out-of-order"
    office.closing.close("2026-06", "usr_li")
    for wrong in ("2026-05",):
        with pytest.raises(Conflict) as refused:
            office.closing.close(wrong, "usr_li")
        assert refused.value.code == "period-out-of-order"
    office.closing.close("2026-07", "usr_li")
    summaries = office.books.periods()
    assert [(s.period.month, s.closed is not None) for s in summaries] == [
        ("2026-08", False),
        ("2026-07", True),
        ("2026-06", True),
    ]


def test_a_missing_price_keeps_the_month_open_and_is_listed(database: Database) -> None:
    office = Finance(database)
    office.prices = PriceList(
        "CNY", (Price("vcpu", None, datetime(2020, 1, 1, tzinfo=UTC), Decimal(1)),)
    )
    office.hold(1)
    office.gateway.serve("env_exam", 10)
    office.clock.advance(HOUR / 2)
    office.collector.collect()
    office.later(minutes=2)

    with pytest.raises(Unpriced) as refused:
        office.closing.close("2026-06", "usr_li")
    assert [path for path, _ in refused.value.problems] == ["memory/extranet", "requests/extranet"]
    assert office.frozen() == [[], [], []]
    preview = office.books.preview("2026-06")
    assert len(preview.unpriced) == 2
    assert {charge.meter for charge in preview.charges} == {"vcpu"}


def test_a_preview_shows_what_is_held_up_to_the_last_reading(database: Database) -> None:
    office = Finance(database)
    start = office.month.interval.start
    office.pool.hold(an_allocation(started_at=start, size=Resources(1000)))
    office.pool.hold(
        an_allocation(id="b", environment_id="env_b", department_id="dep_b", started_at=start)
    )
    office.clock.advance(HOUR * 2.5)
    office.collector.collect()
    office.clock.advance(timedelta(days=1))

    whole = office.books.preview("2026-06")
    assert whole.until == start + HOUR * 2.5
    assert [bill.account_id for bill in whole.invoices] == ["acc_b", "acc_edu"]
    mine = office.books.preview("2026-06", department_id="dep_exam")
    assert [bill.exact for bill in mine.invoices] == [Fraction("2.5") * Fraction("0.12")]
    assert mine.invoices[0].number == ""
    account = office.books.preview("2026-06", account_id="acc_b")
    assert {charge.department_id for charge in account.charges} == {"dep_b"}
    explained = office.books.explain_preview(mine, mine.invoices[0], 1)
    assert [item.usage is not None for item in explained.charges] == [True, True, False]


def test_a_preview_of_a_closed_month_is_what_was_closed(database: Database) -> None:
    office = Finance(database)
    office.hold(1)
    office.hold(1, name="b", environment_id="env_b", department_id="dep_b")
    office.later(minutes=2)
    closed = office.closing.close("2026-06", "usr_li")
    office.prices = a_price_list(
        Price("vcpu", "extranet", datetime(2020, 1, 1, tzinfo=UTC), Decimal(99))
    )

    preview = office.books.preview("2026-06")
    assert preview.closed == closed
    assert preview.invoices == office.books.invoices(month="2026-06")
    [part] = office.books.preview("2026-06", department_id="dep_b").invoices
    [bill] = office.books.invoices(account_id="acc_b")
    assert part.total == bill.total
    assert office.closing.verify("2026-06").equal


def test_a_line_opens_to_its_charges_usage_and_allocation(database: Database) -> None:
    office = Finance(database)
    office.hold(0.25)
    office.gateway.serve("env_exam", 100)
    office.clock.advance(HOUR / 2)
    office.collector.collect()
    office.later(minutes=2)
    office.closing.close("2026-06", "usr_li")
    [bill] = office.books.invoices()

    for line in bill.lines:
        items: list[ExplainedCharge] = []
        cursor = None
        while True:
            page = office.books.explain(bill.id, line.number, cursor=cursor, limit=4)
            assert page.line == line
            items += page.charges
            cursor = page.cursor
            if cursor is None:
                break
        assert len(items) == line.charges
        assert exact_cost([item.charge for item in items]) == line.exact
        for item in items:
            assert item.usage is not None
            assert item.usage.quantity == item.charge.quantity
            held = [(h.resource, h.meter) for h in item.held]
            assert held == ([] if line.key.meter == "requests" else [("alloc_1", line.key.meter)])
    with pytest.raises(NotFound):
        office.books.explain(bill.id, 99)
    with pytest.raises(NotFound):
        office.books.explain("inv_none", 1)
    with pytest.raises(Invalid):
        office.books.explain(bill.id, 1, cursor="x")


def test_a_closed_month_that_was_tampered_with_is_found_out(database: Database) -> None:
    office = Finance(database)
    office.hold(1)
    office.later(minutes=2)
    office.closing.close("2026-06", "usr_li")

    with database.write() as tx:
        tx.execute(text("UPDATE usage_record SET department_id = 'dep_x', resource = 'other'"))
    assert office.closing.verify("2026-06").equal  # the invoice follows from the charges
    with database.write() as tx:
        tx.execute(text("DELETE FROM usage_record WHERE meter = 'memory'"))
    assert not office.closing.verify("2026-06").equal
    with database.write() as tx:
        tx.execute(text("UPDATE charge SET component = 'other'"))
    assert any("is not what was closed" in p for p in office.closing.verify("2026-06").problems)
    with database.write() as tx:
        tx.execute(text("UPDATE charge SET quantity = '1'"))
    with pytest.raises(Permanent):
        office.closing.verify("2026-06")
    with pytest.raises(NotFound):
        office.closing.verify("2026-05")


def test_an_empty_month_is_closed_without_invoices(sqlite: Database) -> None:
    office = Finance(sqlite)
    office.later(minutes=2)
    closed = office.closing.close("2026-06", "usr_li")

    assert (closed.charges, closed.currency) == (0, "CNY")
    assert office.books.invoices() == ()
    assert office.closing.verify("2026-06").equal


@pytest.mark.parametrize(
    ("zone", "month", "hours"),
    [
        ("Asia/Shanghai", "2026-06", 720),
        ("America/New_York", "2026-03", 743),
        ("America/New_York", "2026-11", 721),
        ("Asia/Kathmandu", "2026-06", 720),
        ("Australia/Lord_Howe", "2026-04", Decimal("720.5")),
    ],
)
def test_a_month_has_the_hours_that_its_people_live(
    sqlite: Database, zone: str, month: str, hours: Decimal
) -> None:
    office = Finance(sqlite, ZoneInfo(zone), month)
    before = office.month.interval.start - timedelta(days=2)
    office.pool.hold(an_allocation(started_at=before, size=Resources(1000)))
    office.later(minutes=2)
    office.collector.collect()
    # The two days of the month before come first.
    previous = period_before(office.month, ZoneInfo(zone))
    office.closing.close(previous.month, "usr_li")
    office.closing.close(month, "usr_li")

    [first] = office.books.invoices(month=previous.month)
    [bill] = office.books.invoices(month=month)
    assert first.exact == 48 * Fraction("0.12")
    assert bill.exact == Fraction(hours) * Fraction("0.12")
    assert bill.lines[0].interval == office.month.interval


@pytest.mark.parametrize("month", ["2026-13", "26-06", "2026-6", "2026-06-01", "", "２０２６-06"])
def test_what_is_no_month_is_refused(sqlite: Database, month: str) -> None:
    office = Finance(sqlite)

    with pytest.raises(Invalid) as refused:
        office.closing.close(month, "usr_li")
    assert refused.value.code == "no-such-month"


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001 - Hypothesis wants naive bounds
def test_months_follow_each_other_without_gaps(naive: datetime) -> None:
    for zone in (SHANGHAI, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")):
        period = period_at(naive.replace(tzinfo=UTC), zone)
        assert naive.replace(tzinfo=UTC) in period.interval
        assert period_after(period, zone).interval.start == period.interval.end
        assert period_before(period, zone).interval.end == period.interval.start


@settings(max_examples=15)
@given(
    st.lists(usage(), min_size=1, max_size=12, unique_by=lambda r: r.id),
    price_lists(),
    st.integers(0, 2**32),
)
def test_however_usage_arrives_the_closed_month_is_the_same_and_adds_up(
    records: list[UsageRecord], prices: PriceList, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret
    shuffled = [*records, *chance.choices(records, k=3)]
    chance.shuffle(shuffled)
    digests = set()
    for arrived in (records, shuffled):
        with (
            TemporaryDirectory() as folder,
            closing(Database(f"sqlite:///{folder}/books.db")) as database,
        ):
            metadata.create_all(database.engine)
            office = Finance(database)
            office.prices = prices
            office.pays = account_of
            for record in arrived:
                office.write(record)
            office.later(minutes=2)
            closed = office.closing.close("2026-06", "usr_li")
            digests.add(closed.digest)

            assert office.closing.verify("2026-06").equal
            with database.read() as tx:
                charges = list(office.books.store.charges_of(tx, "2026-06"))
            bills = office.books.invoices(month="2026-06")
            assert sum((b.exact for b in bills), Fraction(0)) == exact_cost(charges)
            for meter in {r.meter for r in records}:
                assert exact_sum([c.quantity for c in charges if c.meter == meter]) == exact_sum(
                    [r.quantity for r in records if r.meter == meter]
                )
            assert all(bill.total == to_cents(bill.exact) for bill in bills)
    assert len(digests) == 1
