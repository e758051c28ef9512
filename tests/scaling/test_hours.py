"""When an environment may not sleep, by the city's clock and calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from cloudmgr.errors import Conflict
from cloudmgr.policy.holidays import Holidays
from cloudmgr.policy.scaling_class import Hours
from cloudmgr.policy.statutory import Country
from cloudmgr.scaling.hours import Standing, standing
from tests.builders import a_scaling_class
from tests.scaling.rig import KEY, Classes, Rig, without_writes

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = timedelta(minutes=1)
OFFICE = Hours(time(20), time(8))
CLASS = a_scaling_class(workdays=OFFICE)
CHINA = Holidays(frozenset(), (), Country("CN"))


def _at(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def _every_day(_day: date) -> bool:
    return True


def _office(text: str) -> Standing:
    return standing(CLASS, _at(text), SHANGHAI, CHINA.is_workday)


def test_on_a_workday_it_is_called_so_much_earlier_as_a_wake_takes() -> None:
    assert _office("2026-06-01T07:56") == Standing(calls_at=_at("2026-06-01T07:57"))
    assert _office("2026-06-01T07:57") == Standing(
        held_until=_at("2026-06-01T20:00"),
        called_since=_at("2026-06-01T07:57"),
        promised_by=_at("2026-06-01T08:00"),
        calls_at=_at("2026-06-02T07:57"),
    )


def test_from_the_earliest_sleep_on_it_may_sleep_until_the_next_workday() -> None:
    assert _office("2026-06-05T19:59").held_until == _at("2026-06-05T20:00")
    # A Friday: Monday is the next workday.
    assert _office("2026-06-05T20:00") == Standing(calls_at=_at("2026-06-08T07:57"))


def test_holidays_have_no_hours_and_a_weekend_that_is_worked_in_exchange_has() -> None:
    # National day 2026: the first to the seventh of October; the tenth, a Saturday, is worked.
    assert _office("2026-10-01T09:00") == Standing(calls_at=_at("2026-10-08T07:57"))
    assert _office("2026-10-10T09:00").held_until == _at("2026-10-10T20:00")
    assert _office("2026-10-11T09:00") == Standing(calls_at=_at("2026-10-12T07:57"))


def test_without_a_latest_wake_what_sleeps_is_not_called() -> None:
    held = a_scaling_class(workdays=Hours(time(20)))
    found = standing(held, _at("2026-06-01T00:00"), SHANGHAI, CHINA.is_workday)
    assert found == Standing(held_until=_at("2026-06-01T20:00"))
    assert standing(held, _at("2026-06-01T20:00"), SHANGHAI, CHINA.is_workday) == Standing()


def test_other_days_have_hours_of_their_own() -> None:
    both = a_scaling_class(workdays=OFFICE, other_days=Hours(time(16), time(10)))
    found = standing(both, _at("2026-06-06T10:00"), SHANGHAI, CHINA.is_workday)
    assert found.held_until == _at("2026-06-06T16:00")
    assert found.calls_at == _at("2026-06-07T09:57")


def test_a_class_without_hours_says_nothing() -> None:
    assert standing(a_scaling_class(), _at("2026-06-01T09:00"), SHANGHAI, _every_day) == Standing()


def test_a_latest_wake_just_after_midnight_calls_the_evening_before() -> None:
    night = a_scaling_class(workdays=Hours(time(4), time(0, 1)))
    assert standing(night, _at("2026-06-01T23:57"), SHANGHAI, _every_day).calls_at == _at(
        "2026-06-01T23:58"
    )
    assert standing(night, _at("2026-06-01T23:58"), SHANGHAI, _every_day).promised_by == _at(
        "2026-06-02T00:01"
    )


@pytest.mark.parametrize(
    ("day", "calls", "ends"),
    [
        ("2026-03-28", "2026-03-28T06:57+00:00", "2026-03-28T19:00+00:00"),
        ("2026-03-29", "2026-03-29T05:57+00:00", "2026-03-29T18:00+00:00"),
        ("2026-10-24", "2026-10-24T05:57+00:00", "2026-10-24T18:00+00:00"),
        ("2026-10-25", "2026-10-25T06:57+00:00", "2026-10-25T19:00+00:00"),
    ],
    ids=["winter", "put forward", "summer", "put back"],
)
def test_hours_follow_the_clock_of_a_city_that_changes_it(day: str, calls: str, ends: str) -> None:
    found = standing(CLASS, _at(f"{day}T00:30", BERLIN), BERLIN, _every_day)
    assert found.calls_at == datetime.fromisoformat(calls)
    assert standing(CLASS, found.calls_at, BERLIN, _every_day).held_until == (
        datetime.fromisoformat(ends)
    )


def test_in_the_hour_that_comes_twice_or_never_nobody_is_cut_short() -> None:
    night = a_scaling_class(workdays=Hours(time(2, 30), time(2, 10)), wake_within=MINUTE)
    back = standing(night, _at("2026-10-25T00:30", BERLIN), BERLIN, _every_day)
    assert back.calls_at == datetime(2026, 10, 25, 0, 9, tzinfo=UTC)
    assert standing(night, back.calls_at, BERLIN, _every_day).held_until == datetime(
        2026, 10, 25, 1, 30, tzinfo=UTC
    )
    forward = standing(night, _at("2026-03-29T00:30", BERLIN), BERLIN, _every_day)
    assert forward.calls_at == datetime(2026, 3, 29, 1, 9, tzinfo=UTC)


# ------------------------------------------------------------------------------ with the database


def _rig(database: Database, now: str) -> Rig:
    rig = Rig(database, now=_at(now))
    rig.classes = Classes(scaling_classes={"standard": CLASS})
    return rig


def _asleep(database: Database, now: str) -> Rig:
    rig = _rig(database, now)
    rig.sleep()
    return rig


def test_what_sleeps_is_woken_by_the_hours_and_sleeps_again_when_they_are_over(
    database: Database,
) -> None:
    rig = _asleep(database, "2026-06-01T03:00")
    assert rig.look() == (4 * 60 + 57) * 60
    rig.clock.set(_at("2026-06-01T07:57"))
    # A control plane that was started since: nobody told it.
    rig.restart()
    assert rig.reconciler.due() == [KEY]
    rig.look()
    assert rig.target() == 1
    assert rig.decisions()[-1].terms["cause"] == "hours"
    assert rig.reconciler.due() == []
    rig.read()
    rig.go_on(_at("2026-06-01T19:59") - rig.clock.now(), step=600)
    assert rig.target() == 1
    rig.go_on(2 * MINUTE)
    assert rig.environment().hibernated
    with without_writes(rig):
        rig.look()


def test_the_decision_names_the_hours(sqlite: Database) -> None:
    rig = _asleep(sqlite, "2026-06-01T03:00")
    rig.policy(scaling_classes={"standard": a_scaling_class(workdays=OFFICE, wake_replicas=2)})
    rig.clock.set(_at("2026-06-01T09:00"))
    rig.look()
    decision = rig.decisions()[-1]
    assert (decision.en, decision.zh) == ("2 = hours 2, ceiling 8", "2 = 保障时段 2，上限 8")


def test_a_clock_that_jumps_over_the_hours_wakes_nobody_and_finds_the_next_ones(
    sqlite: Database,
) -> None:
    rig = _asleep(sqlite, "2026-06-01T03:00")
    rig.clock.set(_at("2026-06-01T21:00"))
    assert rig.reconciler.due() == [KEY]
    assert rig.look() == (10 * 60 + 57) * 60
    assert rig.environment().hibernated
    assert rig.reconciler.due() == []


def test_an_order_to_sleep_within_the_hours_needs_force_and_holds_until_the_next_ones(
    sqlite: Database,
) -> None:
    rig = _rig(sqlite, "2026-06-01T09:00").host()
    with rig.database.write() as tx, pytest.raises(Conflict, match="do not sleep before"):
        rig.control.hibernate(tx, KEY, actor="usr_op", why="repair")
    with rig.database.write() as tx:
        rig.control.hibernate(tx, KEY, actor="usr_op", why="repair", force=True)
    rig.look()
    assert rig.environment().hibernated
    rig.clock.set(_at("2026-06-02T07:57"))
    assert rig.reconciler.due() == [KEY]
    rig.look()
    assert rig.target() == 1
    with rig.database.read() as tx:
        assert rig.stores.scaling.orders(tx, KEY) == ()


def test_an_order_to_sleep_until_a_day_outlasts_the_hours_before_it(sqlite: Database) -> None:
    rig = _rig(sqlite, "2026-06-01T21:00").host()
    until = _at("2026-06-03T12:00")
    with rig.database.write() as tx:
        rig.control.hibernate(tx, KEY, actor="usr_op", why="moving", until=until)
    for moment in ("2026-06-02T09:00", "2026-06-03T11:59"):
        rig.clock.set(_at(moment))
        rig.look()
        assert rig.environment().hibernated
    rig.clock.set(until)
    assert rig.reconciler.due() == [KEY]
    rig.look()
    assert rig.target() == 1
