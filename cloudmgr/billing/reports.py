"""What months cost, by department, system, pool, zone or month, in cents that sum to it. Pure.

An invoice's total is shared once, down to the smallest parts that a report may ask for, by largest
remainder: first among its departments, as the invoice itself says it, then among the parts of each.
Every report adds up these same cents, and sums to the invoices under any grouping and filter.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from cloudmgr.billing.export import in_language
from cloudmgr.billing.invoices import Label
from cloudmgr.billing.periods import billing_period, period_after
from cloudmgr.billing.sheets import Column, Kind, Sheet
from cloudmgr.errors import Invalid
from cloudmgr.money import EXACT, exact_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from cloudmgr.billing.invoices import Invoice
    from cloudmgr.billing.rating import Charge
    from cloudmgr.billing.sheets import Cell, Language

    # System, pool, zone.
    _Place = tuple[str, str, str]

MOST_MONTHS = 36
_ZONES = {
    "extranet": Label("政务外网", "Government extranet"),
    "intranet": Label("公务网", "Government intranet"),
}


class Grouping(StrEnum):
    """What a report has a row for."""

    DEPARTMENT = "department"
    SYSTEM = "system"
    POOL = "pool"
    ZONE = "zone"
    MONTH = "month"


@dataclass(frozen=True, slots=True, order=True)
class PartKey:
    """The smallest part of an invoice that a report tells apart."""

    month: str
    account_id: str
    department_id: str
    system_id: str
    pool_id: str
    zone: str


@dataclass(frozen=True, slots=True)
class Part:
    """``amount`` in whole cents of ``currency``; ``exact`` is what it is rounded from."""

    key: PartKey
    amount: Decimal
    exact: Fraction
    currency: str


@dataclass(frozen=True, slots=True)
class MonthParts:
    """A month as reports add it up. ``unpriced``: in sentences, what is in no sum."""

    month: str
    closed: bool
    parts: tuple[Part, ...]
    labels: Mapping[str, Label]
    unpriced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportMonth:
    """One month of a report, with what it comes to under the report's filter."""

    month: str
    closed: bool
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One department, system, pool, zone or month: in all, and by month where there is any."""

    id: str
    label: Label
    amount: Decimal
    months: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Report:
    """``rows`` sum to ``total``, and so do ``months``, to the last cent.

    Rows come with the largest first; months in their order.
    """

    by: Grouping
    currency: str
    months: tuple[ReportMonth, ...]
    rows: tuple[ReportRow, ...]
    total: Decimal
    unpriced: tuple[str, ...]

    @property
    def final(self) -> bool:
        """Whether all its months are closed."""
        return all(month.closed for month in self.months)


def apportioned(
    bills: Iterable[Invoice], charges: Iterable[Charge], *, department_id: str | None = None
) -> tuple[Part, ...]:
    """The totals of one month's invoices by part, in the order of keys.

    :param charges: those that ``bills`` are made of, in any order.
    :param department_id: only its parts are wanted, and only its charges needed.
    """
    costs: dict[str, dict[str, dict[_Place, Fraction]]] = {}
    for (account_id, spender, *place), cost in _exact(charges).items():
        own = costs.setdefault(account_id, {}).setdefault(spender, {})
        own[place[0], place[1], place[2]] = cost
    parts = []
    for bill in bills:
        for name, share in bill.shares.items():
            if department_id not in {None, name}:
                continue
            own = costs[bill.account_id][name]
            places = sorted(own)
            cents = rounded_together(share, [own[place] for place in places])
            parts += [
                Part(
                    PartKey(bill.month, bill.account_id, name, *place),
                    amount,
                    own[place],
                    bill.currency,
                )
                for place, amount in zip(places, cents, strict=True)
            ]
    return tuple(sorted(parts, key=lambda part: part.key))


def rounded_together(total: Decimal, exact: Sequence[Fraction], digits: int = 2) -> list[Decimal]:
    """``exact`` amounts, whose sum rounds to ``total``, each to ``digits``: they sum to it.

    Each is rounded down or up, up where the rest is largest; ties go to the earlier. Unlike shares
    by weight, amounts may be negative.
    """
    units = int(EXACT.scaleb(total, digits))
    scaled = [amount * 10**digits for amount in exact]
    floors = [amount.numerator // amount.denominator for amount in scaled]
    by_rest = sorted(range(len(exact)), key=lambda i: (floors[i] - scaled[i], i))
    each, rest = divmod(units - sum(floors), len(exact))
    for position, index in enumerate(by_rest):
        floors[index] += each + (position < rest)
    return [EXACT.scaleb(Decimal(amount), -digits) for amount in floors]


def months_from(first: str, last: str, zone: ZoneInfo) -> tuple[str, ...]:
    """From ``first`` to ``last``, both included.

    :raises Invalid: ``no-such-month``, ``months-in-no-order``, ``too-many-months``.
    """
    period, end = billing_period(first, zone), billing_period(last, zone)
    if period.month > end.month:
        raise Invalid(f"{first} comes after {last}", code="months-in-no-order", path="from_month")
    months = [period.month]
    while period.month < end.month:
        period = period_after(period, zone)
        months.append(period.month)
        if len(months) > MOST_MONTHS:
            raise Invalid(
                f"a report has {MOST_MONTHS} months at most",
                code="too-many-months",
                path="from_month",
            )
    return tuple(months)


def report(
    found: Sequence[MonthParts],
    by: Grouping,
    currency: str,
    *,
    wanted: Callable[[PartKey], bool] = lambda _key: True,
) -> Report:
    """What the months of ``found`` cost, grouped ``by``; of those parts that are ``wanted``.

    :param currency: what nothing is in nothing of.
    :raises Invalid: ``mixed-currencies``.
    """
    parts = [part for one in found for part in one.parts if wanted(part.key)]
    currencies = {part.currency for part in parts} or {currency}
    if len(currencies) != 1:
        raise Invalid(
            f"a report is in one currency, not {', '.join(sorted(currencies))}",
            code="mixed-currencies",
            hint="ask for fewer months",
        )
    groups: dict[str, dict[str, Decimal]] = {}
    if by is Grouping.MONTH:
        groups = {one.month: {} for one in found}
    for part in parts:
        months = groups.setdefault(_group(part.key, by), {})
        have = months.get(part.key.month, Decimal("0.00"))
        months[part.key.month] = EXACT.add(have, part.amount)
    rows = [
        ReportRow(name, _label(found, name, by), _sum(months.values()), months)
        for name, months in groups.items()
    ]
    if by is not Grouping.MONTH:
        rows.sort(key=lambda row: (-row.amount, row.id))
    return Report(
        by,
        currencies.pop(),
        tuple(
            ReportMonth(one.month, one.closed, _sum(p.amount for p in one.parts if wanted(p.key)))
            for one in found
        ),
        tuple(rows),
        _sum(part.amount for part in parts),
        tuple(dict.fromkeys(said for one in found for said in one.unpriced)),
    )


def _exact(charges: Iterable[Charge]) -> dict[tuple[str, str, str, str, str], Fraction]:
    """By account, department, system, pool and zone."""
    numerators: dict[tuple[tuple[str, str, str, str, str], int], Decimal] = {}
    for one in charges:
        key = (one.account_id, one.department_id, one.system_id, one.pool_id, one.zone)
        have = numerators.get((key, one.priced_per), Decimal(0))
        numerators[key, one.priced_per] = EXACT.add(have, one.numerator)
    exact: dict[tuple[str, str, str, str, str], Fraction] = {}
    for (key, divisor), numerator in numerators.items():
        exact[key] = exact.get(key, Fraction(0)) + Fraction(numerator) / divisor
    return exact


def _group(key: PartKey, by: Grouping) -> str:
    match by:
        case Grouping.DEPARTMENT:
            return key.department_id
        case Grouping.SYSTEM:
            return key.system_id
        case Grouping.POOL:
            return key.pool_id
        case Grouping.ZONE:
            return key.zone
        case Grouping.MONTH:
            return key.month


def _label(found: Sequence[MonthParts], name: str, by: Grouping) -> Label:
    if by is Grouping.ZONE:
        return _ZONES.get(name, Label(name, name))
    for one in reversed(found):  # as it was called last
        if name in one.labels:
            return one.labels[name]
    return Label(name, name)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return exact_sum([Decimal("0.00"), *amounts])


# -------------------------------------------------------------------------------------- as a file

_HEAD: dict[Language, dict[Grouping, str]] = {
    "zh": {
        Grouping.DEPARTMENT: "委办局",
        Grouping.SYSTEM: "业务系统",
        Grouping.POOL: "资源池",
        Grouping.ZONE: "网络域",
        Grouping.MONTH: "账期",
    },
    "en": {
        Grouping.DEPARTMENT: "Department",
        Grouping.SYSTEM: "System",
        Grouping.POOL: "Pool",
        Grouping.ZONE: "Zone",
        Grouping.MONTH: "Month",
    },
}
_WORDS: dict[Language, dict[str, str]] = {
    "zh": {
        "id": "编号",
        "month": "月份",
        "state": "状态",
        "amount": "金额",
        "currency": "币种",
        "closed": "已关账",
        "open": "未关账",
        "all": "汇总",
        "months": "按月",
        "total": "合计",
    },
    "en": {
        "id": "Id",
        "month": "Month of the bill",
        "state": "State",
        "amount": "Amount",
        "currency": "Currency",
        "closed": "closed",
        "open": "open",
        "all": "In all",
        "months": "By month",
        "total": "Total",
    },
}


def month_sheet(found: Report, language: Language) -> Sheet:
    """A row for each group and month in which it cost anything."""
    words = _WORDS[language]
    state = {one.month: words["closed" if one.closed else "open"] for one in found.months}
    rows: list[tuple[Cell, ...]] = [
        (
            row.id,
            in_language(row.label, language),
            month,
            state[month],
            row.months[month],
            found.currency,
        )
        for row in found.rows
        for month in sorted(row.months)
    ]
    return Sheet(
        words["months"],
        (
            Column(words["id"]),
            Column(_HEAD[language][found.by]),
            Column(words["month"]),
            Column(words["state"]),
            Column(words["amount"], Kind.MONEY),
            Column(words["currency"]),
        ),
        tuple(rows),
    )


def sum_sheet(found: Report, language: Language) -> Sheet:
    """A row for each group, and the total."""
    words = _WORDS[language]
    rows: list[tuple[Cell, ...]] = [
        (row.id, in_language(row.label, language), row.amount, found.currency) for row in found.rows
    ]
    rows.append((None, words["total"], found.total, found.currency))
    return Sheet(
        words["all"],
        (
            Column(words["id"]),
            Column(_HEAD[language][found.by]),
            Column(words["amount"], Kind.MONEY),
            Column(words["currency"]),
        ),
        tuple(rows),
    )
