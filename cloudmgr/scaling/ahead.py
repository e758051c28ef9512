"""Who begins to wake earlier than by itself, so that all that are due at one moment make it. Pure.

What is dated, a peak or the hours of a class, has a moment at which its wake begins by itself.
Where more begin at one moment than may wake at once, some begin earlier; what they need begins
before them. Both are reckoned backwards from the last, with a place held for as long as a wake is
promised to take.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.scaling.wakes import WakeCause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Sleeper:
    """One that sleeps: ``takes`` is how long its wake holds a place."""

    environment_id: str
    pool_id: str
    criticality: int
    takes: timedelta


@dataclass(frozen=True, slots=True)
class Dated:
    """A wake to come.

    :param begins: when it begins by itself.
    :param until: when what it is for begins; from then on others say whether it is awake.
    """

    sleeper: Sleeper
    begins: datetime
    until: datetime
    cause: WakeCause

    @property
    def id(self) -> str:
        return self.sleeper.environment_id


@dataclass(frozen=True, slots=True)
class Start:
    """``environment_id`` begins to wake at ``at``, and is kept awake until ``until``."""

    environment_id: str
    at: datetime
    until: datetime
    cause: WakeCause


def spread(
    dated: Iterable[Dated],
    needs: Mapping[str, Iterable[str]],
    sleeper: Callable[[str], Sleeper | None],
    at_once: int,
    most: timedelta,
) -> list[Start]:
    """Those that begin earlier than by themselves, by id.

    :param dated: one for each environment at most.
    :param needs: what each environment needs.
    :param sleeper: one that is needed, if it sleeps.
    :param most: nobody begins earlier than this before it would by itself: the rest waits in line.
    """
    own = {one.id: one for one in dated}
    jobs, below = _with_needs(own, needs, sleeper)
    above = dict.fromkeys(jobs, 0)
    for others in below.values():
        for other in others:
            above[other] += 1
    ready = [_place(jobs[key]) for key, count in above.items() if count == 0]
    heapq.heapify(ready)
    lines: dict[str, list[float]] = {}
    found: list[Start] = []
    while ready:
        key = heapq.heappop(ready)[-1]
        job = jobs[key]
        at = _begin(job, lines.setdefault(job.sleeper.pool_id, []), at_once, most)
        if key not in own or at < own[key].begins:
            found.append(Start(key, at, job.until, job.cause))
        for other in below[key]:
            before = at - jobs[other].sleeper.takes
            begins = min(jobs[other].begins, before)
            until = max(jobs[other].until, job.until)
            jobs[other] = replace(jobs[other], begins=begins, until=until)
            above[other] -= 1
            if above[other] == 0:
                heapq.heappush(ready, _place(jobs[other]))
    return sorted(found, key=lambda start: start.environment_id)


def _with_needs(
    own: Mapping[str, Dated],
    needs: Mapping[str, Iterable[str]],
    sleeper: Callable[[str], Sleeper | None],
) -> tuple[dict[str, Dated], dict[str, list[str]]]:
    """With all that they need and that sleeps, and who of them needs whom."""
    jobs, ahead = dict(own), list(own)
    below: dict[str, list[str]] = {}
    while ahead:
        key = ahead.pop()
        below[key] = []
        for other in needs.get(key, ()):
            if other not in jobs:
                found = sleeper(other)
                if found is None:
                    continue
                job = jobs[key]
                jobs[other] = Dated(found, job.begins, job.until, WakeCause.NEEDED)
                ahead.append(other)
            below[key].append(other)
    return jobs, below


def _place(job: Dated) -> tuple[float, int, str]:
    """The last to begin comes first, of equals the least critical: it begins as late as it may."""
    return -job.begins.timestamp(), job.sleeper.criticality, job.id


def _begin(job: Dated, places: list[float], at_once: int, most: timedelta) -> datetime:
    """When ``job`` begins; ``places`` holds when the next wake begins on each, as a heap."""
    if len(places) < at_once:
        at = job.begins
    else:
        # Which is free for longest is the one whose next wake begins last.
        free = -heapq.heappop(places)
        early = max(job.begins.timestamp() + job.sleeper.takes.total_seconds() - free, 0.0)
        at = job.begins - min(timedelta(seconds=early), most)
    heapq.heappush(places, -at.timestamp())
    return at
