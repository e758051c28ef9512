"""Series of peaks in their city, and the duty that follows them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.errors import CloudmgrError, NotFound
from cloudmgr.hosting.assessment import Draft
from cloudmgr.hosting.coming import series_problems, sized
from cloudmgr.hosting.requests import RequestKind
from cloudmgr.hosting.validation import refuse
from cloudmgr.interval import Interval
from cloudmgr.scaling.series_changes import SeriesChanges
from cloudmgr.scaling.series_control import SERIES, SeriesControl
from cloudmgr.scaling.series_dates import coming
from cloudmgr.wiring.duties import Duty

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.hosting.requests import Coming, SeriesAsk, WindowAsk
    from cloudmgr.planning.promise_words import Told
    from cloudmgr.scaling.recurrence import Workdays
    from cloudmgr.scaling.series import PeakSeries
    from cloudmgr.wiring.control_plane import ControlPlane

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Actor:
    """Whoever decided, by the id: what follows from the calendar has no login of its own."""

    user_id: str
    login: str


class Series:
    """What :class:`cloudmgr.scaling.series_control.Surroundings` asks, around one database."""

    def __init__(self, plane: ControlPlane) -> None:
        """:param plane: with its stores, scaling, promises and trail."""
        self.zone = plane.settings.zone
        self._database = plane.database
        self._stores = plane.stores
        self._promises = plane.promises
        self._sizing = plane.sizing
        self._policies = plane.policies
        self._trail = plane.trail
        self._clock = plane.clock
        environments, stores = plane.stores.environments, plane.stores.scaling
        self.control = SeriesControl(plane.scaling, environments, stores, self, plane.clock)
        self.changes = SeriesChanges(
            self.control, plane.scaling, environments, stores, around=self, clock=plane.clock
        )
        self.duties = (Duty("series", 600.0, self.follow),)

    def worked(self) -> Workdays:
        return self._policies.current.holidays

    def ahead(self) -> timedelta:
        return self._policies.current.book_ahead

    def coming(
        self, tx: Connection, environment_id: str | None, asks: Sequence[SeriesAsk]
    ) -> tuple[Coming, ...]:
        """As :meth:`cloudmgr.hosting.means.Means.coming`."""
        for ask in asks:
            if ask.replaces is not None:
                there = self._stores.scaling.series.get(tx, ask.replaces)
                if there.environment_id != environment_id:
                    raise NotFound(f"there is no series {there.id}", code="no-such-series")
        now = self._clock.now()
        return coming(asks, Interval(now, now + self.ahead()), self.zone, self.worked())

    def tried(
        self, tx: Connection, environment: Environment, ask: SeriesAsk
    ) -> tuple[SeriesAsk, Coming, tuple[Told, ...]]:
        """As :class:`cloudmgr.api.services.SeriesDrafts` asks."""
        now = self._clock.now()
        (ask,) = sized([ask], now, lambda asks: self._sizing.of(tx, environment, asks))
        (coming,) = self.coming(tx, environment.id, [ask])
        draft = Draft(RequestKind.PEAK, environment.system_id, environment.id, series=(ask,))
        refuse(series_problems(draft, [coming], environment.components, now))
        return ask, coming, self._promises.ask(tx, environment, coming.windows)

    def promise(self, tx: Connection, environment: Environment, ask: WindowAsk) -> Told | None:
        self._stores.pools.lock(tx, environment.pool_id)
        return next(iter(self._promises.ask(tx, environment, [ask])), None)

    def record(
        self,
        tx: Connection,
        actor: str,
        action: str,
        series: PeakSeries,
        detail: dict[str, object],
    ) -> None:
        try:
            there = self._stores.environments.get(tx, series.environment_id)
            department_id: str | None = there.department_id
        except NotFound:
            department_id = None
        login = actor if actor == SERIES else self._login(tx, actor)
        self._trail.record(
            tx,
            _Actor(actor, login),
            action,
            object_kind="series",
            object_id=series.id,
            department_id=department_id,
            detail=detail,
        )

    def _login(self, tx: Connection, user_id: str) -> str:
        try:
            return self._stores.users.get(tx, user_id).login
        except NotFound:
            return user_id

    def follow(self) -> int:
        """Look at every series that goes on; of how many something was changed or asked anew."""
        with self._database.read() as tx:
            due = [
                one.id
                for one in self._stores.scaling.series.list(tx, ended=False)
                if self.control.due(tx, one)
            ]
        count = 0
        for key in due:
            try:
                with self._database.write() as tx:
                    self.control.follow(tx, self._stores.scaling.series.get(tx, key))
                count += 1
            except CloudmgrError as error:
                # It is looked at again by the next turn.
                log.warning("the series %s was not followed: %s", key, error)
        return count
