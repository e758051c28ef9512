from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.billing.digits import plain, rounded
from cloudmgr.billing.export import charges_csv, invoice_csv
from cloudmgr.billing.invoices import (
    Label,
    document,
    from_document,
    invoice,
    invoices,
    line_key,
)
from cloudmgr.billing.periods import billing_period
from cloudmgr.billing.prices import Tariff
from cloudmgr.billing.rating import Category, exact_cost, rate
from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval
from cloudmgr.money import EXACT, exact_product, exact_sum, to_cents
from tests.billing.worlds import charges
from tests.builders import a_price_list, a_record

if TYPE_CHECKING:
    from cloudmgr.billing.rating import Charge

ZONE = ZoneInfo("Asia/Shanghai")
JUNE = billing_period("2026-06", ZONE)
TEN = datetime(2026, 6, 1, 10, tzinfo=UTC)
LABELS = {
    "env_exam": Label("高考志愿填报·生产", "Enrolment, production"),
    "dep_exam": Label("教育考试院", "Examination authority"),
    "acc_edu": Label("教育委员会", "Education commission"),
}


def a_charge(cost: str, **changes: object) -> Charge:
    """A charge that costs exactly ``cost``: so many thousand requests at 1."""
    record = a_record(meter="requests", quantity=Decimal(1))
    [charge] = rate(record, Tariff(a_price_list()), lambda _department, _moment: "acc_edu")
    charge = replace(charge, quantity=Decimal(cost) * 1000, unit_price=Decimal(1))
    return replace(charge, **changes)  # type: ignore[arg-type]


def bill_of(*some: Charge) -> object:
    return invoice(JUNE, "acc_edu", some, LABELS, ZONE)


def test_a_line_is_read_in_the_units_that_the_price_is_quoted_for() -> None:
    record = a_record(quantity=Decimal(5400))
    made = rate(record, Tariff(a_price_list()), lambda _department, _moment: "acc_edu")
    [line] = invoice(JUNE, "acc_edu", made, LABELS, ZONE).lines

    assert line.displayed == Decimal("1.5")
    assert (line.unit.zh, line.unit.en) == ("vCPU·小时", "vCPU-hours")
    assert (line.meter.zh, line.department.zh) == ("计算", "教育考试院")
    assert line.quantity == 5400
    assert line.amount == Decimal("0.18")


@pytest.mark.parametrize(
    ("cost", "amount"),
    [("0.005", "0.01"), ("0.015", "0.02"), ("0.004999999", "0.00"), ("2.675", "2.68")],
)
def test_half_a_cent_is_rounded_up(cost: str, amount: str) -> None:
    bill = invoice(JUNE, "acc_edu", [a_charge(cost)], LABELS, ZONE)

    assert (bill.lines[0].amount, bill.total) == (Decimal(amount), Decimal(amount))


def test_what_rounding_the_lines_adds_is_one_line_of_its_own() -> None:
    some = [a_charge("0.005", id=name, environment_id=name) for name in ("env_a", "env_b", "env_c")]
    bill = invoice(JUNE, "acc_edu", some, LABELS, ZONE)

    assert [line.amount for line in bill.lines] == [Decimal("0.01")] * 3
    assert bill.rounding == Decimal("-0.01")
    assert bill.total == Decimal("0.02")


def test_each_environment_meter_and_price_has_a_line_and_so_has_what_came_late() -> None:
    may = Interval(TEN - timedelta(days=20), TEN - timedelta(days=20) + timedelta(hours=1))
    some = [
        a_charge("1", id="1"),
        a_charge("1", id="2"),
        a_charge("1", id="3", unit_price=Decimal("1.0")),
        a_charge("1", id="4", unit_price=Decimal(2)),
        a_charge("1", id="5", environment_id="env_b"),
        a_charge("1", id="6", category=Category.ADJUSTMENT, interval=may),
    ]
    bill = invoice(JUNE, "acc_edu", some, LABELS, ZONE)

    assert [
        (x.key.environment_id, x.key.category, x.key.month, int(x.key.unit_price), x.charges)
        for x in bill.lines
    ] == [
        ("env_b", "Usage", "2026-06", 1, 1),
        ("env_exam", "Usage", "2026-06", 1, 3),
        ("env_exam", "Usage", "2026-06", 2, 1),
        ("env_exam", "Adjustment", "2026-05", 1, 1),
    ]


def test_an_invoice_is_of_one_account_and_in_one_currency() -> None:
    with pytest.raises(Invalid) as refused:
        bill_of(a_charge("1"), a_charge("1", currency="USD"))
    assert refused.value.code == "mixed-currencies"
    with pytest.raises(Invalid) as refused:
        bill_of(a_charge("1", account_id="acc_other"))
    assert refused.value.code == "not-this-account"


@given(charges())
def test_invoices_sum_to_the_charges_and_explain_every_cent(some: list[Charge]) -> None:
    bills = invoices(JUNE, some, LABELS, ZONE)

    assert sum((bill.exact for bill in bills), Fraction(0)) == exact_cost(some)
    for bill in bills:
        mine = [charge for charge in some if charge.account_id == bill.account_id]
        assert bill.total == to_cents(exact_cost(mine))
        assert exact_sum([x.amount for x in bill.lines]) + bill.rounding == bill.total
        assert sum(bill.shares.values()) == bill.total
        assert sum(x.charges for x in bill.lines) == len(mine)
        for line in bill.lines:
            on_it = [charge for charge in mine if line_key(charge, ZONE) == line.key]
            assert line.exact == exact_cost(on_it)
            assert line.quantity == exact_sum([charge.quantity for charge in on_it])
            assert line.amount == to_cents(line.exact)
        assert abs(bill.rounding) <= Decimal("0.005") * (len(bill.lines) + 1)


@given(charges(), st.randoms())
def test_the_order_of_charges_makes_no_difference(some: list[Charge], chance: object) -> None:
    shuffled = list(some)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    first = [document(bill) for bill in invoices(JUNE, some, LABELS, ZONE, numbered=True)]
    assert first == [
        document(bill) for bill in invoices(JUNE, shuffled, LABELS, ZONE, numbered=True)
    ]


@given(charges(max_size=5))
def test_a_document_says_all_of_an_invoice(some: list[Charge]) -> None:
    for bill in invoices(JUNE, some, LABELS, ZONE, numbered=True):
        assert from_document(document(bill)) == bill
        assert document(from_document(document(bill))) == document(bill)


def test_an_account_that_owes_nothing_gets_shares_of_nothing() -> None:
    bill = invoice(JUNE, "acc_edu", [a_charge("0")], LABELS, ZONE)

    assert bill.shares == {"dep_exam": Decimal("0.00")}


@given(st.integers(-(10**30), 10**30), st.integers(0, 20), st.integers(0, 5))
def test_a_number_is_written_in_one_way(digits: int, places: int, zeros: int) -> None:
    value = Decimal(digits).scaleb(-places, context=EXACT)
    longer = exact_product(value, Decimal(1).scaleb(-zeros) * 10**zeros)

    assert Decimal(plain(value)) == value
    assert plain(longer) == plain(value)


def test_zero_has_no_sign_and_thirds_are_rounded_half_up() -> None:
    assert plain(Decimal("-0.00")) == "0"
    assert rounded(Fraction(2, 3), 6) == Decimal("0.666667")
    assert rounded(Fraction(-1, 2), 0) == Decimal(-1)


def test_a_spreadsheet_gets_every_digit_and_reads_chinese() -> None:
    third = a_charge("0.0333333333333333333333333333")
    bill = invoice(JUNE, "acc_edu", [third], LABELS, ZONE, number="2026-06-0001")
    data = invoice_csv(bill, "zh")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))

    assert data.startswith(b"\xef\xbb\xbf")
    assert len({len(row) for row in rows}) == 1
    line = dict(zip(rows[0], rows[1], strict=True))
    assert line["账单号"] == "2026-06-0001"
    assert line["托管环境"] == "高考志愿填报·生产"
    assert line["精确金额（分子）"] == "33.3333333333333333333333333"
    assert line["金额"] == "0.03"
    assert [row[4] for row in rows[2:]] == ["舍入差额", "合计"]
    assert rows[-1][rows[0].index("金额")] == "0.03"
    english = list(csv.reader(io.StringIO(invoice_csv(bill, "en").decode("utf-8-sig"))))
    assert english[1][english[0].index("Environment")] == "Enrolment, production"


def test_a_name_cannot_become_a_formula() -> None:
    labels = {**LABELS, "env_exam": Label('=HYPERLINK("http://x")', "@x")}
    bill = invoice(JUNE, "acc_edu", [a_charge("1")], labels, ZONE)

    assert "'=HYPERLINK" in invoice_csv(bill, "zh").decode("utf-8-sig")
    assert ",'@x," in invoice_csv(bill, "en").decode("utf-8-sig")


@given(charges(max_size=6))
def test_exported_charges_are_exact(some: list[Charge]) -> None:
    rows = list(csv.DictReader(io.StringIO(charges_csv(some).decode("utf-8-sig"), newline="")))

    assert len(rows) == len(some)
    for row, charge in zip(rows, some, strict=True):
        assert Decimal(row["quantity"]) == charge.quantity
        assert Fraction(Decimal(row["numerator"])) / int(row["priced_per"]) == charge.cost
