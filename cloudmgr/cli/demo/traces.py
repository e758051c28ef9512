"""Real demand of one day, and how it becomes requests. Needs the standard library alone.

A *second of the day* is counted from local midnight on the wall clock. What is replayed is one in
``per`` of the trace's requests, each kept or dropped at random and independently: for large ``per``
that is a Poisson process whose rate follows the trace, and the same seed gives the same arrivals.
"""

from __future__ import annotations

import csv
import random
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY_SECONDS = 86_400
EXAM = "requests"
_FILES = ("worldcup98_1998-06-30.csv", "nab_twitter_2015-03-24.csv")


@dataclass(frozen=True, slots=True)
class Trace:
    """Requests in each step of a day; ``source`` is the file it was read from."""

    name: str
    source: str
    step_seconds: int
    values: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.values)

    def peak_rate(self) -> float:
        """Requests per second of the day in its busiest step."""
        return max(self.values) / self.step_seconds


@dataclass(frozen=True, slots=True)
class Match:
    """An announced crowd: seconds of the day from kick-off until it has gone."""

    name: str
    starts: int
    ends: int

    def __contains__(self, second: float) -> bool:
        return self.starts <= second < self.ends


def read_traces() -> dict[str, Trace]:
    """Every trace by the name of its column; :data:`EXAM` is the World Cup's site.

    :raises ValueError: if a file is not one whole day in even steps.
    """
    return {trace.name: trace for name in _FILES for trace in _read(name)}


def read_matches() -> tuple[Match, ...]:
    """The announced matches of the day, in order."""
    with _open("matches.csv") as rows:
        return tuple(
            Match(row["match"], _second(row["kickoff"]), _second(row["until"])) for row in rows
        )


def arrivals(trace: Trace, per: float, seed: str, since: float, until: float) -> Iterator[float]:
    """Seconds of the day, in order, at which a request of the thinned ``trace`` arrives.

    :param per: one request is replayed for so many of the trace, above 0.
    :param since: the first second of the day that is replayed.
    :param until: the first second after.
    """
    # Gaps are drawn in units of the trace's requests and laid along its cumulated count (time
    # rescaling), so a step without requests gets none and a busy one gets its share.
    chance = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    ahead = chance.expovariate(1 / per)
    for index, value in enumerate(trace.values):
        passed = 0.0
        while passed + ahead < value:
            passed += ahead
            ahead = chance.expovariate(1 / per)
            second = (index + passed / value) * trace.step_seconds
            if since <= second < until:
                yield second
        ahead -= value - passed


def _read(name: str) -> Iterator[Trace]:
    with _open(name) as reader:
        rows = list(reader)
    seconds = [_second(row["minute"]) for row in rows]
    step = DAY_SECONDS // len(rows)
    if seconds[0] != 0 or any(b - a != step for a, b in pairwise([*seconds, DAY_SECONDS])):
        message = f"{name} is not one whole day in even steps"
        raise ValueError(message)
    for column in rows[0]:
        if column != "minute":
            yield Trace(column, name, step, tuple(int(row[column]) for row in rows))


@contextmanager
def _open(name: str) -> Iterator[csv.DictReader[str]]:
    """The rows of a file of ``data/`` as dictionaries."""
    with files("cloudmgr.cli.demo").joinpath("data", name).open(encoding="utf-8") as text:
        yield csv.DictReader(text)


def _second(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 3600 + int(minute) * 60
