"""What a closed month owes the centre, by account and department, for the treasury. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.billing.export import in_language
from cloudmgr.billing.sheets import Column, Kind, Sheet

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from cloudmgr.billing.invoices import Invoice, Label
    from cloudmgr.billing.periods import ClosedPeriod
    from cloudmgr.billing.sheets import Language


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """What ``account`` owes for ``department``, in whole cents: its share of the invoice.

    The rows of an invoice sum to it. ``digest`` is the one that seals the month.
    """

    month: str
    invoice_number: str
    account_id: str
    account: Label
    department_id: str
    department: Label
    amount: Decimal
    currency: str
    digest: str


def settlement(closed: ClosedPeriod, bills: Iterable[Invoice]) -> tuple[SettlementRow, ...]:
    """One row for each account and department, in the order of invoices."""
    rows = []
    for bill in bills:
        names = {line.key.department_id: line.department for line in bill.lines}
        rows += [
            SettlementRow(
                bill.month,
                bill.number,
                bill.account_id,
                bill.account,
                department_id,
                names[department_id],
                amount,
                bill.currency,
                closed.digest,
            )
            for department_id, amount in bill.shares.items()
        ]
    return tuple(rows)


_NAME = {"zh": "结算", "en": "Settlement"}
_HEAD: tuple[tuple[str, str, Kind], ...] = (
    ("账期", "Month", Kind.TEXT),
    ("账单号", "Invoice", Kind.TEXT),
    ("结算账户编号", "Account id", Kind.TEXT),
    ("结算账户", "Billing account", Kind.TEXT),
    ("委办局编号", "Department id", Kind.TEXT),
    ("委办局", "Department", Kind.TEXT),
    ("应付金额", "Amount owed", Kind.MONEY),
    ("币种", "Currency", Kind.TEXT),
    ("账期封存指纹", "Digest of the month", Kind.TEXT),
)


def settlement_sheet(rows: Iterable[SettlementRow], language: Language) -> Sheet:
    """As a table; it has no total, so that programs may add it up."""
    return Sheet(
        _NAME[language],
        tuple(Column(zh if language == "zh" else en, kind) for zh, en, kind in _HEAD),
        tuple(
            (
                row.month,
                row.invoice_number,
                row.account_id,
                in_language(row.account, language),
                row.department_id,
                in_language(row.department, language),
                row.amount,
                row.currency,
                row.digest,
            )
            for row in rows
        ),
    )
