"""Windows, orders, decisions, activity and what scaling remembers, at rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloudmgr.scaling.store.activity import ActivityStore
from cloudmgr.scaling.store.ahead import AheadStore
from cloudmgr.scaling.store.demand import DemandStore
from cloudmgr.scaling.store.forecasts import ForecastStore
from cloudmgr.scaling.store.freezes import FreezeStore
from cloudmgr.scaling.store.line import LineStore
from cloudmgr.scaling.store.needs import NeedStore
from cloudmgr.scaling.store.readiness import ReadinessStore
from cloudmgr.scaling.store.rehearsals import RehearsalStore
from cloudmgr.scaling.store.scaling import ScalingStore
from cloudmgr.scaling.store.series import SeriesStore
from cloudmgr.scaling.store.starts import StartStore
from cloudmgr.scaling.store.wakes import WakeStore
from cloudmgr.scaling.store.windows import WindowStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = [
    "ActivityStore",
    "AheadStore",
    "DemandStore",
    "ForecastStore",
    "FreezeStore",
    "LineStore",
    "NeedStore",
    "ReadinessStore",
    "RehearsalStore",
    "ScalingStore",
    "ScalingStores",
    "SeriesStore",
    "StartStore",
    "WakeStore",
    "WindowStore",
]


@dataclass(frozen=True, slots=True)
class ScalingStores:
    """The tables of scaling, handed around together since one transaction spans them."""

    scaling: ScalingStore = field(default_factory=ScalingStore)
    windows: WindowStore = field(default_factory=WindowStore)
    series: SeriesStore = field(default_factory=SeriesStore)
    activities: ActivityStore = field(default_factory=ActivityStore)
    demand: DemandStore = field(default_factory=DemandStore)
    forecasts: ForecastStore = field(default_factory=ForecastStore)
    wakes: WakeStore = field(default_factory=WakeStore)
    needs: NeedStore = field(default_factory=NeedStore)
    starts: StartStore = field(default_factory=StartStore)
    line: LineStore = field(default_factory=LineStore)
    rehearsals: RehearsalStore = field(default_factory=RehearsalStore)
    ahead: AheadStore = field(default_factory=AheadStore)
    freezes: FreezeStore = field(default_factory=FreezeStore)
    readiness: ReadinessStore = field(default_factory=ReadinessStore)

    def forget(self, tx: Connection, environment_id: str) -> None:
        """The environment is going: what was planned and decided for it stays, as history."""
        self.scaling.forget(tx, environment_id)
        self.activities.forget(tx, environment_id)
        self.forecasts.forget(tx, environment_id)
        self.needs.forget(tx, environment_id)
        self.freezes.forget(tx, environment_id)
