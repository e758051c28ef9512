"""The files of an invoice that its page links: the same total as page and API."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal
from html import unescape
from typing import TYPE_CHECKING

from openpyxl import load_workbook
from pypdf import PdfReader

from tests.portal.browsing import browser

if TYPE_CHECKING:
    from tests.api.city import City


def test_the_page_of_an_invoice_leads_to_files_that_say_the_same_total(seen_city: City) -> None:
    client = browser(seen_city, "finance")
    page = client.get(f"/invoices/{seen_city.ours['invoice_id']}").text
    (shown,) = re.findall(r"<dt>Total</dt><dd>[^\d-]*([\d,.-]+)", page)
    total = Decimal(shown.replace(",", ""))
    links = [
        unescape(link) for link in re.findall(r'href="(/api/v1/billing/invoices/[^"]+)"', page)
    ]
    files = {link.split("?")[0].rsplit("/", 1)[1]: client.get(link) for link in links}
    assert {
        kind: (each.status_code, each.headers["content-type"]) for kind, each in files.items()
    } == {
        "csv": (200, "text/csv; charset=utf-8"),
        "xlsx": (200, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        "pdf": (200, "application/pdf"),
    }
    rows = list(csv.reader(io.StringIO(files["csv"].content.decode("utf-8-sig"))))
    book = load_workbook(io.BytesIO(files["xlsx"].content))
    printed = "".join(
        page.extract_text() for page in PdfReader(io.BytesIO(files["pdf"].content)).pages
    )
    invoice = client.get(f"/api/v1/billing/invoices/{seen_city.ours['invoice_id']}").json()
    assert total > 0
    assert Decimal(invoice["total"]) == total
    assert Decimal(rows[-1][13]) == total
    assert Decimal(str(book["Totals"]["F4"].value)) == total
    assert f"Total {total:,.2f}" in printed
    name = files["pdf"].headers["content-disposition"]
    assert name == f'attachment; filename="{invoice["number"]}.pdf"'


def test_the_page_of_reports_shows_what_its_files_and_the_api_say(seen_city: City) -> None:
    client = browser(seen_city, "finance")
    for by in ("department", "system", "pool", "zone", "month"):
        page = client.get(f"/reports?by={by}").text
        (shown,) = re.findall(r"<dt>Total</dt><dd>[^\d-]*([\d,.-]+)", page)
        total = Decimal(shown.replace(",", ""))
        found = client.get(f"/api/v1/billing/reports?by={by}").json()
        assert Decimal(found["total"]) == total > 0
        assert sum(Decimal(row["amount"]) for row in found["rows"]) == total
        (link,) = re.findall(r'href="(/api/v1/billing/reports/csv[^"]+)"', page)
        written = client.get(unescape(link)).content.decode("utf-8-sig")
        amounts = [Decimal(row["Amount"]) for row in csv.DictReader(io.StringIO(written))]
        assert sum(amounts) == total
        assert "cost most" in page
    assert client.get("/reports?by=colour").status_code == 422
    assert client.get("/reports?from=2026-09&to=2026-01").status_code == 422


def test_an_officer_sees_the_costs_of_the_own_department_alone(seen_city: City) -> None:
    own = browser(seen_city, "officer")
    page = own.get("/reports").text
    assert "教育考试院" in page or "Examination" in page
    assert "税务局" not in page
    rows = own.get("/api/v1/billing/reports").json()["rows"]
    assert [row["id"] for row in rows] == [seen_city.ours["department_id"]]


def test_the_page_of_what_pooling_saved_shows_what_the_api_says(seen_city: City) -> None:
    client = browser(seen_city, "finance")
    month = seen_city.ours["month"]
    page = client.get(f"/billing/{month}/dividend").text
    found = client.get(f"/api/v1/billing/periods/{month}/dividend").json()
    assert Decimal(found["saved"]) > 0
    assert f"{Decimal(found['saved']):,.2f}" in page
    assert "Pooling saved" in page
    assert f"/billing/{month}/dividend" in client.get(f"/billing/{month}").text
    for kind in ("csv", "xlsx"):
        assert client.get(f"/api/v1/billing/periods/{month}/dividend/{kind}").status_code == 200
    assert client.get("/billing/2026-06/dividend").status_code == 404


def test_what_is_wrong_with_a_report_is_said_in_the_readers_language(seen_city: City) -> None:
    client = browser(seen_city, "finance")
    client.cookies.set("cloudmgr_language", "zh-CN")
    assert "2026-09 晚于 2026-01" in client.get("/reports?from=2026-09&to=2026-01").text
    assert "2026-06 尚未关账" in client.get("/billing/2026-06/dividend").text
