"""Usage records and what they are made of. Pure, and exact to the last digit."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Self

from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval, hours_between, month
from cloudmgr.metering.meters import ADDRESS, MEMORY, STORAGE, VCPU, Meter, MeterKind, meter_named
from cloudmgr.money import EXACT, exact_product

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime, tzinfo

    from cloudmgr.pools.drivers.driver import Allocation

    Grid = Callable[[Interval], Iterable[datetime]]

# Digits behind the point that the ledger keeps of a quantity; see `share_by_time`.
_KEPT_DIGITS = 18
# Ends the resource of a record that stands for a gap in what was measured.
UNMEASURED = "#gap"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who uses, and where: copied into every record, since what it names may be gone tomorrow."""

    environment_id: str
    system_id: str
    department_id: str
    zone: str
    pool_id: str


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """So much of a meter, over an interval, from a source: one line of the ledger.

    ``source`` is who measured (``pool/pol_…``, ``gateway/extranet``), ``resource`` what it measured
    (an allocation's id, an environment's id). ``quantity`` is in the meter's unit. ``id`` follows
    from source, resource, meter and start, so that the same usage reported twice is one record.

    :raises Invalid: ``no-such-meter``, ``negative-quantity``, ``absurd-quantity``,
        ``not-a-number``.
    """

    id: str
    source: str
    resource: str
    environment_id: str
    system_id: str
    department_id: str
    zone: str
    pool_id: str
    component: str
    meter: str
    interval: Interval
    quantity: Decimal

    def __post_init__(self) -> None:
        meter = meter_named(self.meter)
        if not self.quantity.is_finite():
            raise Invalid("usage must be a finite number", code="not-a-number", path="quantity")
        if self.quantity < 0:
            raise Invalid(
                f"usage cannot be negative: {self.quantity} {meter.unit}",
                code="negative-quantity",
                path="quantity",
            )
        seconds = self.interval.seconds
        if meter.kind is MeterKind.COUNT:
            # Events come in bursts, and may all have come in the last instant of an hour.
            seconds = max(seconds, Decimal(3600))
        if self.quantity > exact_product(meter.absurd_rate, seconds):
            raise Invalid(
                f"{self.quantity} {meter.unit} in {self.interval.seconds} s cannot be",
                code="absurd-quantity",
                path="quantity",
                hint=f"nothing uses more than {meter.absurd_rate} {meter.unit} a second",
            )

    @classmethod
    def of(
        cls,
        *,
        source: str,
        resource: str,
        owner: Owner,
        component: str,
        meter: Meter,
        interval: Interval,
        quantity: Decimal,
    ) -> Self:
        """A record with the id that it must have.

        :raises Invalid: as the class does.
        """
        return cls(
            usage_id(source, resource, meter.name, interval.start),
            source,
            resource,
            owner.environment_id,
            owner.system_id,
            owner.department_id,
            owner.zone,
            owner.pool_id,
            component,
            meter.name,
            interval,
            quantity,
        )

    @property
    def unmeasured(self) -> bool:
        """Whether it is what was held while nobody knows what was used."""
        return self.resource.endswith(UNMEASURED)

    def parts(self, cuts: Iterable[datetime]) -> tuple[tuple[Interval, Decimal], ...]:
        """This usage divided at ``cuts``: by time for a rate, left whole for a count."""
        if meter_named(self.meter).kind is MeterKind.COUNT:
            return ((self.interval, self.quantity),)
        return share_by_time(self.quantity, self.interval, cuts)


def usage_id(source: str, resource: str, meter: str, start: datetime) -> str:
    """sha256 of source, resource, meter and start.

    As a JSON list, so that no choice of names makes two different records meet.
    """
    moment = start.isoformat(timespec="microseconds")
    text = json.dumps([source, resource, meter, moment], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def share_by_time(
    quantity: Decimal, interval: Interval, cuts: Iterable[datetime]
) -> tuple[tuple[Interval, Decimal], ...]:
    """``quantity`` held evenly over ``interval``, cut at ``cuts``; the parts sum to it exactly.

    A part is exact whenever 18 digits are enough for it, as they always are for rate × seconds. One
    that needs more (a third of something, from a source that measured otherwise) is cut off there,
    and the last part takes the rest.
    """
    pieces = tuple(interval.split(cuts))
    if len(pieces) == 1:
        return ((interval, quantity),)
    whole = Fraction(quantity) / Fraction(interval.seconds)
    shares: list[tuple[Interval, Decimal]] = []
    left = quantity
    for piece in pieces[:-1]:
        share = _decimal(whole * Fraction(piece.seconds))
        left = EXACT.subtract(left, share)
        shares.append((piece, share))
    shares.append((pieces[-1], left))
    return tuple(shares)


def _decimal(value: Fraction) -> Decimal:
    """``value``, cut off after the digits that are kept."""
    scaled = value.numerator * 10**_KEPT_DIGITS // value.denominator
    return EXACT.scaleb(Decimal(scaled), -_KEPT_DIGITS)


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held of one meter for one allocation: ``rate`` units a second, from start to end.

    ``metered_until`` is how far the ledger has it. ``ended_at`` is None while it is held. ``lost``
    says that the end was not reported: the pool merely stopped to list it, so it ends where it was
    last seen, and goes on if it is seen again.
    """

    source: str
    resource: str
    meter: str
    owner: Owner
    component: str
    rate: Decimal
    started_at: datetime
    ended_at: datetime | None
    metered_until: datetime
    lost: bool = False

    @property
    def settled(self) -> bool:
        """Whether the ledger has all of it."""
        return self.ended_at is not None and self.metered_until >= self.ended_at

    def quantity(self, interval: Interval) -> Decimal:
        """What is used of it over ``interval``, exactly: rate × seconds."""
        return exact_product(self.rate, interval.seconds)


def holdings(allocation: Allocation, source: str, zone: str, pool_id: str) -> tuple[Holding, ...]:
    """What ``allocation`` holds of each meter; nothing for what it holds nothing of.

    Exact: a thousandth of a vCPU and 1/1024 of a GiB both terminate as decimals.

    :raises Invalid: ``negative-quantity``, ``absurd-quantity``, ``empty-interval`` (it ends
        before it starts), ``naive-time``.
    """
    size = allocation.size
    started_at = Interval(
        allocation.started_at, allocation.started_at + timedelta(microseconds=1)
    ).start
    ended_at = allocation.ended_at
    if ended_at is not None and ended_at != started_at:
        ended_at = Interval(started_at, ended_at).end
    owner = Owner(
        allocation.environment_id, allocation.system_id, allocation.department_id, zone, pool_id
    )
    found = []
    for meter, rate in (
        (VCPU, Decimal(size.cpu_millis) / 1000),
        (MEMORY, Decimal(size.memory_mib) / 1024),
        (STORAGE, Decimal(size.storage_gib)),
        (ADDRESS, Decimal(allocation.addresses)),
    ):
        if not 0 <= rate <= meter.absurd_rate:
            raise Invalid(
                f"{allocation.id} cannot hold {rate} {meter.unit} each second",
                code="negative-quantity" if rate < 0 else "absurd-quantity",
                path="size",
            )
        if rate:
            found.append(
                Holding(
                    source,
                    allocation.id,
                    meter.name,
                    owner,
                    allocation.component,
                    rate,
                    started_at,
                    ended_at,
                    started_at,
                )
            )
    return tuple(found)


def records(holding: Holding, until: datetime, grid: Grid) -> tuple[UsageRecord, ...]:
    """The ledger's lines for ``holding`` from where it is metered to ``until``, cut at ``grid``.

    Nothing when it is metered so far already.
    """
    if until <= holding.metered_until:
        return ()
    interval = Interval(holding.metered_until, until)
    meter = meter_named(holding.meter)
    return tuple(
        UsageRecord.of(
            source=holding.source,
            resource=holding.resource,
            owner=holding.owner,
            component=holding.component,
            meter=meter,
            interval=piece,
            quantity=holding.quantity(piece),
        )
        for piece in interval.split(grid(interval))
    )


def metered(holding: Holding, until: datetime) -> Holding:
    """``holding`` once the ledger has it up to ``until``."""
    return replace(holding, metered_until=max(holding.metered_until, until))


def hourly(zone: tzinfo) -> Grid:
    """Where usage is cut: at every full UTC hour, and where a month begins in ``zone``.

    The second matters in zones whose offset is not whole hours, so that no record ever lies in two
    billing periods.
    """

    def cuts(interval: Interval) -> Iterator[datetime]:
        yield from hours_between(interval)
        for start in month_starts(interval, zone):
            if interval.start < start:
                yield start

    return cuts


def month_starts(interval: Interval, zone: tzinfo) -> Iterator[datetime]:
    """The starts of months in ``zone`` that lie in ``interval``, in order."""
    local = interval.start.astimezone(zone)
    period = month(local.year, local.month, zone)
    while period.start < interval.end:
        if period.start in interval:
            yield period.start
        after = period.end.astimezone(zone)
        period = month(after.year, after.month, zone)


def cell_of(moment: datetime, zone: tzinfo) -> Interval:
    """The piece of the grid :func:`hourly` that ``moment`` lies in."""
    hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    whole = Interval(hour, hour + timedelta(hours=1))
    return next(piece for piece in whole.split(month_starts(whole, zone)) if moment in piece)
