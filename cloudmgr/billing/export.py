"""Invoices and charges as CSV and XLSX, with every digit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.billing.rating import charge_fields
from cloudmgr.billing.sheets import Column, Kind, Sheet, sheet_csv, workbook, written
from cloudmgr.metering.meters import meter_named
from cloudmgr.money import exact_sum

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudmgr.billing.invoices import Invoice, InvoiceLine, Label
    from cloudmgr.billing.rating import Charge
    from cloudmgr.billing.sheets import Cell, Language

_INVOICE_HEAD: tuple[tuple[str, str, Kind], ...] = (
    ("账单号", "Invoice", Kind.TEXT),
    ("账期", "Period", Kind.TEXT),
    ("结算账户", "Billing account", Kind.TEXT),
    ("行号", "Line", Kind.NUMBER),
    ("费用类型", "Category", Kind.TEXT),
    ("用量所属月份", "Month of usage", Kind.TEXT),
    ("委办局", "Department", Kind.TEXT),
    ("托管环境编号", "Environment id", Kind.TEXT),
    ("托管环境", "Environment", Kind.TEXT),
    ("计量项", "Meter", Kind.TEXT),
    ("数量", "Quantity", Kind.NUMBER),
    ("计价单位", "Pricing unit", Kind.TEXT),
    ("单价", "Unit price", Kind.NUMBER),
    ("金额", "Amount", Kind.MONEY),
    ("币种", "Currency", Kind.TEXT),
    ("基本单位数量", "Quantity in base units", Kind.NUMBER),
    ("基本单位", "Base unit", Kind.TEXT),
    ("精确金额（分子）", "Exact amount (numerator)", Kind.NUMBER),
    ("精确金额（分母）", "Exact amount (divisor)", Kind.NUMBER),
)
_CATEGORY = {
    "zh": {"Usage": "用量", "Adjustment": "调整"},
    "en": {"Usage": "Usage", "Adjustment": "Adjustment"},
}
_LINES = {"zh": "明细", "en": "Lines"}
_TOTALS = {"zh": "合计", "en": "Totals"}
_SUM = {"zh": "明细合计", "en": "Sum of the lines"}
_ROUNDING = {"zh": "舍入差额", "en": "Rounding"}
_TOTAL = {"zh": "合计", "en": "Total"}
_TOTALS_HEAD = {
    "zh": ("账单号", "账期", "结算账户", "项目", "委办局", "金额", "币种"),
    "en": ("Invoice", "Period", "Billing account", "Item", "Department", "Amount", "Currency"),
}
_SHARE = {"zh": "委办局分摊", "en": "Share of a department"}


def invoice_csv(bill: Invoice, language: Language) -> bytes:
    """One row for each line, one for the rounding, one for the total.

    The quantity in pricing units is to six decimals; the base quantity and the numerator have every
    digit, and numerator / divisor is the exact amount.
    """
    lines = _line_sheet(bill, language)
    head = (bill.number or bill.id, bill.month, in_language(bill.account, language))
    sums: tuple[tuple[Cell, ...], ...] = tuple(
        (*head, None, name[language], *[None] * 8, amount, bill.currency, *[None] * 4)
        for name, amount in ((_ROUNDING, bill.rounding), (_TOTAL, bill.total))
    )
    return sheet_csv(Sheet(lines.name, lines.columns, lines.rows + sums))


def invoice_xlsx(bill: Invoice, language: Language) -> bytes:
    """A sheet of the lines, as in CSV; one of what they sum to, by department, too."""
    return workbook([_line_sheet(bill, language), _total_sheet(bill, language)], bill.interval.end)


def charges_csv(charges: Iterable[Charge]) -> bytes:
    """One row for each charge, in field names: for programs, every digit exact."""
    rows: list[Sequence[str]] = []
    for charge in charges:
        fields = charge_fields(charge)
        if not rows:
            rows.append(tuple(fields))
        rows.append(tuple("" if value is None else str(value) for value in fields.values()))
    return written(rows)


def in_language(label: Label, language: Language) -> str:
    return label.zh if language == "zh" else label.en


def category_in(category: str, language: Language) -> str:
    """What a category of charges is called."""
    return _CATEGORY[language][category]


def _line_sheet(bill: Invoice, language: Language) -> Sheet:
    head = (bill.number or bill.id, bill.month, in_language(bill.account, language))
    return Sheet(
        _LINES[language],
        tuple(Column(zh if language == "zh" else en, kind) for zh, en, kind in _INVOICE_HEAD),
        tuple((*head, *_line_cells(bill, line, language)) for line in bill.lines),
    )


def _line_cells(bill: Invoice, line: InvoiceLine, language: Language) -> tuple[Cell, ...]:
    key = line.key
    return (
        line.number,
        category_in(key.category, language),
        key.month,
        in_language(line.department, language),
        key.environment_id,
        in_language(line.environment, language),
        in_language(line.meter, language),
        line.displayed,
        in_language(line.unit, language),
        key.unit_price,
        line.amount,
        bill.currency,
        line.quantity,
        meter_named(key.meter).unit,
        line.numerator,
        key.priced_per,
    )


def _total_sheet(bill: Invoice, language: Language) -> Sheet:
    head = (bill.number or bill.id, bill.month, in_language(bill.account, language))
    names = {line.key.department_id: line.department for line in bill.lines}
    kinds = (*[Kind.TEXT] * 5, Kind.MONEY, Kind.TEXT)
    amounts = (
        (_SUM, exact_sum([line.amount for line in bill.lines])),
        (_ROUNDING, bill.rounding),
        (_TOTAL, bill.total),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (*head, name[language], None, amount, bill.currency) for name, amount in amounts
    )
    shares: tuple[tuple[Cell, ...], ...] = tuple(
        (*head, _SHARE[language], in_language(names[name], language), share, bill.currency)
        for name, share in bill.shares.items()
    )
    return Sheet(
        _TOTALS[language],
        tuple(
            Column(heading, kind)
            for heading, kind in zip(_TOTALS_HEAD[language], kinds, strict=True)
        ),
        rows + shares,
    )
