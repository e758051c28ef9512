"""The lead time of each environment, and how the starts come to be measured that it comes of."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from cloudmgr.conditions import Status
from cloudmgr.errors import NotFound
from cloudmgr.hosting.workload import readiness
from cloudmgr.scaling.lead import lead, with_lead
from cloudmgr.wiring.duties import Duty

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.policy.lead_times import LeadTimes
    from cloudmgr.policy.scaling_class import ScalingClass
    from cloudmgr.scaling.lead import Lead, Start
    from cloudmgr.wiring.stores import Stores

# Elapsed seconds between two looks at what starts: a start is measured to within so much.
_OFTEN = 5.0
_KEPT = timedelta(days=800)


class Bundle(Protocol):
    """What lead times need of the policies."""

    @property
    def lead(self) -> LeadTimes: ...
    @property
    def scaling_classes(self) -> Mapping[str, ScalingClass]: ...
    @property
    def scaling_default(self) -> str: ...


class Policies(Protocol):
    """What holds now."""

    @property
    def current(self) -> Bundle: ...


class Plane(Protocol):
    """What lead times need of a control plane."""

    @property
    def database(self) -> Database: ...
    @property
    def stores(self) -> Stores: ...
    @property
    def policies(self) -> Policies: ...
    @property
    def clock(self) -> Clock: ...


class Leads:
    """What starts is measured by :meth:`measure`; :meth:`classes` tells what comes of it."""

    def __init__(self, plane: Plane) -> None:
        self._database = plane.database
        self._environments = plane.stores.environments
        self._starts = plane.stores.scaling.starts
        self._policies = plane.policies
        self._clock = plane.clock
        self.duties = (
            Duty("start-ups", _OFTEN, self.measure),
            Duty("old-start-ups", 86_400.0, self.purge),
        )

    def class_of(self, tx: Connection, environment: Environment) -> ScalingClass:
        """The class of ``environment``, with the lead time that was measured for it."""
        return with_lead(self._named(environment.scaling_class), self.of(tx, environment))

    def of(self, tx: Connection, environment: Environment) -> Lead:
        """The lead time of ``environment``, and what it comes of."""
        terms = self._policies.current.lead
        took = self._starts.took(tx, environment.id, terms.newest)
        return lead(took, self._named(environment.scaling_class).lead_time, terms)

    def time_of(
        self, tx: Connection, environment_id: str | None, scaling_class: ScalingClass
    ) -> timedelta:
        """The lead time of one that is to be of ``scaling_class``; None: of a new one."""
        terms = self._policies.current.lead
        took = self._starts.took(tx, environment_id, terms.newest) if environment_id else ()
        return lead(took, scaling_class.lead_time, terms).time

    def classes(
        self, tx: Connection, pool_id: str, there: Iterable[Environment]
    ) -> dict[str, ScalingClass]:
        """The same of environments of one pool, by their ids."""
        terms = self._policies.current.lead
        took = self._starts.took_on(tx, pool_id, terms.newest)
        found = {}
        for one in there:
            named = self._named(one.scaling_class)
            found[one.id] = with_lead(named, lead(took.get(one.id, ()), named.lead_time, terms))
        return found

    def measure(self) -> int:
        """End the starts that all are Ready of, drop those nobody wants any more; of how many."""
        with self._database.read() as tx:
            found = [(one, self._seen(tx, one)) for one in self._starts.under_way(tx)]
        over = [(one, at) for one, (wanted, at) in found if at is not None or not wanted]
        if over:
            with self._database.write() as tx:
                for one, at in over:
                    if at is None:
                        self._starts.drop(tx, one.environment_id)
                    else:
                        self._starts.end(tx, one, at)
        return len(over)

    def purge(self) -> int:
        """Forget what is so old that it tells nothing any more."""
        with self._database.write() as tx:
            return self._starts.purge(tx, self._clock.now() - _KEPT)

    def _seen(self, tx: Connection, start: Start) -> tuple[bool, datetime | None]:
        """Whether it is still wanted, and when all of it was Ready."""
        try:
            environment = self._environments.get(tx, start.environment_id)
        except NotFound:
            return False, None
        if environment.retiring or environment.hibernated:
            return False, None
        ready = environment.status.ready
        if any(ready.get(name, 0) < count for name, count in environment.target.items()):
            return True, None
        found = readiness(environment)
        if found.status is not Status.TRUE:
            return True, None
        # One that never ceased to be Ready is, as far as anybody saw, by now.
        return True, found.since if found.since > start.raised_at else self._clock.now()

    def _named(self, name: str) -> ScalingClass:
        policy = self._policies.current
        return policy.scaling_classes.get(name) or policy.scaling_classes[policy.scaling_default]
