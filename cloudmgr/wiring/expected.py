"""Expectations turned into replicas by what was measured of a system, and by its class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.interval import Interval
from cloudmgr.scaling.demand import LOOKS_BACK
from cloudmgr.scaling.expected import Known, asked, known, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.hosting.environments import Component, Environment
    from cloudmgr.hosting.expected import Expected, Sized
    from cloudmgr.hosting.requests import WindowAsk
    from cloudmgr.policy.bundle import PolicyBundle
    from cloudmgr.scaling.store import DemandStore


class Sizing:
    """Reads only."""

    def __init__(
        self, demand: DemandStore, policy: Callable[[], PolicyBundle], clock: Clock
    ) -> None:
        self._demand = demand
        self._policy = policy
        self._clock = clock

    def sized(
        self,
        tx: Connection,
        environment_id: str | None,
        scaling_class: str,
        components: Sequence[Component],
        asks: Sequence[WindowAsk],
    ) -> tuple[WindowAsk, ...]:
        """As :meth:`cloudmgr.hosting.means.Means.sized`."""
        if not any(ask.expected for ask in asks):
            return tuple(asks)
        policy, now = self._policy(), self._clock.now()
        found = policy.scaling_classes.get(scaling_class)
        found = found or policy.scaling_classes[policy.scaling_default]
        measured = Known()
        if environment_id is not None:
            slots = self._demand.of(tx, environment_id, Interval(now - LOOKS_BACK, now))
            measured = known(slots)

        def size(expected: Expected) -> Sized:
            return sized(
                expected,
                measured,
                per_user_minute=found.requests_per_user_minute,
                target=found.target_in_flight,
            )

        return asked(asks, components, size)

    def of(
        self, tx: Connection, environment: Environment, asks: Sequence[WindowAsk]
    ) -> tuple[WindowAsk, ...]:
        """The same for what is there. :raises Invalid: as :meth:`sized`."""
        return self.sized(
            tx, environment.id, environment.scaling_class, environment.components, asks
        )
