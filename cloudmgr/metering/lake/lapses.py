"""Whether the ledger at rest has all of what was held, once. Pure.

Both sides come in the order of source, resource and meter, by code points: what is held is
transactional state in the database, what is at rest was cut from it. They must say the same, to the
instant and to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cloudmgr.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from decimal import Decimal

    from cloudmgr.metering.usage import Holding

    Key = tuple[str, str, str]


class LapseKind(StrEnum):
    """What is wrong with a resource's lines."""

    GAP = "gap"
    OVERLAP = "overlap"
    QUANTITY = "quantity"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Kept:
    """What lies at rest of one allocation and meter.

    :param key: source, resource, meter.
    :param span: from the first line to the last; None if all of it lies elsewhere.
    """

    key: Key
    environment_id: str
    span: Interval | None
    quantity: Decimal
    gaps: tuple[Interval, ...] = ()
    overlaps: tuple[Interval, ...] = ()


@dataclass(frozen=True, slots=True)
class Lapse:
    """``sentence`` says what is wrong, with the figures."""

    kind: LapseKind
    source: str
    resource: str
    meter: str
    environment_id: str
    interval: Interval
    sentence: str


def lapses(held: Iterable[Holding], at_rest: Iterable[Kept], interval: Interval) -> Iterator[Lapse]:
    """All that is wrong in ``interval``.

    :param held: what was held in any part of ``interval``, as far as it is metered, ordered.
    :param at_rest: lines of ``interval``, ordered.
    """
    left, right = iter(held), iter(at_rest)
    holding, found = next(left, None), next(right, None)
    while holding is not None or found is not None:
        mine = None if holding is None else (holding.source, holding.resource, holding.meter)
        theirs = None if found is None else found.key
        if holding is not None and (theirs is None or (mine is not None and mine < theirs)):
            yield from _compared(holding, None, interval)
            holding = next(left, None)
        elif found is not None and mine != theirs:
            if found.span is not None:
                said = "the ledger at rest has it, and nothing says that it was held"
                yield _lapse(LapseKind.UNKNOWN, found.key, found.environment_id, found.span, said)
            found = next(right, None)
        elif holding is not None and found is not None:
            yield from _compared(holding, found, interval)
            holding, found = next(left, None), next(right, None)


def _compared(holding: Holding, found: Kept | None, interval: Interval) -> Iterator[Lapse]:
    key = (holding.source, holding.resource, holding.meter)
    who = holding.owner.environment_id
    ended = holding.ended_at
    until = holding.metered_until if ended is None else min(holding.metered_until, ended)
    if until <= holding.started_at:
        return
    wanted = Interval(holding.started_at, until).intersect(interval)
    if wanted is None:
        return
    if found is None or found.span is None:
        yield _lapse(LapseKind.GAP, key, who, wanted, "the ledger at rest has nothing of it")
        return
    gaps = list(found.gaps)
    if found.span.start > wanted.start:
        gaps.append(Interval(wanted.start, found.span.start))
    if found.span.end < wanted.end:
        gaps.append(Interval(found.span.end, wanted.end))
    for gap in sorted(gaps, key=lambda one: one.start):
        yield _lapse(LapseKind.GAP, key, who, gap, "it was held, and is not in the ledger at rest")
    for twice in found.overlaps:
        yield _lapse(LapseKind.OVERLAP, key, who, twice, "the ledger at rest has this time twice")
    quantity = holding.quantity(wanted)
    if not gaps and not found.overlaps and quantity != found.quantity:
        said = f"the ledger at rest has {found.quantity:f}, {quantity:f} was held"
        yield _lapse(LapseKind.QUANTITY, key, who, wanted, said)


def _lapse(kind: LapseKind, key: Key, environment_id: str, interval: Interval, said: str) -> Lapse:
    source, resource, meter = key
    start, end = interval.start.isoformat(), interval.end.isoformat()
    sentence = f"{meter} of {resource} from {start} to {end}: {said}"
    return Lapse(kind, source, resource, meter, environment_id, interval, sentence)
