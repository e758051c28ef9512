"""A closed month as FOCUS, the FinOps Foundation's format of cost and usage. Pure.

Version 1.4 is the product; 1.2 is there for the validator, which knows no later one. A row is one
line of an invoice on one day of the city, on one pool, at one price. ``BilledCost`` of a line's
rows sums to the line, and with the row of its rounding to the invoice, to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cloudmgr.billing.digits import canonical, plain, rounded
from cloudmgr.billing.export import in_language
from cloudmgr.billing.invoices import line_key
from cloudmgr.billing.rating import Category
from cloudmgr.billing.reports import rounded_together
from cloudmgr.billing.sheets import written
from cloudmgr.interval import Interval
from cloudmgr.metering.meters import meter_named
from cloudmgr.money import EXACT, exact_product

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloudmgr.billing.invoices import Invoice, InvoiceLine
    from cloudmgr.billing.rating import Charge
    from cloudmgr.billing.sheets import Language


class Version(StrEnum):
    """Of FOCUS."""

    V1_2 = "1.2"
    V1_4 = "1.4"


# Who provides, hosts, publishes and bills: in a city's own cloud, the one centre.
PROVIDER = "cloudmgr"
# Decimals of BilledCost: a day's part of a line, which has two itself.
COST_DIGITS = 10
# Decimals of PricingQuantity: seconds by 3600 need not terminate.
QUANTITY_DIGITS = 18

# What each column is, in the order of the file; those of one version alone follow.
COLUMNS: Mapping[str, str] = {
    "BilledCost": "the row's part of its invoice line's amount; the rounding for the last row",
    "BillingAccountId": "the billing account",
    "BillingAccountName": "its name when the month was closed",
    "BillingCurrency": "of the invoice",
    "BillingPeriodEnd": "end of the month in the city's zone, in UTC",
    "BillingPeriodStart": "its start",
    "ChargeCategory": "Usage; Adjustment for the rounding of an invoice",
    "ChargeClass": "Correction for usage of a month that was closed before; else empty",
    "ChargeDescription": "a sentence",
    "ChargeFrequency": "Usage-Based; One-Time for the rounding",
    "ChargePeriodEnd": "end of the day in the city's zone, in UTC",
    "ChargePeriodStart": "its start",
    "ConsumedQuantity": "in the meter's unit, every digit",
    "ConsumedUnit": "the meter's unit",
    "ContractedCost": "ContractedUnitPrice × PricingQuantity, every digit",
    "ContractedUnitPrice": "the price list's: nothing is negotiated",
    "EffectiveCost": "as BilledCost: nothing is amortised",
    "InvoiceId": "the invoice's number",
    "InvoiceIssuerName": "the centre",
    "ListCost": "ListUnitPrice × PricingQuantity, every digit",
    "ListUnitPrice": "the price list's",
    "PricingCategory": "Standard",
    "PricingQuantity": "in the unit that the price is quoted for, to 18 decimals",
    "PricingUnit": "that unit",
    "ResourceId": "the environment",
    "ResourceName": "its name when the month was closed",
    "ResourceType": "Environment",
    "ServiceCategory": "Compute, Storage or Networking, by the meter",
    "ServiceName": "hosted compute, storage, gateway or addresses, by the meter",
    "ServiceSubcategory": "by the meter",
    "SkuId": "the meter",
    "SkuMeter": "its English name",
    "SkuPriceDetails": "the zone that the price is for",
    "SkuPriceId": "the price: meter, zone (any: for every one), and since when it holds",
    "SubAccountId": "the department",
    "SubAccountName": "its name when the month was closed",
    "x_Component": "of the environment",
    "x_Meter": "by which it was measured",
    "x_PoolId": "that it ran on",
    "x_SystemId": "the business system",
    "x_Zone": "the network that it lies in",
}
_OF_1_2: Mapping[str, str] = {
    "CommitmentDiscountStatus": "empty: there are none; rules on ConsumedQuantity look at it",
    "ProviderName": "the centre",
    "PublisherName": "the centre",
}
_OF_1_4: Mapping[str, str] = {
    "HostProviderName": "the centre",
    "InvoiceDetailId": "the invoice's number and the line's; `rounding` for the rounding",
    "ServiceProviderName": "the centre",
}
_COMPUTE = ("Compute", "Other (Compute)", "Hosted compute")
# Category, subcategory and name: FOCUS wants one of each for a name.
_SERVICES = {
    "vcpu": _COMPUTE,
    "memory": _COMPUTE,
    "vcpu-used": _COMPUTE,
    "memory-used": _COMPUTE,
    "storage": ("Storage", "Block Storage", "Hosted storage"),
    "requests": ("Networking", "Application Networking", "Hosted gateway"),
    "address": ("Networking", "Network Connectivity", "Hosted addresses"),
}
_UNITS = {
    "vCPU-second": ("vCPU-Seconds", "vCPU-Hours"),
    "GiB-second": ("GiB-Seconds", "GiB-Hours"),
    "address-second": ("Address-Seconds", "Address-Hours"),
    "request": ("Requests", "1000 Requests"),
}


@dataclass(frozen=True, slots=True, order=True)
class _RowKey:
    line: int
    day: datetime
    pool_id: str
    zone: str
    component: str
    price_zone: str
    price_valid_from: datetime


@dataclass(slots=True)
class _Sum:
    quantity: Decimal
    numerator: Decimal


def columns(version: Version) -> tuple[str, ...]:
    """In the order of the file: FOCUS' own by name, then ours (``x_``)."""
    more = _OF_1_2 if version is Version.V1_2 else _OF_1_4
    return tuple(sorted({**COLUMNS, **more}, key=lambda name: (name.startswith("x_"), name)))


def focus_rows(
    bills: Sequence[Invoice], charges: Iterable[Charge], language: Language = "zh"
) -> tuple[Mapping[str, str], ...]:
    """Rows with the columns of every version, by invoice, line and day; nothing is an empty text.

    :param charges: those that ``bills`` are made of, in any order.
    :param language: of names; the validator takes ASCII alone.
    """
    by_account = {bill.account_id: bill for bill in bills}
    lines = {(bill.account_id, line.key): line.number for bill in bills for line in bill.lines}
    sums: dict[str, dict[_RowKey, _Sum]] = {bill.account_id: {} for bill in bills}
    zones = {name: ZoneInfo(name) for name in {bill.time_zone for bill in bills}}
    for charge in charges:
        zone = zones[by_account[charge.account_id].time_zone]
        key = _RowKey(
            lines[charge.account_id, line_key(charge, zone)],
            _day(charge.interval.start, zone).start,
            charge.pool_id,
            charge.zone,
            charge.component,
            charge.price_zone or "any",
            charge.price_valid_from,
        )
        have = sums[charge.account_id].setdefault(key, _Sum(Decimal(0), Decimal(0)))
        have.quantity = EXACT.add(have.quantity, charge.quantity)
        have.numerator = EXACT.add(have.numerator, charge.numerator)
    rows: list[Mapping[str, str]] = []
    for bill in bills:
        rows += _of_bill(bill, sums[bill.account_id], language)
    return tuple(rows)


def focus_csv(rows: Iterable[Mapping[str, str]], version: Version) -> bytes:
    """For programs: UTF-8 without a mark; what is null is empty."""
    names = columns(version)
    content = written([names, *([row[name] for name in names] for row in rows)])
    return content.decode("utf-8-sig").encode()


def _of_bill(
    bill: Invoice, sums: Mapping[_RowKey, _Sum], language: Language
) -> list[Mapping[str, str]]:
    rows: list[Mapping[str, str]] = []
    by_line: dict[int, list[_RowKey]] = {}
    for key in sorted(sums):
        by_line.setdefault(key.line, []).append(key)
    for line in bill.lines:
        keys = by_line[line.number]
        exact = [Fraction(sums[key].numerator) / line.key.priced_per for key in keys]
        costs = rounded_together(line.amount, exact, COST_DIGITS)
        for key, cost in zip(keys, costs, strict=True):
            told = _usage(bill, line, key, sums[key], language)
            billed = {"BilledCost": plain(cost), "EffectiveCost": plain(cost)}
            rows.append({**_of_invoice(bill, language), **told, **billed})
    if bill.rounding:
        rows.append({**_of_invoice(bill, language), **_rounding(bill)})
    return rows


def _of_invoice(bill: Invoice, language: Language) -> dict[str, str]:
    every = dict.fromkeys((*COLUMNS, *_OF_1_2, *_OF_1_4), "")
    return {
        **every,
        "BillingAccountId": bill.account_id,
        "BillingAccountName": in_language(bill.account, language),
        "BillingCurrency": bill.currency,
        "BillingPeriodEnd": _moment(bill.interval.end),
        "BillingPeriodStart": _moment(bill.interval.start),
        "HostProviderName": PROVIDER,
        "InvoiceId": bill.number,
        "InvoiceIssuerName": PROVIDER,
        "ProviderName": PROVIDER,
        "PublisherName": PROVIDER,
        "ServiceProviderName": PROVIDER,
    }


def _usage(
    bill: Invoice, line: InvoiceLine, key: _RowKey, held: _Sum, language: Language
) -> dict[str, str]:
    meter = meter_named(line.key.meter)
    consumed, priced = _UNITS[meter.unit]
    category, subcategory, service = _SERVICES[meter.name]
    quantity = rounded(Fraction(held.quantity) / line.key.priced_per, QUANTITY_DIGITS)
    price = plain(line.key.unit_price)
    listed = plain(exact_product(line.key.unit_price, quantity))
    late = line.key.category == Category.ADJUSTMENT.value
    day = _day(key.day, ZoneInfo(bill.time_zone))
    return {
        "ChargeCategory": "Usage",
        "ChargeClass": "Correction" if late else "",
        "ChargeDescription": f"{meter.name_en}, {priced} at {price} {bill.currency}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": _moment(day.end),
        "ChargePeriodStart": _moment(day.start),
        "ConsumedQuantity": plain(held.quantity),
        "ConsumedUnit": consumed,
        "ContractedCost": listed,
        "ContractedUnitPrice": price,
        "InvoiceDetailId": f"{bill.number}/{line.number}",
        "ListCost": listed,
        "ListUnitPrice": price,
        "PricingCategory": "Standard",
        "PricingQuantity": plain(quantity),
        "PricingUnit": priced,
        "ResourceId": line.key.environment_id,
        "ResourceName": in_language(line.environment, language),
        "ResourceType": "Environment",
        "ServiceCategory": category,
        "ServiceName": service,
        "ServiceSubcategory": subcategory,
        "SkuId": meter.name,
        "SkuMeter": meter.name_en,
        "SkuPriceDetails": canonical({"x_PriceZone": key.price_zone}),
        "SkuPriceId": f"{meter.name}/{key.price_zone}/{_moment(key.price_valid_from)}",
        "SubAccountId": line.key.department_id,
        "SubAccountName": in_language(line.department, language),
        "x_Component": key.component,
        "x_Meter": meter.name,
        "x_PoolId": key.pool_id,
        "x_SystemId": line.key.system_id,
        "x_Zone": key.zone,
    }


def _rounding(bill: Invoice) -> dict[str, str]:
    amount = plain(bill.rounding)
    return {
        **dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), amount),
        "ChargeCategory": "Adjustment",
        "ChargeDescription": "Rounding: the total is the exact sum, rounded once",
        "ChargeFrequency": "One-Time",
        "ChargePeriodEnd": _moment(bill.interval.end),
        "ChargePeriodStart": _moment(bill.interval.start),
        "InvoiceDetailId": f"{bill.number}/rounding",
        "ServiceCategory": "Other",
        "ServiceName": "Rounding",
        "ServiceSubcategory": "Other (Other)",
    }


def _day(moment: datetime, zone: ZoneInfo) -> Interval:
    """The day of the city that ``moment`` lies in."""
    day = moment.astimezone(zone).date()
    start, end = (
        datetime.combine(date, time.min, zone).astimezone(UTC)
        for date in (day, day + timedelta(days=1))
    )
    return Interval(start, end)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
