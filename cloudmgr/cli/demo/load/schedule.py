"""What is sent when, and what came of it: two CSV files between the demo and its visitors."""

from __future__ import annotations

import csv
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# What a waiting page is answered with; no application of the demo says it.
WAITING = 202


class Act(StrEnum):
    """What a visitor does."""

    PAGE = "page"  # a person opens the first page
    FORM = "form"  # a person files the form
    LOOK_UP = "look-up"  # a person looks up what was filed
    FILE = "file"  # a program files over the JSON API
    STATUS = "status"  # a program asks the JSON API for its state


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request, due at ``due`` (seconds since the epoch), to ``host`` through ``gateway``."""

    due: float
    system: str
    gateway: str
    host: str
    act: Act


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one request got. Times are seconds since the Unix epoch.

    ``status`` is 0 when there was no answer, and ``error`` then says why. ``waited`` counts how
    often a waiting page asked for the system before a person saw the system's own page.
    """

    due: float
    sent: float
    done: float
    system: str
    act: Act
    status: int
    waited: int
    error: str

    @property
    def latency(self) -> float:
        """Seconds from when it was due: a late sender must not flatter the system."""
        return self.done - self.due

    @property
    def failed(self) -> bool:
        """No answer, one that says that the server is at fault, or nothing but a waiting page."""
        return self.status in {0, WAITING} or self.status >= 500


def write_arrivals(path: Path, arrivals: Iterable[Arrival]) -> None:
    with path.open("w", encoding="utf-8", newline="") as text:
        rows = csv.writer(text)
        rows.writerow(f.name for f in fields(Arrival))
        rows.writerows(astuple(arrival) for arrival in arrivals)


def read_arrivals(path: Path) -> Iterator[Arrival]:
    with path.open(encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            yield Arrival(
                float(row["due"]), row["system"], row["gateway"], row["host"], Act(row["act"])
            )


def read_outcomes(path: Path) -> Iterator[Outcome]:
    """All outcomes that ``path`` holds; a last line still being written is left out."""
    with path.open(encoding="utf-8", newline="") as text:
        for row in csv.DictReader(line for line in text if line.endswith("\n")):
            yield Outcome(
                float(row["due"]),
                float(row["sent"]),
                float(row["done"]),
                row["system"],
                Act(row["act"]),
                int(row["status"]),
                int(row["waited"]),
                row["error"],
            )
