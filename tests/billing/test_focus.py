"""A closed month as FOCUS, and the settlement file: the invoices' totals, to the last digit."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from openpyxl import load_workbook

from cloudmgr.billing.focus import COLUMNS, Version, columns, focus_csv, focus_rows
from cloudmgr.billing.invoices import invoice, invoices
from cloudmgr.billing.periods import ClosedPeriod, Inputs, billing_period
from cloudmgr.billing.rating import Category
from cloudmgr.billing.reporting import Reports
from cloudmgr.billing.settlement import settlement, settlement_sheet
from cloudmgr.billing.sheets import sheet_csv, workbook
from cloudmgr.errors import Invalid, NotFound
from cloudmgr.interval import Interval
from cloudmgr.money import exact_product, exact_sum
from tests.billing.finance import Finance
from tests.billing.test_invoices import JUNE, LABELS, ZONE, a_charge
from tests.billing.worlds import charges
from tests.builders import a_price_list

if TYPE_CHECKING:
    from cloudmgr.billing.rating import Charge
    from cloudmgr.db.engine import Database

INPUTS = Inputs(None, "0.1.0", a_price_list())
CLOSED = ClosedPeriod(
    JUNE, datetime(2026, 7, 1, tzinfo=UTC), "usr_f", "CNY", "p", "d" * 64, 0, {}, INPUTS
)


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


@given(charges())
def test_billed_cost_is_the_lines_and_the_invoices_to_the_last_digit(some: list[Charge]) -> None:
    bills = invoices(JUNE, some, LABELS, ZONE, numbered=True)
    for version in Version:
        rows = read(focus_csv(focus_rows(bills, some), version))
        totals: defaultdict[str, list[Decimal]] = defaultdict(list)
        for row in rows:
            totals[row["InvoiceId"]].append(Decimal(row["BilledCost"]))
        assert {name: exact_sum(costs) for name, costs in totals.items()} == {
            bill.number: bill.total for bill in bills
        }
    details: defaultdict[str, list[Decimal]] = defaultdict(list)
    for told in focus_rows(bills, some):
        details[told["InvoiceDetailId"]].append(Decimal(told["BilledCost"]))
        if told["ChargeCategory"] == "Usage":
            price, quantity = Decimal(told["ListUnitPrice"]), Decimal(told["PricingQuantity"])
            assert Decimal(told["ListCost"]) == exact_product(price, quantity)
    for bill in bills:
        for line in bill.lines:
            assert exact_sum(details[f"{bill.number}/{line.number}"]) == line.amount


@given(charges())
def test_nothing_that_was_used_is_lost_or_doubled(some: list[Charge]) -> None:
    bills = invoices(JUNE, some, LABELS, ZONE, numbered=True)
    rows = focus_rows(bills, some)
    for meter in {charge.meter for charge in some}:
        used = exact_sum([charge.quantity for charge in some if charge.meter == meter])
        told = [Decimal(row["ConsumedQuantity"]) for row in rows if row["x_Meter"] == meter]
        assert exact_sum(told) == used


@given(charges())
def test_the_settlement_file_sums_to_the_invoices_in_each_form(some: list[Charge]) -> None:
    bills = invoices(JUNE, some, LABELS, ZONE, numbered=True)
    rows = settlement(CLOSED, bills)
    sheet = settlement_sheet(rows, "en")
    written = list(csv.DictReader(io.StringIO(sheet_csv(sheet).decode("utf-8-sig"))))
    book = load_workbook(io.BytesIO(workbook([sheet], JUNE.interval.end)))["Settlement"]
    in_book = [Decimal(str(row[6])) for row in book.iter_rows(min_row=2, values_only=True)]
    for bill in bills:
        own = [row for row in rows if row.invoice_number == bill.number]
        assert exact_sum([row.amount for row in own]) == bill.total
    whole = exact_sum([bill.total for bill in bills])
    assert exact_sum([Decimal(row["Amount owed"]) for row in written]) == whole
    assert exact_sum(in_book) == whole
    assert {row["Digest of the month"] for row in written} <= {"d" * 64}


def test_each_version_has_its_own_columns_and_ours_come_last() -> None:
    old, new = columns(Version.V1_2), columns(Version.V1_4)
    assert set(old) - set(new) == {*("CommitmentDiscountStatus", "ProviderName", "PublisherName")}
    assert set(new) - set(old) == {"HostProviderName", "InvoiceDetailId", "ServiceProviderName"}
    for names in (old, new):
        assert list(names) == sorted(names, key=lambda name: (name.startswith("x_"), name))
        assert set(COLUMNS) <= set(names)


def test_a_day_is_the_citys_also_where_the_clocks_change() -> None:
    zone = ZoneInfo("Europe/Berlin")
    period = billing_period("2026-03", zone)
    midnight = datetime(2026, 3, 28, 23, tzinfo=UTC)  # 29 March, a day of 23 hours
    some = [
        a_charge("1", id=name, interval=Interval(at, at + timedelta(hours=1)))
        for name, at in (
            ("before", midnight - timedelta(hours=1)),
            ("first", midnight),
            ("last", midnight + timedelta(hours=22)),
            ("after", midnight + timedelta(hours=23)),
        )
    ]
    bill = invoice(period, "acc_edu", some, LABELS, zone, number="2026-03-0001")
    rows = focus_rows([bill], some)
    assert [(row["ChargePeriodStart"], row["ConsumedQuantity"]) for row in rows] == [
        ("2026-03-27T23:00:00Z", "1000"),
        ("2026-03-28T23:00:00Z", "2000"),
        ("2026-03-29T22:00:00Z", "1000"),
    ]
    assert rows[1]["ChargePeriodEnd"] == "2026-03-29T22:00:00Z"
    assert rows[1]["BillingPeriodStart"] == "2026-02-28T23:00:00Z"


def test_what_came_late_is_a_correction_and_what_rounding_added_an_adjustment() -> None:
    may = Interval(JUNE.interval.start - timedelta(days=9), JUNE.interval.start - timedelta(days=8))
    some = [
        a_charge("0.005", id="1"),
        a_charge("0.005", id="2", environment_id="env_b"),
        a_charge("0.005", id="3", category=Category.ADJUSTMENT, interval=may),
    ]
    bill = invoice(JUNE, "acc_edu", some, LABELS, ZONE, number="2026-06-0001")
    rows = focus_rows([bill], some)
    assert [
        (row["ChargeCategory"], row["ChargeClass"], row["BilledCost"], row["InvoiceDetailId"])
        for row in rows
    ] == [
        ("Usage", "", "0.01", "2026-06-0001/1"),
        ("Usage", "", "0.01", "2026-06-0001/2"),
        ("Usage", "Correction", "0.01", "2026-06-0001/3"),
        ("Adjustment", "", "-0.01", "2026-06-0001/rounding"),
    ]


def test_prices_that_are_equal_but_began_at_different_times_are_told_apart() -> None:
    later = a_charge("1", id="2")
    later = replace(later, price_valid_from=later.price_valid_from + timedelta(days=1))
    some = [a_charge("1", id="1"), later]
    bill = invoice(JUNE, "acc_edu", some, LABELS, ZONE, number="2026-06-0001")
    rows = focus_rows([bill], some)
    assert len({row["SkuPriceId"] for row in rows}) == len(rows) == 2


def test_only_a_closed_month_leaves_the_house_and_a_department_sees_its_part(
    database: Database,
) -> None:
    finance = Finance(database)
    reports = Reports(finance.books, finance.labels)
    finance.hold(3)
    finance.hold(7.3, "alloc_2", environment_id="env_b", department_id="dep_b")
    finance.later(hours=1)
    for ask in (reports.settlement, reports.focus):
        with pytest.raises(NotFound) as refused:
            ask("2026-06")
        assert refused.value.code == "period-not-closed"
        with pytest.raises(Invalid):
            ask("June")
    closed = finance.closing.close("2026-06", "usr_finance")
    rows = reports.settlement("2026-06")
    assert {row.digest for row in rows} == {closed.digest}
    total = exact_sum([bill.total for bill in finance.books.invoices(month="2026-06")])
    assert exact_sum([row.amount for row in rows]) == total
    billed = [Decimal(row["BilledCost"]) for row in reports.focus("2026-06")]
    assert exact_sum(billed) == total
    own = reports.settlement("2026-06", department_id="dep_b")
    assert [row.department_id for row in own] == ["dep_b"]
    assert {row["SubAccountId"] for row in reports.focus("2026-06", department_id="dep_b")} == {
        "dep_b"
    }
