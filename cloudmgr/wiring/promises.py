"""What pools have promised, put together from what they have, environments, classes and windows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.errors import CloudmgrError, Conflict, Invalid, Temporary
from cloudmgr.interval import Interval
from cloudmgr.planning.additions import Model, Newcomer, with_additions
from cloudmgr.planning.holders import Holder, Promise, part
from cloudmgr.planning.hosts import Hosts
from cloudmgr.planning.placement import UNREACHABLE
from cloudmgr.planning.promise_words import PoolRisk, Told, outgrown, refuse
from cloudmgr.planning.promises import FURTHEST_SHIFT, Ledger
from cloudmgr.planning.scenario import foresee
from cloudmgr.wiring.leads import Leads

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection

    from cloudmgr.hosting.assessment import Prospect
    from cloudmgr.hosting.environments import Component, Environment, System
    from cloudmgr.hosting.requests import WindowAsk
    from cloudmgr.planning.additions import Additions
    from cloudmgr.planning.scenario import Foreseen, Scenario
    from cloudmgr.policy.decision import Reason
    from cloudmgr.policy.scaling_class import ScalingClass
    from cloudmgr.pools.capacity import Capacity, Sizes
    from cloudmgr.pools.pool import Pool
    from cloudmgr.scaling.windows import PeakWindow
    from cloudmgr.wiring.control_plane import ControlPlane

# Twice as far as anybody may announce.
_AHEAD = timedelta(days=3660)
# One that is not there yet, in a ledger.
_NEW = "new"


@dataclass(frozen=True, slots=True)
class _Known:
    """A risk, what it was made of, and since and until when time changes nothing about it."""

    made_of: tuple[object, ...]
    at: datetime
    until: datetime
    risk: PoolRisk


class Promises:
    """Asks the ledgers of pools. Reads only; :meth:`check` locks."""

    def __init__(self, plane: ControlPlane, zone: ZoneInfo) -> None:
        stores = plane.stores
        self.leads = Leads(plane)
        self._starts = stores.scaling.starts
        self._pools = stores.pools
        self._environments = stores.environments
        self._systems = stores.systems
        self._windows = stores.scaling.windows
        self._drivers = plane.drivers
        self._policies = plane.policies
        self._clock = plane.clock
        self._zone = zone
        self._known_risks: dict[str, _Known] = {}

    def ask(
        self, tx: Connection, environment: Environment, asks: Iterable[WindowAsk]
    ) -> tuple[Told, ...]:
        """Whether each of ``asks`` that is not over would fit, with those before it promised.

        :raises Temporary: ``pool-unreachable``: what it has is not known, so that nobody promises
            any of it.
        :raises Conflict: ``retiring``: it gives all back, and is promised nothing any more.
        """
        if environment.retiring:
            raise Conflict("the environment is being retired", code="retiring")
        now = self._clock.now()
        ahead = [ask for ask in asks if ask.ends_at > now]
        if not ahead:
            return ()
        pool = self._pools.get(tx, environment.pool_id)
        capacity = self._known(pool)
        lead = self.leads.class_of(tx, environment).lead_time
        start = min(ask.starts_at for ask in ahead) - lead
        around = Interval(
            max(now, start - FURTHEST_SHIFT), max(ask.ends_at for ask in ahead) + FURTHEST_SHIFT
        )
        ledger = self._ledger(tx, pool, capacity, around)
        return self._asked(ledger, pool, environment.id, ahead, lead)

    def check(self, tx: Connection, environment: Environment, asks: Iterable[WindowAsk]) -> None:
        """As :meth:`ask`, in a transaction that writes: until it ends nobody else promises there.

        :raises Conflict: ``promise-does-not-fit``. :raises Temporary: ``pool-unreachable``.
        """
        self._pools.lock(tx, environment.pool_id)
        refuse(self.ask(tx, environment, asks))

    def against(self, tx: Connection, pool: Pool, prospect: Prospect) -> tuple[Reason, ...]:
        """Why ``pool``, for all that it has promised, cannot take a new environment or a new size.

        None for one that does not answer: that is said elsewhere.
        """
        now = self._clock.now()
        capacity = self._capacity(pool)
        if capacity is None:
            return ()
        found = self._policies.current.scaling_classes[prospect.scaling_class]
        before = self._ledger(tx, pool, capacity, Interval(now, now + _AHEAD))
        key = prospect.environment_id or _NEW
        holder = _holder(key, prospect.system, prospect.components, found, capacity.sizes)
        after = before.with_holder(holder)
        short = after.outgrown(before, now)
        if short is not None:
            return (outgrown(short, pool.name, self._zone),)
        lead = self.leads.time_of(tx, prospect.environment_id, found)
        told = self._asked(after, pool, key, prospect.windows, lead)
        return tuple(one.reason for one in told if not one.fits)

    def at_risk(self, tx: Connection, pool: Pool) -> PoolRisk:
        """Which promises of ``pool`` cannot be kept with what it has now.

        A year of a city takes a second to read, and is looked at by every page: what was found
        stands until something changes, or the next promise begins or ends.
        """
        now = self._clock.now()
        capacity = self._capacity(pool)
        if capacity is None:
            return PoolRisk(pool, None, {}, self._zone)
        known = self._known_risks.get(pool.id)
        made_of = self._made_of(tx, pool, capacity)
        if known is None or not known.at <= now < known.until or known.made_of != made_of:
            risk = self._at_risk(tx, pool, capacity, now)
            known = _Known(made_of, now, _next_change(risk, now), risk)
            self._known_risks[pool.id] = known
        return known.risk

    def _made_of(self, tx: Connection, pool: Pool, capacity: Capacity) -> tuple[object, ...]:
        """What a risk is worked out from, but for the time."""
        return (
            pool,
            capacity,
            self._policies.current,
            self._systems.revision(tx),
            self._environments.revision_on(tx, pool.id),
            self._windows.revision_on(tx, pool.id),
            self._starts.revision_on(tx, pool.id),
        )

    def _at_risk(self, tx: Connection, pool: Pool, capacity: Capacity, now: datetime) -> PoolRisk:
        there = self._there(tx, pool)
        ledger = self._ledger(tx, pool, capacity, Interval(now, now + _AHEAD), there)
        classes = self.leads.classes(tx, pool.id, there)
        leads = {key: found.lead_time for key, found in classes.items()}
        return PoolRisk(pool, ledger.risk(now), leads, self._zone)

    def all_at_risk(self, tx: Connection) -> list[PoolRisk]:
        """The same of every pool, by name."""
        return [self.at_risk(tx, pool) for pool in self._pools.list(tx)]

    def foresee(self, tx: Connection, pool: Pool, scenario: Scenario, added: Additions) -> Foreseen:
        """What would come of the promises of ``pool`` and of what is ``added``. Reads only.

        :raises Temporary: ``pool-unreachable``. :raises NotFound: an environment that copies are to
            be like. :raises Invalid: ``invalid-scenario``.
        """
        hosts = Hosts(self._known(pool))
        if hosts.there + scenario.more < 0:
            raise Invalid(
                f"the pool {pool.name} has {hosts.there} hosts: there cannot be "
                f"{-scenario.more} fewer",
                code="invalid-scenario",
                path="more_hosts",
            )
        there = self._there(tx, pool)
        ledger = self._ledger(tx, pool, hosts.capacity, scenario.span, there)
        models = [
            self._newcomer(more.like, hosts.capacity)
            if isinstance(more.like, Newcomer)
            else self._like(tx, more.like, hosts.capacity, scenario.span)
            for more in added.more
        ]
        classes = self.leads.classes(tx, pool.id, there)
        leads = {key: found.lead_time for key, found in classes.items()}
        filled = with_additions(ledger, added, leads, models)
        return foresee(filled, hosts, scenario)

    def _like(self, tx: Connection, like: str, capacity: Capacity, during: Interval) -> Model:
        environment = self._environments.get(tx, like)
        found = self.leads.class_of(tx, environment)
        windows = self._windows.list(
            tx,
            environment_ids=[like],
            during=Interval(during.start, during.end + found.lead_time),
            cancelled=False,
        )
        system = self._systems.by_ids(tx, [environment.system_id])[environment.system_id]
        return Model(
            _holder(like, system, environment.components, found, capacity.sizes),
            found.lead_time,
            tuple(_promise(window, found.lead_time) for window in windows),
        )

    def _newcomer(self, newcomer: Newcomer, capacity: Capacity) -> Model:
        found = self._class_of(newcomer.scaling_class)
        kept, sleeps = _kept(found), found.idle_after is not None and not found.wakes_by_itself
        parts = {
            c.name: part(c, capacity.sizes, elastic=found.elastic, kept=kept)
            for c in newcomer.components
        }
        return Model(Holder("", "", "", newcomer.criticality, parts, sleeps), found.lead_time)

    def _asked(
        self,
        ledger: Ledger,
        pool: Pool,
        environment_id: str,
        asks: Sequence[WindowAsk],
        lead: timedelta,
    ) -> tuple[Told, ...]:
        now = self._clock.now()
        told: list[Told] = []
        for number, ask in enumerate(asks):
            promise = Promise(
                id=f"asked {number}",
                environment_id=environment_id,
                component=ask.component,
                interval=Interval(ask.starts_at - lead, ask.ends_at),
                replicas=ask.replicas,
                booked_at=now,
            )
            answer = ledger.ask(promise, now)
            told.append(Told(answer, lead, pool.id, pool.name, self._zone))
            if answer.fits and number < len(asks) - 1:
                ledger = ledger.with_promise(promise)
        return tuple(told)

    def _ledger(
        self,
        tx: Connection,
        pool: Pool,
        capacity: Capacity,
        during: Interval,
        there: Sequence[Environment] | None = None,
    ) -> Ledger:
        there = self._there(tx, pool) if there is None else there
        systems = self._systems.by_ids(tx, [e.system_id for e in there])
        classes = self.leads.classes(tx, pool.id, there)
        longest = max((found.lead_time for found in classes.values()), default=timedelta())
        windows = self._windows.list(
            tx,
            pool_id=pool.id,
            # Whose lead begins in it counts in it.
            during=Interval(during.start, during.end + longest),
            cancelled=False,
        )
        return Ledger(
            capacity.allocatable,
            {
                e.id: _holder(
                    e.id, systems[e.system_id], e.components, classes[e.id], capacity.sizes
                )
                for e in there
            },
            tuple(
                _promise(w, classes[w.environment_id].lead_time)
                for w in windows
                if w.environment_id in classes
            ),
        )

    def _there(self, tx: Connection, pool: Pool) -> list[Environment]:
        """What is being retired gives all back, and is promised nothing any more."""
        return [e for e in self._environments.list(tx, pool_id=pool.id) if not e.retiring]

    def _known(self, pool: Pool) -> Capacity:
        capacity = self._capacity(pool)
        if capacity is None:
            raise Temporary(
                f"the pool {pool.name} does not answer now: what it could promise is not known",
                code=UNREACHABLE,
                hint="nothing was changed; try again in a few minutes",
            )
        return capacity

    def _capacity(self, pool: Pool) -> Capacity | None:
        """None when the pool does not answer: nobody promises what was there some time ago."""
        driver = self._drivers.get(pool.id)
        try:
            capacity = driver.capacity() if driver else None
        except CloudmgrError:
            return None
        return capacity if capacity and capacity.hosts else None

    def _class_of(self, name: str) -> ScalingClass:
        policy = self._policies.current
        found = policy.scaling_classes.get(name)
        return found or policy.scaling_classes[policy.scaling_default]


def _holder(
    key: str,
    system: System,
    components: Sequence[Component],
    found: ScalingClass,
    sizes: Sizes,
) -> Holder:
    kept = _kept(found)
    return Holder(
        environment_id=key,
        system_id=system.id,
        department_id=system.department_id,
        criticality=system.criticality,
        parts={c.name: part(c, sizes, elastic=found.elastic, kept=kept) for c in components},
        sleeps=found.idle_after is not None and not found.wakes_by_itself,
        system_code=system.code,
        system_zh=system.name_zh,
        system_en=system.name_en,
    )


def _next_change(found: PoolRisk, now: datetime) -> datetime:
    """When the next promise begins or ends."""
    assert found.risk is not None  # noqa: S101 - the pool answered
    promises = (*found.risk.kept.promises, *found.lost)
    edges = (at for one in promises for at in (one.interval.start, one.interval.end))
    return min((at for at in edges if at > now), default=now + _AHEAD)


def _kept(found: ScalingClass) -> int:
    """Replicas that run while its hours keep it awake."""
    return found.wake_replicas if found.wakes_by_itself else 0


def _promise(window: PeakWindow, lead: timedelta) -> Promise:
    return Promise(
        id=window.id,
        environment_id=window.environment_id,
        component=window.component,
        interval=Interval(window.interval.start - lead, window.interval.end),
        replicas=window.replicas,
        booked_at=window.created_at,
    )
