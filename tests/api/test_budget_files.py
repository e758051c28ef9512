"""Budgets as files: the same figures as in the list, to the last digit."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from openpyxl import load_workbook

from tests.api.city import OURS, THEIRS

if TYPE_CHECKING:
    from tests.api.city import City

PATH = "/api/v1/billing/budgets"


def cells(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def test_the_files_have_what_the_list_has(city: City) -> None:
    finance = city.client("finance")
    for system_id, amount in ((None, "5000.50"), (city.ours["system_id"], "20")):
        body = {"department_id": OURS, "year": 2026, "amount": amount, "reason": "批复"}
        assert finance.post(PATH, json={**body, "system_id": system_id}).status_code == 201
    listed = {one["id"]: one for one in finance.get(PATH).json()["items"]}
    found = cells(finance.get(f"{PATH}/csv", params={"language": "en"}).content)
    assert {row["Budget"] for row in found} == set(listed)
    for row in found:
        one = listed[row["Budget"]]
        standing = one["standing"] or {}
        assert row["Amount"] == one["decision"]["amount"]
        assert row["System id"] == (one["system_id"] or "")
        assert (row["System"] != "") == (one["system_id"] is not None)
        assert row["Department"]
        for heading, name in (
            ("Used", "used"),
            ("Encumbered", "encumbered"),
            ("Left", "left"),
            ("The year is to come to", "projected"),
        ):
            assert row[heading] == (standing.get(name) or "")
    book = load_workbook(io.BytesIO(finance.get(f"{PATH}/xlsx").content))
    (sheet,) = book.worksheets
    assert sheet.max_row == len(listed) + 1
    assert sheet["A1"].value == "预算编号"


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_department_gets_its_own_and_is_not_told_of_others(city: City, kind: str) -> None:
    officer = city.client("officer")
    asked = officer.get(f"{PATH}/{kind}", params={"department_id": THEIRS})
    assert asked.status_code == 404
    assert officer.get(f"{PATH}/{kind}", params={"year": 2026}).status_code == 200
    if kind == "csv":
        rows = cells(officer.get(f"{PATH}/csv").content)
        assert {row["委办局编号"] for row in rows} == {OURS}
        assert {row["预算编号"] for row in rows} == {city.ours["budget_id"]}
        assert cells(officer.get(f"{PATH}/csv", params={"year": 2031}).content) == []
