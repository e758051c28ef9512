"""What was seen, in numbers: percentiles, time asleep, wakes, replicas over the day. Pure.

Times are seconds since the Unix epoch, as the machine's clock has them; :class:`Span` says how they
stand to the business day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.cli.demo.load.schedule import Act

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
class Change:
    """One decision on a system, at the machine's time: from so many replicas to so many."""

    at: float
    system: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Wake:
    """A system slept; a request sent at ``asked`` was answered ``seconds`` after it was due."""

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


def sleeps(changes: Iterable[Change], span: Span) -> list[Span]:
    """When one system slept within ``span``; it is taken to be awake before the first change."""
    found: list[Span] = []
    since: float | None = None
    for change in sorted(changes, key=lambda c: c.at):
        if change.after == 0 and since is None:
            since = change.at
        elif change.after > 0 and since is not None:
            found.append(Span(since, change.at, span.speed))
            since = None
    if since is not None:
        found.append(Span(since, span.end, span.speed))
    within = (Span(max(s.start, span.start), min(s.end, span.end), s.speed) for s in found)
    return [s for s in within if s.start < s.end]


def wakes(outcomes: Iterable[Outcome], changes: Iterable[Change]) -> list[Wake]:
    """Each time that a request woke one system: the request that waited longest for it.

    A request that was sent before the system was woken and answered after has waited for that. A
    system that was woken by a window or by a person had nobody waiting.
    """
    visits = sorted(outcomes, key=lambda o: o.sent)
    found: list[Wake] = []
    for change in changes:
        if change.before > 0 or change.after == 0:
            continue
        waited = [o for o in visits if o.sent <= change.at <= o.done]
        if waited:
            longest = max(waited, key=lambda o: o.latency)
            person = longest.act in {Act.PAGE, Act.FORM, Act.LOOK_UP}
            found.append(Wake(longest.system, longest.sent, longest.latency, person))
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
