from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.billing.periods import period_after, period_at, period_before
from cloudmgr.billing.rating import exact_cost
from cloudmgr.errors import Conflict, Invalid, NotFound
from cloudmgr.policy.prices import Price
from cloudmgr.pools.capacity import Resources
from tests.billing.finance import HOUR, SHANGHAI, Finance
from tests.builders import a_price_list, an_allocation

if TYPE_CHECKING:
    from cloudmgr.billing.books import ExplainedCharge
    from cloudmgr.db.engine import Database


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
