"""Announced peaks as the scaler meets them when they, or the clock, do not stay as they were."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from cloudmgr.hosting.requests import WindowAsk
from cloudmgr.interval import Interval
from cloudmgr.policy.holidays import Holidays
from cloudmgr.policy.scaling_class import Hours as ClassHours
from cloudmgr.policy.statutory import Country
from cloudmgr.scaling.recurrence import About, Every, Hours, Recurrence, Yearly
from tests.builders import a_scaling_class, a_window
from tests.scaling.rig import HOUR, KEY, MINUTE, NOW, Classes, Rig, announced, without_writes

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database

LEAD = 10 * MINUTE
SECOND = timedelta(seconds=1)


def edited(rig: Rig, window_id: str, ask: WindowAsk) -> None:
    """As a person edits a window: another one is booked, and the old one is cancelled."""
    with rig.database.write() as tx:
        rig.control.book(tx, KEY, ask, actor="usr_officer")
        rig.control.cancel_window(tx, window_id, actor="usr_officer", why="changed")


# ------------------------------------------------------------------------- edited while it runs


@pytest.mark.parametrize(
    ("ask", "now", "at_the_old_end", "an_hour_later"),
    [
        (WindowAsk("web", NOW, NOW + 2 * HOUR, 7), 7, 1, 1),
        (WindowAsk("web", NOW, NOW + 2 * HOUR, 3), 3, 1, 1),
        (WindowAsk("web", NOW, NOW + 3 * HOUR, 6), 6, 6, 1),
        (WindowAsk("web", NOW, NOW + HOUR + 5 * MINUTE, 6), 6, 1, 1),
        (WindowAsk("web", NOW + 2 * HOUR + LEAD, NOW + 4 * HOUR, 6), 1, 6, 6),
    ],
    ids=["larger", "smaller", "longer", "over sooner", "later"],
)
def test_a_window_that_is_edited_while_it_runs_is_followed_as_it_is_now(
    sqlite: Database, ask: WindowAsk, now: int, at_the_old_end: int, an_hour_later: int
) -> None:
    rig = Rig(sqlite).host()
    announced(rig, a_window(NOW, NOW + 2 * HOUR))
    rig.go_on(HOUR, in_flight=1, step=240)
    assert rig.target() == 6
    edited(rig, "win_1", ask)
    rig.go_on(MINUTE, in_flight=1, step=240)
    assert rig.target() == now
    rig.go_on(HOUR - MINUTE, in_flight=1, step=240)
    assert rig.target() == at_the_old_end
    rig.go_on(HOUR, in_flight=1, step=240)
    assert rig.target() == an_hour_later


def test_one_that_is_made_larger_while_it_runs_never_gives_up_what_it_has(sqlite: Database) -> None:
    rig = Rig(sqlite).host()
    announced(rig, a_window(NOW, NOW + 2 * HOUR))
    rig.go_on(HOUR, step=240)
    told = len(rig.decisions())
    edited(rig, "win_1", WindowAsk("web", NOW, NOW + 2 * HOUR, 8))
    rig.go_on(10 * MINUTE)
    assert {decision.after for decision in rig.decisions()[told:]} == {8}


def test_what_another_control_plane_was_told_of_a_running_window_is_heard(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).host()
    announced(rig, a_window(NOW, NOW + 2 * HOUR))
    rig.go_on(HOUR, in_flight=1, step=240)
    with rig.database.write() as tx:
        window = rig.stores.windows.get(tx, "win_1")
        rig.stores.windows.cancel(tx, window, rig.clock.now())
    assert rig.target() == 6, "nothing was decided there"
    rig.go_on(MINUTE, in_flight=1, step=240)
    assert rig.target() == 1


def test_two_windows_that_overlap_and_one_of_them_cancelled_leave_the_other(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).host()
    announced(
        rig,
        a_window(NOW, NOW + 2 * HOUR, id="win_1", replicas=7),
        a_window(NOW + 30 * MINUTE, NOW + 3 * HOUR, id="win_2", replicas=4),
    )
    rig.go_on(HOUR, in_flight=1, step=240)
    assert rig.target() == 7
    with rig.database.write() as tx:
        rig.control.cancel_window(tx, "win_1", actor="usr_officer", why="off")
    assert rig.target() == 4
    rig.go_on(2 * HOUR - SECOND, in_flight=1, step=240)
    assert rig.target() == 4
    rig.go_on(MINUTE, in_flight=1, step=240)
    assert rig.target() == 1


# ----------------------------------------------------------------- clocks that jump, ticks missed


def test_a_clock_that_jumps_out_of_a_running_window_does_not_keep_it_for_ever(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).host()
    announced(rig, a_window(NOW, NOW + 2 * HOUR))
    rig.go_on(HOUR, in_flight=1, step=240)
    rig.clock.set(NOW + 5 * HOUR)
    rig.look()
    assert rig.target() == 6, "nobody knows what came meanwhile"
    rig.go_on(10 * MINUTE, in_flight=1, step=240)
    assert rig.target() == 1


def test_a_clock_that_jumps_from_one_window_into_another_has_that_ones_size(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).host()
    announced(
        rig,
        a_window(NOW, NOW + HOUR, id="win_1", replicas=3),
        a_window(NOW + 24 * HOUR, NOW + 25 * HOUR, id="win_2", replicas=7),
    )
    rig.go_on(30 * MINUTE, in_flight=1, step=240)
    assert rig.target() == 3
    rig.clock.set(NOW + 24 * HOUR + MINUTE)
    rig.look()
    assert rig.target() == 7


def test_a_clock_that_is_put_back_within_a_window_or_to_before_it_goes_by_what_it_shows(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).host()
    announced(rig, a_window(NOW + HOUR, NOW + 3 * HOUR))
    rig.go_on(2 * HOUR, in_flight=1, step=240)
    rig.clock.set(NOW + HOUR + MINUTE)
    rig.go_on(MINUTE, in_flight=1, step=240)
    assert rig.target() == 6
    rig.clock.set(NOW)
    rig.go_on(20 * MINUTE, in_flight=1, step=240)
    assert rig.target() == 1
    rig.go_on(HOUR - LEAD - 20 * MINUTE, in_flight=1, step=240)
    assert rig.target() == 6


def test_of_the_windows_that_went_by_unseen_only_the_one_that_runs_is_decided_on(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).sleep()
    announced(
        rig,
        *(
            a_window(NOW + hour * HOUR, NOW + (hour + 1) * HOUR, id=f"win_{hour}", replicas=hour)
            for hour in (2, 4, 6)
        ),
    )
    told = len(rig.decisions())
    rig.clock.set(NOW + 6 * HOUR + MINUTE)
    rig.restart()
    assert rig.reconciler.due() == [KEY]
    rig.look()
    assert [decision.after for decision in rig.decisions()[told:]] == [6]
    with without_writes(rig):
        rig.look()


def test_a_control_plane_that_starts_between_two_windows_still_meets_the_second(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).host()
    announced(
        rig,
        a_window(NOW, NOW + HOUR, id="win_1", replicas=3),
        a_window(NOW + 2 * HOUR, NOW + 3 * HOUR, id="win_2", replicas=5),
    )
    rig.go_on(30 * MINUTE, in_flight=1, step=240)
    rig.clock.set(NOW + HOUR + 20 * MINUTE)
    rig.restart()
    rig.go_on(10 * MINUTE, in_flight=1, step=240)
    assert rig.target() == 1
    rig.go_on(20 * MINUTE, in_flight=1, step=240)
    assert rig.clock.now() == NOW + 2 * HOUR - LEAD
    assert rig.target() == 5


# ---------------------------------------------------------------- where clocks are put forward


def test_a_peak_of_every_morning_is_met_by_the_clock_on_the_wall_when_clocks_are_changed(
    sqlite: Database,
) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    rig = Rig(sqlite, zone="Europe/Berlin", now=datetime(2026, 3, 28, 0, tzinfo=berlin))
    rig.host()
    morning = Recurrence(Every("FREQ=DAILY", date(2026, 3, 1)), hours=Hours(time(9), time(10)))
    days = Interval(rig.clock.now(), rig.clock.now() + 3 * 24 * HOUR)
    found = morning.occurrences(days, berlin, Country("DE"))
    announced(
        rig, *(a_window(o.interval.start, o.interval.end, id=f"win_{o.anchor}") for o in found)
    )
    there = []
    for day in (28, 29, 30):
        # The night went by unseen.
        rig.clock.set(datetime(2026, 3, day, 8, 30, tzinfo=berlin).astimezone(UTC))
        rig.go_on(10 * MINUTE, in_flight=1, step=240)
        assert rig.target() == 1
        while rig.target() < 6:
            rig.go_on(MINUTE, in_flight=1, step=240)
        there.append(f"{rig.clock.now().astimezone(berlin):%m-%d %H:%M}")
    assert there == ["03-28 08:50", "03-29 08:50", "03-30 08:50"]
    assert [f"{o.interval.start:%H:%M}" for o in found] == ["08:00", "07:00", "07:00"]


# ------------------------------------------------------------------- years that are not published


def test_in_a_year_without_a_table_hours_go_by_the_days_that_are_known_and_peaks_say_so(
    sqlite: Database,
) -> None:
    shanghai = ZoneInfo("Asia/Shanghai")
    china = Holidays(frozenset(), (), Country("CN"))
    assert china.covers(2026)
    assert not china.covers(2031)
    office = a_scaling_class(workdays=ClassHours(time(20), time(8)))
    rig = Rig(sqlite, now=datetime(2026, 6, 1, 21, tzinfo=shanghai))
    rig.classes = Classes(scaling_classes={"standard": office}, holidays=china)
    rig.sleep()

    def awake_at_nine(day: date) -> bool:
        rig.clock.set(datetime.combine(day, time(9), shanghai).astimezone(UTC))
        rig.look()
        return not rig.environment().hibernated

    # National Day follows from the sun, and a Saturday is free as far as anybody knows.
    assert not awake_at_nine(date(2031, 10, 1))
    assert not awake_at_nine(date(2031, 10, 11))
    assert awake_at_nine(date(2031, 10, 13))
    deadline = Recurrence(Yearly(10, 15), About(before=2, workdays=True))
    year = Interval(datetime(2031, 1, 1, tzinfo=shanghai), datetime(2032, 1, 1, tzinfo=shanghai))
    assert {o.uncertain for o in deadline.occurrences(year, shanghai, china)} == {(2031,)}
