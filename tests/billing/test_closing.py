from __future__ import annotations

import random
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from cloudmgr.billing.closing import Closing
from cloudmgr.billing.periods import billing_period, period_after
from cloudmgr.billing.rating import Category, exact_cost
from cloudmgr.db.engine import Database
from cloudmgr.errors import Conflict, NotFound, Permanent, Temporary, Unpriced
from cloudmgr.interval import Interval
from cloudmgr.money import exact_sum, to_cents
from cloudmgr.policy.prices import Price, PriceList
from cloudmgr.pools.capacity import Resources
from tests.billing.finance import HOUR, SHANGHAI, Finance
from tests.billing.worlds import account_of, price_lists, usage
from tests.builders import a_record, an_allocation
from tests.databases import file_with_tables, hurried

if TYPE_CHECKING:
    from cloudmgr.metering.usage import UsageRecord


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


def test_a_closed_month_that_was_tampered_with_is_found_out(database: Database) -> None:
    office = Finance(database)
    office.hold(1)
    office.later(minutes=2)
    office.closing.close("2026-06", "usr_li")

    with database.write() as tx:
        tx.execute(text("UPDATE usage_record SET department_id = 'dep_x', resource = 'other'"))
    problems = office.closing.verify("2026-06").problems
    assert any("is rated otherwise" in p for p in problems)
    assert not any("is not what was closed" in p for p in problems)
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
            closing(hurried(Database(file_with_tables(Path(folder) / "books.db")))) as database,
        ):
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
