"""How capacity follows what is decided, and what that costs. Pure.

At step ``t`` a policy decides how much capacity there is to be, from the demand of the steps before
``t`` and the calendar. Capacity that is added serves ``startup`` steps later and is paid for from
the decision on; capacity that is given up is gone, and free, at once. So what serves at ``t`` is
the least that was decided at ``t`` and in the ``startup`` steps before, and what is paid is what is
decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cloudmgr.scaling.forecast.demand import ahead, lowest

if TYPE_CHECKING:
    from cloudmgr.scaling.forecast.demand import Floats

# Of a replica: what floats make of 12 / 4 is not a fourth one.
_NOISE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Demand that was, and what capacity is made of.

    :param demand: ``(n,)``, gaps filled with the last that was known.
    :param measured: ``(n,)``, False at gaps: they are not scored.
    :param startup: steps until what is added serves.
    :param unit: the demand that one replica carries.
    """

    demand: Floats
    measured: np.ndarray
    startup: int
    unit: float

    def __len__(self) -> int:
        return len(self.demand)

    def whole(self, capacity: Floats) -> Floats:
        """Rounded up to whole replicas, at least one: a system that is awake has one."""
        replicas = np.ceil(np.maximum(capacity / self.unit, _NOISE) - _NOISE)
        return np.maximum(replicas, 1.0) * self.unit

    def serving(self, capacity: Floats) -> Floats:
        """What serves at each step of what was decided."""
        return lowest(capacity, self.startup + 1)

    @property
    def oracle(self) -> Floats:
        """The least that leaves nothing unmet: it knows what comes within the start-up time."""
        return self.whole(ahead(self.demand, self.startup))


@dataclass(frozen=True, slots=True)
class Score:
    """Of one policy over a part of a course.

    :param paid: mean capacity that was paid, in the unit of demand.
    :param unmet: the share of demand that found no capacity, 0 to 1.
    :param steps: the share of steps at which some demand did.
    """

    paid: float
    unmet: float
    steps: float


def score(course: Course, capacity: Floats, part: slice) -> Score:
    """:param capacity: as decided, ``(n,)``, whole replicas; what comes before ``part`` counts."""
    measured = course.measured[part]
    demand = course.demand[part][measured]
    missing = np.maximum(demand - course.serving(capacity)[part][measured], 0.0)
    total = demand.sum()
    return Score(
        paid=float(capacity[part][measured].mean()) if len(demand) else 0.0,
        unmet=float(missing.sum() / total) if total else 0.0,
        steps=float((missing > 0).mean()) if len(demand) else 0.0,
    )
