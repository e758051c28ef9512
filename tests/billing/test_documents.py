"""An invoice in every form in which it is handed out: the same figures to the last digit."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from openpyxl import load_workbook
from pypdf import PdfReader

from cloudmgr.api.routes.invoices import InvoiceView
from cloudmgr.billing.export import invoice_csv, invoice_xlsx
from cloudmgr.billing.invoices import Label, document, from_document, invoice, invoices
from cloudmgr.billing.pdf import Font, invoice_pdf
from cloudmgr.billing.periods import billing_period
from cloudmgr.billing.sheets import Column, Kind, Sheet, sheet_csv, workbook
from cloudmgr.errors import Permanent
from cloudmgr.money import exact_sum
from tests.billing.test_invoices import JUNE, LABELS, ZONE, a_charge
from tests.billing.worlds import charges

if TYPE_CHECKING:
    from pathlib import Path

    from cloudmgr.billing.invoices import Invoice
    from cloudmgr.billing.rating import Charge

EVIL = '=HYPERLINK("http://evil.example";"#panic()") *高考* $x$ \\ #include "x"'


def bill_of(*some: Charge, **names: Label) -> Invoice:
    return invoice(JUNE, "acc_edu", some, {**LABELS, **names}, ZONE, number="2026-06-0001")


def cells(content: bytes, page: int = 0) -> list[list[Any]]:
    book = load_workbook(io.BytesIO(content))
    return [[cell.value for cell in row] for row in book.worksheets[page].iter_rows()]


def rows_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


def text_of(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


def number(cell: str | float) -> Decimal:
    """What stands in a cell of a workbook; text where a double would lose digits."""
    return Decimal(str(cell))


@given(charges(max_size=12))
@settings(max_examples=10)
def test_page_csv_workbook_pdf_and_api_have_the_same_figures_to_the_last_digit(
    some: list[Charge],
) -> None:
    for bill in invoices(JUNE, some, LABELS, ZONE, numbered=True):
        view = InvoiceView.of(bill)
        *lines, rounding, total = rows_of(invoice_csv(bill, "en"))[1:]
        workbook_bytes = invoice_xlsx(bill, "en")
        read = cells(workbook_bytes)[1:]
        totals = {row[3]: number(row[5]) for row in cells(workbook_bytes, 1)[1:4]}
        printed = text_of(invoice_pdf(bill, "en"))

        amounts = [line.amount for line in bill.lines]
        assert [Decimal(line.amount) for line in view.lines] == amounts
        assert [Decimal(row[13]) for row in lines] == amounts
        assert [number(row[13]) for row in read] == amounts
        for place in (10, 12, 15, 17):  # quantity, price, base quantity, numerator
            exact = [Decimal(row[place]) for row in lines]
            assert [number(row[place]) for row in read] == exact
        assert Decimal(view.total) == Decimal(total[13]) == totals["Total"] == bill.total
        assert Decimal(rounding[13]) == totals["Rounding"] == bill.rounding
        assert totals["Sum of the lines"] == exact_sum(amounts)
        assert f"Total {bill.total:,.2f}" in printed
        assert f"Rounding {bill.rounding:,.2f}" in printed
        ends = re.findall(r"^\d+ .* (-?[\d,]+\.\d\d)$", printed, re.MULTILINE)
        assert [Decimal(amount.replace(",", "")) for amount in ends] == amounts
        shares = {row[4]: number(row[5]) for row in cells(workbook_bytes, 1)[4:]}
        assert list(shares.values()) == list(bill.shares.values())
        assert exact_sum(list(shares.values())) == bill.total


def test_numbers_of_a_workbook_are_numbers_and_what_a_double_cannot_hold_is_text() -> None:
    exact = Decimal("1234567890.123456789")
    sheet = Sheet(
        "one",
        (Column("money", Kind.MONEY), Column("number", Kind.NUMBER)),
        ((Decimal("1234567.50"), exact), (Decimal("0.10"), Decimal("123456789.123456"))),
    )
    (row, other) = load_workbook(io.BytesIO(workbook([sheet], JUNE.interval.end)))["one"].iter_rows(
        min_row=2
    )
    assert (row[0].data_type, row[0].value, row[0].number_format) == ("n", 1234567.5, "#,##0.00")
    assert (row[1].data_type, row[1].value) == ("s", str(exact))
    assert (other[1].data_type, other[1].value) == ("n", 123456789.123456)
    assert rows_of(sheet_csv(sheet))[1:] == [
        ["1234567.50", str(exact)],
        ["0.10", "123456789.123456"],
    ]


def test_a_name_is_never_run_as_a_formula_nor_read_as_markup() -> None:
    bill = bill_of(a_charge("1"), env_exam=Label(EVIL, EVIL), acc_edu=Label(EVIL, EVIL))
    book = load_workbook(io.BytesIO(invoice_xlsx(bill, "zh")))
    for sheet in book.worksheets:
        assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n"}
    assert rows_of(invoice_csv(bill, "zh"))[1][8] == f"'{EVIL}"
    printed = text_of(invoice_pdf(bill, "zh"))
    assert EVIL in printed


def test_headings_are_in_the_language_that_was_asked_for() -> None:
    bill = bill_of(a_charge("1"))
    assert cells(invoice_xlsx(bill, "zh"))[0][:3] == ["账单号", "账期", "结算账户"]
    assert cells(invoice_xlsx(bill, "en"))[0][:3] == ["Invoice", "Period", "Billing account"]
    assert cells(invoice_xlsx(bill, "zh"), 1)[0][3:6] == ["项目", "委办局", "金额"]
    assert "结算账户 教育委员会" in text_of(invoice_pdf(bill, "zh"))
    assert "Billing account Education commission" in text_of(invoice_pdf(bill, "en"))


def test_pages_are_numbered_and_each_repeats_the_headings() -> None:
    bill = bill_of(*(a_charge("1", id=f"c{n}", environment_id=f"env_{n}") for n in range(90)))
    for language, heading, said in (
        ("zh", "行号 委办局 托管环境", "第 {} 页 / 共 {} 页"),
        ("en", "Line Department Environment", "Page {} of {}"),
    ):
        pages = PdfReader(io.BytesIO(invoice_pdf(bill, language))).pages  # type: ignore[arg-type]
        assert len(pages) > 2
        for place, page in enumerate(pages, start=1):
            text = page.extract_text()
            assert said.format(place, len(pages)) in text
            assert heading in text


def test_what_came_late_names_its_month_on_paper_and_times_are_the_citys() -> None:
    zone = ZoneInfo("Europe/Berlin")  # 31 March 2024 has 23 hours there
    late = a_charge("1", interval=billing_period("2024-02", zone).interval)
    bill = invoice(billing_period("2024-03", zone), "acc_edu", [late], LABELS, zone)
    printed = text_of(invoice_pdf(bill, "en"))
    assert "Usage 2024-02" in printed
    assert "2024-03-01 00:00 – 2024-04-01 00:00 (Europe/Berlin)" in printed


MAKE = """
import sys
from cloudmgr.billing.export import invoice_xlsx
from cloudmgr.billing.invoices import from_document
from cloudmgr.billing.pdf import invoice_pdf
bill = from_document(sys.stdin.read())
sys.stdout.buffer.write(invoice_pdf(bill, "zh") + invoice_xlsx(bill, "zh"))
"""


def test_another_process_makes_the_same_bytes_of_the_same_invoice() -> None:
    text = document(bill_of(a_charge("1"), a_charge("2", environment_id="env_b", id="2")))
    bill = from_document(text)
    made = subprocess.run(
        [sys.executable, "-c", MAKE], input=text.encode(), capture_output=True, check=True
    )
    assert made.stdout == invoice_pdf(bill, "zh") + invoice_xlsx(bill, "zh")


@pytest.mark.parametrize("family", ["Noto Sans CJK SC", "No Such Family"])
def test_without_its_font_nothing_is_printed_and_what_to_install_is_said(
    family: str, tmp_path: Path
) -> None:
    with pytest.raises(Permanent) as refused:
        invoice_pdf(bill_of(a_charge("1")), "zh", Font(family, (tmp_path,)))
    assert refused.value.code == "no-font"
    assert "fonts-noto-cjk" in refused.value.hint


def test_a_workbook_says_when_its_month_ended_and_not_when_it_was_made() -> None:
    book = load_workbook(io.BytesIO(invoice_xlsx(bill_of(a_charge("1")), "zh")))
    assert book.properties.created == datetime(2026, 6, 30, 16)  # noqa: DTZ001 - UTC by the format
