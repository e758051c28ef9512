"""When a sleeping environment is woken only to see whether it wakes. Pure.

Time is cut into periods of ``every``. In each, an environment that was not woken in it yet is tried
at a moment of its own, which follows from its id: a city of ten thousand is spread over the month.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cloudmgr.errors import Conflict
from cloudmgr.scaling.line import WaitsFor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import tzinfo

    from cloudmgr.policy.waking import Waking
    from cloudmgr.scaling.assessment import Scene
    from cloudmgr.scaling.line import Call

_EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
# The last part of a period is left for those whose moment did not suit.
_SPREAD = 0.9


def period(now: datetime, every: timedelta) -> datetime:
    """When the period that ``now`` is in began."""
    return _EPOCH + (now - _EPOCH) // every * every


def moment(environment_id: str, now: datetime, every: timedelta) -> datetime:
    """When the environment is to be tried in the period of ``now``."""
    digest = hashlib.sha256(environment_id.encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return period(now, every) + every * (share * _SPREAD)


def open_hours(waking: Waking, now: datetime, zone: tzinfo) -> bool:
    """Whether tests may begin now."""
    return waking.tests_from <= now.astimezone(zone).time() < waking.tests_until


def chosen(
    candidates: Iterable[tuple[str, str]],
    calls: Sequence[Call],
    waking: Waking,
    now: datetime,
    suits: Callable[[str], bool] = lambda _id: True,
) -> list[str]:
    """Ids of those that are tried now, the longest overdue first.

    No more than half of those that may wake at once on a pool, and none where others wait.

    :param candidates: the id and the pool of each that sleeps, was not woken in this period, and
        is in no wake.
    :param calls: all wakes that are under way.
    :param suits: whether an environment may be tried now; asked of those alone that would be.
    """
    if waking.test_every is None:
        return []
    due = [
        (at, key, pool_id)
        for key, pool_id in candidates
        if (at := moment(key, now, waking.test_every)) <= now
    ]
    most, found = max(waking.at_once // 2, 1), []
    taken: dict[str, int] = {}
    for call in calls:
        waits = call.waiting and call.wake.waits in {WaitsFor.TURN, WaitsFor.ROOM}
        if call.waking(now) or call.waiting:
            taken[call.pool_id] = taken.get(call.pool_id, 0) + (most if waits else 1)
    for _, key, pool_id in sorted(due):
        if taken.get(pool_id, 0) < most and suits(key):
            taken[pool_id] = taken.get(pool_id, 0) + 1
            found.append(key)
    return found


def check_may_test(scene: Scene, now: datetime) -> None:
    """:raises Conflict: ``awake``, ``asleep-by-order``, ``inside-a-window``."""
    if not scene.environment.hibernated:
        raise Conflict("it is awake: there is nothing to try", code="awake")
    if any(o.hibernates and o.until is not None and o.in_force(now) for o in scene.orders):
        raise Conflict(
            "it was ordered to sleep until a moment that has not come",
            code="asleep-by-order",
            hint="wake it to end that order",
        )
    kind = scene.scaling_class
    ahead = kind.lead_time + kind.reserve + 2 * kind.wake_within
    if any(w.interval.start - ahead <= now < w.interval.end for w in scene.windows):
        raise Conflict(
            "a peak is near or under way: that is no time to try",
            code="inside-a-window",
            hint="try it when the peak is over",
        )
