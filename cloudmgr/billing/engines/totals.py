"""What an engine's charges come to: by line and by account, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from cloudmgr.billing.digits import plain
from cloudmgr.billing.engines.definition import SKIPPED
from cloudmgr.billing.invoices import LineKey
from cloudmgr.interval import Interval
from cloudmgr.money import EXACT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloudmgr.billing.prices import Tariff
    from cloudmgr.billing.rating import Missing

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# What is asked of the definition's lines, in the order of `line_of`; moments as whole numbers,
# since a driver may give those in a zone of its own.
LINE_COLUMNS = (
    "account_id, department_id, system_id, environment_id, category, month, meter, unit_price,"
    ' priced_per, currency, EPOCH_US("start"), EPOCH_US("end"), quantity, numerator, charges'
)


@dataclass(frozen=True, slots=True)
class Line:
    """What charges of one line come to, exactly; as an invoice's line, before it is one."""

    account_id: str
    key: LineKey
    currency: str
    interval: Interval
    quantity: Decimal
    numerator: Decimal
    charges: int

    @property
    def exact(self) -> Fraction:
        return Fraction(self.numerator) / self.key.priced_per


@dataclass(frozen=True, slots=True)
class Totals:
    """What was rated: records of the ledger, charges, and what each account owes, exactly.

    ``skipped`` are records of optional meters without a price; ``missing`` is what lacks one.
    """

    records: int
    charges: int
    skipped: int
    missing: tuple[Missing, ...]
    currency: str
    accounts: Mapping[str, Fraction]


def line_of(row: Sequence[Any]) -> Line:
    """The line in a row of :data:`LINE_COLUMNS`."""
    account, department, system, environment, category, month, meter, price, per, *rest = row
    currency, start, end, quantity, numerator, charges = rest
    # One text for one number: 0.5 and 0.50 are the same price.
    unit_price = Decimal(plain(price))
    key = LineKey(department, system, environment, category, month, meter, unit_price, int(per))
    interval = Interval(moment(start), moment(end))
    return Line(account, key, currency, interval, quantity, numerator, charges)


# By account and divisor; whole units and the rest apart, since the sum may have more digits than
# one number keeps.
SUMS = """
SELECT account_id, priced_per, SUM(CAST(FLOOR(numerator) AS DECIMAL(38, 0))),
  SUM(CAST(numerator % CAST('1' AS DECIMAL(38, 26)) AS DECIMAL(38, 26))),
  CAST(SUM(charges) AS BIGINT)
FROM ({lines}) GROUP BY account_id, priced_per ORDER BY account_id, priced_per"""


def totals(
    found: Mapping[str, int],
    missing: tuple[Missing, ...],
    sums: Iterable[Sequence[Any]],
    tariff: Tariff,
) -> Totals:
    """:param found: records by what became of them. :param sums: rows of :data:`SUMS`."""
    charges = 0
    accounts: dict[str, Fraction] = {}
    for account_id, divisor, whole, rest, count in sums:
        charges += count
        share = Fraction(EXACT.add(whole, rest)) / int(divisor)
        accounts[account_id] = accounts.get(account_id, Fraction(0)) + share
    records, skipped = sum(found.values()), found.get(SKIPPED, 0)
    return Totals(records, charges, skipped, missing, tariff.currency, accounts)


def moment(microseconds: int) -> datetime:
    """So long after the beginning of 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)
