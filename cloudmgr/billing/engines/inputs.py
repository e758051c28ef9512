"""What rating reads besides the ledger, as relations. Pure: from the price list and the accounts.

All that needs thought (which price beats which, when a month begins in a city with summer time) is
settled here once, in Python, so that every engine is told the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from cloudmgr.billing.digits import plain
from cloudmgr.billing.engines.definition import (
    EVERY_ZONE,
    LONGEST_DAYS,
    NUMERATOR_DIGITS,
    PRICE_DIGITS,
    PRICE_SCALE,
    QUANTITY_DIGITS,
    QUANTITY_SCALE,
)
from cloudmgr.billing.periods import period_after, period_at
from cloudmgr.errors import Invalid, Unpriced
from cloudmgr.metering.meters import METERS, MeterKind
from cloudmgr.money import EXACT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from cloudmgr.billing.prices import Tariff
    from cloudmgr.interval import Interval
    from cloudmgr.policy.prices import Price

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(9999, 1, 1, tzinfo=UTC)
_LONGEST = timedelta(days=LONGEST_DAYS)

Cell = str | int | bool | Decimal | datetime | None


@dataclass(frozen=True, slots=True)
class Relation:
    """A small table: its columns with their SQL types, and its rows."""

    name: str
    columns: Mapping[str, str]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def query(self) -> str:
        """A query that gives it, in the words of the definition."""
        names = ", ".join(self.columns)
        rows = self.rows or ((None,) * len(self.columns),)
        values = ",\n  ".join(f"({', '.join(self._cells(row))})" for row in rows)
        # No engine takes VALUES without a row.
        nothing = "" if self.rows else " WHERE 1 = 0"
        return f"SELECT {names} FROM (VALUES\n  {values}) AS given({names}){nothing}"

    def _cells(self, row: tuple[Cell, ...]) -> Iterator[str]:
        for cell, kind in zip(row, self.columns.values(), strict=True):
            yield f"CAST({_literal(cell)} AS {kind})"


@dataclass(frozen=True, slots=True)
class AccountSpan:
    """``account_id`` pays for ``department_id`` from ``valid_from`` until its next span begins.

    As departments have it, the first also pays for what lies before it.
    """

    department_id: str
    valid_from: datetime
    account_id: str


@dataclass(frozen=True, slots=True)
class Selected:
    """A table that a query of the definition's words gives."""

    name: str
    query: str


def relations(
    tariff: Tariff, accounts: Sequence[AccountSpan] | None, span: Interval, zone: ZoneInfo
) -> tuple[Relation | Selected, ...]:
    """All that the definition reads, for a ledger whose usage starts within ``span``.

    :param accounts: None: each department pays for itself, under its own id.
    :param zone: the city's: its months are the billing periods.
    :raises Invalid: ``price-too-fine``, ``price-too-high``, ``two-accounts``.
    """
    paying = Selected("accounts", _OWN_ACCOUNTS) if accounts is None else accounts_of(accounts)
    return (tariff_of(tariff), meters(), paying, periods(span, zone))


def tariff_of(tariff: Tariff) -> Relation:
    """Which price is in force when, for every zone that has its own, and for all others.

    :raises Invalid: ``price-too-fine``, ``price-too-high``: not exact in every engine.
    """
    prices = tariff.prices.prices
    for price in prices:
        _check(price)
    pairs = sorted({(p.meter, p.zone) for p in prices}, key=lambda pair: (pair[0], pair[1] or ""))
    rows = [
        (
            meter,
            EVERY_ZONE if zone is None else zone,
            start,
            end,
            price.unit_price,
            _most(price.unit_price),
            _most(highest),
            price.zone,
            price.valid_from.astimezone(UTC),
            tariff.digest,
            tariff.currency,
        )
        for meter, zone in pairs
        for start, end, price, highest in _line(tariff, meter, zone)
    ]
    return Relation(
        "tariff",
        {
            "meter": "VARCHAR",
            "zone": "VARCHAR",
            "valid_from": "TIMESTAMPTZ",
            "valid_until": "TIMESTAMPTZ",
            "unit_price": f"DECIMAL({PRICE_DIGITS + PRICE_SCALE}, {PRICE_SCALE})",
            # From which quantity on a record is too much: at this price, and if it is divided.
            "most": f"DECIMAL(38, {QUANTITY_SCALE})",
            "most_divided": f"DECIMAL(38, {QUANTITY_SCALE})",
            "price_zone": "VARCHAR",
            "price_valid_from": "TIMESTAMPTZ",
            "price_digest": "VARCHAR",
            "currency": "VARCHAR",
        },
        tuple(rows),
    )


def _line(
    tariff: Tariff, meter: str, zone: str | None
) -> Iterator[tuple[datetime, datetime, Price, Decimal]]:
    """The prices of a meter in a zone, each from when it is in force until the next is.

    With each the highest price of what a record that begins then may be divided into.
    """
    # A zone that has no price of its own is asked for as one that no price names.
    asked = EVERY_ZONE if zone is None else zone
    moments = sorted(
        {
            p.valid_from.astimezone(UTC)
            for p in tariff.prices.prices
            if p.meter == meter and p.zone in (zone, None)
        }
    )
    found: list[tuple[datetime, Price]] = []
    for moment in moments:
        try:
            price = tariff.price_at(meter, asked, moment)
        except Unpriced:
            continue
        if not found or found[-1][1] != price:
            found.append((moment, price))
    ends = [start for start, _ in found[1:]] + [END]
    for index, ((start, price), end) in enumerate(zip(found, ends, strict=True)):
        last = min(end, END - _LONGEST) + _LONGEST
        highest = max(p.unit_price for begins, p in found[index:] if begins < last)
        yield max(start, BEGINNING), end, price, highest


def _most(price: Decimal) -> Decimal:
    """From which quantity on ``price`` times it has more digits than are kept."""
    largest = 10 ** (QUANTITY_DIGITS + QUANTITY_SCALE)
    if price:
        kept = Fraction(10 ** (NUMERATOR_DIGITS + QUANTITY_SCALE)) / Fraction(price)
        largest = min(largest, int(kept))
    return EXACT.scaleb(Decimal(largest), -QUANTITY_SCALE)


def _check(price: Price) -> None:
    where = f"{price.meter}{f' in {price.zone}' if price.zone else ''}"
    text = plain(price.unit_price)
    before, _, behind = text.partition(".")
    if len(behind) > PRICE_SCALE:
        raise Invalid(
            f"the price of {where} from {price.valid_from.isoformat()} is {text}: more than"
            f" {PRICE_SCALE} digits behind the point",
            code="price-too-fine",
            path="prices",
            hint="engines would not multiply it exactly; state it with fewer digits",
        )
    if len(before) > PRICE_DIGITS:
        raise Invalid(
            f"the price of {where} from {price.valid_from.isoformat()} is {text}: more than"
            f" {PRICE_DIGITS} digits before the point",
            code="price-too-high",
            path="prices",
        )


def meters() -> Relation:
    """Every meter there is."""
    return Relation(
        "meters",
        {
            "meter": "VARCHAR",
            "unit": "VARCHAR",
            "priced_per": "BIGINT",
            "counted": "BOOLEAN",
            "optional": "BOOLEAN",
        },
        tuple(
            (m.name, m.unit, m.priced_per, m.kind is MeterKind.COUNT, m.optional)
            for m in METERS.values()
        ),
    )


def accounts_of(spans: Iterable[AccountSpan]) -> Relation:
    """Which account pays for which department, from when until when.

    :raises Invalid: ``two-accounts`` for two spans of a department that begin at once.
    """
    by_department: dict[str, list[AccountSpan]] = {}
    for span in spans:
        by_department.setdefault(span.department_id, []).append(span)
    rows: list[tuple[Cell, ...]] = []
    for department_id in sorted(by_department):
        known = sorted(by_department[department_id], key=lambda span: span.valid_from)
        for before, after in pairwise(known):
            if before.valid_from == after.valid_from:
                raise Invalid(
                    f"{department_id} has two accounts from {after.valid_from.isoformat()}",
                    code="two-accounts",
                    path="accounts",
                )
        starts = [BEGINNING, *(span.valid_from.astimezone(UTC) for span in known[1:])]
        rows += [
            (department_id, start, end, span.account_id)
            for span, start, end in zip(known, starts, [*starts[1:], END], strict=True)
        ]
    return Relation(
        "accounts",
        {
            "department_id": "VARCHAR",
            "valid_from": "TIMESTAMPTZ",
            "valid_until": "TIMESTAMPTZ",
            "account_id": "VARCHAR",
        },
        tuple(rows),
    )


def periods(span: Interval, zone: ZoneInfo) -> Relation:
    """The months that ``span`` touches, from when until when."""
    period = period_at(span.start, zone)
    rows = []
    while period.interval.start < span.end:
        rows.append((period.month, period.interval.start, period.interval.end))
        period = period_after(period, zone)
    return Relation(
        "periods",
        {"month": "VARCHAR", "starts_at": "TIMESTAMPTZ", "ends_at": "TIMESTAMPTZ"},
        tuple(rows),
    )


def _literal(cell: Cell) -> str:
    match cell:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if cell else "FALSE"
        case datetime():
            text = cell.astimezone(UTC).isoformat(sep=" ", timespec="microseconds")
            return f"'{text}'"
        case Decimal():
            return f"'{plain(cell)}'"
        case int():
            return str(cell)
        case str():
            return "'" + cell.replace("'", "''") + "'"


_OWN_ACCOUNTS = (
    f"SELECT DISTINCT department_id, CAST({_literal(BEGINNING)} AS TIMESTAMPTZ) AS valid_from,"
    f" CAST({_literal(END)} AS TIMESTAMPTZ) AS valid_until, department_id AS account_id"
    " FROM ledger WHERE department_id IS NOT NULL"
)
