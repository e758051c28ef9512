"""Plans who begins to wake ahead of its time; one control plane does, now and then."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.scaling.ahead import Dated, Sleeper, spread
from cloudmgr.scaling.lead import lead, longest
from cloudmgr.scaling.wakes import WakeCause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.policy.scaling_class import ScalingClass
    from cloudmgr.scaling.ahead import Start
    from cloudmgr.scaling.scaler import Classes
    from cloudmgr.scaling.store import ScalingStores
    from cloudmgr.scaling.store.ahead import Sleeping

# Elapsed seconds that a plan has to reach at least, beyond what may begin early: it is made anew
# well before.
_REACH = 600.0


class Early:
    """See above.

    :param scale: has scaling look at an environment, to learn of a moment that was not there.
    """

    def __init__(
        self,
        database: Database,
        stores: ScalingStores,
        policy: Callable[[], Classes],
        clock: Clock,
        *,
        scale: Callable[[str], None],
    ) -> None:
        self._database = database
        self._ahead = stores.ahead
        self._needs = stores.needs
        self._measured = stores.starts
        self._policy = policy
        self._clock = clock
        self._scale = scale

    def plan(self) -> int:
        """Write what is not written yet; of how many."""
        now = self._clock.now()
        with self._database.read() as tx:
            wanted = {start.environment_id: start for start in self._starts(tx, now)}
            known = self._ahead.starts(tx, now)
        changed = [start for key, start in wanted.items() if known.get(key) != start]
        dropped = sorted(known.keys() - wanted.keys())
        if changed or dropped:
            with self._database.write() as tx:
                self._ahead.plan(tx, changed, dropped)
            for start in changed:
                self._scale(start.environment_id)
        return len(changed) + len(dropped)

    def _starts(self, tx: Connection, now: datetime) -> list[Start]:
        policy = self._policy()
        waking, classes = policy.waking, policy.scaling_classes
        # As much business time as goes by, whatever the speed of the clock.
        pace = self._clock.elapsed(timedelta(seconds=1))
        leads = [kind.lead_time for kind in classes.values()]
        within = max((kind.wake_within for kind in classes.values()), default=timedelta())
        furthest = longest(self._measured.longest(tx), leads, policy.lead) + within
        until = now + timedelta(seconds=_REACH / pace) + waking.ahead + furthest
        needs: dict[str, list[str]] = {}
        for one, two in self._needs.edges(tx):
            needs.setdefault(one, []).append(two)
        found = self._ahead.sleeping(tx, now, until)
        took = self._measured.took_before_peaks(tx, now, until, policy.lead.newest)
        sleepers = {one.environment_id: self._sleeper(one) for one in found}
        dated = [d for one in found if (d := self._dated(one, sleepers, took)) is not None]
        return [
            start
            for start in spread(dated, needs, sleepers.get, waking.at_once, waking.ahead)
            # Who ought to have begun a while ago begins now: the look that follows sees to it.
            if start.until > now
        ]

    def _sleeper(self, one: Sleeping) -> Sleeper:
        takes = self._kind(one).wake_within
        return Sleeper(one.environment_id, one.pool_id, one.criticality, takes)

    def _dated(
        self,
        one: Sleeping,
        sleepers: Mapping[str, Sleeper],
        took: Mapping[str, Sequence[timedelta]],
    ) -> Dated | None:
        kind, sleeper = self._kind(one), sleepers[one.environment_id]
        found = []
        if one.peak_at is not None:
            starts = took.get(one.environment_id, ())
            begins = one.peak_at - lead(starts, kind.lead_time, self._policy().lead).time
            found.append(Dated(sleeper, begins, one.peak_at, WakeCause.WINDOW))
        if one.calls_at is not None:
            until = one.calls_at + kind.wake_within
            found.append(Dated(sleeper, one.calls_at, until, WakeCause.HOURS))
        return min(found, key=lambda dated: dated.begins, default=None)

    def _kind(self, one: Sleeping) -> ScalingClass:
        policy = self._policy()
        classes = policy.scaling_classes
        return classes.get(one.scaling_class, classes[policy.scaling_default])
