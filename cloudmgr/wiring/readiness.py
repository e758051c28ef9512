"""Whether announced peaks will find what they need: looked at by itself, and when somebody asks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cloudmgr.errors import CloudmgrError
from cloudmgr.scaling.readiness import (
    Facts,
    Moment,
    Promised,
    Readiness,
    check_ahead,
    due,
)
from cloudmgr.scaling.readiness_verdicts import verdicts
from cloudmgr.wiring.duties import Duty

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.scaling.readiness import Spending
    from cloudmgr.scaling.windows import PeakWindow
    from cloudmgr.wiring.control_plane import ControlPlane

log = logging.getLogger(__name__)

# Elapsed seconds between two looks at what is due.
_OFTEN = 600.0
# Of an environment's wakes, how many of the newest tell something.
_WAKES = 20


class Checks:
    """Sees to it that each window is looked at a week and a day ahead, once each.

    One that was announced later than that, or that came due while no control plane ran, is looked
    at by the next turn.
    """

    def __init__(self, plane: ControlPlane) -> None:
        """:param plane: with its stores and promises."""
        self._database = plane.database
        self._stores = plane.stores
        self._promises = plane.promises
        self._clock = plane.clock
        self._zone = plane.settings.zone

        def spending(
            tx: Connection, window: PeakWindow, environment: Environment
        ) -> tuple[Spending, ...]:
            # Looked up when it is asked: budgets are made after this.
            return plane.budgets.spending(tx, environment, window.interval.start)

        self._spending = spending
        self.duties = (Duty("readiness", _OFTEN, self.follow),)

    def follow(self) -> int:
        """Look at every window that is due; at how many. At any time, any often."""
        now = self._clock.now()
        with self._database.read() as tx:
            keys = self._stores.scaling.readiness.due(tx, now)
        count = 0
        for key in keys:
            try:
                count += self._looked(key, now)
            except CloudmgrError as error:
                # It is due still, and looked at by the next turn.
                log.warning("the readiness of %s was not looked at: %s", key, error)
        return count

    def ask(self, tx: Connection, window: PeakWindow, *, actor: str) -> Readiness:
        """Look at ``window`` now, for ``actor``.

        :raises Conflict: ``window-cancelled``, ``window-begun``.
        :raises NotFound: its environment is gone.
        """
        now = self._clock.now()
        check_ahead(window, now)
        return self._stores.scaling.readiness.add(
            tx, self._seen(tx, window, Moment.ASKED, now, actor)
        )

    def _looked(self, window_id: str, now: datetime) -> bool:
        with self._database.write() as tx:
            store = self._stores.scaling.readiness
            window = self._stores.scaling.windows.get(tx, window_id)
            # It may have been cancelled, or looked at elsewhere, since the list was made.
            moment = due(window, store.done(tx, window_id), now)
            if moment is None:
                return False
            store.add(tx, self._seen(tx, window, moment, now, None))
        return True

    def _seen(
        self, tx: Connection, window: PeakWindow, moment: Moment, now: datetime, actor: str | None
    ) -> Readiness:
        environment = self._stores.environments.get(tx, window.environment_id)
        wakes = self._stores.scaling.wakes.list(tx, environment.id, limit=_WAKES)
        facts = Facts(
            window,
            environment,
            self._promised(tx, window, environment, now),
            wakes,
            self._promises.leads.of(tx, environment),
            self._zone,
            self._spending(tx, window, environment),
        )
        return Readiness(window.id, moment, now, verdicts(facts, now), actor)

    def _promised(
        self, tx: Connection, window: PeakWindow, environment: Environment, now: datetime
    ) -> Promised:
        found = self._promises.at_risk(tx, self._stores.pools.get(tx, environment.pool_id))
        if found.risk is None:
            return Promised(None)
        lost = next((one for one in found.lost if one.id == window.id), None)
        if lost is None:
            return Promised(kept=True)
        reason = found.told(lost, now).reason
        return Promised(kept=False, zh=reason.zh, en=reason.en)
