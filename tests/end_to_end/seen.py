"""What was seen of an evening that was replayed. Pure; moments are seconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cloudmgr.cli.demo.figures import percentile, sleeps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudmgr.cli.demo.figures import Change, Sample, Span
    from cloudmgr.cli.demo.load.schedule import Outcome


@dataclass(frozen=True, slots=True)
class Run:
    """A replica by its own account; without an end if it runs or was killed."""

    pid: int
    starts: float
    serves: float | None
    ended: float | None

    def serving(self, moment: float) -> bool:
        if self.serves is None or moment < self.serves:
            return False
        return self.ended is None or moment < self.ended


@dataclass(frozen=True, slots=True)
class Seen:
    """One system over the evening.

    :param planned: how many requests were due.
    :param samples: what the control plane told of it, a few times a second.
    :param decisions: as the API tells them, oldest first.
    """

    name: str
    span: Span
    planned: int
    outcomes: Sequence[Outcome]
    samples: Sequence[Sample]
    decisions: Sequence[dict[str, Any]]
    changes: Sequence[Change]
    runs: Sequence[Run]

    @property
    def errors(self) -> int:
        """Answers with 5xx."""
        return sum(outcome.status >= 500 for outcome in self.outcomes)

    @property
    def dropped(self) -> int:
        """Requests that got no answer at all."""
        return self.planned - sum(outcome.status > 0 for outcome in self.outcomes)

    @property
    def p95(self) -> float:
        """Seconds from when it was due."""
        return percentile((outcome.latency for outcome in self.outcomes), 0.95) or 0.0

    @property
    def asleep(self) -> float:
        """Seconds of the machine."""
        return sum(sleep.end - sleep.start for sleep in sleeps(self.changes, self.span))

    @property
    def paid(self) -> float:
        """Replica-hours of the evening, those of starting and ending included."""
        start, end = self.span.start, self.span.end
        seconds = sum(
            max(0.0, min(run.ended or end, end) - max(run.starts, start)) for run in self.runs
        )
        return seconds * self.span.speed / 3600

    def ready(self, moment: float) -> int:
        """Ready replicas at ``moment``, by what was told last before and first after it."""
        return min(sample.ready for sample in around(self.samples, moment))

    def serving(self, moment: float) -> int:
        """Replicas that served at ``moment`` by their own account."""
        return sum(run.serving(moment) for run in self.runs)

    def first_ready(self, replicas: int) -> float | None:
        """When so many were Ready for the first time."""
        return next((s.at for s in self.samples if s.ready >= replicas), None)


@dataclass(frozen=True, slots=True)
class Evening:
    """All that was seen. ``opens`` and ``closes`` are those of the announced window."""

    opens: float
    closes: float
    announced: Seen
    reacting: Seen
    small: Sequence[Seen]


def around(samples: Sequence[Sample], moment: float) -> tuple[Sample, Sample]:
    """The last that was told before ``moment`` and the first after it.

    A sample has the moment at which it was asked for; it was told before the next was asked for.
    """
    told = [sample for sample, following in pairwise(samples) if following.at <= moment]
    return told[-1], next(sample for sample in samples if sample.at >= moment)


def through(samples: Sequence[Sample], opens: float, closes: float) -> list[Sample]:
    """What was told from ``opens`` to ``closes``, all of it between the two."""
    return [
        sample
        for sample, following in pairwise(samples)
        if opens <= sample.at and following.at < closes
    ]


def runs(diary: str) -> Iterable[Run]:
    """What ``tests/apps/counters.py`` notes."""
    found: dict[str, dict[str, float]] = {}
    for line in diary.splitlines():
        what, pid, moment = line.split()
        found.setdefault(pid, {})[what] = float(moment)
    for pid, noted in found.items():
        yield Run(int(pid), noted["starts"], noted.get("serves"), noted.get("ended"))
