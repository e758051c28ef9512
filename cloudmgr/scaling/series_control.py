"""Series of peaks: begun, and followed as time goes and the calendar changes.

Each method works within the transaction that it is given. What follows from the calendar alone is
done by :data:`SERIES`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Protocol

from cloudmgr.errors import NotFound
from cloudmgr.hosting.requests import WindowAsk
from cloudmgr.interval import Interval
from cloudmgr.scaling.series import PeakSeries, Unmet, dates, plan
from cloudmgr.scaling.series_dates import read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.hosting.requests import SeriesAsk
    from cloudmgr.hosting.store import EnvironmentStore
    from cloudmgr.planning.promise_words import Told
    from cloudmgr.scaling.control import ScalingControl
    from cloudmgr.scaling.recurrence import Workdays
    from cloudmgr.scaling.series import Date, Step
    from cloudmgr.scaling.store import ScalingStores
    from cloudmgr.scaling.windows import PeakWindow

SERIES = "series"
# Twice as far as anybody may announce.
_FURTHEST = timedelta(days=3660)


class Surroundings(Protocol):
    """What a series needs of its city; the composition root supplies it."""

    @property
    def zone(self) -> ZoneInfo: ...

    def worked(self) -> Workdays:
        """The statutory calendar as it is known now."""
        ...

    def ahead(self) -> timedelta:
        """So far ahead dates are booked."""
        ...

    def promise(self, tx: Connection, environment: Environment, ask: WindowAsk) -> Told | None:
        """Whether its pool can promise it; None if it is over.

        Until ``tx`` ends nobody else promises there.

        :raises Temporary: ``pool-unreachable``.
        """
        ...

    def record(
        self,
        tx: Connection,
        actor: str,
        action: str,
        series: PeakSeries,
        detail: dict[str, object],
    ) -> None:
        """Append to the audit trail."""
        ...


@dataclass(frozen=True, slots=True)
class Looked:
    """A series with its dates ahead, and those of its windows."""

    series: PeakSeries
    dates: tuple[Date, ...]
    windows: tuple[PeakWindow, ...]


class SeriesControl:
    """Keeps windows as their series say."""

    def __init__(
        self,
        control: ScalingControl,
        environments: EnvironmentStore,
        stores: ScalingStores,
        around: Surroundings,
        clock: Clock,
    ) -> None:
        self._control = control
        self._environments = environments
        self._windows = stores.windows
        self._series = stores.series
        self._around = around
        self._clock = clock

    # ------------------------------------------------------------------------------- looking

    def look(self, tx: Connection, series: PeakSeries) -> Looked:
        """Its dates within the time that is booked ahead. Reads only."""
        now, zone = self._clock.now(), self._around.zone
        until = now + self._around.ahead()
        # A date that was put off is one of the series still, when its own day is over.
        put_off = [
            datetime.combine(one.day, time(), zone)
            for one in series.changes
            if one.instead is not None and one.instead.end > now
        ]
        within = Interval(min([now, *put_off]), until)
        occurrences = read(series.rule).occurrences(within, zone, self._around.worked())
        found = tuple(
            one
            for one in dates(series, occurrences, zone)
            if one.interval.end > now or one.said.end > now
        )
        ours = {one.interval for one in found}
        there = self._windows.list(
            tx, series_id=series.id, during=Interval(now, now + _FURTHEST), cancelled=False
        )
        # Of what was booked further ahead nothing is said now.
        ahead = tuple(w for w in there if w.interval.start < until or w.interval in ours)
        return Looked(series, found, ahead)

    def due(self, tx: Connection, series: PeakSeries) -> bool:
        """Whether :meth:`follow` has anything to do. Reads only."""
        try:
            environment = self._environments.get(tx, series.environment_id)
        except NotFound:
            return series.ended_at is None
        if environment.retiring:
            return series.ended_at is None
        looked = self.look(tx, series)
        found = plan(series, looked.dates, looked.windows, self._clock.now())
        return bool(found.withdraw or found.book or series.unmet)

    # ------------------------------------------------------------------------------ following

    def begin(
        self,
        tx: Connection,
        environment_id: str,
        ask: SeriesAsk,
        *,
        actor: str,
        request_id: str | None = None,
    ) -> PeakSeries:
        """Put a series into the calendar, or another one in its place from now on.

        What fits is booked at once. The same of the same request is begun once.

        :raises NotFound: no such environment or series. :raises Conflict: ``retiring``.
        :raises Temporary: ``pool-unreachable``.
        """
        now = self._clock.now()
        if request_id is not None:
            for known in self._series.list(tx, request_id=request_id):
                if (known.rule, known.component) == (ask.rule, ask.component):
                    return known
        series = PeakSeries(
            id=f"ser_{uuid.uuid4().hex[:16]}",
            environment_id=environment_id,
            component=ask.component,
            rule=ask.rule,
            replicas=ask.replicas,
            note=ask.note,
            created_by=actor,
            created_at=now,
            request_id=request_id,
            expected_rps=ask.expected_rps,
            expected=ask.expected,
        )
        if ask.replaces is None:
            self._series.add(tx, series)
        else:
            before = self._series.get(tx, ask.replaces)
            if before.environment_id != environment_id:
                raise NotFound(f"there is no series {ask.replaces}", code="no-such-series")
            # What was decided on single days holds on, as the days that have it do.
            series = self._series.change(
                tx,
                before,
                replace(
                    series,
                    id=before.id,
                    created_by=before.created_by,
                    created_at=before.created_at,
                    changes=before.changes,
                    unmet=before.unmet,
                ),
            )
        return self.follow(tx, series)

    def follow(self, tx: Connection, series: PeakSeries) -> PeakSeries:
        """Book what is to be booked by now, and take back what is not any more.

        :raises Temporary: ``pool-unreachable``; nothing is lost by asking later.
        """
        now = self._clock.now()
        try:
            environment = self._environments.get(tx, series.environment_id)
        except NotFound:
            environment = None
        if environment is None or environment.retiring:
            return self._gone(tx, series, now)
        # In this order, which scaling keeps too.
        self._control.hold(tx, environment.id)
        looked = self.look(tx, series)
        found = plan(series, looked.dates, looked.windows, now)
        for window in found.withdraw:
            self._withdraw(tx, series, window, "its date is none of the series any more")
        unmet = [
            failed
            for step in found.book
            if (failed := self._book(tx, series, environment, step, now)) is not None
        ]
        return self._keep_unmet(tx, series, unmet)

    def _book(
        self,
        tx: Connection,
        series: PeakSeries,
        environment: Environment,
        step: Step,
        now: datetime,
    ) -> Unmet | None:
        """None if it is promised. What it replaces stays if it cannot be."""
        one = step.date
        ask = ask_of(series, one.interval)
        try:
            with tx.begin_nested():
                if step.instead_of is not None:
                    self._withdraw(tx, series, step.instead_of, "another takes its place")
                told = self._around.promise(tx, environment, ask)
                if told is None:
                    return None
                _insist(told)
                window = self._control.book(
                    tx, environment.id, ask, actor=SERIES, series_id=series.id
                )
        except _Unfit as refused:
            told = refused.told
            return Unmet(
                day=one.day,
                interval=one.interval,
                zh=told.reason.zh,
                en=told.reason.en,
                since=now,
                earlier=told.earlier,
                later=told.later,
                replicas=told.answer.replicas,
            )
        self.record(tx, "series.book", series, window.interval, {"window": window.id})
        return None

    def _withdraw(self, tx: Connection, series: PeakSeries, window: PeakWindow, why: str) -> None:
        self._control.cancel_window(tx, window.id, actor=SERIES, why=why)
        self.record(
            tx, "series.withdraw", series, window.interval, {"window": window.id, "reason": why}
        )

    def _keep_unmet(self, tx: Connection, series: PeakSeries, found: Sequence[Unmet]) -> PeakSeries:
        before = {one.day: one for one in series.unmet}
        kept = []
        for one in found:
            known = before.get(one.day)
            if known is not None and known.interval == one.interval:
                # Not since now: only what is said of it may be new.
                kept.append(known if one.says_the_same(known) else replace(one, since=known.since))
            else:
                kept.append(one)
                self.record(tx, "series.unmet", series, one.interval, {"reason": one.en})
        if tuple(kept) == series.unmet:
            return series
        return self._series.change(tx, series, replace(series, unmet=tuple(kept)))

    def _gone(self, tx: Connection, series: PeakSeries, now: datetime) -> PeakSeries:
        if series.ended_at is not None:
            return series
        after = self._series.change(tx, series, replace(series, ended_at=now, unmet=()))
        why = "its environment is gone"
        self._around.record(tx, SERIES, "series.end", after, {"reason": why})
        return after

    def record(
        self,
        tx: Connection,
        action: str,
        series: PeakSeries,
        interval: Interval,
        detail: dict[str, object],
    ) -> None:
        """Into the audit trail, as done by nobody."""
        self._around.record(tx, SERIES, action, series, {**span_of(interval), **detail})


class _Unfit(Exception):
    """It cannot be promised."""

    def __init__(self, told: Told) -> None:
        super().__init__()
        self.told = told


def _insist(told: Told) -> None:
    if not told.fits:
        raise _Unfit(told)


def ask_of(series: PeakSeries, interval: Interval) -> WindowAsk:
    """A date of ``series`` as what is asked for."""
    return WindowAsk(
        series.component,
        interval.start,
        interval.end,
        series.replicas,
        series.expected_rps,
        series.note,
        series.expected,
    )


def span_of(interval: Interval) -> dict[str, object]:
    """As the audit trail keeps it."""
    return {"starts_at": interval.start.isoformat(), "ends_at": interval.end.isoformat()}
