"""Gateway counters to counts of requests. Pure.

A counter only grows, except that it starts again at zero when the gateway restarts (another
*epoch*) or when it drops and re-creates a service. What it grew by between two readings happened
somewhere between them; where that spans a cut of the ledger's grid, the requests are shared by
time, in whole requests, so that they sum to what was counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval
from cloudmgr.metering.meters import REQUESTS
from cloudmgr.metering.usage import UsageRecord, cell_of, hourly

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from cloudmgr.metering.usage import Owner

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class RequestCounter:
    """How far one environment's requests at one gateway are counted.

    ``value`` is the counter at the last reading of ``epoch``. ``pending`` requests fell into the
    piece of the grid that begins at ``cell_start`` and is not over yet; the ledger has all before.
    """

    source: str
    owner: Owner
    epoch: str
    value: int
    cell_start: datetime
    pending: int

    @property
    def environment_id(self) -> str:
        return self.owner.environment_id


@dataclass(frozen=True, slots=True)
class GatewayPeriod:
    """Two successive readings of a gateway: at ``before`` (None: never read) and at ``moment``."""

    source: str
    epoch: str
    before: datetime | None
    moment: datetime


def grown(counter: RequestCounter | None, epoch: str, value: int | None) -> int:
    """How many requests were counted since ``counter``; None: the gateway has no such counter now.

    :raises Invalid: ``negative-quantity``.
    """
    if value is None:
        return 0
    if value < 0:
        raise Invalid(f"a counter cannot be {value}", code="negative-quantity", path="requests")
    if counter is None or counter.epoch != epoch or value < counter.value:
        return value
    return value - counter.value


def advance(
    counter: RequestCounter | None,
    owner: Owner,
    period: GatewayPeriod,
    value: int | None,
    zone: tzinfo,
) -> tuple[RequestCounter, tuple[UsageRecord, ...]]:
    """``counter`` after a reading of ``value``, and the ledger's lines for what is over.

    ``owner`` is who has the environment now; what an earlier one has begun of a piece of the grid
    stays his to its end. Unchanged when nothing was counted.

    :raises Invalid: ``negative-quantity``, ``absurd-quantity``: then nothing is taken of it.
    """
    before = period.before if period.before is not None else period.moment
    # Where clocks disagree time does not go back: what the ledger has stays over.
    now = max(before, period.moment)
    begun = counter.cell_start if counter is not None and counter.pending else None

    cells: dict[datetime, int] = {}
    if counter is not None and begun is not None:
        cells[begun] = counter.pending
    for start, share in _shared(grown(counter, period.epoch, value), before, now, zone):
        cells[start] = cells.get(start, 0) + share
    whose = {start: counter.owner if counter and start == begun else owner for start in cells}
    for start, count in cells.items():
        if count > REQUESTS.absurd_rate * cell_of(start, zone).seconds:
            raise Invalid(
                f"{count} requests cannot have come since {start.isoformat()}",
                code="absurd-quantity",
                path="requests",
            )
    current = cell_of(now, zone).start
    pending = cells.pop(current, 0)
    lines = tuple(
        UsageRecord.of(
            source=period.source,
            resource=owner.environment_id,
            owner=whose[start],
            component="",
            meter=REQUESTS,
            interval=cell_of(start, zone),
            quantity=Decimal(count),
        )
        for start, count in sorted(cells.items())
        if count
    )
    if counter is not None and not pending:
        # Idle environments are not written each hour for nothing.
        current = counter.cell_start
    return RequestCounter(
        period.source,
        whose[current] if pending else owner,
        period.epoch,
        value or 0,
        current,
        pending,
    ), lines


def _shared(
    count: int, before: datetime, now: datetime, zone: tzinfo
) -> list[tuple[datetime, int]]:
    """``count`` by the start of the grid's piece: by time, rounded down so that it adds up."""
    if count == 0:
        return []
    if before == now:
        return [(cell_of(now, zone).start, count)]
    span = Interval(before, now)
    shares: list[tuple[datetime, int]] = []
    given = 0
    for piece in span.split(hourly(zone)(span)):
        reached = (
            count * ((piece.end - span.start) // _MICROSECOND) // (span.duration // _MICROSECOND)
        )
        shares.append((cell_of(piece.start, zone).start, reached - given))
        given = reached
    return shares


def unfinished(counter: RequestCounter, zone: tzinfo, until: datetime) -> UsageRecord | None:
    """What is counted and not in the ledger yet, as a record up to ``until``; None for nothing."""
    cell = cell_of(counter.cell_start, zone)
    end = min(cell.end, until)
    if not counter.pending or end <= cell.start:
        return None
    return UsageRecord.of(
        source=counter.source,
        resource=counter.environment_id,
        owner=counter.owner,
        component="",
        meter=REQUESTS,
        interval=Interval(cell.start, end),
        quantity=Decimal(counter.pending),
    )
