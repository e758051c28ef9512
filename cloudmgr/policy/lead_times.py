"""How the lead time of an environment comes of the start-ups that were measured of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class LeadTimes:
    """The numbers that hold for all classes.

    :param measured_from: so many start-ups must have been measured; with fewer its class's lead
        time holds.
    :param newest: how many of the newest count.
    :param percent: of those, so many were not slower than what is gone by.
    :param margin_percent: that is added to it.
    :param at_most: never more than this, however slowly it starts, unless its class says more.
    """

    measured_from: int = 3
    newest: int = 20
    percent: int = 95
    margin_percent: int = 25
    at_most: timedelta = timedelta(hours=4)
