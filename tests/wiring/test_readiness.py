"""Windows looked at a week and a day ahead, in a whole control plane."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.billing.budgets.budget import BudgetKey, Entry, Standing, year_at
from cloudmgr.errors import Conflict, NotFound, Temporary
from cloudmgr.scaling.readiness import Kind, Moment, Word
from tests.builders import a_window
from tests.fakes import InstantPool
from tests.wiring.test_series import NOW, Town

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.scaling.readiness import Readiness

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class Watched(Town):
    def window(self, ahead: timedelta, **changes: Any) -> str:
        start = NOW + ahead
        made = a_window(start, start + HOUR, **{"replicas": 2, "id": "win_1", **changes})
        with self.database.write() as tx:
            self.stores.scaling.windows.add(tx, made)
        return made.id

    def environment(self) -> Environment:
        with self.database.read() as tx:
            return self.stores.environments.list(tx)[0]

    def stood(self, key: BudgetKey, projected: str | None) -> None:
        """The year of a budget is going there; None: that was not worked out."""
        if projected is not None:
            zero, ends = Decimal(0), Decimal(projected)
            found = Standing(NOW, (), zero, zero, zero, None, None, ends)
            with self.database.write() as tx:
                self.stores.budgets.stood(tx, key.id, found)

    def seen(self, window_id: str = "win_1") -> list[Readiness]:
        with self.database.read() as tx:
            return self.stores.scaling.readiness.list(tx, window_id)

    def moments(self, window_id: str = "win_1") -> list[Moment]:
        return [one.moment for one in self.seen(window_id)]


@pytest.fixture
def town(tmp_path: Path, tables_url: str) -> Iterator[Watched]:
    town = Watched(tmp_path, tables_url)
    with closing(town.database):
        yield town


def test_a_window_is_looked_at_a_week_and_a_day_ahead_once_each(town: Watched) -> None:
    town.window(10 * DAY)
    assert town.plane.checks.follow() == 0
    town.clock.advance(3 * DAY)
    assert [town.plane.checks.follow() for _ in range(2)] == [1, 0]
    town.clock.advance(5 * DAY)
    assert town.plane.checks.follow() == 0
    town.clock.advance(DAY)
    assert [town.plane.checks.follow() for _ in range(2)] == [1, 0]
    town.clock.advance(2 * DAY)
    assert town.plane.checks.follow() == 0
    assert town.moments() == [Moment.DAY, Moment.WEEK]
    assert {one.actor for one in town.seen()} == {None}


def test_one_announced_late_is_looked_at_at_once(town: Watched) -> None:
    town.window(2 * HOUR)
    assert town.plane.checks.follow() == 1
    assert town.moments() == [Moment.DAY]


def test_a_control_plane_that_was_down_looks_at_what_has_not_begun(town: Watched) -> None:
    town.window(8 * DAY)
    town.window(10 * DAY, id="win_2")
    town.clock.advance(8 * DAY + HOUR / 2)
    assert town.plane.checks.follow() == 1
    assert town.moments() == []
    assert town.moments("win_2") == [Moment.WEEK]


def test_a_clock_that_is_put_back_repeats_nothing(town: Watched) -> None:
    town.window(DAY)
    assert town.plane.checks.follow() == 1
    town.clock.set(NOW - HOUR)
    # Now it is the week's turn, which never came: once.
    assert [town.plane.checks.follow() for _ in range(2)] == [1, 0]
    town.clock.set(NOW + HOUR)
    assert town.plane.checks.follow() == 0


def test_cancelled_ones_and_those_of_no_environment_are_not_looked_at(town: Watched) -> None:
    town.window(DAY, cancelled_at=NOW)
    town.window(DAY, id="win_2", environment_id="env_gone")
    assert town.plane.checks.follow() == 0


def test_a_promise_that_lost_its_hosts_is_at_risk_and_says_what_is_missing(town: Watched) -> None:
    town.window(DAY, replicas=6)
    assert town.plane.checks.follow() == 1
    (first,) = town.seen()
    by_kind = {one.kind: one for one in first.checks}
    assert by_kind[Kind.CAPACITY].word is Word.READY
    town.room(3)
    town.clock.advance(HOUR)
    with town.database.write() as tx:
        window = town.stores.scaling.windows.get(tx, "win_1")
        asked = town.plane.checks.ask(tx, window, actor="usr_1")
    assert asked.word is Word.AT_RISK
    capacity = next(one for one in asked.checks if one.kind is Kind.CAPACITY)
    assert capacity.word is Word.AT_RISK
    assert "lacks" in capacity.en
    assert "缺" in capacity.zh
    assert town.seen()[0] == asked
    assert asked.actor == "usr_1"


def test_a_pool_that_does_not_answer_leaves_the_rest_to_be_seen(town: Watched) -> None:
    town.window(DAY)
    pool = InstantPool()
    pool.failing = Temporary("it is away")
    town.plane.drivers["pool_1"] = pool
    assert town.plane.checks.follow() == 1
    words = {one.kind: one.word for one in town.seen()[0].checks}
    assert words[Kind.CAPACITY] is Word.NOT_KNOWN
    assert words[Kind.IMAGES] is Word.READY


def test_what_has_begun_or_whose_environment_is_gone_cannot_be_asked_for(town: Watched) -> None:
    town.window(timedelta())
    town.window(DAY, id="win_2", environment_id="env_gone")
    with town.database.write() as tx:
        begun = town.stores.scaling.windows.get(tx, "win_1")
        gone = town.stores.scaling.windows.get(tx, "win_2")
        with pytest.raises(Conflict):
            town.plane.checks.ask(tx, begun, actor="usr_1")
        with pytest.raises(NotFound):
            town.plane.checks.ask(tx, gone, actor="usr_1")


def test_looking_is_one_of_the_duties(town: Watched) -> None:
    assert "readiness" in {duty.name for duty in town.plane.duties}


def test_budgets_of_the_peaks_year_are_looked_at_and_keep_nobody_from_it(town: Watched) -> None:
    town.window(DAY)
    year = year_at(NOW + DAY, town.plane.settings.zone)
    environment = town.environment()
    keys = [
        BudgetKey(environment.department_id, system_id, year)
        for system_id in (None, environment.system_id)
    ]
    entry = Entry(0, Decimal(10), "CNY", "批复", "usr_1", "finance", NOW)
    with town.database.write() as tx:
        for key in keys:
            town.stores.budgets.decide(tx, key, entry)
        # Of another year it says nothing.
        later = replace(keys[0], year=year + 1)
        town.stores.budgets.decide(tx, later, replace(entry, amount=Decimal(0)))
    words = []
    for projected in (None, "9", "10.01"):
        for key in keys:
            town.stood(key, projected)
        with town.database.write() as tx:
            window = town.stores.scaling.windows.get(tx, "win_1")
            seen = town.plane.checks.ask(tx, window, actor="usr_1")
        words.append(next(one.word for one in seen.checks if one.kind is Kind.BUDGET))
    assert words == [Word.NOT_KNOWN, Word.READY, Word.WARNED]
    with town.database.write() as tx:
        for key in keys:
            town.stores.budgets.decide(tx, key, replace(entry, amount=None))
        found = town.plane.budgets.spending(tx, environment, NOW + DAY)
    assert found == ()
