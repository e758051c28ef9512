"""A window that is over: what was promised against what ran and what was asked for. Pure.

What ran is what was held on the pool, from the instant a replica was given until it was gone; what
was asked for is what the gateway counted, in steps of five minutes. A replica that starts is held
already, so that it may have served somewhat later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.errors import Conflict
from cloudmgr.interval import Interval
from cloudmgr.scaling.demand import STEP, begin

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from cloudmgr.scaling.demand import Slot
    from cloudmgr.scaling.windows import PeakWindow

# What came before a window is looked at for so long: when its capacity came.
BEFORE = timedelta(days=1)
# Advice keeps a tenth in hand: who looks back knows how high it went, not how high it may.
MARGIN = 1.1


@dataclass(frozen=True, slots=True)
class Asked:
    """Demand during a window, as far as it was counted.

    :param requests: that ended in it.
    :param highest: of one step, in replicas by what one is to carry; ``mean`` of all of them.
    :param at: when the highest step began.
    :param unmet: replica-seconds that were asked for beyond what was held.
    :param share: ``unmet`` as a share of all that was asked for, 0 to 1.
    """

    requests: int
    highest: float
    mean: float
    at: datetime
    unmet: float
    share: float


@dataclass(frozen=True, slots=True)
class Afterwards:
    """What came of a window.

    :param held: how many replicas there were, each with the instant from which on.
    :param there_since: since when there were all that were promised, without a break until the
        window began, or within it until its end; None if there never were.
    :param least: the fewest of them while it lasted.
    :param short: for how long there were fewer than promised.
    :param asked: None where nobody counted any step of it, or nobody reaches the component.
    :param uncounted: for how long nobody counted.
    :param advice: replicas that would have been enough, a tenth in hand; None without ``asked``.
    """

    window: PeakWindow
    held: tuple[tuple[datetime, int], ...]
    there_since: datetime | None
    least: int
    short: timedelta
    asked: Asked | None
    uncounted: timedelta
    advice: int | None

    @property
    def early(self) -> timedelta | None:
        """How long before its beginning all were there; negative when later; None if never."""
        if self.there_since is None:
            return None
        return self.window.interval.start - self.there_since


def check_over(window: PeakWindow, now: datetime) -> None:
    """:raises Conflict: ``not-over``: it lasts or is ahead. ``window-cancelled``."""
    if window.cancelled_at is not None and window.cancelled_at <= window.interval.start:
        raise Conflict("it was cancelled before it began", code="window-cancelled")
    if now < window.interval.end:
        raise Conflict(
            f"it ends at {window.interval.end.isoformat()}",
            code="not-over",
            hint="look back on it then",
        )


def look_back(
    window: PeakWindow,
    runs: Iterable[tuple[datetime, datetime | None]],
    demand: tuple[Iterable[Slot], Sequence[Interval]] | None,
    target_in_flight: float,
) -> Afterwards:
    """What came of ``window``, which is over.

    :param runs: from when until when each of its component's replicas was held, as far as that
        touches the window or :data:`BEFORE` it.
    :param demand: steps and gaps of its environment; None if its component is not what people
        reach.
    :param target_in_flight: requests in flight that one replica is to carry.
    """
    lasted = window.interval
    held = _held(runs, Interval(lasted.start - BEFORE, lasted.end))
    during = _within(held, lasted)
    short = sum(
        (part.end - part.start for part, count in during if count < window.replicas),
        start=timedelta(),
    )
    asked, uncounted = None, timedelta()
    if demand is not None:
        slots, gaps = demand
        asked, uncounted = _asked(lasted, during, slots, gaps, target_in_flight)
    return Afterwards(
        window,
        held,
        _there_since(held, window),
        min(count for _, count in during),
        short,
        asked,
        uncounted,
        None if asked is None else max(1, math.ceil(asked.highest * MARGIN - 1e-9)),
    )


def _held(
    runs: Iterable[tuple[datetime, datetime | None]], over: Interval
) -> tuple[tuple[datetime, int], ...]:
    """How many are held from each instant on, the first at the start of ``over``."""
    moves: dict[datetime, int] = {over.start: 0}
    for start, end in runs:
        if end is not None and end <= over.start:
            continue
        began = max(start, over.start)
        if began >= over.end:
            continue
        moves[began] = moves.get(began, 0) + 1
        if end is not None and end < over.end:
            moves[end] = moves.get(end, 0) - 1
    count, found = 0, []
    for at in sorted(moves):
        count += moves[at]
        found.append((at, count))
    return tuple(found)


def _within(held: Sequence[tuple[datetime, int]], part: Interval) -> list[tuple[Interval, int]]:
    """The pieces of ``part`` with what was held in each."""
    found = []
    ends = [at for at, _ in held[1:]] + [part.end]
    for (at, count), end in zip(held, ends, strict=True):
        start, until = max(at, part.start), min(end, part.end)
        if start < until:
            found.append((Interval(start, until), count))
    return found


def _there_since(held: Sequence[tuple[datetime, int]], window: PeakWindow) -> datetime | None:
    since: datetime | None = None
    for at, count in held:
        if count < window.replicas:
            if at >= window.interval.start and since is not None:
                break  # it was there; what was lost later is told by what was short
            since = None
        elif since is None:
            since = at
    return since


def _asked(
    lasted: Interval,
    during: Sequence[tuple[Interval, int]],
    slots: Iterable[Slot],
    gaps: Sequence[Interval],
    target_in_flight: float,
) -> tuple[Asked | None, timedelta]:
    came = {slot.starts_at: slot for slot in slots}
    steps = []
    at = begin(lasted.start)
    uncounted = timedelta()
    while at < lasted.end:
        part = Interval(max(at, lasted.start), min(at + STEP, lasted.end))
        if any(gap.start < part.end and part.start < gap.end for gap in gaps):
            uncounted += part.end - part.start
        else:
            steps.append((part, came.get(at)))
        at += STEP
    if not steps:
        return None, uncounted
    total = unmet = seconds = highest = 0.0
    requests, top = 0, steps[0][0].start
    for part, slot in steps:
        length = (part.end - part.start).total_seconds()
        seconds += length
        if slot is None:
            continue
        replicas = slot.in_flight / target_in_flight
        requests += slot.requests
        total += replicas * length
        for piece, count in during:
            start, end = max(piece.start, part.start), min(piece.end, part.end)
            if start < end:
                unmet += max(0.0, replicas - count) * (end - start).total_seconds()
        if replicas > highest:
            highest, top = replicas, slot.starts_at
    share = unmet / total if total else 0.0
    return Asked(requests, highest, total / seconds, top, unmet, share), uncounted
