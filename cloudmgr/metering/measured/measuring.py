"""Samples of one hour to what was used in it, and to the gaps. Pure.

What a replica was given room for is known: it is held. For each moment of that, either samples say
what was used of it, and there is a usage record, or they do not, and there is a gap. There is no
third, and never a zero that nobody measured.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval
from cloudmgr.metering.meters import MEMORY, MEMORY_USED, VCPU, VCPU_USED
from cloudmgr.metering.usage import UNMEASURED, UsageRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloudmgr.metering.meters import Meter
    from cloudmgr.metering.usage import Holding, Owner

# Samples that are farther apart than this have nothing to do with each other: Prometheus itself
# holds a series for gone after so long. A start, an end or a restart is not seen to the second
# either, so that only what was held for longer without a sample is a gap.
LAPSE = timedelta(minutes=5)

# Begins the name of each source that measures.
MEASURED = "measured/"

_SECOND = 1_000_000  # microseconds, in which moments are counted here
_GIB = 2**30
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = Decimal("0.000001")
_WIDE = Context(prec=60)
# What is held of the one is what may be used of the other.
MEASURES: Mapping[str, Meter] = {VCPU.name: VCPU_USED, MEMORY.name: MEMORY_USED}

Span = tuple[int, int]


class Reason(StrEnum):
    """Why there is nothing to say about a time in which something was held."""

    UNANSWERED = "unanswered"  # Prometheus could not be asked while it may still have known
    SILENT = "silent"  # there is no sample of any replica of the pool
    UNSEEN = "unseen"  # others have samples, this replica has none
    REFUSED = "refused"  # what the samples say cannot be


class GapCharge(StrEnum):
    """What was charged for a gap: nothing, or what was held, as if all of it had been used."""

    NOTHING = "nothing"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Gap:
    """A time for which ``meter`` of ``holding`` is not known. ``charged`` says what became of it.

    ``held`` is what was held meanwhile, in the meter's unit.
    """

    source: str
    resource: str
    owner: Owner
    component: str
    meter: str
    interval: Interval
    held: Decimal
    reason: Reason
    charged: GapCharge = GapCharge.NOTHING

    @property
    def id(self) -> str:
        """It follows from what the gap is of, so that the same gap found twice is one."""
        key = [self.source, self.resource, self.meter, self.interval.start.isoformat()]
        return hashlib.sha256(json.dumps(key).encode()).hexdigest()

    @property
    def environment_id(self) -> str:
        return self.owner.environment_id

    @property
    def cursor(self) -> str:
        """Where a list goes on after it."""
        return f"{self.interval.start.isoformat()}~{self.id}"


@dataclass(frozen=True, slots=True)
class Series:
    """What was sampled of one container: microseconds since 1970, and a value (vCPU-seconds since
    it started, or bytes), in the order of time.

    ``container`` tells it from others of ``resource``, earlier runs of the same one included;
    ``started`` is when it began to run, None where that is not known.
    """

    resource: str
    container: str
    started: int | None
    samples: Sequence[tuple[int, Decimal]]


# All series around one hour, by the name of the meter.
Samples = Mapping[str, "Sequence[Series]"]


@dataclass(frozen=True, slots=True)
class Hour:
    """What is asked about: the ``cell`` of the ledger's grid, and who measured."""

    source: str
    cell: Interval

    @property
    def around(self) -> Interval:
        """What must be known to tell about the cell: a gap may begin before it."""
        return Interval(self.cell.start - LAPSE, self.cell.end + LAPSE)


@dataclass(frozen=True, slots=True)
class Found:
    """What an hour had; records and gaps together are all that was held in it."""

    records: tuple[UsageRecord, ...]
    gaps: tuple[Gap, ...]


def measure(hour: Hour, held: Iterable[Holding], samples: Samples | None) -> Found:
    """What was used in ``hour`` of all that is ``held`` around it.

    :param samples: None when they could not be had: all is a gap.
    """
    records: list[UsageRecord] = []
    gaps: list[Gap] = []
    pieces = {name: _pieces(name, of) for name, of in (samples or {}).items()}
    silence = {name: _silence(by.values(), hour) for name, by in pieces.items()}
    for holding in held:
        meter = MEASURES.get(holding.meter)
        around = _span(hour.around)
        end = around[1] if holding.ended_at is None else micros(holding.ended_at)
        alive = _meet((micros(holding.started_at), end), around)
        if meter is None or alive is None:
            continue
        known = pieces.get(meter.name, {}).get(holding.resource, ())
        covered = _union((start, end) for start, end, _ in known)
        for start, stop, measured in _told(alive, covered, _span(hour.cell)):
            interval = Interval(_moment(start), _moment(stop))
            if measured:
                try:
                    records.append(_record(hour, holding, meter, interval, known))
                except Invalid:
                    gaps.append(_gap(hour, holding, meter, interval, Reason.REFUSED))
                continue
            reason = Reason.UNANSWERED
            if samples is not None:
                silent = _meets((start, stop), silence[meter.name])
                reason = Reason.SILENT if silent else Reason.UNSEEN
            gaps.append(_gap(hour, holding, meter, interval, reason))
    return Found(tuple(records), tuple(gaps))


def charge_of(gap: Gap) -> UsageRecord:
    """The usage that ``gap`` is charged as where policy says ``held``: all that was held."""
    return UsageRecord.of(
        source=gap.source,
        resource=f"{gap.resource}{UNMEASURED}",
        owner=gap.owner,
        component=gap.component,
        meter=next(m for m in MEASURES.values() if m.name == gap.meter),
        interval=gap.interval,
        quantity=gap.held,
    )


def _told(alive: Span, covered: Sequence[Span], cell: Span) -> Iterator[tuple[int, int, bool]]:
    """``alive`` within ``cell``, in pieces that are measured or not."""
    lapse = _micros(LAPSE)
    holes = [hole for hole in _holes(alive, covered) if hole[1] - hole[0] > lapse]
    for hole in holes:
        inside = _meet(hole, cell)
        if inside:
            yield *inside, False
    for piece in _holes(alive, holes):
        inside = _meet(piece, cell)
        if inside:
            # Too short to be called a gap, but without any sample it is none the less.
            yield *inside, _meets(inside, covered)


def _silence(of_all: Iterable[Sequence[tuple[int, int, Decimal]]], hour: Hour) -> list[Span]:
    """When nothing of the whole pool was sampled."""
    covered = _union((start, end) for found in of_all for start, end, _ in found)
    holes = _holes(_span(hour.around), covered)
    return [hole for hole in holes if hole[1] - hole[0] > _micros(LAPSE)]


def _pieces(meter: str, all_series: Iterable[Series]) -> dict[str, list[tuple[int, int, Decimal]]]:
    """By resource: from when to when, and how much (vCPU-seconds, byte-microseconds)."""
    best: dict[tuple[str, str], Series] = {}
    for series in all_series:
        # Scraped by two jobs it is told twice, and counted once: as by who saw more of it.
        key = (series.resource, series.container)
        if key not in best or len(series.samples) > len(best[key].samples):
            best[key] = series
    lapse = _micros(LAPSE)
    found: dict[str, list[tuple[int, int, Decimal]]] = {}
    for series in best.values():
        pieces = found.setdefault(series.resource, [])
        before: tuple[int, Decimal] | None = None
        began = series.started
        if began is not None and series.samples and began < series.samples[0][0]:
            value = series.samples[0][1]
            before = (began, Decimal(0) if meter == VCPU_USED.name else value)
        for at, value in series.samples:
            if before is not None and before[0] < at <= before[0] + lapse:
                pieces.append((before[0], at, _amount(meter, before, (at, value))))
            before = (at, value)
    return found


def _amount(meter: str, before: tuple[int, Decimal], now: tuple[int, Decimal]) -> Decimal:
    if meter == VCPU_USED.name:
        # A counter that is lower than before has begun anew, at zero.
        return now[1] - before[1] if now[1] >= before[1] else now[1]
    return (before[1] + now[1]) / 2 * (now[0] - before[0])


def _record(
    hour: Hour,
    holding: Holding,
    meter: Meter,
    interval: Interval,
    known: Iterable[tuple[int, int, Decimal]],
) -> UsageRecord:
    """:raises Invalid: as :class:`UsageRecord`."""
    total = Decimal(0)
    for start, end, amount in known:
        both = _meet((start, end), _span(interval))
        if both:
            share = _WIDE.multiply(amount, Decimal(both[1] - both[0]))
            total = _WIDE.add(total, _WIDE.divide(share, Decimal(end - start)))
    if meter is MEMORY_USED:
        total = _WIDE.divide(total, Decimal(_GIB * _SECOND))
    return UsageRecord.of(
        source=hour.source,
        resource=holding.resource,
        owner=holding.owner,
        component=holding.component,
        meter=meter,
        interval=interval,
        quantity=total.quantize(_DIGITS, context=_WIDE).normalize(_WIDE) + 0,
    )


def _gap(hour: Hour, holding: Holding, meter: Meter, interval: Interval, reason: Reason) -> Gap:
    return Gap(
        hour.source,
        holding.resource,
        holding.owner,
        holding.component,
        meter.name,
        interval,
        holding.quantity(interval),
        reason,
    )


# ---------------------------------------------------------------------------------- spans of time


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return _micros(moment - _EPOCH)


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def _moment(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)


def _span(interval: Interval) -> Span:
    return micros(interval.start), micros(interval.end)


def _meet(one: Span, other: Span) -> Span | None:
    start, end = max(one[0], other[0]), min(one[1], other[1])
    return (start, end) if start < end else None


def _meets(span: Span, others: Iterable[Span]) -> bool:
    return any(_meet(span, other) for other in others)


def _union(spans: Iterable[Span]) -> list[Span]:
    """Sorted, apart from each other."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _holes(span: Span, spans: Iterable[Span]) -> Iterator[Span]:
    """What of ``span`` is in none of ``spans``, which are sorted and apart."""
    at = span[0]
    for start, end in spans:
        if start > at:
            yield at, min(start, span[1])
        at = max(at, end)
        if at >= span[1]:
            return
    if at < span[1]:
        yield at, span[1]
