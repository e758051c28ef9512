"""An office whose lookout is watched: shared by the tests of what is told."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cloudmgr.conditions import Condition, Status
from cloudmgr.hosting.environments import EnvironmentStatus
from cloudmgr.wiring.lookout import Lookout
from tests.builders import a_component, a_window, an_environment
from tests.fakes import InstantPool
from tests.hosting.office import Office

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.notices.notice import Kind, Notice
    from cloudmgr.pools.capacity import Resources
    from cloudmgr.scaling.windows import PeakWindow

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


class Watched(Office):
    """An office with a lookout, and an environment that is promised to peaks."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.lookout = Lookout(self.plane)

    @property
    def now(self) -> datetime:
        return self.plane.clock.now()

    def host(self, **changes: Any) -> Environment:
        made = an_environment(
            **{
                "pool_id": "pool_outer",
                "created_at": self.now - 30 * DAY,
                "components": (a_component(min_replicas=1, max_replicas=8, cpu_millis=1_000),),
                **changes,
            }
        )
        with self.plane.database.write() as tx:
            self.plane.stores.environments.add(tx, made)
        return made

    def book(self, **changes: Any) -> PeakWindow:
        window = a_window(
            self.now + DAY,
            self.now + DAY + timedelta(hours=4),
            **{"environment_id": "env_exam", "replicas": 4, "created_at": self.now, **changes},
        )
        with self.plane.database.write() as tx:
            self.plane.stores.scaling.windows.add(tx, window)
        return window

    def room(self, room: Resources, **more: Any) -> None:
        self.plane.drivers["pool_outer"] = InstantPool(room, **more)

    def condition(self, environment: Environment, status: Status, since: datetime) -> None:
        with self.plane.database.write() as tx:
            there = self.plane.stores.environments.get(tx, environment.id)
            conditions = tuple(
                Condition(name, status, "Said", "", there.generation, since)
                for name in ("Applied", "Available")
            )
            status_now = EnvironmentStatus(there.generation, conditions)
            self.plane.stores.environments.set_status(tx, there, status_now)

    def told(self, *kinds: Kind) -> list[Notice]:
        """The oldest first."""
        with self.plane.database.read() as tx:
            found = [notice for _, notice in self.plane.stores.notices.list(tx)][::-1]
        return [notice for notice in found if not kinds or notice.kind in kinds]

    def kinds(self) -> list[Kind]:
        return [notice.kind for notice in self.told()]
