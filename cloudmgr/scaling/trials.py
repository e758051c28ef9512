"""Test wakes: asked for by people, and by the city for whoever has slept for a month."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudmgr.errors import CloudmgrError, Conflict
from cloudmgr.scaling.freeze import freeze
from cloudmgr.scaling.orders import check_alive, check_reason
from cloudmgr.scaling.testing import check_may_test, chosen, open_hours, period
from cloudmgr.scaling.wakes import Wake, WakeCause

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, tzinfo

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.scaling.scaler import Classes, Outcome, Scaler
    from cloudmgr.scaling.store import ScalingStores

log = logging.getLogger(__name__)

# In multiples of what its class promises: what is not Ready by then is put to sleep again.
_GIVEN_UP_AFTER = 3


class Trials:
    """See above.

    :param zone: of the city, in which the hours of tests are meant.
    """

    def __init__(
        self,
        database: Database,
        scaler: Scaler,
        stores: ScalingStores,
        policy: Callable[[], Classes],
        clock: Clock,
        *,
        zone: tzinfo,
    ) -> None:
        self._database = database
        self._scaler = scaler
        self._stores = stores
        self._policy = policy
        self._clock = clock
        self._zone = zone

    def ask(self, tx: Connection, environment_id: str, *, actor: str | None, why: str) -> Outcome:
        """Wake it to see whether it wakes; Ready or not, it falls asleep again. An order to sleep
        that has no end goes on.

        :raises Conflict: ``retiring``, ``awake``, ``waking``, ``asleep-by-order``,
            ``inside-a-window``. :raises NotFound: no such environment.
        :raises Invalid: ``reason-missing``.
        """
        now = self._clock.now()
        why = check_reason(why)
        scene = self._scaler.look(tx, environment_id, now, lock=True)
        check_alive(scene.environment)
        if scene.wake is not None and scene.wake.open:
            raise Conflict("it is being woken", code="waking")
        check_may_test(scene, now)
        within = scene.scaling_class.wake_within
        wake = self._stores.wakes.put(
            tx,
            Wake(
                environment_id,
                WakeCause.TEST,
                now,
                now + within,
                actor=actor,
                why=why,
                lapses_at=now + _GIVEN_UP_AFTER * within,
            ),
        )
        scene = replace(scene, wake=wake)
        assessment = self._scaler.assess(tx, scene, now)
        return self._scaler.carry_out(
            tx, scene, assessment, now, actor=actor, why=why, look_again=True
        )

    def go_on(self) -> int:
        """Try those that are due, as far as places are free; how many. At any time, any often."""
        now, waking = self._clock.now(), self._policy().waking
        if waking.test_every is None or not open_hours(waking, now, self._zone):
            return 0
        with self._database.read() as tx:
            candidates = self._stores.line.unwoken(tx, period(now, waking.test_every))
            calls = self._scaler.calls(tx)
            # One that may not be tried now must not stand in the way of the next.
            found = chosen(candidates, calls, waking, now, lambda key: self._suits(tx, key, now))
        count = 0
        for key in found:
            try:
                with self._database.write() as tx:
                    self.ask(tx, key, actor=None, why="it has not been woken for long")
            except CloudmgrError as error:
                log.info("%s is not tried now: %s", key, error)
            else:
                count += 1
        return count

    def _suits(self, tx: Connection, environment_id: str, now: datetime) -> bool:
        """Whether nothing is against it; in a change freeze a person may try it still."""
        try:
            scene = self._scaler.look(tx, environment_id, now)
            check_may_test(scene, now)
        except CloudmgrError:
            return False
        return freeze(scene.windows, now, scene.scaling_class.freeze_before) is None
