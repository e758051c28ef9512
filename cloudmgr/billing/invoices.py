"""Charges to invoices: the only place where money is rounded. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from cloudmgr.billing.digits import canonical, plain, rounded
from cloudmgr.billing.rating import Category
from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval
from cloudmgr.metering.meters import METERS, meter_named
from cloudmgr.money import EXACT, exact_sum, largest_remainder, to_cents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from cloudmgr.billing.periods import BillingPeriod
    from cloudmgr.billing.rating import Charge

# Decimals of a quantity in display units: for reading; the exact quantity stands beside it.
DISPLAY_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Label:
    """What a thing is called, in Chinese and English."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True, order=True)
class LineKey:
    """What the charges of one line have in common. ``month`` is the one that the usage lies in."""

    department_id: str
    system_id: str
    environment_id: str
    category: str
    month: str
    meter: str
    unit_price: Decimal
    priced_per: int


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One line: ``quantity`` (in the meter's unit, exact) × ``unit_price`` / ``priced_per``.

    ``amount`` is that rounded half up to the cent; ``numerator`` / ``priced_per`` is that exactly.
    """

    number: int
    key: LineKey
    department: Label
    environment: Label
    interval: Interval
    quantity: Decimal
    numerator: Decimal
    amount: Decimal
    charges: int

    @property
    def exact(self) -> Fraction:
        return Fraction(self.numerator) / self.key.priced_per

    @property
    def meter(self) -> Label:
        meter = meter_named(self.key.meter)
        return Label(meter.name_zh, meter.name_en)

    @property
    def unit(self) -> Label:
        """The display unit, which the unit price is quoted for."""
        meter = meter_named(self.key.meter)
        return Label(meter.display_unit_zh, meter.display_unit_en)

    @property
    def displayed(self) -> Decimal:
        """The quantity in display units, to six decimals, for reading."""
        return rounded(Fraction(self.quantity) / self.key.priced_per, DISPLAY_DIGITS)


@dataclass(frozen=True, slots=True)
class Invoice:
    """What an account owes for a period, in one currency.

    ``total`` is the exact sum of all charges, rounded half up once. The lines are rounded each by
    itself; ``rounding`` is what makes lines and total agree. ``number`` is empty on a preview.
    """

    id: str
    number: str
    month: str
    interval: Interval
    time_zone: str
    account_id: str
    account: Label
    currency: str
    lines: tuple[InvoiceLine, ...]
    rounding: Decimal
    total: Decimal

    @property
    def exact(self) -> Fraction:
        """The sum of all charges, exactly."""
        return sum((line.exact for line in self.lines), Fraction(0))

    def line(self, number: int) -> InvoiceLine | None:
        return next((line for line in self.lines if line.number == number), None)

    @property
    def shares(self) -> Mapping[str, Decimal]:
        """The total by department, in cents that sum to it (largest remainder)."""
        exact: dict[str, Fraction] = {}
        for line in self.lines:
            have = exact.get(line.key.department_id, Fraction(0))
            exact[line.key.department_id] = have + line.exact
        names = sorted(exact)
        if not any(exact.values()):
            return dict.fromkeys(names, Decimal("0.00"))
        return dict(
            zip(names, largest_remainder(self.total, [exact[name] for name in names]), strict=True)
        )


def line_key(charge: Charge, zone: ZoneInfo) -> LineKey:
    """The line that ``charge`` goes on."""
    return LineKey(
        charge.department_id,
        charge.system_id,
        charge.environment_id,
        charge.category.value,
        f"{charge.interval.start.astimezone(zone):%Y-%m}",
        charge.meter,
        # One text for one number: 0.5 and 0.50 are the same price.
        Decimal(plain(charge.unit_price)),
        charge.priced_per,
    )


def _reading_order(key: LineKey) -> tuple[object, ...]:
    """How a person reads it: by environment, this month first, meters as they are declared."""
    return (
        key.department_id,
        key.system_id,
        key.environment_id,
        key.category != Category.USAGE.value,
        key.month,
        list(METERS).index(key.meter),
        key.unit_price,
        key.priced_per,
    )


def invoice(
    period: BillingPeriod,
    account_id: str,
    charges: Iterable[Charge],
    labels: Mapping[str, Label],
    zone: ZoneInfo,
    *,
    number: str = "",
) -> Invoice:
    """The invoice of one account over ``charges``, whatever their order.

    :raises Invalid: ``mixed-currencies``; ``not-this-account`` for a charge of another account.
    """
    groups: dict[LineKey, list[Charge]] = {}
    currencies = set()
    for charge in charges:
        if charge.account_id != account_id:
            raise Invalid(
                f"{charge.id} is a charge of {charge.account_id}", code="not-this-account"
            )
        currencies.add(charge.currency)
        groups.setdefault(line_key(charge, zone), []).append(charge)
    if len(currencies) != 1:
        raise Invalid(
            "an invoice is in one currency, not " + (", ".join(sorted(currencies)) or "none"),
            code="mixed-currencies",
        )
    lines = tuple(
        _line(position, key, groups[key], labels)
        for position, key in enumerate(sorted(groups, key=_reading_order), start=1)
    )
    total = to_cents(sum((line.exact for line in lines), Fraction(0)))
    rounding = EXACT.subtract(total, exact_sum([line.amount for line in lines]))
    return Invoice(
        invoice_id(period.month, account_id),
        number,
        period.month,
        period.interval,
        period.time_zone,
        account_id,
        _label(labels, account_id),
        currencies.pop(),
        lines,
        rounding,
        total,
    )


def invoices(
    period: BillingPeriod,
    charges: Iterable[Charge],
    labels: Mapping[str, Label],
    zone: ZoneInfo,
    *,
    numbered: bool = False,
) -> tuple[Invoice, ...]:
    """One invoice for each account, by account id; numbered ``2026-06-0001`` and on if so asked."""
    by_account: dict[str, list[Charge]] = {}
    for charge in charges:
        by_account.setdefault(charge.account_id, []).append(charge)
    return tuple(
        invoice(
            period,
            name,
            by_account[name],
            labels,
            zone,
            number=f"{period.month}-{position:04}" if numbered else "",
        )
        for position, name in enumerate(sorted(by_account), start=1)
    )


def invoice_id(month: str, account_id: str) -> str:
    """The same for the same month and account, so that a repeat makes the same invoice."""
    return f"inv_{hashlib.sha256(canonical([month, account_id]).encode()).hexdigest()[:16]}"


def _line(
    number: int, key: LineKey, charges: Sequence[Charge], labels: Mapping[str, Label]
) -> InvoiceLine:
    numerator = exact_sum([charge.numerator for charge in charges])
    return InvoiceLine(
        number,
        key,
        _label(labels, key.department_id),
        _label(labels, key.environment_id),
        Interval(
            min(charge.interval.start for charge in charges),
            max(charge.interval.end for charge in charges),
        ),
        exact_sum([charge.quantity for charge in charges]),
        numerator,
        to_cents(Fraction(numerator) / key.priced_per),
        len(charges),
    )


def _label(labels: Mapping[str, Label], thing: str) -> Label:
    return labels.get(thing, Label(thing, thing))


# ------------------------------------------------------------------------------------ as a document


def document(bill: Invoice) -> str:
    """The invoice as canonical JSON: what is kept, and what is compared byte for byte."""
    return canonical(
        {
            "id": bill.id,
            "number": bill.number,
            "month": bill.month,
            "start": bill.interval.start.isoformat(),
            "end": bill.interval.end.isoformat(),
            "time_zone": bill.time_zone,
            "account_id": bill.account_id,
            "account": [bill.account.zh, bill.account.en],
            "currency": bill.currency,
            "lines": [_line_content(line) for line in bill.lines],
            "rounding": f"{bill.rounding:.2f}",
            "total": f"{bill.total:.2f}",
        }
    )


def _line_content(line: InvoiceLine) -> dict[str, object]:
    key = line.key
    return {
        "number": line.number,
        "department_id": key.department_id,
        "department": [line.department.zh, line.department.en],
        "system_id": key.system_id,
        "environment_id": key.environment_id,
        "environment": [line.environment.zh, line.environment.en],
        "category": key.category,
        "month": key.month,
        "meter": key.meter,
        "unit_price": plain(key.unit_price),
        "priced_per": key.priced_per,
        "start": line.interval.start.isoformat(),
        "end": line.interval.end.isoformat(),
        "quantity": plain(line.quantity),
        "numerator": plain(line.numerator),
        "amount": f"{line.amount:.2f}",
        "charges": line.charges,
    }


def from_document(text: str) -> Invoice:
    """The invoice that :func:`document` wrote."""
    content: dict[str, Any] = json.loads(text)
    return Invoice(
        content["id"],
        content["number"],
        content["month"],
        _interval(content),
        content["time_zone"],
        content["account_id"],
        Label(*content["account"]),
        content["currency"],
        tuple(_line_of(line) for line in content["lines"]),
        Decimal(content["rounding"]),
        Decimal(content["total"]),
    )


def _line_of(content: dict[str, Any]) -> InvoiceLine:
    return InvoiceLine(
        content["number"],
        LineKey(
            content["department_id"],
            content["system_id"],
            content["environment_id"],
            content["category"],
            content["month"],
            content["meter"],
            Decimal(content["unit_price"]),
            content["priced_per"],
        ),
        Label(*content["department"]),
        Label(*content["environment"]),
        _interval(content),
        Decimal(content["quantity"]),
        Decimal(content["numerator"]),
        Decimal(content["amount"]),
        content["charges"],
    )


def _interval(content: dict[str, Any]) -> Interval:
    return Interval(
        datetime.fromisoformat(content["start"]), datetime.fromisoformat(content["end"])
    )
