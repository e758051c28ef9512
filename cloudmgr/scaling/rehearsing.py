"""The use cases of rehearsals: tried, ordered, stopped, and carried on one step at a time."""

from __future__ import annotations

import logging
import uuid
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from cloudmgr.errors import CloudmgrError, Conflict, NotFound
from cloudmgr.hosting.environments import held
from cloudmgr.interval import Interval
from cloudmgr.scaling.orders import check_alive, check_reason
from cloudmgr.scaling.rehearsals import (
    Around,
    Next,
    Rehearsal,
    Seen,
    check_plan,
    meets,
    next_step,
    obstacles,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.hosting.store import EnvironmentStore
    from cloudmgr.policy.bundle import PolicyBundle
    from cloudmgr.pools.capacity import Room
    from cloudmgr.scaling.control import ScalingControl
    from cloudmgr.scaling.orders import Order
    from cloudmgr.scaling.rehearsals import Ending, Load, Plan, Result, Underway
    from cloudmgr.scaling.store import ScalingStores
    from cloudmgr.scaling.windows import PeakWindow

log = logging.getLogger(__name__)

# No environment is prepared earlier than that, whatever was measured.
_LONGEST_LEAD = timedelta(days=1)


class Sender(Protocol):
    """A load on its way; it ends by itself when nobody asks how it is."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Send nothing more, and wait for what is on its way."""
        ...

    @property
    def underway(self) -> Underway: ...

    @property
    def result(self) -> Result: ...


class Rehearsals:
    """See above.

    :param room: what the pool of an environment could give beyond all targets; reads only.
    :param lock: until the transaction ends nobody else gives room of its pool away.
    :param leads: how long before a peak each of these environments of a pool is prepared, by id.
    :param send: makes what sends a load to an environment.
    """

    def __init__(
        self,
        database: Database,
        environments: EnvironmentStore,
        stores: ScalingStores,
        control: ScalingControl,
        clock: Clock,
        *,
        policy: Callable[[], PolicyBundle],
        room: Callable[[Connection, Environment], Room],
        lock: Callable[[Connection, Environment], object],
        leads: Callable[[Connection, str, Iterable[Environment]], Mapping[str, timedelta]],
        send: Callable[[Environment, Load], Sender],
    ) -> None:
        self._database = database
        self._environments = environments
        self._stores = stores
        self._control = control
        self._policy = policy
        self._clock = clock
        self._room = room
        self._lock = lock
        self._leads = leads
        self._send = send
        self._senders: dict[str, Sender] = {}

    # ----------------------------------------------------------------------------- by people

    def try_out(self, tx: Connection, window: PeakWindow, plan: Plan) -> tuple[Conflict, ...]:
        """All that speaks against ordering it now. Nothing is written.

        :raises Invalid: ``invalid-rehearsal``. :raises NotFound: its environment is gone.
        :raises Conflict: ``retiring``.
        """
        check_plan(plan, self._policy().rehearsing)
        environment = self._environments.get(tx, window.environment_id)
        check_alive(environment)
        now = self._clock.now()
        return obstacles(self._around(tx, environment, window, plan), plan, now)

    def order(
        self, tx: Connection, window: PeakWindow, plan: Plan, *, actor: str, why: str
    ) -> Rehearsal:
        """Begin one: hold the component of ``window`` at what is promised to it.

        :raises Invalid: ``invalid-rehearsal``, ``reason-missing``. :raises Conflict: what
            :meth:`try_out` finds first. :raises NotFound: its environment is gone.
        """
        why = check_reason(why)
        # In the order that scaling keeps: first the environment, then its pool.
        self._control.hold(tx, window.environment_id)
        self._lock(tx, self._environments.get(tx, window.environment_id))
        for found in self.try_out(tx, window, plan):
            raise found
        key, name = window.environment_id, window.component
        until = self._clock.now() + plan.lasting
        self._control.scale(tx, key, name, window.replicas, actor=actor, why=why, until=until)
        order = next(o for o in self._stores.scaling.orders(tx, key) if o.component == name)
        made = Rehearsal(
            id=f"rhs_{uuid.uuid4().hex[:16]}",
            window_id=window.id,
            environment_id=key,
            component=name,
            replicas=window.replicas,
            load=plan.load,
            ordered_by=actor,
            reason=why,
            ordered_at=order.at,
            until=until,
        )
        self._stores.rehearsals.add(tx, made)
        return made

    def stop(self, tx: Connection, window: PeakWindow, *, actor: str) -> Rehearsal:
        """Have the one of ``window`` that is under way ended within seconds.

        :raises Conflict: ``no-rehearsal``.
        """
        for found in self._stores.rehearsals.of_window(tx, window.id):
            if found.ended_at is None:
                self._stores.rehearsals.stop(tx, found.id, actor)
                return found
        raise Conflict("no rehearsal of this peak is under way", code="no-rehearsal")

    # ------------------------------------------------------------------------------- by itself

    def go_on(self) -> int:
        """Take each that is under way one step on; how many there are. At any time, any often."""
        with self._database.read() as tx:
            found = self._stores.rehearsals.under_way(tx)
        for key in self._senders.keys() - {one.id for one in found}:
            self._senders.pop(key).stop()
        for rehearsal in found:
            try:
                self._carry_on(rehearsal)
            except CloudmgrError as error:
                log.warning("the rehearsal %s is not carried on now: %s", rehearsal.id, error)
        return len(found)

    def close(self) -> None:
        """Send nothing more; whoever carries on says that it was interrupted."""
        for sender in self._senders.values():
            sender.stop()
        self._senders.clear()

    def _carry_on(self, rehearsal: Rehearsal) -> None:
        now, sender = self._clock.now(), self._senders.get(rehearsal.id)
        with self._database.read() as tx:
            environment = self._there(tx, rehearsal)
            seen = self._seen(tx, rehearsal, environment, sender)
        step, ending = next_step(rehearsal, seen, now)
        if ending is not None:
            self._end(rehearsal, ending, up=seen.ready >= rehearsal.replicas)
        elif step is Next.LOAD and environment is not None and rehearsal.load is not None:
            with self._database.write() as tx:
                self._stores.rehearsals.ready(tx, rehearsal.id, now)
                self._stores.rehearsals.loading(tx, rehearsal.id, now)
            # Only once that is kept: a load that nobody knows of is never sent.
            sender = self._send(environment, rehearsal.load)
            self._senders[rehearsal.id] = sender
            sender.start()

    def _end(self, rehearsal: Rehearsal, ending: Ending, *, up: bool) -> None:
        sender = self._senders.pop(rehearsal.id, None)
        if sender is not None:
            sender.stop()
        now, key, name = self._clock.now(), rehearsal.environment_id, rehearsal.component
        with self._database.write() as tx:
            if up and rehearsal.ready_at is None:
                self._stores.rehearsals.ready(tx, rehearsal.id, now)
            result = None if sender is None else sender.result
            self._stores.rehearsals.end(tx, rehearsal.id, now, ending, result)
            with suppress(NotFound):
                self._control.hold(tx, key)
                environment = self._environments.get(tx, key)
                if not environment.retiring and _ours(
                    rehearsal, self._stores.scaling.orders(tx, key)
                ):
                    self._control.release(
                        tx, key, name, actor=rehearsal.ordered_by, why="the rehearsal is over"
                    )

    def _there(self, tx: Connection, rehearsal: Rehearsal) -> Environment | None:
        try:
            environment = self._environments.get(tx, rehearsal.environment_id)
        except NotFound:
            return None
        return None if environment.retiring else environment

    def _seen(
        self,
        tx: Connection,
        rehearsal: Rehearsal,
        environment: Environment | None,
        sender: Sender | None,
    ) -> Seen:
        load = None if sender is None else sender.underway
        if environment is None:
            return Seen(alive=False, ready=0, ours=False, peak=False, load=load)
        now = self._clock.now()
        moment = Interval(now, now + timedelta(microseconds=1))
        status = environment.status
        current = status.observed_generation == environment.generation
        return Seen(
            alive=True,
            ready=status.ready.get(rehearsal.component, 0) if current else 0,
            ours=_ours(rehearsal, self._stores.scaling.orders(tx, environment.id)),
            peak=bool(self._peaks(tx, environment, moment)),
            load=load,
        )

    def _around(
        self, tx: Connection, environment: Environment, window: PeakWindow, plan: Plan
    ) -> Around:
        now = self._clock.now()
        peaks = self._peaks(tx, environment, Interval(now, now + plan.lasting))
        under_way = self._stores.rehearsals.under_way(tx, environment.pool_id)
        return Around(
            environment=environment,
            window=window,
            lead=self._leads(tx, environment.pool_id, [environment])[environment.id],
            orders=tuple(
                o for o in self._stores.scaling.orders(tx, environment.id) if o.in_force(now)
            ),
            peaks=tuple(peak for peak in peaks if peak.id != window.id),
            under_way=next(iter(under_way), None),
            room=_has_room(self._room(tx, environment), environment, window),
        )

    def _peaks(
        self, tx: Connection, environment: Environment, during: Interval
    ) -> list[PeakWindow]:
        """Windows on its pool that are prepared or last meanwhile."""
        found = self._stores.windows.list(
            tx,
            pool_id=environment.pool_id,
            during=Interval(during.start, during.end + _LONGEST_LEAD),
            cancelled=False,
        )
        keys = {window.environment_id for window in found}
        leads = self._leads(tx, environment.pool_id, self._environments.by_ids(tx, keys))
        return [w for w in found if meets(w, during, leads[w.environment_id])]


def _ours(rehearsal: Rehearsal, orders: Iterable[Order]) -> bool:
    """Whether the order of the component is the one that ``rehearsal`` gave."""
    return any(
        (o.component, o.replicas, o.at)
        == (rehearsal.component, rehearsal.replicas, rehearsal.ordered_at)
        for o in orders
    )


def _has_room(room: Room, environment: Environment, window: PeakWindow) -> bool:
    """Whether all that starts for it fits; of one that sleeps the other components start, too."""
    before = environment.target
    asleep = environment.hibernated
    least = {c.name: c.min_replicas if asleep else 0 for c in environment.components}
    after = {name: max(before.get(name, 0), count) for name, count in least.items()}
    after[window.component] = max(after.get(window.component, 0), window.replicas)
    sizes = room.sizes
    more = held(environment.components, after, sizes) - held(environment.components, before, sizes)
    return more.fits(room.left)
