"""The environments as the waker sees them."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudmgr.errors import NotFound, Temporary
from cloudmgr.scaling.line import BEGINS, WaitsFor
from cloudmgr.scaling.waker.sleepers import Sleeper, endpoints_of, sleeper_of, waiting_words
from cloudmgr.scaling.wakes import WAKER

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.policy.bundle import PolicyBundle
    from cloudmgr.scaling.control import ScalingControl
    from cloudmgr.wiring.stores import Stores


class StoredSleepers:
    """As :class:`cloudmgr.scaling.waker.sleepers.Sleepers`, from the database."""

    def __init__(
        self,
        database: Database,
        stores: Stores,
        scaling: ScalingControl,
        policy: Callable[[], PolicyBundle],
        clock: Clock,
    ) -> None:
        self._database = database
        self._stores = stores
        self._scaling = scaling
        self._policy = policy
        self._clock = clock

    def find(self, host: str) -> Sleeper | None:
        with self._database.read() as tx:
            environment = self._stores.environments.by_host(tx, host)
            if environment is None:
                return None
            system = self._stores.systems.get(tx, environment.system_id)
            turn = self._scaling.turn(tx, environment.id) if environment.hibernated else BEGINS
        found = sleeper_of(environment, system, self._clock, self._policy().not_counted)
        return None if found is None else replace(found, waits=waiting_words(turn))

    def wake(self, environment_id: str, why: str) -> None:
        with self._database.write() as tx:
            turn = self._scaling.wake(tx, environment_id, actor=WAKER, why=why).turn
        if turn.waits is WaitsFor.ROOM:
            # The call is kept; whoever called need not wait for what may take hours.
            raise Temporary(
                "its pool has no room to wake it now",
                code="pool-full",
                hint="it is woken as soon as there is room",
            )

    def endpoint(self, environment_id: str) -> tuple[str, int] | None:
        with self._database.read() as tx:
            try:
                environment = self._stores.environments.get(tx, environment_id)
            except NotFound:
                return None
        ready = endpoints_of(environment)
        return random.choice(ready) if ready else None  # noqa: S311 - spreads load, hides nothing
