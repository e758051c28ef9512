"""How a city wakes its environments: how many at once, how far ahead, and when to try it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta


@dataclass(frozen=True, slots=True)
class Waking:
    """The numbers that hold for all classes.

    :param at_once: how many may wake at one time on each pool; the others wait in line.
    :param ahead: how much earlier than by itself a wake may begin, so that all that are due at one
        moment make it.
    :param test_every: each sleeping environment wakes once within so long; None for no tests.
    :param tests_from: tests begin from then on, in the city's time.
    :param tests_until: and not later, on the same day.
    """

    at_once: int = 20
    ahead: timedelta = timedelta(hours=2)
    test_every: timedelta | None = timedelta(days=30)
    tests_from: time = time(1)
    tests_until: time = time(5)
