"""What an environment would cost a month, before it exists; what each would cost alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from cloudmgr.errors import Unpriced
from cloudmgr.metering.meters import ADDRESS, MEMORY, METERS, REQUESTS, STORAGE, VCPU, MeterKind
from cloudmgr.money import Money, to_cents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from cloudmgr.billing.prices import Tariff
    from cloudmgr.hosting.environments import Component
    from cloudmgr.interval import Interval
    from cloudmgr.metering.usage import Holding

# The mean month of a year of 365 days, as clouds quote it.
HOURS_A_MONTH = 730


@dataclass(frozen=True, slots=True)
class Estimate:
    """Between ``low`` and ``high`` a month, each rounded half up to the cent."""

    low: Money
    high: Money


def estimate(
    components: Iterable[Component],
    tariff: Tariff,
    zone: str,
    now: datetime,
    requests_a_month: int = 0,
) -> Estimate:
    """The cost of 730 hours at the prices in force ``now``.

    low  = Σ over components: (cores × price + GiB of memory × price) × min_replicas × 730
           + GiB of storage × price × max(min_replicas, 1) × 730
    high = the same with max_replicas, + requests_a_month × price / 1000.

    Storage of a slot is kept while the environment sleeps, so one slot of it is always paid.

    :raises Unpriced: when what the components hold has no price.
    """
    low = high = Fraction(0)
    prices: dict[str, Fraction] = {}

    def price(meter: str) -> Fraction:
        if meter not in prices:
            prices[meter] = Fraction(tariff.price_at(meter, zone, now).unit_price)
        return prices[meter]

    for part in components:
        running = Fraction(0)
        if part.cpu_millis:
            running += Fraction(part.cpu_millis, 1000) * price(VCPU.name)
        if part.memory_mib:
            running += Fraction(part.memory_mib, 1024) * price(MEMORY.name)
        kept = part.storage_gib * price(STORAGE.name) if part.storage_gib else Fraction(0)
        low += running * part.min_replicas + kept * max(part.min_replicas, 1)
        high += running * part.max_replicas + kept * max(part.max_replicas, 1)
    low, high = low * HOURS_A_MONTH, high * HOURS_A_MONTH
    if requests_a_month:
        high += Fraction(requests_a_month, REQUESTS.priced_per) * price(REQUESTS.name)
    return Estimate(Money(to_cents(low), tariff.currency), Money(to_cents(high), tariff.currency))


@dataclass(frozen=True, slots=True)
class SleepCost:
    """What an environment goes on costing while it sleeps.

    :param storage_gib: of all slots that there are.
    :param addresses: that are kept for its replicas.
    :param month: of 730 hours of that, at the prices in force, rounded half up to the cent.
    """

    storage_gib: Decimal
    addresses: Decimal
    month: Money


def cost_of_sleep(holdings: Iterable[Holding], tariff: Tariff, now: datetime) -> SleepCost:
    """By what is seen to be held: Σ rate × price × 730. What sleep gives back is left out.

    :raises Unpriced: when storage is held that has no price; addresses without one are free.
    """
    held = {STORAGE.name: Decimal(0), ADDRESS.name: Decimal(0)}
    cost = Fraction(0)
    for one in holdings:
        if one.ended_at is not None or one.meter not in held:
            continue
        held[one.meter] += one.rate
        try:
            price = Fraction(tariff.price_at(one.meter, one.owner.zone, now).unit_price)
        except Unpriced:
            if not METERS[one.meter].optional:
                raise
            continue
        cost += Fraction(one.rate) * price * HOURS_A_MONTH
    month = Money(to_cents(cost), tariff.currency)
    return SleepCost(held[STORAGE.name], held[ADDRESS.name], month)


@dataclass(frozen=True, slots=True)
class OwnServers:
    """What an environment, or whoever was asked for, would cost with servers of its own: ``peaks``
    by meter, in units held at once (vCPU, GiB), for the whole time.
    """

    id: str
    peaks: Mapping[str, Fraction]
    cost: Fraction


class Held(Protocol):
    """What a usage record and a charge both say."""

    @property
    def environment_id(self) -> str: ...
    @property
    def system_id(self) -> str: ...
    @property
    def meter(self) -> str: ...
    @property
    def zone(self) -> str: ...
    @property
    def interval(self) -> Interval: ...
    @property
    def quantity(self) -> Decimal: ...


def own_servers_cost(
    records: Iterable[Held],
    interval: Interval,
    tariff: Tariff,
    whose: Callable[[Held], str] = lambda record: record.environment_id,
) -> tuple[OwnServers, ...]:
    """By environment, or ``whose`` each record is: servers bought for its peak and kept for all of
    ``interval``.

    For each meter that is held over time (vCPU, memory, storage): the most that was held at once in
    ``interval``, of all records together, × the seconds of ``interval`` × the price in force, over
    each price in force. A record's rate is its quantity by its seconds. Requests cost nothing on
    one's own servers. Replicas that replace each other overlap for a moment, and count as held.

    :raises Unpriced: when a meter has no price over the whole of ``interval``.
    """
    steps: dict[tuple[str, str, str], dict[datetime, Fraction]] = {}
    for record in records:
        inside = record.interval.intersect(interval)
        of = METERS[record.meter]
        if of.kind is not MeterKind.RATE or of.optional or inside is None:
            continue
        rate = Fraction(record.quantity) / Fraction(record.interval.seconds)
        moves = steps.setdefault((whose(record), record.meter, record.zone), {})
        moves[inside.start] = moves.get(inside.start, Fraction(0)) + rate
        moves[inside.end] = moves.get(inside.end, Fraction(0)) - rate
    costs: dict[str, Fraction] = {}
    peaks: dict[str, dict[str, Fraction]] = {}
    for (owner, meter, zone), moves in sorted(steps.items()):
        peak = _peak(moves)
        of_meter = peaks.setdefault(owner, {})
        of_meter[meter] = of_meter.get(meter, Fraction(0)) + peak
        cost = Fraction(0)
        for piece in interval.split(tariff.cuts(meter, zone, interval)):
            price = Fraction(tariff.price_at(meter, zone, piece.start).unit_price)
            cost += peak * Fraction(piece.seconds) * price / METERS[meter].priced_per
        costs[owner] = costs.get(owner, Fraction(0)) + cost
    return tuple(OwnServers(name, peaks[name], costs[name]) for name in sorted(costs))


def _peak(moves: Mapping[datetime, Fraction]) -> Fraction:
    """The most that is held at once; what ends where another begins does not overlap it."""
    held = most = Fraction(0)
    for moment in sorted(moves):
        held += moves[moment]
        most = max(most, held)
    return most
