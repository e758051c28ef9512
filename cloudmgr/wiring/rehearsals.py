"""Rehearsals in their city: where they find room, where their load goes, and who goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.clock import SystemClock
from cloudmgr.errors import NotFound
from cloudmgr.scaling.rehearsing import Rehearsals
from cloudmgr.wiring.duties import Duty
from cloudmgr.wiring.load import Sending

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.pools.capacity import Room
    from cloudmgr.scaling.rehearsals import Load
    from cloudmgr.wiring.control_plane import ControlPlane

# Elapsed seconds between two steps of what is under way.
_OFTEN = 3.0


class Rehearsing:
    """See above; made once all that scales is."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self.control = Rehearsals(
            plane.database,
            plane.stores.environments,
            plane.stores.scaling,
            plane.scaling,
            plane.clock,
            policy=lambda: plane.policies.current,
            room=self._room,
            lock=plane.city.free,
            leads=self._leads,
            send=self._send,
        )
        self.duties = (Duty("rehearsals", _OFTEN, self.control.go_on),)

    def _room(self, tx: Connection, environment: Environment) -> Room:
        pool = self._plane.stores.pools.get(tx, environment.pool_id)
        return self._plane.city.view(tx, pool).room

    def _leads(
        self, tx: Connection, pool_id: str, there: Iterable[Environment]
    ) -> dict[str, timedelta]:
        found = self._plane.promises.leads.classes(tx, pool_id, there)
        return {key: kind.lead_time for key, kind in found.items()}

    def _send(self, environment: Environment, load: Load) -> Sending:
        gateway = self._plane.gateways.get(environment.zone)
        if gateway is None:
            zone = environment.zone.value
            raise NotFound(f"there is no gateway in the {zone}", code="no-gateway")
        return Sending(load, gateway.url, environment.host, SystemClock())
