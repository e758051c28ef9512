"""Keeps every environment's target what windows, traffic, orders and the pool's room make of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, or_, select

from cloudmgr.errors import NotFound
from cloudmgr.hosting.store.environments import environments
from cloudmgr.reconcile.loop import Result
from cloudmgr.scaling.lead import longest
from cloudmgr.scaling.line import WaitsFor
from cloudmgr.scaling.store.needs import needed_and_not_called
from cloudmgr.scaling.store.scaling import scaling_orders, scaling_states
from cloudmgr.scaling.store.wakes import scaling_wakes
from cloudmgr.scaling.store.windows import peak_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select

    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.reconcile.loop import Fence
    from cloudmgr.scaling.assessment import Assessment, Scene
    from cloudmgr.scaling.scaler import Classes, Scaler
    from cloudmgr.scaling.store import ScalingStores

# Elapsed seconds until the gateway has probably been read again.
_NEXT_READING = 2.0
_NOT_LATER = 60.0


def _query(*further: ColumnElement[bool]) -> Select[str]:
    """Ids of what is due by ``now``, ``near`` and ``digest``, and of what is ``further``."""
    e, s, w, o = environments.c, scaling_states.c, peak_windows.c, scaling_orders.c
    now = bindparam("now", type_=w.ends_at.type)
    announced = select(w.environment_id).where(
        w.cancelled_at.is_(None), w.starts_at <= bindparam("near"), w.ends_at > now
    )
    k = scaling_wakes.c
    in_line = select(k.environment_id).where(k.ready_at.is_(None), k.ended_at.is_(None))
    return (
        select(e.id)
        .outerjoin(scaling_states, s.environment_id == e.id)
        .where(
            or_(
                and_(e.retiring.is_(True), s.environment_id.is_not(None)),
                and_(
                    e.retiring.is_(False),
                    or_(
                        s.environment_id.is_(None),
                        s.generation != e.generation,
                        s.digest != bindparam("digest"),
                        and_(e.awake.is_(False), e.id.in_(announced), e.id.not_in(in_line)),
                        e.id.in_(select(o.environment_id).where(o.until <= now)),
                        s.calls_at <= now,
                        and_(e.awake.is_(False), s.starts_at <= now, e.id.not_in(in_line)),
                        and_(e.awake.is_(False), e.id.in_(needed_and_not_called())),
                        *further,
                    ),
                ),
            )
        )
        .order_by(e.id)
    )


# Made once: putting them together takes longer than running them.
_DUE = _query()
_DUE_OR_AWAKE = _query(environments.c.awake)


class ScalingReconciler:
    """Key: the environment's id.

    Most environments of a city sleep most of the year, so that sleeping ones are not walked over:
    :meth:`due` finds those that need a look with one query, :meth:`keys` adds those awake.

    :param horizon_seconds: elapsed seconds ahead for which :meth:`due` looks for windows; more than
        the loop's resync takes, so that the loop knows of each environment before its lead begins.
    """

    name = "scaling"

    def __init__(
        self,
        database: Database,
        stores: ScalingStores,
        scaler: Scaler,
        policy: Callable[[], Classes],
        clock: Clock,
        *,
        horizon_seconds: float = 180.0,
    ) -> None:
        self._database = database
        self._stores = stores
        self._scaler = scaler
        self._policy = policy
        self._clock = clock
        self._horizon_seconds = horizon_seconds

    def keys(self) -> Iterable[str]:
        """All that is awake, and all that is due."""
        return self._find(_DUE_OR_AWAKE)

    def due(self) -> list[str]:
        """What needs a look although nobody said so here: never looked at, changed since or under
        another policy, asleep with a window near, called by the hours of its class or needed by
        another one, next in line to wake, under an order that has ended, or retiring.

        Cheap: to be called every few seconds, so that what another control plane was told is heard.
        """
        with self._database.read() as tx:
            next_in_line = self._scaler.offers(tx, self._clock.now())
        return list(dict.fromkeys([*self._find(_DUE), *next_in_line]))

    def reconcile(self, key: str, fence: Fence) -> Result:
        """One look; writes nothing when nothing follows from it.

        :raises NotFound: the environment is gone. :raises Conflict: it was changed meanwhile.
        """
        now = self._clock.now()
        with self._database.read() as tx:
            try:
                scene = self._scaler.look(tx, key, now)
            except NotFound:
                scene = None
            if scene is not None and not scene.environment.retiring:
                assessment = self._scaler.foresee(tx, scene, now)
                if self._scaler.consequences(scene, assessment, now).none:
                    return self._next(scene, assessment, now)
        with self._database.write() as tx:
            fence.check(tx)
            if scene is None or scene.environment.retiring:
                self._stores.forget(tx, key)
                return Result()
            scene = self._scaler.look(tx, key, now, lock=True)
            if scene.environment.retiring:
                self._stores.forget(tx, key)
                return Result()
            assessment = self._scaler.assess(tx, scene, now)
            self._scaler.carry_out(tx, scene, assessment, now)
        return self._next(scene, assessment, now)

    def _next(self, scene: Scene, assessment: Assessment, now: datetime) -> Result:
        moment, wake = assessment.look_at, scene.wake
        if wake is not None and wake.open and not assessment.rest.asleep:
            # How it is seen to be Ready; one that does not come up is looked at ever less often.
            waited = self._clock.elapsed(now - wake.asked_at)
            soon = min(max(_NEXT_READING, waited / 8), _NOT_LATER)
            if assessment.turn.waits is WaitsFor.TURN:
                # Whoever is next is told; others look now and then, the last in line least often.
                soon = min(max(soon, assessment.turn.place), 5 * _NOT_LATER)
            if assessment.turn.until is not None:
                soon = min(soon, max(self._clock.elapsed(assessment.turn.until - now), 0.0) + 0.1)
            ahead = None if moment is None else self._clock.elapsed(moment - now)
            return Result(soon if ahead is None or ahead <= 0 else min(soon, ahead))
        if moment is None:
            return Result()
        if moment > now:
            return Result(self._clock.elapsed(moment - now))
        # The time has come, but the proof has not: the gateway was read a moment before it.
        return Result(_NEXT_READING if scene.traffic is not None else self._horizon_seconds / 3)

    def _find(self, query: Select[str]) -> list[str]:
        now = self._clock.now()
        policy = self._policy()
        leads = [c.lead_time for c in policy.scaling_classes.values()]
        # As much business time as goes by in the horizon, whatever the speed of the clock.
        pace = self._clock.elapsed(timedelta(seconds=1))
        horizon = timedelta(seconds=self._horizon_seconds / pace)
        with self._database.read() as tx:
            # What is measured to start slowly has its lead begin earlier than its class says.
            lead = longest(self._stores.starts.longest(tx), leads, policy.lead)
            known = {"now": now, "near": now + lead + horizon, "digest": policy.digest}
            return list(tx.execute(query, known).scalars())
