"""What finance fetches by command: files of invoices and reports of a month that was closed."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from openpyxl import load_workbook

from cloudmgr.billing.periods import period_at, period_before
from cloudmgr.interval import Interval
from tests.builders import a_record
from tests.cli.office import Office, said

if TYPE_CHECKING:
    from pathlib import Path

CITY = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def month(office: Office, monkeypatch: pytest.MonkeyPatch) -> str:
    """Last month, in which our department had a core and a GiB for an hour, and which is closed."""
    plane = office.plane
    period = period_before(period_at(plane.clock.now(), CITY), CITY)
    hour = Interval(period.interval.start, period.interval.start + timedelta(hours=1))
    records = [
        a_record(meter=meter, interval=hour, quantity=Decimal(360_000))
        for meter in ("vcpu", "memory")
    ]
    with plane.database.write() as tx:
        plane.stores.metering.ledger.append(tx, records, plane.clock.now())
    plane.services.closing.close(period.month, "usr_finance", accept_gaps=True)
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.finance)
    return period.month


def rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8-sig"))))


def test_an_invoice_is_written_as_csv_as_a_workbook_and_to_print(
    month: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, "billing", "invoices", "--month", month, "--json")
    (bill,) = json.loads(out)
    files = {kind: tmp_path / f"invoice.{kind}" for kind in ("csv", "xlsx", "pdf")}
    asked = [part for kind, file in files.items() for part in (f"--{kind}", str(file))]
    code, out, _ = said(capsys, "billing", "invoice", bill["id"], *asked, "--language", "en")
    assert (code, out.count("written: ")) == (0, 3)
    assert rows(files["csv"])[-1]["Amount"] == bill["total"]
    totals = load_workbook(files["xlsx"])["Totals"]
    assert Decimal(str(totals["F4"].value)) == Decimal(bill["total"])
    assert files["pdf"].read_bytes().startswith(b"%PDF-")


def test_a_file_in_a_language_that_there_is_none_of_is_refused(
    month: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "invoice.pdf"
    asked = ("billing", "invoice", "inv_x", "--pdf", str(file), "--language")
    assert said(capsys, *asked, "fr")[0] == 2
    assert said(capsys, *asked, "en")[0] == 3
    assert not file.exists(), month


def test_a_report_says_what_months_cost_and_is_written_as_files(
    month: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, "billing", "report", "--to", month, "--by", "system")
    assert code == 0
    assert f"{month} to {month}" in out
    found = json.loads(said(capsys, "billing", "report", "--to", month, "--json")[1])
    assert Decimal(found["total"]) == sum(Decimal(row["amount"]) for row in found["rows"]) > 0
    assert found["months"] == [{"month": month, "state": "closed", "amount": found["total"]}]
    files = [tmp_path / "report.csv", tmp_path / "report.xlsx"]
    asked = ("--to", month, "--csv", str(files[0]), "--xlsx", str(files[1]), "--language", "en")
    assert said(capsys, "billing", "report", *asked)[0] == 0
    assert [row["Amount"] for row in rows(files[0])] == [found["total"]]
    assert load_workbook(files[1]).sheetnames == ["In all", "By month"]
    code, out, _ = said(capsys, "billing", "report")
    assert "not closed yet" in out
    code, _, error = said(capsys, "billing", "report", "--from", "2026-09", "--to", "2026-01")
    assert (code, error.count("\n")) == (2, 1)


def test_a_closed_month_is_told_to_the_treasury_and_to_tools_of_finops(
    month: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bill,) = json.loads(said(capsys, "billing", "invoices", "--month", month, "--json")[1])
    found = json.loads(said(capsys, "billing", "settlement", month, "--json")[1])
    assert [(row["invoice_number"], row["amount"]) for row in found["rows"]] == [
        (bill["number"], bill["total"])
    ]
    assert bill["total"] in said(capsys, "billing", "settlement", month)[1]
    files = {kind: tmp_path / f"settlement.{kind}" for kind in ("csv", "xlsx")}
    asked = [part for kind, file in files.items() for part in (f"--{kind}", str(file))]
    assert said(capsys, "billing", "settlement", month, *asked, "--language", "en")[0] == 0
    assert [row["Amount owed"] for row in rows(files["csv"])] == [bill["total"]]
    assert load_workbook(files["xlsx"]).sheetnames == ["Settlement"]
    for version, column in (("1.4", "InvoiceDetailId"), ("1.2", "PublisherName")):
        file = tmp_path / f"focus-{version}.csv"
        code, _, _ = said(capsys, "billing", "focus", month, "--csv", str(file), "--spec", version)
        assert code == 0
        assert sum(Decimal(row["BilledCost"]) for row in rows(file)) == Decimal(bill["total"])
        assert column in rows(file)[0]
    assert said(capsys, "billing", "settlement", "2020-01")[0] == 3


def test_what_pooling_saved_is_told_with_how_much_of_the_month_is_known(
    month: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = json.loads(said(capsys, "billing", "dividend", month, "--json")[1])
    assert Decimal(found["alone"]) - Decimal(found["pooled"]) == Decimal(found["saved"]) > 0
    assert found["coverage_percent"] == "100"
    code, out, _ = said(capsys, "billing", "dividend", month)
    assert code == 0
    assert f"saved {found['saved']} of {found['alone']} CNY" in out
    assert "data coverage 100 %" in out
    file = tmp_path / "dividend.csv"
    assert (
        said(capsys, "billing", "dividend", month, "--csv", str(file), "--language", "en")[0] == 0
    )
    assert [row["Saved"] for row in rows(file)] == [found["saved"]]
