"""What was seen, in numbers: percentiles, time asleep, wakes, replicas over the day. Pure.

Times are seconds since the Unix epoch, as the machine's clock has them; :class:`Span` says how they
stand to the business day.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudmgr.cli.demo.load.schedule import Outcome

_BARS = "▁▂▃▄▅▆▇█"
_ASLEEP = "·"


@dataclass(frozen=True, slots=True)
class Sample:
    """One system at one moment: replicas that ought to run, that hold compute, that are Ready."""

    at: float
    system: str
    target: int
    held: int
    ready: int

    @property
    def asleep(self) -> bool:
        return self.target == 0


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the machine's time, in each second of which ``speed`` business seconds pass."""

    start: float
    end: float
    speed: float = 1.0

    def __contains__(self, moment: float) -> bool:
        return self.start <= moment < self.end

    @property
    def business_hours(self) -> float:
        return (self.end - self.start) * self.speed / 3600


@dataclass(frozen=True, slots=True)
class Window:
    """A declared peak of a system: when it opens and closes, and what it was promised."""

    system: str
    name: str
    span: Span
    replicas: int


@dataclass(frozen=True, slots=True)
class Wake:
    """A system slept; a request at ``asked`` was answered ``seconds`` later."""

    system: str
    asked: float
    seconds: float
    person: bool


def percentile(values: Iterable[float], share: float) -> float | None:
    """The smallest value that ``share`` of all do not exceed (nearest rank); None for none.

    :raises ValueError: unless ``share`` lies above 0 and not above 1.
    """
    if not 0 < share <= 1:
        message = "a share lies above 0 and not above 1"
        raise ValueError(message)
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None


def asleep_seconds(samples: Sequence[Sample], span: Span) -> float:
    """Machine seconds of ``span`` for which one system slept; a sample holds until the next."""
    total = 0.0
    for one, following in pairwise(samples):
        if one.asleep:
            total += max(0.0, min(following.at, span.end) - max(one.at, span.start))
    return total


def wakes(outcomes: Iterable[Outcome], samples: Sequence[Sample]) -> list[Wake]:
    """The first request of each sleep of one system, and how long it took.

    The first request after a sample that shows the system asleep (target 0, no replica held) and
    before the next that shows it so.

    :param samples: of this system, in order of time.
    """
    times = [sample.at for sample in samples]
    found: list[Wake] = []
    last = -1.0
    for outcome in sorted(outcomes, key=lambda o: o.sent):
        index = bisect_right(times, outcome.sent) - 1
        if index < 0 or not samples[index].asleep or samples[index].held:
            continue
        # Requests that came while the first was still being answered waited for the same wake.
        if outcome.sent >= last:
            person = outcome.act.value in {"page", "form", "look-up"}
            found.append(Wake(outcome.system, outcome.sent, outcome.latency, person))
        last = max(last, outcome.done)
    return found


def spark(samples: Sequence[Sample], span: Span, columns: int, top: int) -> str:
    """Ready replicas over ``span`` in ``columns`` bars, the most in each; a dot for asleep.

    :param top: what the highest bar stands for.
    """
    width = (span.end - span.start) / columns
    line = []
    for column in range(columns):
        start = span.start + column * width
        most = max((s.ready for s in samples if start <= s.at < start + width), default=None)
        if most is None:
            line.append(" ")
        elif most == 0:
            line.append(_ASLEEP)
        else:
            line.append(_BARS[min(len(_BARS), math.ceil(most / max(top, 1) * len(_BARS))) - 1])
    return "".join(line)
