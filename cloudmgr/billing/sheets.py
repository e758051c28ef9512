"""Tables as files for spreadsheets, CSV and XLSX, from one table: the same figures in both. Pure.

Text that a spreadsheet would take for a formula stays text in both. What a double cannot hold
exactly is text in a workbook, and every digit stands in CSV.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from cloudmgr.billing.digits import plain
from cloudmgr.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    Language = Literal["zh", "en"]
    Cell = str | Decimal | int | None

# A double carries any number of so many digits; what has more is written as text.
EXACT_DIGITS = 15
# What one sheet holds, the heading included. Source: ECMA-376 as Excel takes it.
MOST_ROWS = 1_048_576
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_WIDEST = 40


class Kind(StrEnum):
    """How a column is written: money has two decimals, a number every digit and no more."""

    TEXT = "text"
    MONEY = "money"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and how what stands under it is written."""

    heading: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: each row has a cell for each column; None is an empty one."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


def sheet_csv(sheet: Sheet) -> bytes:
    """UTF-8 with a mark, so that Excel reads Chinese."""
    rows = [
        [column.heading for column in sheet.columns],
        *(
            [_text(cell, column.kind) for cell, column in zip(row, sheet.columns, strict=True)]
            for row in sheet.rows
        ),
    ]
    return written(rows)


def written(rows: Iterable[Sequence[str]]) -> bytes:
    """CSV of ``rows`` as they are."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode("utf-8-sig")


def safe(text: str) -> str:
    """``text``, with a mark before it if a spreadsheet that reads CSV would run it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def workbook(sheets: Sequence[Sheet], made_at: datetime) -> bytes:
    """XLSX: the same bytes for the same sheets and moment.

    :param made_at: what the file says of itself.
    :raises Invalid: ``too-many-rows`` for more than a sheet holds.
    """
    # Imported where it is used: a control plane that makes no workbook should stay small.
    from xlsxwriter import Workbook  # noqa: PLC0415

    for sheet in sheets:
        if len(sheet.rows) >= MOST_ROWS:
            raise Invalid(
                f"a sheet has {MOST_ROWS - 1} rows at most, not {len(sheet.rows)}",
                code="too-many-rows",
                hint="take CSV, or ask for less",
            )
    buffer = io.BytesIO()
    book = Workbook(buffer, {"in_memory": True, "strings_to_formulas": False})
    book.set_properties({"created": made_at.replace(tzinfo=None)})
    heading = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    formats = {
        Kind.TEXT: book.add_format({"num_format": "@"}),
        Kind.MONEY: book.add_format({"num_format": "#,##0.00"}),
        Kind.NUMBER: book.add_format({"num_format": "General"}),
    }
    digits = book.add_format({"num_format": "@", "align": "right"})
    for sheet in sheets:
        page = book.add_worksheet(sheet.name)
        page.freeze_panes(1, 0)
        page.repeat_rows(0)
        page.fit_to_pages(1, 0)
        page.set_landscape()
        page.set_footer("&C&P / &N")
        for place, column in enumerate(sheet.columns):
            page.set_column(place, place, _width(sheet, place))
            page.write_string(0, place, column.heading, heading)
            for number, row in enumerate(sheet.rows, start=1):
                cell = row[place]
                if cell is None or cell == "":
                    continue
                if isinstance(cell, str):
                    page.write_string(number, place, cell, formats[Kind.TEXT])
                elif len(Decimal(cell).as_tuple().digits) > EXACT_DIGITS:
                    page.write_string(number, place, _text(cell, column.kind), digits)
                else:
                    page.write_number(number, place, float(cell), formats[column.kind])
    book.close()
    return buffer.getvalue()


def _text(cell: Cell, kind: Kind) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return safe(cell)
    if kind is Kind.MONEY:
        return f"{cell:.2f}"
    return plain(Decimal(cell))


def _width(sheet: Sheet, place: int) -> float:
    """So that what stands there is seen: a Chinese character is as wide as two letters."""
    column = sheet.columns[place]
    texts = [column.heading, *(_text(row[place], column.kind) for row in sheet.rows[:200])]
    widest = max(sum(2 if ord(sign) > 0x2E7F else 1 for sign in text) for text in texts)
    return min(widest + 2, _WIDEST)
