"""What the gateway's counters say of an environment: its last request, how many in flight. Pure.

Traefik has no gauge of requests in flight per service, but it counts requests and the seconds that
they took. By Little's law the mean number in flight between two readings is the seconds gained
divided by the seconds between them. No more can have been in flight than requests that ended, since
each of them was there for the whole of the interval at most; that bound keeps one request that had
waited for a minute from looking like a crowd.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# How finely the recent past is kept: a list stays below this many entries however long it falls.
STEPS = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sample:
    """Mean number of requests in flight between the reading before ``at`` and ``at``."""

    at: datetime
    in_flight: float


@dataclass(frozen=True, slots=True)
class Activity:
    """One environment as its gateway sees it.

    ``requests`` and ``seconds`` are the gateway's counters as read last. ``recent`` are the samples
    that no later one reaches, oldest and highest first; a quiet interval leaves none.
    """

    environment_id: str
    requests: int = 0
    seconds: float = 0.0
    last_request_at: datetime | None = None
    recent: tuple[Sample, ...] = ()

    def peak(self, since: datetime) -> float:
        """The highest mean number in flight measured after ``since``; 0 if it was quiet."""
        return max((s.in_flight for s in self.recent if s.at > since), default=0.0)


@dataclass(frozen=True, slots=True)
class ZoneTraffic:
    """When the gateway of a zone was read last, and since when it counts without a break.

    ``epoch`` names one run of the gateway: another one means that its counters began anew and that
    requests may have been missed. ``version`` counts the readings.
    """

    zone: str
    epoch: str
    at: datetime
    since: datetime
    version: int = 1


def follow(
    before: Activity,
    requests: int,
    seconds: float,
    at: datetime,
    *,
    elapsed: float | None,
    keep: timedelta,
) -> Activity:
    """``before`` with a reading of the counters at ``at``; ``before`` itself if nothing moved.

    :param elapsed: seconds between the two readings as requests live them; None when there is no
        earlier reading of the same run of the gateway, so that no mean can be told.
    :param keep: how long samples matter.
    """
    gained, spent = requests - before.requests, seconds - before.seconds
    if gained == 0 and spent == 0:
        return before
    if gained < 0 or spent < 0:
        # The service was taken out of the gateway and put back: it counts from zero. Since when is
        # not known, so there is no mean; that there were requests is known.
        gained, elapsed = requests, None
    after = replace(before, requests=requests, seconds=seconds)
    if gained <= 0:
        return after
    after = replace(after, last_request_at=at)
    if elapsed is None or elapsed <= 0:
        return after
    mean = round(min(spent / elapsed, float(gained)), 6)
    return replace(after, recent=remember(before.recent, Sample(at, mean), keep))


def remember(recent: Sequence[Sample], new: Sample, keep: timedelta) -> tuple[Sample, ...]:
    """``recent`` and ``new`` without what is older than ``keep`` or reached by a later sample."""
    oldest = new.at - keep
    # A sample of the future is one from before the clock was put back: it must not hold for ever.
    kept = [s for s in recent if oldest < s.at <= new.at and s.in_flight > new.in_flight]
    if new.in_flight <= 0:
        return tuple(kept)
    step = keep / STEPS
    if len(kept) > 1 and _slot(kept[-1].at, step) == _slot(kept[-2].at, step):
        # Two in one step of time become one, the higher value with the later moment.
        kept[-2:] = [Sample(kept[-1].at, kept[-2].in_flight)]
    return (*kept, new)


def _slot(moment: datetime, step: timedelta) -> int:
    return (moment - _EPOCH) // step
