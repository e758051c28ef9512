"""When a pool has run out: who gives room to a system that is more critical, and how much. Pure.

Only what traffic and forecasts ask for is given, never what a window, a person, hours or a wake
does, nor the minimum. The least critical give first, of those the one with most to give, and no
more than is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.pools.capacity import Resources

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.pools.capacity import Sizes


@dataclass(frozen=True, slots=True)
class Cap:
    """Until ``until`` no more than ``replicas`` of what people reach, for the sake of ``favours``.

    What is promised is not bounded by it. ``favours`` is the id of another environment.
    """

    environment_id: str
    replicas: int
    favours: str
    until: datetime

    def holds(self, now: datetime) -> bool:
        return now < self.until


def caps(
    environment: Environment,
    needed: Resources,
    others: Iterable[tuple[Environment, Mapping[str, int]]],
    sizes: Sizes,
    until: datetime,
) -> list[Cap]:
    """Who is to run on less, so that ``needed`` comes free for ``environment``.

    :param others: environments of the pool that are awake, and what windows ask for of each now.
    :returns: as much as there is; it may be less than all of ``needed``.
    """
    lenders = [
        (other, surplus)
        for other, floors in others
        if other.criticality < environment.criticality and (surplus := _surplus(other, floors)) > 0
    ]
    lenders.sort(key=lambda found: (found[0].criticality, -found[1], found[0].id))
    found = []
    for other, surplus in lenders:
        if _nothing(needed):
            break
        web = other.web
        if web is None:  # cannot be: it has a surplus of that
            continue
        size = sizes.takes(web.size)
        size = Resources(size.cpu_millis, size.memory_mib)
        given = min(surplus, _copies(needed, size))
        if given:
            needed -= size.times(given)
            left = other.target[web.name] - given
            found.append(Cap(other.id, left, environment.id, until))
    return found


def _surplus(environment: Environment, floors: Mapping[str, int]) -> int:
    """Replicas of what people reach beyond what is promised to it."""
    web = environment.web
    if web is None or environment.elastic or environment.retiring:
        return 0
    name = web.name
    firm = max(web.min_replicas, floors.get(name, 0), environment.reserved.get(name, 0), 1)
    return environment.target.get(name, 0) - firm


def _nothing(needed: Resources) -> bool:
    return needed.cpu_millis <= 0 and needed.memory_mib <= 0


def _copies(needed: Resources, size: Resources) -> int:
    """How many of ``size`` cover it."""
    return max(
        -(-max(need, 0) // each)
        for need, each in (
            (needed.cpu_millis, size.cpu_millis),
            (needed.memory_mib, size.memory_mib),
        )
        if each > 0
    )
