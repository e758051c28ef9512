"""How far a rehearsal may go, whoever orders it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

# What a rehearsal's requests say of themselves: they are led as all others are and counted apart,
# so that they keep nobody awake and are not billed.
USER_AGENT = "cloudmgr-rehearsal"


@dataclass(frozen=True, slots=True)
class Rehearsing:
    """Hard bounds.

    :param longest: from its order until everything falls back, at most.
    :param most_per_second: requests that it sends at most.
    :param most_failures: it stops when more than this share of its answers fail, 0 to 1.
    """

    longest: timedelta = timedelta(minutes=30)
    most_per_second: int = 50
    most_failures: float = 0.05
