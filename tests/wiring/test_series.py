"""Series in a whole control plane: begun, followed through a year, changed, ended."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.errors import Conflict, Invalid, Temporary
from cloudmgr.hosting.requests import SeriesAsk
from cloudmgr.interval import Interval
from cloudmgr.pools.capacity import Resources
from cloudmgr.scaling.recurrence import About, Every, Hours, Recurrence, Yearly
from cloudmgr.scaling.series_dates import written
from cloudmgr.wiring.control_plane import ControlPlane
from cloudmgr.wiring.series import Series
from cloudmgr.wiring.settings import Settings
from tests.api.city import everything
from tests.builders import (
    a_component,
    a_department,
    a_pool,
    a_system,
    a_version,
    a_window,
    an_account,
    an_environment,
)
from tests.databases import file_with_tables, hurried
from tests.fakes import InstantPool, ManualClock
from tests.scaling.test_series import JUNE, Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudmgr.clock import Clock
    from cloudmgr.scaling.recurrence import Workdays
    from cloudmgr.scaling.series import PeakSeries
    from cloudmgr.scaling.windows import PeakWindow

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
OFFICE = Hours(time(9), time(17))


class _Manual(Settings):
    def make_clock(self) -> Clock:
        return ManualClock(NOW)


class _Around(Series):
    """With a calendar that a test publishes."""

    table: Workdays = Table(set(), {2026})

    def worked(self) -> Workdays:
        return self.table


class Town:
    """One system on a pool of eight cores, each replica one core."""

    def __init__(self, directory: Path, database_url: str, **settings: Any) -> None:
        self.plane = ControlPlane(
            _Manual(state_dir=directory, database_url=database_url, **settings)
        )
        hurried(self.plane.database)
        clock = self.plane.clock
        assert isinstance(clock, ManualClock)
        self.clock = clock
        self.database, self.stores = self.plane.database, self.plane.stores
        self.around = _Around(self.plane)
        self.room(8)
        stores = self.stores
        with self.database.write() as tx:
            stores.accounts.create(tx, an_account(id="acc_exam"))
            stores.departments.create(
                tx, a_department(versions=(a_version(billing_account_id="acc_exam"),))
            )
            stores.systems.add(tx, a_system())
            stores.pools.add(tx, a_pool(id="pool_1", name="one"))
            for name in ("exam", "tax"):
                component = a_component(cpu_millis=1_000, memory_mib=64)
                stores.environments.add(
                    tx,
                    an_environment(
                        id=f"env_{name}",
                        name=name,
                        host=f"{name}.localhost",
                        pool_id="pool_1",
                        components=(component,),
                    ),
                )

    def room(self, cores: int) -> None:
        self.plane.drivers["pool_1"] = InstantPool(Resources(cores * 1_000, 65_536, 100))

    def begin(self, recurrence: Recurrence = JUNE, replicas: int = 6, **more: Any) -> PeakSeries:
        ask = SeriesAsk("web", written(recurrence), replicas, note="年报", **more)
        with self.database.write() as tx:
            return self.around.control.begin(
                tx, "env_exam", ask, actor="usr_1", request_id=f"req_{replicas}"
            )

    def series(self, series_id: str) -> PeakSeries:
        with self.database.read() as tx:
            return self.stores.scaling.series.get(tx, series_id)

    def windows(self, series_id: str, *, cancelled: bool = False) -> list[PeakWindow]:
        with self.database.read() as tx:
            return self.stores.scaling.windows.list(tx, series_id=series_id, cancelled=cancelled)

    def days(self, series_id: str) -> list[str]:
        zone = self.plane.settings.zone
        return [f"{w.interval.start.astimezone(zone):%m-%d}" for w in self.windows(series_id)]

    def said(self, series_id: str) -> list[str]:
        with self.database.read() as tx:
            found = self.stores.audit.list(tx, limit=1000)
        return [one.action for _, one in found if one.object_id == series_id]

    def taken(self, first: datetime, last: datetime, replicas: int = 6) -> None:
        """Another system was promised so much then."""
        with self.database.write() as tx:
            window = a_window(
                first, last, id="win_tax", environment_id="env_tax", replicas=replicas
            )
            self.stores.scaling.windows.add(tx, window)


@pytest.fixture
def town(tmp_path: Path, tables_url: str) -> Iterator[Town]:
    town = Town(tmp_path, tables_url)
    with closing(town.database):
        yield town


@pytest.fixture
def quick(tmp_path: Path, sqlite_url: str) -> Iterator[Town]:
    town = Town(tmp_path, sqlite_url)
    with closing(town.database):
        yield town


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return file_with_tables(tmp_path / "quick.db")


def test_every_date_is_a_reservation_and_following_again_writes_nothing(town: Town) -> None:
    series = town.begin()
    assert town.days(series.id) == ["06-23", "06-24", "06-25", "06-26", "06-29"]
    window = town.windows(series.id)[0]
    assert (window.replicas, window.note, window.created_by) == (6, "年报", "series")
    with town.database.read() as tx:
        assert town.stores.scaling.series.get(tx, series.id) == series
        assert not town.around.control.due(tx, series)
    there = [w.id for w in town.windows(series.id)]
    assert town.around.follow() == 0
    with town.database.write() as tx:
        assert town.around.control.follow(tx, series) == series
    assert [w.id for w in town.windows(series.id)] == there
    assert town.begin() == series, "the same of the same request"


def test_a_year_without_a_table_is_booked_once_it_has_one(town: Town) -> None:
    series = town.begin()
    with town.database.read() as tx:
        waiting = [d for d in town.around.control.look(tx, series).dates if d.waits_for]
    assert {one.day.year for one in waiting} == {2027}
    town.around.table = Table({date(2027, 6, 29)}, {2026, 2027})
    assert town.around.follow() == 1
    assert town.days(series.id)[5:] == ["06-22", "06-23", "06-24", "06-25", "06-28"]
    assert town.around.follow() == 0


def test_a_date_that_does_not_fit_is_unmet_with_what_would_and_others_go_on(town: Town) -> None:
    start = datetime(2026, 6, 24, 3, tzinfo=UTC)
    town.taken(start, start + timedelta(hours=2))
    series = town.begin()
    assert town.days(series.id) == ["06-23", "06-25", "06-26", "06-29"]
    (unmet,) = series.unmet
    assert (unmet.day, unmet.since) == (date(2026, 6, 24), NOW)
    assert "do not fit into the pool one" in unmet.en
    assert "放不下" in unmet.zh
    assert unmet.earlier is not None
    assert unmet.replicas == 2
    town.clock.advance(DAY)
    town.around.follow()
    assert town.series(series.id) == series, "nothing new is to be said"
    assert town.said(series.id).count("series.unmet") == 1
    town.room(64)
    town.around.follow()
    assert town.series(series.id).unmet == ()
    assert len(town.days(series.id)) == 5


def test_a_statutory_calendar_that_changes_moves_what_has_not_begun_with_a_record(
    town: Town,
) -> None:
    series = town.begin()
    town.clock.set(datetime(2026, 6, 23, 2, tzinfo=UTC))
    town.around.table = Table({date(2026, 6, 25)}, {2026})
    assert town.around.follow() == 1
    # Of the five the 22nd is over, so that the 23rd, which runs, is no longer the first.
    assert town.days(series.id) == ["06-23", "06-24", "06-26", "06-29"]
    (withdrawn,) = town.windows(series.id, cancelled=True)
    assert withdrawn.interval.start.day == 25
    assert "series.withdraw" in town.said(series.id)


def test_one_date_is_left_out_or_moved_and_that_is_undone(town: Town) -> None:
    series, changes = town.begin(), town.around.changes
    with town.database.write() as tx:
        series = changes.skip(tx, series, date(2026, 6, 24), actor="usr_1", why="停电")
    assert "06-24" not in town.days(series.id)
    town.around.follow()
    assert "06-24" not in town.days(series.id), "it stays left out"
    later = Interval(datetime(2026, 7, 10, 1, tzinfo=UTC), datetime(2026, 7, 10, 5, tzinfo=UTC))
    with town.database.write() as tx:
        series = changes.move(tx, series, date(2026, 6, 29), later, actor="usr_1", why="延期")
    assert town.days(series.id) == ["06-23", "06-25", "06-26", "07-10"]
    town.clock.set(datetime(2026, 7, 5, tzinfo=UTC))
    town.around.follow()
    assert "07-10" in town.days(series.id), "though its own day is over"
    town.clock.set(NOW)
    with town.database.write() as tx:
        for day in (24, 29):
            series = changes.undo(tx, series, date(2026, 6, day), actor="usr_1", why="照旧")
    assert town.days(series.id) == ["06-23", "06-24", "06-25", "06-26", "06-29"]
    assert set(town.said(series.id)) >= {"series.skip", "series.move", "series.undo"}


def test_cancelling_a_window_by_hand_leaves_its_date_out_for_good(town: Town) -> None:
    series = town.begin()
    window = town.windows(series.id)[1]
    with town.database.write() as tx:
        town.around.changes.cancel_window(tx, window.id, actor="usr_1", why="考试取消")
    town.around.follow()
    assert town.days(series.id) == ["06-23", "06-25", "06-26", "06-29"]
    with town.database.write() as tx:
        again = town.around.changes.cancel_window(tx, window.id, actor="usr_1", why="又")
    assert again.cancelled_at is not None
    assert [one.reason for one in town.series(series.id).changes] == ["考试取消"]


def test_one_that_ends_gives_all_back_and_may_go_on(town: Town) -> None:
    series, changes = town.begin(), town.around.changes
    with town.database.write() as tx:
        ended = changes.end(tx, series, actor="usr_1", why="并入统一平台")
        assert changes.end(tx, ended, actor="usr_1", why="again") == ended
    assert town.days(series.id) == []
    assert town.around.follow() == 0
    with town.database.write() as tx, pytest.raises(Conflict) as refused:
        changes.skip(tx, ended, date(2026, 6, 24), actor="usr_1", why="x")
    assert refused.value.code == "series-ended"
    with town.database.write() as tx:
        changes.resume(tx, ended, actor="usr_1", why="误操作")
    assert len(town.days(series.id)) == 5


def test_a_larger_one_in_its_place_keeps_the_old_promise_where_it_does_not_fit(
    town: Town,
) -> None:
    start = datetime(2026, 6, 24, 3, tzinfo=UTC)
    town.taken(start, start + timedelta(hours=2), replicas=4)
    series = town.begin(replicas=4)
    assert len(town.days(series.id)) == 5
    larger = town.begin(replicas=7, replaces=series.id)
    assert larger.id == series.id
    by_day = {w.interval.start.day: w.replicas for w in town.windows(series.id)}
    assert by_day == {23: 7, 24: 4, 25: 7, 26: 7, 29: 7}
    assert [one.day.day for one in larger.unmet] == [24]


def test_a_pool_that_does_not_answer_is_asked_later_and_nothing_is_lost(quick: Town) -> None:
    series = quick.begin()
    quick.around.table = Table(set(), {2026, 2027})
    driver = quick.plane.drivers["pool_1"]
    assert isinstance(driver, InstantPool)
    driver.failing = Temporary("it does not answer", code="down")
    assert quick.around.follow() == 0
    assert len(quick.days(series.id)) == 5
    driver.failing = None
    assert quick.around.follow() == 1
    assert len(quick.days(series.id)) == 10


def test_an_environment_that_is_retired_ends_its_series(quick: Town) -> None:
    series = quick.begin()
    with quick.database.write() as tx:
        there = quick.stores.environments.get(tx, "env_exam")
        quick.stores.environments.set_retiring(tx, there)
    assert quick.around.follow() == 1
    assert quick.series(series.id).ended_at is not None
    assert quick.around.follow() == 0


@pytest.mark.parametrize(
    ("day", "why", "code"),
    [
        (date(2026, 6, 1), "x", "no-such-date"),
        (date(2026, 6, 24), " ", "reason-missing"),
    ],
)
def test_what_cannot_be_left_out_is_refused(quick: Town, day: date, why: str, code: str) -> None:
    series = quick.begin()
    with quick.database.write() as tx, pytest.raises(Exception) as refused:  # noqa: PT011
        quick.around.changes.skip(tx, series, day, actor="usr_1", why=why)
    assert getattr(refused.value, "code", "") == code


def test_a_date_that_runs_is_cancelled_by_its_window_alone(quick: Town) -> None:
    series = quick.begin()
    quick.clock.set(datetime(2026, 6, 24, 2, tzinfo=UTC))
    with quick.database.write() as tx, pytest.raises(Conflict) as refused:
        quick.around.changes.skip(tx, series, date(2026, 6, 24), actor="usr_1", why="x")
    assert refused.value.code == "date-has-begun"


def test_a_move_to_where_no_window_may_be_is_refused(quick: Town) -> None:
    series = quick.begin()
    past = Interval(NOW - 2 * DAY, NOW - DAY)
    with quick.database.write() as tx, pytest.raises(Invalid) as refused:
        quick.around.changes.move(tx, series, date(2026, 6, 24), past, actor="usr_1", why="x")
    assert refused.value.code == "invalid-window"


def test_in_a_zone_with_summer_time_a_date_is_booked_once(tmp_path: Path, sqlite_url: str) -> None:
    town = Town(tmp_path, sqlite_url, time_zone="America/New_York")
    with closing(town.database):
        sundays = Recurrence(Every("FREQ=WEEKLY;BYDAY=SU", date(2026, 10, 4)), About(), OFFICE)
        series = town.begin(sundays)
        starts = [w.interval.start for w in town.windows(series.id)]
        assert datetime(2026, 10, 25, 13, tzinfo=UTC) in starts
        assert datetime(2026, 11, 1, 14, tzinfo=UTC) in starts
        for hours in range(0, 24 * 8, 7):
            town.clock.set(datetime(2026, 10, 28, tzinfo=UTC) + timedelta(hours=hours))
            town.around.follow()
        again = town.windows(series.id)
        assert len({w.interval for w in again}) == len(again)


def test_a_clock_that_jumps_books_what_came_into_reach_and_nothing_that_is_over(
    quick: Town,
) -> None:
    yearly = Recurrence(Yearly(9, 1), About(), OFFICE)
    series = quick.begin(yearly)
    assert [w.interval.start.year for w in quick.windows(series.id)] == [2026]
    quick.clock.set(datetime(2028, 8, 20, tzinfo=UTC))
    quick.around.follow()
    assert [w.interval.start.year for w in quick.windows(series.id)] == [2026, 2028, 2029]
    quick.clock.set(NOW)
    quick.around.follow()
    quick.around.follow()
    starts = [w.interval.start.year for w in quick.windows(series.id)]
    assert starts == [2026, 2028, 2029], "put back, it is none the less booked once"


def test_nothing_is_written_by_looking(quick: Town) -> None:
    series = quick.begin()
    before = everything(quick)  # type: ignore[arg-type]
    with quick.database.read() as tx:
        quick.around.control.look(tx, series)
    quick.around.follow()
    assert everything(quick) == before  # type: ignore[arg-type]
