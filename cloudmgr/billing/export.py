"""Invoices and charges as CSV, with every digit. UTF-8 with a mark, so that Excel reads Chinese."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Literal

from cloudmgr.billing.digits import plain
from cloudmgr.billing.rating import charge_fields
from cloudmgr.metering.meters import meter_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudmgr.billing.invoices import Invoice, Label
    from cloudmgr.billing.rating import Charge

    Language = Literal["zh", "en"]

_INVOICE_HEAD = {
    "zh": (
        "账单号",
        "账期",
        "结算账户",
        "行号",
        "费用类型",
        "用量所属月份",
        "委办局",
        "托管环境编号",
        "托管环境",
        "计量项",
        "数量",
        "计价单位",
        "单价",
        "金额",
        "币种",
        "基本单位数量",
        "基本单位",
        "精确金额（分子）",
        "精确金额（分母）",
    ),
    "en": (
        "Invoice",
        "Period",
        "Billing account",
        "Line",
        "Category",
        "Month of usage",
        "Department",
        "Environment id",
        "Environment",
        "Meter",
        "Quantity",
        "Pricing unit",
        "Unit price",
        "Amount",
        "Currency",
        "Quantity in base units",
        "Base unit",
        "Exact amount (numerator)",
        "Exact amount (divisor)",
    ),
}
_CATEGORY = {
    "zh": {"Usage": "用量", "Adjustment": "调整"},
    "en": {"Usage": "Usage", "Adjustment": "Adjustment"},
}
_ROUNDING = {"zh": "舍入差额", "en": "Rounding"}
_TOTAL = {"zh": "合计", "en": "Total"}


def invoice_csv(bill: Invoice, language: Language) -> bytes:
    """One row for each line, one for the rounding, one for the total.

    The quantity in pricing units is to six decimals; the base quantity and the numerator have every
    digit, and numerator / divisor is the exact amount.
    """
    rows: list[Sequence[str]] = [_INVOICE_HEAD[language]]
    head = (bill.number or bill.id, bill.month, _in(bill.account, language))
    for line in bill.lines:
        key = line.key
        rows.append(
            (
                *head,
                str(line.number),
                _CATEGORY[language][key.category],
                key.month,
                _in(line.department, language),
                key.environment_id,
                _in(line.environment, language),
                _in(line.meter, language),
                plain(line.displayed),
                _in(line.unit, language),
                plain(key.unit_price),
                f"{line.amount:.2f}",
                bill.currency,
                plain(line.quantity),
                meter_named(key.meter).unit,
                plain(line.numerator),
                str(key.priced_per),
            )
        )
    for name, amount in ((_ROUNDING, bill.rounding), (_TOTAL, bill.total)):
        rows.append(
            (*head, "", name[language], *[""] * 8, f"{amount:.2f}", bill.currency, *[""] * 4)
        )
    return _written(rows)


def charges_csv(charges: Iterable[Charge]) -> bytes:
    """One row for each charge, in field names: for programs, every digit exact."""
    rows: list[Sequence[str]] = []
    for charge in charges:
        fields = charge_fields(charge)
        if not rows:
            rows.append(tuple(fields))
        rows.append(tuple("" if value is None else str(value) for value in fields.values()))
    return _written(rows)


def _in(label: Label, language: Language) -> str:
    text = label.zh if language == "zh" else label.en
    # A name that a spreadsheet would take for a formula is made text.
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _written(rows: Iterable[Sequence[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode("utf-8-sig")
