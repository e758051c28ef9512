"""Usage × price = charges. Pure, and exact: nothing is rounded here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from cloudmgr.billing.digits import canonical, plain
from cloudmgr.errors import Unpriced
from cloudmgr.metering.measured.measuring import GapCharge
from cloudmgr.metering.meters import meter_named
from cloudmgr.money import EXACT, exact_product

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from cloudmgr.billing.prices import Tariff
    from cloudmgr.interval import Interval
    from cloudmgr.metering.measured.measuring import Gap
    from cloudmgr.metering.usage import UsageRecord

    # Which account pays for a department at a moment.
    AccountOf = Callable[[str, datetime], str]


class Category(StrEnum):
    """FOCUS ChargeCategory, as far as it is used: usage of the month, or of one closed before."""

    USAGE = "Usage"
    ADJUSTMENT = "Adjustment"


@dataclass(frozen=True, slots=True)
class Charge:
    """What one piece of usage costs, with a copy of all that this follows from.

    The cost is ``quantity × unit_price / priced_per``. A division by 3600 need not terminate, so it
    is kept as an exact numerator and a divisor, never as a quotient.
    """

    id: str
    usage_id: str
    category: Category
    environment_id: str
    system_id: str
    department_id: str
    account_id: str
    zone: str
    pool_id: str
    component: str
    meter: str
    unit: str
    interval: Interval
    quantity: Decimal
    unit_price: Decimal
    priced_per: int
    price_zone: str | None
    price_valid_from: datetime
    price_digest: str
    currency: str

    @property
    def numerator(self) -> Decimal:
        """``quantity × unit_price``, every digit."""
        return exact_product(self.quantity, self.unit_price)

    @property
    def cost(self) -> Fraction:
        """In ``currency``, exactly."""
        return Fraction(self.numerator) / self.priced_per


@dataclass(frozen=True, slots=True)
class Missing:
    """Usage for which no price is in force: how many records, over which interval."""

    meter: str
    zone: str
    interval: Interval
    records: int

    @property
    def sentence(self) -> str:
        start, end = self.interval.start.isoformat(), self.interval.end.isoformat()
        return (
            f"{self.meter} in {self.zone} has no price for {self.records} usage records from"
            f" {start} to {end}"
        )


@dataclass(frozen=True, slots=True)
class Rated:
    """Charges in the order of their usage, and what could not be rated."""

    charges: tuple[Charge, ...]
    missing: tuple[Missing, ...]

    def complete(self) -> tuple[Charge, ...]:
        """:raises Unpriced: with all that is missing as its ``problems``."""
        if self.missing:
            raise Unpriced(
                self.missing[0].sentence,
                hint="add the prices, valid from then or earlier",
                problems=tuple((f"{m.meter}/{m.zone}", m.sentence) for m in self.missing),
            )
        return self.charges


def rate(
    record: UsageRecord, tariff: Tariff, account_of: AccountOf, category: Category = Category.USAGE
) -> tuple[Charge, ...]:
    """The charges for ``record``: one, or one for each price that was in force during it.

    What is held over time is divided where the price changes, by time, which is exact. Single
    events (requests) are not: when within a record each of them came is not known, so all of them
    cost what was in force when the record starts. Records of requests are at most an hour long.

    The account is the one that paid for the department when the record starts.

    :raises Unpriced: when any part has no price.
    """
    meter = meter_named(record.meter)
    account_id = account_of(record.department_id, record.interval.start)
    charges = []
    cuts = tariff.cuts(record.meter, record.zone, record.interval)
    for interval, quantity in record.parts(cuts):
        price = tariff.price_at(record.meter, record.zone, interval.start)
        charges.append(
            Charge(
                charge_id(record.id, interval.start),
                record.id,
                category,
                record.environment_id,
                record.system_id,
                record.department_id,
                account_id,
                record.zone,
                record.pool_id,
                record.component,
                record.meter,
                meter.unit,
                interval,
                quantity,
                price.unit_price,
                meter.priced_per,
                price.zone,
                price.valid_from.astimezone(UTC),
                tariff.digest,
                tariff.currency,
            )
        )
    return tuple(charges)


def rate_all(
    records: Iterable[UsageRecord],
    tariff: Tariff,
    account_of: AccountOf,
    category: Category = Category.USAGE,
) -> Rated:
    """Every record's charges; all that has no price is listed, none of it is rated as zero.

    An optional meter is charged only where it has a price: what was held is charged already.
    """
    charges: list[Charge] = []
    missing: dict[tuple[str, str], Missing] = {}
    for record in records:
        try:
            charges += rate(record, tariff, account_of, category)
        except Unpriced:
            if meter_named(record.meter).optional:
                continue
            key = (record.meter, record.zone)
            missing[key] = _joined(missing.get(key), record)
    return Rated(tuple(charges), tuple(missing[key] for key in sorted(missing)))


def charge_for(gap: Gap, tariff: Tariff) -> GapCharge:
    """What is charged for a time of which it is not known what was used, as policy has it now.

    Only what has a price is charged at all.
    """
    try:
        tariff.price_at(gap.meter, gap.owner.zone, gap.interval.start)
    except Unpriced:
        return GapCharge.NOTHING
    return GapCharge(tariff.prices.gaps)


def _joined(known: Missing | None, record: UsageRecord) -> Missing:
    if known is None:
        return Missing(record.meter, record.zone, record.interval, 1)
    span = type(record.interval)(
        min(known.interval.start, record.interval.start),
        max(known.interval.end, record.interval.end),
    )
    return Missing(record.meter, record.zone, span, known.records + 1)


def exact_cost(charges: Iterable[Charge]) -> Fraction:
    """What they cost together, exactly."""
    numerators: dict[int, Decimal] = {}
    for charge in charges:
        so_far = numerators.get(charge.priced_per, Decimal(0))
        numerators[charge.priced_per] = EXACT.add(so_far, charge.numerator)
    return sum((Fraction(n) / divisor for divisor, n in numerators.items()), Fraction(0))


def charge_id(usage_id: str, start: datetime) -> str:
    """A charge is named by what it is for, so that nothing can be charged twice."""
    text = canonical([usage_id, start.isoformat(timespec="microseconds")])
    return hashlib.sha256(text.encode()).hexdigest()


def charge_fields(charge: Charge) -> dict[str, str | int | None]:
    """Every field as text, one text for one charge; ``numerator`` included."""
    return {
        "id": charge.id,
        "usage_id": charge.usage_id,
        "category": charge.category.value,
        "environment_id": charge.environment_id,
        "system_id": charge.system_id,
        "department_id": charge.department_id,
        "account_id": charge.account_id,
        "zone": charge.zone,
        "pool_id": charge.pool_id,
        "component": charge.component,
        "meter": charge.meter,
        "unit": charge.unit,
        "start": charge.interval.start.isoformat(timespec="microseconds"),
        "end": charge.interval.end.isoformat(timespec="microseconds"),
        "quantity": plain(charge.quantity),
        "unit_price": plain(charge.unit_price),
        "priced_per": charge.priced_per,
        "price_zone": charge.price_zone,
        "price_valid_from": charge.price_valid_from.isoformat(timespec="microseconds"),
        "price_digest": charge.price_digest,
        "currency": charge.currency,
        "numerator": plain(charge.numerator),
    }
