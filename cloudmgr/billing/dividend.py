"""What pooling saved in a month: each system at its own peak, against what it cost pooled. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from cloudmgr.billing.cost import own_servers_cost
from cloudmgr.billing.digits import rounded
from cloudmgr.billing.export import in_language
from cloudmgr.billing.invoices import Label
from cloudmgr.billing.prices import Tariff
from cloudmgr.billing.rating import Category, exact_cost
from cloudmgr.billing.reports import rounded_together
from cloudmgr.billing.sheets import Column, Kind, Sheet
from cloudmgr.interval import Interval
from cloudmgr.metering.meters import METERS, MeterKind
from cloudmgr.money import EXACT, exact_sum, to_cents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloudmgr.billing.periods import ClosedPeriod
    from cloudmgr.billing.rating import Charge
    from cloudmgr.billing.sheets import Language
    from cloudmgr.metering.usage import Holding

# Meters whose quantity is held over time by servers that somebody would have to buy.
HELD = tuple(
    name for name, meter in METERS.items() if meter.kind is MeterKind.RATE and not meter.optional
)


@dataclass(frozen=True, slots=True)
class SystemDividend:
    """One system, in whole cents: ``alone``, at its own peak for the whole month, and ``pooled``.

    ``peaks`` are in units held at once (vCPU, GiB), by meter.
    """

    system_id: str
    system: Label
    department_id: str
    department: Label
    peaks: Mapping[str, Fraction]
    alone: Decimal
    pooled: Decimal

    @property
    def saved(self) -> Decimal:
        return EXACT.subtract(self.alone, self.pooled)


@dataclass(frozen=True, slots=True)
class Dividend:
    """Of one closed month. The systems sum to ``alone``, ``pooled`` and ``saved``.

    ``coverage`` is the share of the time that anything was held which the month's charges have;
    None where nothing was held.
    """

    month: str
    currency: str
    systems: tuple[SystemDividend, ...]
    coverage: Fraction | None

    @property
    def alone(self) -> Decimal:
        return exact_sum([Decimal("0.00"), *(one.alone for one in self.systems)])

    @property
    def pooled(self) -> Decimal:
        return exact_sum([Decimal("0.00"), *(one.pooled for one in self.systems)])

    @property
    def saved(self) -> Decimal:
        return EXACT.subtract(self.alone, self.pooled)

    @property
    def percent_saved(self) -> Decimal | None:
        """Of what it would have cost alone, to one decimal; None where that is nothing."""
        return rounded(Fraction(self.saved) / Fraction(self.alone) * 100, 1) if self.alone else None

    @property
    def percent_covered(self) -> Decimal | None:
        """To two decimals, rounded down: what is not whole does not read as 100."""
        if self.coverage is None:
            return None
        hundredths = self.coverage * 10_000
        return EXACT.scaleb(Decimal(hundredths.numerator // hundredths.denominator), -2)


def dividend(
    closed: ClosedPeriod,
    charges: Sequence[Charge],
    held: Iterable[Holding],
    labels: Mapping[str, Label],
) -> Dividend:
    """What the systems of a closed month would have cost each with servers of its own, and pooled.

    Both are of the usage of that month, at the prices that it was closed with: what came late to it
    or to another month is in neither. Alone, each system has servers for its own peak, all its
    environments together, for the whole month; requests then cost nothing. Replicas that replace
    each other overlap for a moment, and count as held.

    :param charges: as they were frozen. :param held: what was observed to be held in the month.
    :raises Unpriced: when a meter has no price over the whole month.
    """
    interval = closed.period.interval
    own = [charge for charge in charges if charge.category is Category.USAGE]
    by_system: dict[str, list[Charge]] = {}
    for charge in own:
        by_system.setdefault(charge.system_id, []).append(charge)
    tariff = Tariff(closed.inputs.prices)
    alone = {
        one.id: one
        for one in own_servers_cost(own, interval, tariff, lambda record: record.system_id)
    }
    names = sorted(by_system)
    costs = [alone[name].cost if name in alone else Fraction(0) for name in names]
    pooled = [exact_cost(by_system[name]) for name in names]
    rows = []
    for name, at_peak, shared in zip(names, _cents(costs), _cents(pooled), strict=True):
        # Who had it last, where departments merge in the month.
        department_id = max(by_system[name], key=lambda c: (c.interval.end, c.id)).department_id
        rows.append(
            SystemDividend(
                name,
                labels.get(name, Label(name, name)),
                department_id,
                labels.get(department_id, Label(department_id, department_id)),
                alone[name].peaks if name in alone else {},
                at_peak,
                shared,
            )
        )
    rows.sort(key=lambda row: (-row.saved, row.system_id))
    return Dividend(
        closed.period.month, closed.currency, tuple(rows), coverage(own, held, interval)
    )


def coverage(
    charges: Iterable[Charge], held: Iterable[Holding], interval: Interval
) -> Fraction | None:
    """The share of what was held in ``interval``, by time and meter, that ``charges`` have."""
    metered = sum((Fraction(c.interval.seconds) for c in charges if c.meter in HELD), Fraction(0))
    whole = Fraction(0)
    for one in held:
        end = interval.end if one.ended_at is None else min(one.ended_at, interval.end)
        start = max(one.started_at, interval.start)
        if one.meter in HELD and start < end:
            whole += Fraction(Interval(start, end).seconds)
    whole = max(whole, metered)
    return metered / whole if whole else None


def _cents(exact: Sequence[Fraction]) -> list[Decimal]:
    return rounded_together(to_cents(sum(exact, Fraction(0))), exact) if exact else []


_HEAD: tuple[tuple[str, str, Kind], ...] = (
    ("账期", "Month", Kind.TEXT),
    ("业务系统编号", "System id", Kind.TEXT),
    ("业务系统", "System", Kind.TEXT),
    ("委办局编号", "Department id", Kind.TEXT),
    ("委办局", "Department", Kind.TEXT),
    ("峰值 vCPU", "Peak vCPU", Kind.NUMBER),
    ("峰值内存（GiB）", "Peak memory (GiB)", Kind.NUMBER),
    ("峰值存储（GiB）", "Peak storage (GiB)", Kind.NUMBER),
    ("单独建设费用", "Alone, at its own peak", Kind.MONEY),
    ("池化费用", "Pooled", Kind.MONEY),
    ("节约", "Saved", Kind.MONEY),
    ("币种", "Currency", Kind.TEXT),
    ("数据覆盖率（%）", "Data coverage of the month (%)", Kind.NUMBER),
)
_NAME = {"zh": "池化收益", "en": "Dividend"}


def dividend_sheet(found: Dividend, language: Language) -> Sheet:
    """A row for each system, the largest saving first."""
    return Sheet(
        _NAME[language],
        tuple(Column(zh if language == "zh" else en, kind) for zh, en, kind in _HEAD),
        tuple(
            (
                found.month,
                one.system_id,
                in_language(one.system, language),
                one.department_id,
                in_language(one.department, language),
                *(peak(one, meter) for meter in ("vcpu", "memory", "storage")),
                one.alone,
                one.pooled,
                one.saved,
                found.currency,
                found.percent_covered,
            )
            for one in found.systems
        ),
    )


def peak(one: SystemDividend, meter: str) -> Decimal:
    """What it held at once at most, to three decimals, for reading."""
    return rounded(one.peaks.get(meter, Fraction(0)), 3)
