"""What people and the waker may order: scale, hibernate, wake, book and cancel peaks.

Each method works within the transaction that it is given, takes effect in it, and is kept with who
and why. ``actor`` is a user's id, or a word for a part of the program (``waker``).
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudmgr.errors import Conflict, NotFound
from cloudmgr.scaling.assessment import window_floors
from cloudmgr.scaling.contract import contract
from cloudmgr.scaling.line import BEGINS
from cloudmgr.scaling.orders import (
    WHOLE,
    Order,
    check_alive,
    check_reason,
    check_replicas,
    check_until,
    component_of,
)
from cloudmgr.scaling.scaler import Outcome
from cloudmgr.scaling.wakes import PEOPLE, asked_by
from cloudmgr.scaling.windows import PeakWindow, checked

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.hosting.requests import WindowAsk
    from cloudmgr.scaling.assessment import Scene
    from cloudmgr.scaling.contract import Contract
    from cloudmgr.scaling.line import Turn
    from cloudmgr.scaling.scaler import Scaler
    from cloudmgr.scaling.store import ScalingStores


class ScalingControl:
    """The use cases of scaling."""

    def __init__(self, scaler: Scaler, stores: ScalingStores, clock: Clock) -> None:
        self._scaler = scaler
        self._scaling = stores.scaling
        self._windows = stores.windows
        self._wakes = stores.wakes
        self._clock = clock

    def hold(self, tx: Connection, environment_id: str) -> None:
        """Until ``tx`` ends nobody else scales the environment: for those who change its size."""
        self._scaling.locked_state(tx, environment_id)

    def contract(self, tx: Connection, environment_id: str) -> Contract:
        """What holds for its sleep now. :raises NotFound: no such environment."""
        now = self._clock.now()
        scene = self._scaler.look(tx, environment_id, now)
        return contract(scene, now, self._scaler.turn(tx, scene, now))

    def turn(self, tx: Connection, environment_id: str) -> Turn:
        """What its wake waits for. :raises NotFound: no such environment."""
        wake = self._wakes.last(tx, environment_id)
        if wake is None or not wake.waiting:
            return BEGINS
        now = self._clock.now()
        return self._scaler.turn(tx, self._scaler.look(tx, environment_id, now), now)

    def scale(
        self,
        tx: Connection,
        environment_id: str,
        component: str,
        replicas: int,
        *,
        actor: str,
        why: str,
        until: datetime | None = None,
    ) -> Outcome:
        """Run ``replicas`` of ``component`` whatever the traffic, until ``until`` or a release.

        A peak window may still ask for more, and the pool may have room for less: the decision says
        so. A sleeping environment wakes.

        :raises Invalid: ``outside-ceiling``, ``in-the-past``, ``reason-missing``.
        :raises NotFound: no such environment or component. :raises Conflict: ``retiring``.
        """
        now = self._clock.now()
        why = check_reason(why)
        check_until(until, now)
        scene = self._open(tx, environment_id, now)
        check_replicas(component_of(scene.environment, component), replicas)
        self._scaling.drop_order(tx, environment_id, WHOLE)
        order = Order(environment_id, component, replicas, until, actor, why, now)
        self._scaling.put_order(tx, order)
        kept = tuple(o for o in scene.orders if o.component not in {component, WHOLE})
        return self._settle(
            tx, replace(scene, orders=(*kept, order)), now, actor=actor, why=why, tell=[component]
        )

    def release(
        self, tx: Connection, environment_id: str, component: str, *, actor: str, why: str
    ) -> Outcome:
        """Take :meth:`scale` back: traffic and windows decide again. Success if there is no order.

        :raises NotFound: no such environment or component. :raises Conflict: ``retiring``.
        :raises Invalid: ``reason-missing``.
        """
        now = self._clock.now()
        why = check_reason(why)
        scene = self._open(tx, environment_id, now)
        component_of(scene.environment, component)
        if not self._scaling.drop_order(tx, environment_id, component):
            return Outcome(scene.environment)
        kept = tuple(o for o in scene.orders if o.component != component)
        return self._settle(
            tx, replace(scene, orders=kept), now, actor=actor, why=why, tell=[component]
        )

    def hibernate(
        self,
        tx: Connection,
        environment_id: str,
        *,
        actor: str,
        why: str,
        until: datetime | None = None,
        force: bool = False,
    ) -> Outcome:
        """Give all compute back now, until a request, the next window, a command or ``until``.

        Without ``until`` the next latest wake of its class is one of those, too.

        At ``until`` only an environment wakes whose class never hibernates; others sleep on until
        they are called. Orders to scale are spent. Success if it sleeps already.

        :param force: sleep although a window asks for capacity now, although it is before the
            earliest sleep of its class, or although the class never hibernates.
        :raises Conflict: ``retiring``, ``inside-a-window``, ``before-earliest-sleep``,
            ``needed``, ``never-hibernates``.
        :raises Invalid: ``in-the-past``, ``reason-missing``. :raises NotFound: no such environment.
        """
        now = self._clock.now()
        why = check_reason(why)
        check_until(until, now)
        scene = self._open(tx, environment_id, now)
        order = Order(environment_id, WHOLE, 0, until, actor, why, now)
        if scene.environment.hibernated:
            self._scaling.put_order(tx, order)
            self._scaling.put_state(tx, replace(scene.state, awake_until=None, digest=""))
            return Outcome(scene.environment)
        if not force:
            _check_may_sleep(scene, now)
        for old in scene.orders:
            self._scaling.drop_order(tx, environment_id, old.component)
        self._scaling.put_order(tx, order)
        scene = replace(scene, orders=(order,), state=replace(scene.state, awake_until=None))
        return self._settle(
            tx, scene, now, actor=actor, why=why, tell=list(scene.environment.target)
        )

    def wake(
        self,
        tx: Connection,
        environment_id: str,
        *,
        actor: str,
        why: str,
        until: datetime | None = None,
    ) -> Outcome:
        """Bring it back and keep it for at least the class's ``idle_after``, or until ``until``.

        Where its turn has not come, what it needs is not Ready, or its pool has no room, the call
        is kept, and followed as soon as it can be; :attr:`Outcome.turn` says what it waits for.

        Waking one that is awake is a success and writes no decision, so that of a hundred first
        requests at once one wakes it.

        :raises NotFound: no such environment. :raises Conflict: ``retiring``.
        :raises Invalid: ``in-the-past``, ``reason-missing``.
        """
        now = self._clock.now()
        why = check_reason(why)
        check_until(until, now)
        scene = self._open(tx, environment_id, now)
        state, idle_after = scene.state, scene.scaling_class.idle_after
        keep = until
        if idle_after is not None:
            keep = max(now + idle_after, until or now)
        if not scene.environment.hibernated:
            known = state.awake_until
            # Not at every request of a crowd: half of the time must have gone by.
            enough = known is not None and idle_after is not None and known >= now + idle_after / 2
            if keep is not None and (known is None or known < keep) and (until or not enough):
                self._scaling.put_state(tx, replace(state, awake_until=keep))
            return Outcome(scene.environment)
        wake, slept = scene.wake, self._scaling.drop_order(tx, environment_id, WHOLE)
        if wake is not None and wake.waiting:
            if wake.cause in PEOPLE and until is None and not slept:
                # One of a crowd: it stands in line already.
                return Outcome(scene.environment, turn=self._scaler.turn(tx, scene, now))
            wake = replace(wake, cause=asked_by(actor), actor=actor, why=why, lapses_at=until)
            self._wakes.put(tx, wake)
        scene = replace(
            scene,
            orders=tuple(o for o in scene.orders if not o.hibernates),
            state=replace(state, awake_until=keep),
            wake=wake,
        )
        assessment = self._scaler.assess(tx, scene, now)
        return self._scaler.carry_out(
            tx, scene, assessment, now, actor=actor, why=why, until=until, look_again=True
        )

    def book(
        self,
        tx: Connection,
        environment_id: str,
        ask: WindowAsk,
        *,
        actor: str,
        request_id: str | None = None,
        series_id: str | None = None,
    ) -> PeakWindow:
        """Put a peak into the calendar; if its lead has begun, capacity follows at once.

        The same peak of the same request is booked once: the one that is there is given back.

        :raises Invalid: ``invalid-window`` with every problem. :raises Conflict: ``retiring``.
        :raises NotFound: no such environment.
        """
        now = self._clock.now()
        scene = self._open(tx, environment_id, now)
        interval = checked(ask, scene.environment.components, now)
        if request_id is not None:
            for known in self._windows.of_request(tx, request_id):
                if (known.environment_id, known.component, known.interval) == (
                    environment_id,
                    ask.component,
                    interval,
                ):
                    return known
        window = PeakWindow(
            id=f"win_{uuid.uuid4().hex[:16]}",
            environment_id=environment_id,
            component=ask.component,
            interval=interval,
            replicas=ask.replicas,
            expected_rps=ask.expected_rps,
            note=ask.note,
            created_by=actor,
            created_at=now,
            request_id=request_id,
            expected=ask.expected,
            series_id=series_id,
        )
        self._windows.add(tx, window)
        scene = replace(scene, windows=(*scene.windows, window))
        self._settle(tx, scene, now, actor=actor, why=ask.note or None)
        return window

    def announce(
        self,
        tx: Connection,
        environment_id: str,
        asks: Iterable[WindowAsk],
        *,
        actor: str,
        request_id: str,
    ) -> list[PeakWindow]:
        """Book the peaks of a request that is fulfilled; those that are over by now are left out.

        :raises Invalid, Conflict, NotFound: as :meth:`book`.
        """
        now = self._clock.now()
        return [
            self.book(tx, environment_id, ask, actor=actor, request_id=request_id)
            for ask in asks
            if ask.ends_at > now
        ]

    def cancel_window(
        self, tx: Connection, window_id: str, *, actor: str, why: str, version: int | None = None
    ) -> PeakWindow:
        """Take a peak out of the calendar. Success if it is cancelled already.

        :param version: the one the caller saw, if it must be that.
        :raises Conflict: ``stale-version``; ``window-over``. :raises NotFound: ``no-such-window``.
        :raises Invalid: ``reason-missing``.
        """
        now = self._clock.now()
        why = check_reason(why)
        window = self._windows.get(tx, window_id)
        if version is not None and version != window.version:
            raise Conflict(
                f"window {window_id} is of version {window.version}, not {version}",
                code="stale-version",
                hint="read it again and decide anew",
            )
        if window.cancelled_at is not None:
            return window
        if window.interval.end <= now:
            raise Conflict("the window is over: what was, cannot be cancelled", code="window-over")
        after = self._windows.cancel(tx, window, now)
        try:
            scene = self._scaler.look(tx, window.environment_id, now, lock=True)
        except NotFound:
            return after
        if not scene.environment.retiring:
            self._settle(tx, scene, now, actor=actor, why=why)
        return after

    def _open(self, tx: Connection, environment_id: str, now: datetime) -> Scene:
        scene = self._scaler.look(tx, environment_id, now, lock=True)
        check_alive(scene.environment)
        return scene

    def _settle(
        self,
        tx: Connection,
        scene: Scene,
        now: datetime,
        *,
        actor: str,
        why: str | None,
        tell: Iterable[str] = (),
    ) -> Outcome:
        assessment = self._scaler.assess(tx, scene, now)
        return self._scaler.carry_out(
            tx, scene, assessment, now, actor=actor, why=why, tell=frozenset(tell), look_again=True
        )


def _check_may_sleep(scene: Scene, now: datetime) -> None:
    floors = window_floors(scene, now)
    if floors:
        asked = ", ".join(f"{count} of {name}" for name, count in floors.items())
        raise Conflict(
            f"a peak window asks for {asked} now",
            code="inside-a-window",
            hint="cancel the window, or insist with force",
        )
    if scene.hours.held_until is not None:
        raise Conflict(
            f"environments of the class {scene.scaling_class.name} do not sleep before "
            f"{scene.hours.held_until.isoformat()}",
            code="before-earliest-sleep",
            hint="order it then, or insist with force",
        )
    if scene.needed_since is not None:
        raise Conflict(
            "an environment that needs it is awake",
            code="needed",
            hint="put that to sleep first, or insist with force",
        )
    if scene.scaling_class.idle_after is None:
        raise Conflict(
            f"environments of the class {scene.scaling_class.name} never hibernate",
            code="never-hibernates",
            hint="insist with force if it must be",
        )
