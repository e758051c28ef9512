"""What a year's budget has left: used, encumbered, and where the year is going. Pure.

*Used* is what the months of the year came to: invoices of closed ones, the rest as far as known.
*Encumbered* is what approved environments will cost from now to the year's end: what they hold at
the least while awake, and what their announced peaks add. The ceiling that was approved is not
encumbered, since nothing holds it but a peak. *Projected* is where the year ends if it goes on as
lately, with the peaks that are still to begin.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

from cloudmgr.billing.cost import HOURS_A_MONTH, estimate
from cloudmgr.billing.digits import canonical
from cloudmgr.billing.periods import billing_period
from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval
from cloudmgr.metering.meters import METERS
from cloudmgr.money import EXACT, exact_sum, to_cents

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    from cloudmgr.billing.prices import Tariff
    from cloudmgr.hosting.environments import Component

EARLIEST, LATEST = 2000, 2200
MOST = Decimal(10) ** 15
# Of a month's first days alone nobody tells how it goes on.
_TOO_EARLY = timedelta(days=3)
_AT_LEAST = timedelta(days=1)
_SECONDS_A_MONTH = HOURS_A_MONTH * 3600


@dataclass(frozen=True, slots=True, order=True)
class BudgetKey:
    """Whose money, and of which year: all of a department, or one system of it."""

    department_id: str
    system_id: str | None
    year: int

    @property
    def id(self) -> str:
        """The same for the same department, system and year."""
        text = canonical([self.department_id, self.system_id or "", str(self.year)])
        return f"bud_{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision on a budget. ``amount`` None: from now on there is none.

    Nothing is changed or taken away: what was wrong is put right by another entry. The last
    ``number`` is in force.
    """

    number: int
    amount: Decimal | None
    currency: str
    reason: str
    actor: str
    actor_login: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Peak:
    """``replicas`` of ``component`` that were announced for ``interval``."""

    component: str
    replicas: int
    interval: Interval


@dataclass(frozen=True, slots=True)
class Commitment:
    """One approved environment, and its peaks that are not over."""

    environment_id: str
    components: tuple[Component, ...]
    zone: str
    peaks: tuple[Peak, ...] = ()


@dataclass(frozen=True, slots=True)
class MonthSpent:
    """What a month of the year came to, in whole cents; final when ``closed``."""

    month: str
    amount: Decimal
    closed: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How a budget stands ``at`` a moment, in whole cents of one currency.

    ``used``, ``encumbered`` and ``peaks``, a part of ``encumbered``, as the module says.
    ``a_month`` is the burn rate, for 730 hours; None where too little is known, or the year is not
    under way. ``month_end`` is what the open month will come to by it, ``projected`` the year.
    ``unpriced`` says in sentences what is in no sum.
    """

    at: datetime
    months: tuple[MonthSpent, ...]
    used: Decimal
    encumbered: Decimal
    peaks: Decimal
    a_month: Decimal | None
    month_end: Decimal | None
    projected: Decimal | None
    unpriced: tuple[str, ...] = ()

    @property
    def committed(self) -> Decimal:
        """What is gone or promised."""
        return EXACT.add(self.used, self.encumbered)

    def left(self, amount: Decimal) -> Decimal:
        """What of a budget of ``amount`` is neither; negative when there is more than that."""
        return EXACT.subtract(amount, self.committed)


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget: what was decided last, and how it stood when that was last worked out."""

    key: BudgetKey
    entry: Entry
    standing: Standing | None = None

    @property
    def id(self) -> str:
        return self.key.id

    @property
    def amount(self) -> Decimal | None:
        return self.entry.amount


@dataclass(frozen=True, slots=True)
class Encumbrance:
    """Exact costs: ``low`` is what is held at the least, ``peaks`` what peaks under way and to come
    add, ``ahead`` the part of that of those which have not begun.
    """

    low: Fraction = Fraction(0)
    peaks: Fraction = Fraction(0)
    ahead: Fraction = Fraction(0)

    def __add__(self, other: Encumbrance) -> Encumbrance:
        return Encumbrance(self.low + other.low, self.peaks + other.peaks, self.ahead + other.ahead)


def checked_key(department_id: str, system_id: str | None, year: int) -> BudgetKey:
    """:raises Invalid: ``no-such-year``."""
    if not EARLIEST <= year <= LATEST:
        raise Invalid(
            f"{year} is not a year that anything is planned for", code="no-such-year", path="year"
        )
    return BudgetKey(department_id, system_id, year)


def checked_amount(amount: Decimal) -> Decimal:
    """With two decimals. :raises Invalid: ``invalid-amount``."""
    cents = amount * 100 if amount.is_finite() else Decimal("NaN")
    if not 0 <= amount <= MOST if amount.is_finite() else True:
        raise Invalid(f"a budget is between 0 and {MOST}", code="invalid-amount", path="amount")
    if cents != cents.to_integral_value():
        raise Invalid("a budget is in whole cents", code="invalid-amount", path="amount")
    return amount.quantize(Decimal("0.01"))


def year_of(year: int, zone: ZoneInfo) -> Interval:
    """The calendar year as the city lives it."""
    return Interval(
        billing_period(f"{year}-01", zone).interval.start,
        billing_period(f"{year}-12", zone).interval.end,
    )


def year_at(moment: datetime, zone: ZoneInfo) -> int:
    """The year that ``moment`` lies in."""
    return moment.astimezone(zone).year


def months_of(year: int, now: datetime, zone: ZoneInfo) -> tuple[str, ...]:
    """Those of ``year`` that have begun."""
    months = (f"{year}-{number:02}" for number in range(1, 13))
    return tuple(m for m in months if billing_period(m, zone).interval.start <= now)


def encumbrance(commitment: Commitment, tariff: Tariff, rest: Interval) -> Encumbrance:
    """What an environment will cost in ``rest``, which begins now.

    At each moment: 730 hours of it at the prices then in force (as :func:`estimate` has it at the
    least), by the part of 730 hours that it is. While peaks are on, the largest of them counts, as
    far as its component's ceiling allows.

    :raises Unpriced: when what it holds has no price.
    """
    cuts = {
        moment for peak in commitment.peaks for moment in (peak.interval.start, peak.interval.end)
    }
    for meter in METERS:
        cuts.update(tariff.cuts(meter, commitment.zone, rest))
    begun = tuple(peak for peak in commitment.peaks if peak.interval.start <= rest.start)
    sums = Encumbrance()
    for piece in rest.split(cuts):
        part = Fraction(piece.seconds) / _SECONDS_A_MONTH

        def costs(
            peaks: tuple[Peak, ...], part: Fraction = part, now: datetime = piece.start
        ) -> Fraction:
            held = [_held(one, peaks, now) for one in commitment.components]
            return Fraction(estimate(held, tariff, commitment.zone, now).low.amount) * part

        low, all_on = costs(()), costs(commitment.peaks)
        sums += Encumbrance(low, all_on - low, all_on - costs(begun))
    return sums


def _held(component: Component, peaks: Iterable[Peak], now: datetime) -> Component:
    """What is held of it at the least ``now``."""
    wanted = [p.replicas for p in peaks if p.component == component.name and now in p.interval]
    most = min(max(wanted, default=0), component.max_replicas)
    return replace(component, min_replicas=max(component.min_replicas, most))


def standing(
    key: BudgetKey,
    months: Sequence[MonthSpent],
    committed: Encumbrance,
    now: datetime,
    *,
    zone: ZoneInfo,
    unpriced: Iterable[str] = (),
) -> Standing:
    """How the budget of ``key`` stands.

    :param months: of the year, in their order, those that have begun.
    :param committed: of its environments, from ``now`` to the year's end; nothing once it is over.

    burn rate = what the open month has cost / its seconds until now; in a month's first three days
    together with the month before. projected = used + burn rate × seconds left of the year + what
    peaks add that have not begun; of a year that is over, used.
    """
    year = year_of(key.year, zone)
    used = exact_sum([Decimal("0.00"), *(month.amount for month in months)])
    encumbered = to_cents(committed.low + committed.peaks)
    month_end = projected = None
    rate = _burn(months, now, zone) if now in year else None
    if now >= year.end:
        projected = used
    elif rate is not None:
        left = Fraction(Interval(now, year.end).seconds)
        projected = to_cents(Fraction(used) + rate * left + committed.ahead)
        ends = billing_period(months[-1].month, zone).interval.end
        of_month = Fraction(months[-1].amount) + rate * Fraction(Interval(now, ends).seconds)
        month_end = to_cents(of_month)
    return Standing(
        now,
        tuple(months),
        used,
        encumbered,
        to_cents(committed.peaks),
        None if rate is None else to_cents(rate * _SECONDS_A_MONTH),
        month_end,
        projected,
        tuple(dict.fromkeys(unpriced)),
    )


def outlook(budget: Budget) -> tuple[bool | None, int | None]:
    """Whether the year will exceed the budget, and how much of it it will come to, in percent.

    Rounded up, so that what exceeds it is never told as 100. What has no price can only make it
    more: without that it may exceed the budget, but nobody can say that it will not.
    """
    found, amount = budget.standing, budget.amount
    if found is None or amount is None or found.projected is None:
        return None, None
    exceeds = found.projected > amount
    if not exceeds and found.unpriced:
        return None, None
    percent = None if amount <= 0 else ceil(Fraction(found.projected) * 100 / Fraction(amount))
    return exceeds, percent


def line_reached(value: Decimal, amount: Decimal, lines: Iterable[int]) -> tuple[int, int] | None:
    """The highest of ``lines``, in percent of ``amount``, that ``value`` has reached, and how many
    percent it is at, rounded down; None if it has reached none, and of a budget of nothing.
    """
    if amount <= 0:
        return None
    percent = floor(Fraction(value) * 100 / Fraction(amount))
    reached = [line for line in lines if line <= percent]
    return (max(reached), percent) if reached else None


def _burn(months: Sequence[MonthSpent], now: datetime, zone: ZoneInfo) -> Fraction | None:
    """Exact money per second; None if too little of the year is over to tell."""
    if not months:
        return None
    start = billing_period(months[-1].month, zone).interval.start
    spent = Fraction(months[-1].amount)
    if now - start < _TOO_EARLY and len(months) > 1:
        start = billing_period(months[-2].month, zone).interval.start
        spent += Fraction(months[-2].amount)
    if now - start < _AT_LEAST:
        return None
    return spent / Fraction(Interval(start, now).seconds)
