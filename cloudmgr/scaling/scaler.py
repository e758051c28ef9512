"""Looks at one environment and carries out what comes of it, within one transaction.

Commands and the reconciler both go through here, so that a person's order, a window and a quiet
night are weighed by the same rules and explained in the same words.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from cloudmgr.errors import Conflict
from cloudmgr.pools.capacity import Resources, Room
from cloudmgr.scaling.assessment import Scene, assess
from cloudmgr.scaling.consequences import consequences
from cloudmgr.scaling.hours import standing
from cloudmgr.scaling.lead import lead, steadied, with_lead
from cloudmgr.scaling.line import BEGINS, Call, Turn, WaitsFor, offers, turn
from cloudmgr.scaling.orders import ScalingDecision
from cloudmgr.scaling.wakes import WAKER, WakeCause
from cloudmgr.scaling.yielding import caps

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime, tzinfo

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.hosting.store import EnvironmentStore
    from cloudmgr.policy.holidays import Holidays
    from cloudmgr.policy.lead_times import LeadTimes
    from cloudmgr.policy.scaling_class import ScalingClass
    from cloudmgr.policy.waking import Waking
    from cloudmgr.pools.capacity import Sizes
    from cloudmgr.scaling.activity import ZoneTraffic
    from cloudmgr.scaling.assessment import Assessment, ScalingState
    from cloudmgr.scaling.consequences import Consequences
    from cloudmgr.scaling.store import ScalingStores
    from cloudmgr.scaling.wakes import Wake

# Nothing that was approved is larger.
_ENDLESS = Room(Resources(10**15, 10**15, 10**15))

log = logging.getLogger(__name__)


class Classes(Protocol):
    """What scaling needs of the policy bundle in force."""

    @property
    def digest(self) -> str: ...
    @property
    def scaling_classes(self) -> Mapping[str, ScalingClass]: ...
    @property
    def scaling_default(self) -> str: ...
    @property
    def holidays(self) -> Holidays: ...
    @property
    def lead(self) -> LeadTimes: ...
    @property
    def waking(self) -> Waking: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """The environment afterwards and the decisions that were kept.

    ``changed`` tells that the target moved, ``turn`` where its wake stands in line.
    """

    environment: Environment
    decisions: tuple[ScalingDecision, ...] = ()
    changed: bool = False
    turn: Turn = BEGINS


class Scaler:
    """Scales environments.

    :param free: what the pool of an environment could give beyond all targets in force, its own
        included; locks that room until the transaction ends. Asked only within a transaction that
        writes, when more is wanted than runs.
    :param zone: of the city, in which the hours of classes are meant.
    :param moved: told, inside the transaction, of an environment that those who reconcile it ought
        to look at once it is committed.
    :param stale_after: elapsed seconds after which a reading of a gateway says nothing any more.
    """

    def __init__(
        self,
        environments: EnvironmentStore,
        stores: ScalingStores,
        policy: Callable[[], Classes],
        free: Callable[[Connection, Environment], Room],
        clock: Clock,
        *,
        zone: tzinfo,
        moved: Callable[[Connection, str], None] = lambda _tx, _environment_id: None,
        stale_after: float = 60.0,
    ) -> None:
        self._environments = environments
        self._stores = stores
        self._policy = policy
        self._free = free
        self._clock = clock
        self._zone = zone
        self._moved = moved
        self._stale_after = stale_after

    def look(
        self, tx: Connection, environment_id: str, now: datetime, *, lock: bool = False
    ) -> Scene:
        """Everything known of the environment.

        :param lock: until the transaction ends nobody else scales it; for transactions that write.
        :raises NotFound: ``no-such-environment``.
        """
        # Before the row is read: who waited for the lock must see what its holder wrote.
        state = (
            self._locked_state(tx, environment_id)
            if lock
            else self._stores.scaling.state(tx, environment_id)
        )
        environment = self._environments.get(tx, environment_id)
        named, terms = self._class_of(environment), self._policy().lead
        took = self._stores.starts.took(tx, environment_id, 2 * terms.newest)
        ahead = lead(took, named.lead_time, terms)
        scaling_class = with_lead(named, steadied(ahead, took, terms) if state.floors else ahead)
        return Scene(
            environment=environment,
            scaling_class=scaling_class,
            lead=ahead,
            state=state,
            windows=self._stores.windows.ahead(tx, environment_id, now),
            orders=self._stores.scaling.orders(tx, environment_id),
            activity=self._stores.activities.get(tx, environment_id),
            traffic=self._fresh(self._stores.activities.zone(tx, environment.zone.value), now),
            hours=standing(scaling_class, now, self._zone, self._policy().holidays.is_workday),
            wake=self._stores.wakes.last(tx, environment_id),
            foretold=self._stores.forecasts.told(tx, environment_id),
            cap=self._stores.scaling.cap(tx, environment_id),
            needed_since=self._stores.needs.needed_since(tx, environment_id),
        )

    def assess(self, tx: Connection, scene: Scene, now: datetime) -> Assessment:
        """How many of what ought to run; the room found for it is held until the commit."""

        def turn(wake: Wake) -> Turn:
            # Under the lock of its pool: two must not take the last place at once.
            self._free(tx, scene.environment)
            return self._turn(tx, scene, wake, now)

        return assess(scene, now, lambda: self._free(tx, scene.environment), turn)

    def foresee(self, tx: Connection, scene: Scene, now: datetime) -> Assessment:
        """As :meth:`assess` if its pool had no end: tells cheaply whether there may be a change."""
        return assess(scene, now, lambda: _ENDLESS, lambda wake: self._turn(tx, scene, wake, now))

    def turn(self, tx: Connection, scene: Scene, now: datetime) -> Turn:
        """Where its wake stands in line, if it waits."""
        wake = scene.wake
        if wake is None or not wake.waiting or not scene.environment.hibernated:
            return BEGINS
        found = self._turn(tx, scene, wake, now)
        roomless = found.waits is None and wake.waits == WaitsFor.ROOM
        return replace(found, waits=WaitsFor.ROOM) if roomless else found

    def calls(self, tx: Connection) -> list[Call]:
        """All wakes that are under way."""
        return self._stores.line.calls(tx, self._class_named)

    def offers(self, tx: Connection, now: datetime) -> list[str]:
        """Ids of those in line that may begin to wake now."""
        calls = self.calls(tx)
        return offers(calls, self._policy().waking.at_once, now) if calls else []

    def _turn(self, tx: Connection, scene: Scene, wake: Wake, now: datetime) -> Turn:
        environment, kind = scene.environment, scene.scaling_class
        calls = self.calls(tx)
        mine = Call(
            replace(wake, begun_at=None),
            environment.pool_id,
            environment.criticality,
            self._stores.line.down(tx, environment.id),
            patience=kind.after_needs,
            holds=2 * kind.wake_within,
        )
        others = [c for c in calls if c.id != environment.id]
        return turn([*others, mine], environment.id, self._policy().waking.at_once, now)

    def consequences(self, scene: Scene, assessment: Assessment, now: datetime) -> Consequences:
        return consequences(scene, assessment, now, self._policy().digest)

    def carry_out(
        self,
        tx: Connection,
        scene: Scene,
        assessment: Assessment,
        now: datetime,
        *,
        actor: str | None = None,
        why: str | None = None,
        until: datetime | None = None,
        tell: Collection[str] = (),
        look_again: bool = False,
    ) -> Outcome:
        """Write target, decisions and state; ``scene`` must have been looked at with the lock.

        :param until: when a wake that waits is given up; None: it is kept.
        :param tell: components whose decision is kept even if nothing moves: a person asked.
        :param look_again: whether the one who reconciles the environment must look once more, to
            learn of a moment that was not there before.
        :raises Conflict: ``stale-version`` when what was approved has changed meanwhile.
        """
        found = self.consequences(scene, assessment, now)
        environment = scene.environment
        if found.target is not None:
            environment = self._set_target(tx, scene, assessment)
            self._measure(tx, scene, assessment, now)
        self._ask_for_room(tx, scene, assessment, now)
        if found.none and not tell and not look_again:
            return Outcome(environment, turn=assessment.turn)
        told = [name for name in assessment.verdicts if name in found.told or name in tell]
        decisions = tuple(
            ScalingDecision(
                id=f"dec_{uuid.uuid4().hex[:16]}",
                environment_id=environment.id,
                component=name,
                at=now,
                before=scene.environment.target.get(name, 0),
                after=assessment.verdicts[name].replicas,
                zh=assessment.verdicts[name].zh,
                en=assessment.verdicts[name].en,
                terms={**assessment.verdicts[name].terms, "class": scene.scaling_class.name},
                actor=actor,
                reason=why,
            )
            for name in told
        )
        self._stores.scaling.record(tx, decisions)
        for order in assessment.void:
            self._stores.scaling.drop_order(tx, order.environment_id, order.component)
        if found.wake is not None:
            self._keep_wake(tx, found.wake, actor, why, until)
        state = replace(
            found.state,
            generation=environment.generation,
            digest="" if look_again else found.state.digest,
        )
        self._stores.scaling.put_state(tx, state)
        if found.target is not None or look_again:
            self._moved(tx, environment.id)
        for key in self._others(tx, scene, environment, found, now):
            self._moved(tx, key)
        return Outcome(environment, decisions, found.target is not None, assessment.turn)

    def _measure(self, tx: Connection, scene: Scene, assessment: Assessment, now: datetime) -> None:
        """Have it be seen how long it takes until more is Ready."""
        before, key = scene.environment.target, scene.environment.id
        if any(count > before.get(name, 0) for name, count in assessment.target.items()):
            self._stores.starts.begin(tx, key, now)
        else:
            self._stores.starts.drop(tx, key)

    def _others(
        self,
        tx: Connection,
        scene: Scene,
        after: Environment,
        found: Consequences,
        now: datetime,
    ) -> list[str]:
        """Who else has to be looked at once what follows is written."""
        others = []
        if found.target is not None and scene.cap is not None and scene.cap.holds(now):
            # What it gave is free once this is committed.
            others.append(scene.cap.favours)
        if after.hibernated != scene.environment.hibernated or found.wake is not None:
            others += [need.needed_id for need in self._stores.needs.of(tx, after.id)]
        if found.wake is not None and not found.wake.open:
            others += self.offers(tx, now)
        return others

    def _ask_for_room(
        self, tx: Connection, scene: Scene, assessment: Assessment, now: datetime
    ) -> None:
        """Where the pool has run out for it, have less critical ones give what nobody promised."""
        environment, store = scene.environment, self._stores.scaling
        lacking = {name: v.lacking for name, v in assessment.verdicts.items() if v.lacking}
        hold = scene.scaling_class.scale_down_after
        if not lacking:
            return
        until = store.favoured_until(tx, environment.id)
        if until is not None and until > now + hold / 2:
            return
        room = self._free(tx, environment)
        needed = _needed(environment, lacking, room.sizes) - room.left
        ordered = store.ordered(tx)
        others = [
            (other, store.state(tx, other.id).floors)
            for other in self._environments.list(tx, pool_id=environment.pool_id, awake=True)
            if other.criticality < environment.criticality and other.id not in ordered
        ]
        for cap in caps(environment, needed, others, room.sizes, now + hold):
            store.put_cap(tx, cap)
            self._moved(tx, cap.environment_id)

    def _keep_wake(
        self,
        tx: Connection,
        wake: Wake,
        actor: str | None,
        why: str | None,
        until: datetime | None,
    ) -> None:
        if not wake.id:
            asked = WakeCause.REQUEST if actor == WAKER else wake.cause
            lapses_at = until or wake.lapses_at
            wake = replace(wake, cause=asked, actor=actor, why=why, lapses_at=lapses_at)
        self._stores.wakes.put(tx, wake)

    def _set_target(self, tx: Connection, scene: Scene, assessment: Assessment) -> Environment:
        environment = scene.environment
        while True:
            try:
                return self._environments.set_target(
                    tx,
                    environment,
                    assessment.target,
                    assessment.reserved,
                    elastic=scene.scaling_class.elastic,
                    corrects_drift=scene.scaling_class.corrects_drift,
                )
            except Conflict:
                # What is seen of an environment is written all the time and is no reason to give
                # up; what was approved for it is.
                fresh = self._environments.get(tx, environment.id)
                if fresh.generation != environment.generation or fresh == environment:
                    raise
                environment = fresh

    def _locked_state(self, tx: Connection, environment_id: str) -> ScalingState:
        self._environments.get(tx, environment_id)
        return self._stores.scaling.locked_state(tx, environment_id)

    def _class_of(self, environment: Environment) -> ScalingClass:
        found = self._class_named(environment.scaling_class)
        if found.name != environment.scaling_class:
            log.warning(
                "%s is of the scaling class %s, which the policies do not know any more: it is "
                "scaled as %s",
                environment.id,
                environment.scaling_class,
                found.name,
            )
        return found

    def _class_named(self, name: str) -> ScalingClass:
        policy = self._policy()
        return policy.scaling_classes.get(name, policy.scaling_classes[policy.scaling_default])

    def _fresh(self, traffic: ZoneTraffic | None, now: datetime) -> ZoneTraffic | None:
        if traffic is None:
            return None
        # Ahead of now as well: another control plane's clock may be a little ahead of ours.
        age = abs(self._clock.elapsed(now - traffic.at))
        return traffic if age <= self._stale_after else None


def _needed(environment: Environment, lacking: Mapping[str, int], sizes: Sizes) -> Resources:
    parts = (sizes.takes(c.size).times(lacking.get(c.name, 0)) for c in environment.components)
    return sum(parts, start=Resources())
