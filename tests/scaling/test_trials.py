"""Whoever has slept for a month is woken once, to see whether it wakes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.errors import Conflict
from cloudmgr.policy.waking import Waking
from cloudmgr.scaling.testing import chosen, moment, open_hours, period
from cloudmgr.scaling.trials import Trials
from cloudmgr.scaling.wakes import WAKER, Fate, Wake, WakeCause
from tests.builders import a_scaling_class, a_window
from tests.scaling.rig import HOUR, MINUTE, NOW, announced
from tests.scaling.test_line import Crowd, a_call

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database

SHANGHAI = ZoneInfo("Asia/Shanghai")
MONTH = timedelta(days=30)
DAY = timedelta(days=1)
NIGHT = datetime(2026, 6, 1, 18, tzinfo=UTC)  # two o'clock in Shanghai


class Night(Crowd):
    """Two in the morning, after a month of sleep."""

    def __init__(self, database: Database, *criticalities: int) -> None:
        super().__init__(database, *criticalities)
        self.trials = Trials(
            database, self.scaler, self.stores, lambda: self.classes, self.clock, zone=SHANGHAI
        )
        self.clock.set(self.due_night())

    def due_night(self) -> datetime:
        """A night on which all of them have been due for some time."""
        begin = period(NIGHT + MONTH, MONTH)
        last = max(moment(key, begin, MONTH) for key in self.keys)
        night = last.astimezone(SHANGHAI).replace(hour=2, minute=0) + DAY
        return night.astimezone(UTC)

    def ask(self, key: str) -> None:
        with self.database.write() as tx:
            self.trials.ask(tx, key, actor="usr_officer", why="before the season")

    def fate(self, key: str) -> Fate:
        return self.last(key).fate(self.clock.now())


# --------------------------------------------------------------------------------------- pure


@given(st.text(min_size=1), st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)))  # noqa: DTZ001
def test_each_has_a_moment_of_its_own_in_every_period(key: str, at: datetime) -> None:
    now = at.replace(tzinfo=UTC)
    found = moment(key, now, MONTH)
    begin = period(now, MONTH)
    assert begin <= now < begin + MONTH
    assert begin <= found < begin + 0.9 * MONTH
    assert moment(key, now + MONTH, MONTH) == found + MONTH


def test_a_city_is_spread_over_the_month() -> None:
    begin = period(NOW, MONTH)
    days = Counter((moment(f"env_{n}", NOW, MONTH) - begin).days for n in range(10_000))
    assert len(days) == 27
    assert max(days.values()) < 1.3 * 10_000 / 27


def test_tests_begin_within_their_hours_of_the_citys_clock() -> None:
    assert open_hours(Waking(), NIGHT, SHANGHAI)
    assert not open_hours(Waking(), NIGHT - 2 * HOUR, SHANGHAI)
    assert not open_hours(Waking(), NIGHT + 3 * HOUR, SHANGHAI)


def test_no_more_than_half_of_a_pool_and_none_where_others_wait() -> None:
    waking, end = Waking(at_once=4), period(NOW, MONTH) + MONTH - MINUTE
    candidates = [(f"env_{n}", "pool_a") for n in range(9)]
    first = sorted(moment(f"env_{n}", end, MONTH) for n in range(9))[:2]
    found = chosen(candidates, [], waking, end)
    assert [moment(key, end, MONTH) for key in found] == first
    one = [a_call("a", begun_at=end)]
    assert len(chosen(candidates, one, waking, end)) == 1
    waits = [a_call("a", waits="turn")]
    assert chosen(candidates, waits, waking, end) == []
    assert chosen(candidates, [], replace(waking, test_every=None), end) == []
    assert len(chosen(candidates, [], waking, end, lambda key: key == "env_3")) == 1


# --------------------------------------------------------------------------- with the database


def test_one_that_slept_for_a_month_is_tried_and_sleeps_again_with_its_result(
    database: Database,
) -> None:
    rig = Night(database, 2)
    rig.read()
    assert rig.trials.go_on() == 1
    assert rig.awake == ["env_0"]
    rig.clock.advance(MINUTE)
    rig.serve("env_0")
    assert rig.fate("env_0") is Fate.KEPT
    assert rig.last("env_0").cause is WakeCause.TEST
    rig.clock.advance(MINUTE)
    rig.read()
    rig.look("env_0")
    assert rig.awake == []
    assert rig.decisions("env_0")[-1].en == "0: its test wake is over"
    assert rig.trials.go_on() == 0
    assert rig.reconciler.due() == []
    with rig.database.read() as tx:
        assert rig.stores.wakes.tests_failed(tx) == 0


def test_one_that_does_not_come_up_is_put_to_sleep_and_told_until_it_does(
    database: Database,
) -> None:
    rig = Night(database, 2)
    rig.read()
    rig.trials.go_on()
    rig.clock.advance(9 * MINUTE + timedelta(seconds=1))
    rig.read()
    rig.look("env_0")
    assert rig.awake == []
    assert rig.fate("env_0") is Fate.MISSED
    assert rig.last("env_0").why_not
    with rig.database.read() as tx:
        assert rig.stores.wakes.tests_failed(tx) == 1
        assert rig.stores.wakes.missed(tx, NOW) == 0, "nobody was promised anything"
    rig.clock.advance(MINUTE)
    rig.ask("env_0")
    rig.serve("env_0")
    with rig.database.read() as tx:
        assert rig.stores.wakes.tests_failed(tx) == 0


def test_whoever_comes_during_a_test_is_served_and_not_put_to_sleep(sqlite: Database) -> None:
    rig = Night(sqlite, 2)
    rig.read()
    rig.trials.go_on()
    rig.serve("env_0")
    rig.clock.advance(MINUTE)
    rig.requests(5, 1.0, "env_0")
    rig.read()
    rig.clock.advance(MINUTE)
    rig.read()
    rig.look("env_0")
    assert rig.awake == ["env_0"]


def test_while_the_gateway_cannot_be_read_a_tested_one_stays_awake(sqlite: Database) -> None:
    rig = Night(sqlite, 2)
    rig.trials.go_on()
    rig.serve("env_0")
    rig.clock.advance(5 * MINUTE)
    rig.look("env_0")
    assert rig.awake == ["env_0"]


def test_an_order_to_sleep_without_an_end_goes_on_after_the_test(sqlite: Database) -> None:
    rig = Night(sqlite, 2)
    with rig.database.write() as tx:
        rig.control.hibernate(tx, "env_0", actor="usr_op", why="until next year")
    rig.settle()
    rig.read()
    rig.trials.go_on()
    assert rig.awake == ["env_0"]
    rig.serve("env_0")
    rig.clock.advance(MINUTE)
    rig.read()
    rig.look("env_0")
    assert rig.awake == []
    with rig.database.read() as tx:
        assert rig.stores.scaling.orders(tx, "env_0") != ()


def test_an_order_to_sleep_until_a_moment_and_a_peak_are_no_time_to_try(
    sqlite: Database,
) -> None:
    rig = Night(sqlite, 2, 2)
    now = rig.clock.now()
    with rig.database.write() as tx:
        rig.control.hibernate(tx, "env_0", actor="usr_op", why="moving", until=now + DAY)
    announced(rig, a_window(now + 14 * MINUTE, now + 2 * HOUR, environment_id="env_1", id="win_1"))
    assert rig.trials.go_on() == 0
    for key, code in (("env_0", "asleep-by-order"), ("env_1", "inside-a-window")):
        with pytest.raises(Conflict) as refused:
            rig.ask(key)
        assert refused.value.code == code


def test_under_a_change_freeze_the_city_tries_nobody_but_a_person_may(sqlite: Database) -> None:
    rig = Night(sqlite, 2)
    frozen = a_scaling_class(freeze_before=12 * HOUR)
    rig.policy(scaling_classes={"standard": frozen})
    now = rig.clock.now()
    announced(rig, a_window(now + 11 * HOUR, now + 12 * HOUR, environment_id="env_0"))
    assert rig.trials.go_on() == 0
    rig.ask("env_0")
    assert rig.awake == ["env_0"]


def test_whoever_was_woken_in_the_period_or_is_new_is_not_tried(sqlite: Database) -> None:
    rig = Night(sqlite, 2, 2)
    at = period(rig.clock.now(), MONTH) + HOUR
    with rig.database.write() as tx:
        rig.stores.wakes.put(tx, Wake("env_0", WakeCause.REQUEST, at, at + MINUTE, ready_at=at))
    assert rig.trials.go_on() == 1
    assert rig.awake == ["env_1"]


def test_by_day_nobody_is_tried_but_by_hand(sqlite: Database) -> None:
    rig = Night(sqlite, 2)
    rig.clock.advance(10 * HOUR)
    assert rig.trials.go_on() == 0
    rig.ask("env_0")
    assert rig.awake == ["env_0"]
    with pytest.raises(Conflict) as refused:
        rig.ask("env_0")
    assert refused.value.code in {"awake", "waking"}


def test_a_test_that_waits_becomes_the_call_of_whoever_comes(sqlite: Database) -> None:
    rig = Night(sqlite, 2, 2, 2)
    for key in ("env_0", "env_1"):
        rig.call(key)
    rig.ask("env_2")
    assert rig.last("env_2").waits == "turn"
    rig.call("env_2", WAKER)
    assert rig.last("env_2").cause is WakeCause.REQUEST
