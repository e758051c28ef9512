"""Series of peaks as people change them: ended, gone on with, one date left out or moved, undone.

Each method works within the transaction that it is given, and is kept with who and why. ``actor``
is a user's id.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloudmgr.errors import Conflict
from cloudmgr.scaling.orders import check_reason
from cloudmgr.scaling.series import Change, PeakSeries, the_date
from cloudmgr.scaling.series_control import ask_of, span_of
from cloudmgr.scaling.windows import checked

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.hosting.store import EnvironmentStore
    from cloudmgr.interval import Interval
    from cloudmgr.scaling.control import ScalingControl
    from cloudmgr.scaling.series_control import SeriesControl, Surroundings
    from cloudmgr.scaling.store import ScalingStores
    from cloudmgr.scaling.windows import PeakWindow


class SeriesChanges:
    """The use cases of those who change a series."""

    def __init__(
        self,
        follower: SeriesControl,
        control: ScalingControl,
        environments: EnvironmentStore,
        stores: ScalingStores,
        *,
        around: Surroundings,
        clock: Clock,
    ) -> None:
        self._follower = follower
        self._control = control
        self._environments = environments
        self._windows = stores.windows
        self._series = stores.series
        self._around = around
        self._clock = clock

    def end(self, tx: Connection, series: PeakSeries, *, actor: str, why: str) -> PeakSeries:
        """No date of it any more; windows that have begun run on. Success if it has ended.

        :raises Invalid: ``reason-missing``. :raises Conflict: ``stale-version``.
        """
        why = check_reason(why)
        if series.ended_at is not None:
            return series
        ended = replace(series, ended_at=self._clock.now(), unmet=())
        return self._decided(
            tx, series, ended, actor=actor, action="series.end", detail={"reason": why}
        )

    def resume(self, tx: Connection, series: PeakSeries, *, actor: str, why: str) -> PeakSeries:
        """Take :meth:`end` back: its dates are booked anew, as far as they fit now.

        :raises Invalid: ``reason-missing``. :raises Conflict: ``retiring``, ``stale-version``.
        :raises NotFound: no such environment.
        """
        why = check_reason(why)
        if series.ended_at is None:
            return series
        if self._environments.get(tx, series.environment_id).retiring:
            raise Conflict("the environment is being retired", code="retiring")
        begun = replace(series, ended_at=None)
        return self._decided(
            tx, series, begun, actor=actor, action="series.resume", detail={"reason": why}
        )

    def skip(
        self, tx: Connection, series: PeakSeries, day: date, *, actor: str, why: str
    ) -> PeakSeries:
        """Leave out the date of ``day``.

        :raises NotFound: ``no-such-date``. :raises Conflict: ``date-has-begun``, ``series-ended``.
        :raises Invalid: ``reason-missing``.
        """
        return self._changed(tx, series, day, None, actor=actor, why=why)

    def move(
        self,
        tx: Connection,
        series: PeakSeries,
        day: date,
        instead: Interval,
        *,
        actor: str,
        why: str,
    ) -> PeakSeries:
        """Have the date of ``day`` at another time. Kept as unmet if it does not fit there.

        :raises NotFound, Conflict, Invalid: as :meth:`skip`; ``invalid-window``.
        """
        return self._changed(tx, series, day, instead, actor=actor, why=why)

    def undo(
        self, tx: Connection, series: PeakSeries, day: date, *, actor: str, why: str
    ) -> PeakSeries:
        """Have the date of ``day`` as the series says again.

        :raises Conflict: ``nothing-to-undo``, ``series-ended``. :raises Invalid: a reason missing.
        """
        why = check_reason(why)
        _check_goes_on(series)
        after = series.without_change(day)
        detail: dict[str, object] = {"day": day.isoformat(), "reason": why}
        return self._decided(tx, series, after, actor=actor, action="series.undo", detail=detail)

    def cancel_window(self, tx: Connection, window_id: str, *, actor: str, why: str) -> PeakWindow:
        """As :meth:`ScalingControl.cancel_window`; of a series it is that date that is left out."""
        window = self._windows.get(tx, window_id)
        after = self._control.cancel_window(tx, window_id, actor=actor, why=why)
        if window.series_id is None or window.cancelled_at is not None:
            return after
        series = self._series.get(tx, window.series_id)
        moved = next((c for c in series.changes if c.instead == window.interval), None)
        day = moved.day if moved else window.interval.start.astimezone(self._around.zone).date()
        skipped = series.with_change(Change(day, actor, self._clock.now(), why))
        self._series.change(tx, series, skipped)
        return after

    def _changed(
        self,
        tx: Connection,
        series: PeakSeries,
        day: date,
        instead: Interval | None,
        *,
        actor: str,
        why: str,
    ) -> PeakSeries:
        why, now = check_reason(why), self._clock.now()
        _check_goes_on(series)
        looked = self._follower.look(tx, series)
        one = the_date(looked.dates, day)
        if one.interval.start <= now and any(w.interval == one.interval for w in looked.windows):
            raise Conflict("the date has begun: cancel its window instead", code="date-has-begun")
        if instead is not None:
            environment = self._environments.get(tx, series.environment_id)
            checked(ask_of(series, instead), environment.components, now)
        after = series.with_change(Change(day, actor, now, why, instead))
        detail: dict[str, object] = {"day": day.isoformat(), "reason": why}
        if instead is not None:
            detail |= span_of(instead)
        action = "series.skip" if instead is None else "series.move"
        return self._decided(tx, series, after, actor=actor, action=action, detail=detail)

    def _decided(
        self,
        tx: Connection,
        before: PeakSeries,
        after: PeakSeries,
        *,
        actor: str,
        action: str,
        detail: dict[str, object],
    ) -> PeakSeries:
        after = self._series.change(tx, before, after)
        self._around.record(tx, actor, action, after, detail)
        return self._follower.follow(tx, after)


def _check_goes_on(series: PeakSeries) -> None:
    if series.ended_at is not None:
        raise Conflict("the series has ended", code="series-ended", hint="have it go on first")
