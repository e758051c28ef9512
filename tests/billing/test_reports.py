"""What months cost, grouped: always the whole, to the last cent."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from cloudmgr.api.routes.reports import ReportView
from cloudmgr.billing.invoices import Label, invoices
from cloudmgr.billing.periods import billing_period
from cloudmgr.billing.reporting import Reports
from cloudmgr.billing.reports import (
    Grouping,
    MonthParts,
    apportioned,
    month_sheet,
    months_from,
    report,
    rounded_together,
    sum_sheet,
)
from cloudmgr.billing.sheets import sheet_csv, workbook
from cloudmgr.errors import Invalid
from cloudmgr.money import exact_sum, to_cents
from tests.billing.finance import Finance
from tests.billing.test_invoices import JUNE, LABELS, ZONE, a_charge
from tests.billing.worlds import charges

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmgr.billing.invoices import Invoice
    from cloudmgr.billing.rating import Charge
    from cloudmgr.db.engine import Database

JULY = billing_period("2026-07", ZONE)


def spread(some: list[Charge]) -> list[Charge]:
    """The same charges over a few systems, pools and zones."""
    return [
        replace(
            charge,
            system_id=f"sys_{number % 3}",
            pool_id=f"pool_{number % 2}",
            zone=("intranet", "extranet")[number % 2],
        )
        for number, charge in enumerate(some)
    ]


def june(
    *some: Charge,
    month: str = "2026-06",
    closed: bool = False,
    labels: Mapping[str, Label] = LABELS,
    unpriced: tuple[str, ...] = (),
) -> MonthParts:
    parts = apportioned(invoices(JUNE, some, LABELS, ZONE), some)
    return MonthParts(month, closed, parts, labels, unpriced)


@given(charges(), charges())
def test_under_every_grouping_and_filter_a_report_is_the_invoices_to_the_cent(
    of_june: list[Charge], of_july: list[Charge]
) -> None:
    bills: list[Invoice] = []
    found: list[MonthParts] = []
    for period, some in ((JUNE, spread(of_june)), (JULY, spread(of_july))):
        made = invoices(period, some, LABELS, ZONE)
        bills += made
        found.append(
            MonthParts(period.month, closed=True, parts=apportioned(made, some), labels={})
        )
    whole = exact_sum([bill.total for bill in bills])
    for by in Grouping:
        made_by = report(found, by, "CNY")
        assert made_by.total == exact_sum([row.amount for row in made_by.rows]) == whole
        assert exact_sum([month.amount for month in made_by.months]) == whole
        for row in made_by.rows:
            assert row.amount == exact_sum(list(row.months.values()))
        # Each part of it under a filter, and all parts together.
        filtered = [
            report(found, by, "CNY", wanted=lambda key, name=name: key.department_id == name).total  # type: ignore[misc]
            for name in ("dep_x", "dep_y")
        ]
        assert exact_sum(filtered) == whole
        # The same in every form that it is handed out in.
        view = ReportView.of(made_by)
        rows = list(csv.reader(io.StringIO(sheet_csv(month_sheet(made_by, "en")).decode())))[1:]
        assert Decimal(view.total) == whole
        assert exact_sum([Decimal(row.amount) for row in view.rows]) == whole
        assert exact_sum([Decimal(row[4]) for row in rows]) == whole


@given(charges())
def test_a_departments_row_is_its_share_of_the_invoices(some: list[Charge]) -> None:
    bills = invoices(JUNE, some, LABELS, ZONE)
    parts = apportioned(bills, some)
    rows = report(
        [MonthParts("2026-06", closed=True, parts=parts, labels={})], Grouping.DEPARTMENT, "CNY"
    ).rows
    for row in rows:
        shares = [bill.shares.get(row.id, Decimal(0)) for bill in bills]
        assert row.amount == exact_sum(shares)
    for part in parts:
        assert abs(Fraction(part.amount) - part.exact) <= Fraction(2, 100)


amounts = st.lists(
    st.fractions(min_value=-1000, max_value=1000, max_denominator=10_000), min_size=1, max_size=12
)


@given(amounts)
def test_cents_sum_to_what_the_amounts_round_to_negative_ones_too(exact: list[Fraction]) -> None:
    total = to_cents(sum(exact, Fraction(0)))
    cents = rounded_together(total, exact)
    assert exact_sum(cents) == total
    for rounded, amount in zip(cents, exact, strict=True):
        assert abs(Fraction(rounded) - amount) < Fraction(1, 100)


def test_a_cent_that_is_left_goes_to_the_largest_rest_and_of_equals_to_the_first() -> None:
    third = Fraction(1, 3)
    assert rounded_together(Decimal("1.00"), [third, third, third]) == [
        Decimal("0.34"),
        Decimal("0.33"),
        Decimal("0.33"),
    ]


def test_rows_come_with_the_largest_first_and_months_in_their_order() -> None:
    some = [
        a_charge("1", id="1"),
        a_charge("5", id="2", system_id="sys_b"),
        a_charge("2", id="3", system_id="sys_c", zone="intranet"),
    ]
    names = {"sys_b": Label("乙", "B")}
    found = [
        june(closed=True, month="2026-05"),
        june(*some, labels=names, unpriced=("no price",)),
    ]
    made = report(found, Grouping.SYSTEM, "CNY")
    assert [(row.label.zh, int(row.amount)) for row in made.rows] == [
        ("乙", 5),
        ("sys_c", 2),
        ("sys_exam", 1),
    ]
    assert made.unpriced == ("no price",)
    assert not made.final
    by_month = report(found, Grouping.MONTH, "CNY")
    assert [(row.id, int(row.amount)) for row in by_month.rows] == [("2026-05", 0), ("2026-06", 8)]
    zones = report(found, Grouping.ZONE, "CNY").rows
    assert [row.label.zh for row in zones] == ["政务外网", "公务网"]


def test_the_workbook_of_a_report_has_its_total_and_each_month() -> None:
    found = [june(a_charge("1234567.125"), labels=LABELS, closed=True)]
    made = report(found, Grouping.DEPARTMENT, "CNY")
    sheets = [sum_sheet(made, "zh"), month_sheet(made, "zh")]
    book = load_workbook(io.BytesIO(workbook(sheets, JUNE.interval.end)))
    assert [cell.value for cell in book["汇总"][2]] == ["dep_exam", "教育考试院", 1234567.13, "CNY"]
    assert [cell.value for cell in book["汇总"][3]] == [None, "合计", 1234567.13, "CNY"]
    assert [cell.value for cell in book["按月"][2]] == [
        *("dep_exam", "教育考试院", "2026-06", "已关账", 1234567.13, "CNY")
    ]


def test_months_that_are_no_span_are_refused() -> None:
    assert months_from("2025-11", "2026-02", ZONE) == ("2025-11", "2025-12", "2026-01", "2026-02")
    for first, last, code in (
        ("2026-02", "2026-01", "months-in-no-order"),
        ("2020-01", "2026-01", "too-many-months"),
        ("soon", "2026-01", "no-such-month"),
    ):
        with pytest.raises(Invalid) as refused:
            months_from(first, last, ZONE)
        assert refused.value.code == code


def test_months_in_two_currencies_are_no_report() -> None:
    some = [a_charge("1"), a_charge("1", id="2", currency="USD", account_id="acc_b")]
    found = [june(*some)]
    with pytest.raises(Invalid) as refused:
        report(found, Grouping.MONTH, "CNY")
    assert refused.value.code == "mixed-currencies"


def test_a_month_comes_to_the_same_before_and_after_it_is_closed(database: Database) -> None:
    finance = Finance(database)
    reports = Reports(finance.books, finance.labels)
    finance.hold(3)
    finance.hold(7.3, "alloc_2", environment_id="env_b", department_id="dep_b")
    finance.later(hours=1)
    finance.collector.collect()
    before = reports.report(Grouping.DEPARTMENT, last="2026-06")
    assert [(month.month, month.closed) for month in before.months] == [("2026-06", False)]
    finance.closing.close("2026-06", "usr_finance")
    after = reports.report(Grouping.DEPARTMENT, last="2026-06")
    assert after.final
    assert (after.rows, after.total) == (before.rows, before.total)
    bills = finance.books.invoices(month="2026-06")
    assert after.total == exact_sum([bill.total for bill in bills])
    assert {row.id: row.amount for row in after.rows} == {
        name: share for bill in bills for name, share in bill.shares.items()
    }
    own = reports.report(Grouping.SYSTEM, last="2026-06", department_id="dep_b")
    assert own.total == next(row.amount for row in after.rows if row.id == "dep_b")


def test_without_a_span_it_is_of_the_last_months_in_which_anything_was_used(
    database: Database,
) -> None:
    finance = Finance(database)
    finance.hold(40)
    finance.clock.set(finance.month.interval.end + timedelta(days=70))
    finance.collector.collect()
    reports = Reports(finance.books, finance.labels)
    assert reports.months(None, None) == ("2026-06", "2026-07", "2026-08", "2026-09")
    assert reports.months("2026-08", None) == ("2026-08", "2026-09")
    assert reports.months(None, "2026-06") == ("2026-06",)
