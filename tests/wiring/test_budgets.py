"""Budgets in a whole control plane: what is encumbered by what was approved, and who is told."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from cloudmgr.billing.budgets.budget import BudgetKey, Entry, Standing, year_at, year_of
from cloudmgr.interval import Interval
from cloudmgr.notices.notice import Kind
from tests.builders import a_record, a_window
from tests.wiring.test_series import NOW, Town

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.notices.notice import Notice

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class Spender(Town):
    @property
    def environment(self) -> Environment:
        with self.database.read() as tx:
            return self.stores.environments.list(tx)[0]

    def decide(self, amount: str | None, system_id: str | None = None) -> BudgetKey:
        year = year_at(NOW, self.plane.settings.zone)
        key = BudgetKey(self.environment.department_id, system_id, year)
        given = None if amount is None else Decimal(amount)
        entry = Entry(0, given, "CNY", "批复", "usr_1", "finance", NOW)
        with self.database.write() as tx:
            self.stores.budgets.decide(tx, key, entry)
        return key

    def stands(self, key: BudgetKey) -> Standing:
        with self.database.read() as tx:
            found = self.stores.budgets.get(tx, key.id).standing
        assert found is not None
        return found

    def use(self, hours: int) -> None:
        """Of a hundred cores, in the hours before now, each for itself."""
        environment = self.environment
        with self.database.write() as tx:
            self.stores.metering.ledger.append(
                tx,
                [
                    a_record(
                        resource=f"alloc_{hour}",
                        environment_id=environment.id,
                        system_id=environment.system_id,
                        department_id=environment.department_id,
                        interval=Interval(NOW - (hour + 1) * HOUR, NOW - hour * HOUR),
                        quantity=Decimal(360_000),
                    )
                    for hour in range(hours)
                ],
                NOW,
            )

    def told(self) -> list[Notice]:
        with self.database.read() as tx:
            return [notice for _, notice in self.stores.notices.list(tx)][::-1]


@pytest.fixture
def town(tmp_path: Path, tables_url: str) -> Iterator[Spender]:
    town = Spender(tmp_path, tables_url)
    with closing(town.database):
        yield town


def test_what_is_approved_and_its_peaks_are_encumbered_until_it_retires(town: Spender) -> None:
    key = town.decide("100000")
    of_system = town.decide("100000", town.environment.system_id)
    assert town.plane.budgets.follow() == 2
    low = town.stands(key)
    assert low.encumbered > 0
    assert low.peaks == 0
    start = NOW + DAY
    with town.database.write() as tx:
        for name, changes in (
            ("win_1", {}),
            ("win_2", {"cancelled_at": NOW}),
            ("win_3", {"environment_id": "env_gone"}),
        ):
            window = a_window(start, start + 10 * HOUR, id=name, replicas=4)
            owner = {"environment_id": town.environment.id, **changes}
            town.stores.scaling.windows.add(tx, replace(window, **owner))  # type: ignore[arg-type]
    town.plane.budgets.follow()
    found = town.stands(key)
    assert found.peaks > 0
    assert abs(found.encumbered - found.peaks - low.encumbered) <= Decimal("0.01")
    assert town.stands(of_system).encumbered == found.encumbered
    with town.database.write() as tx:
        town.stores.environments.set_retiring(tx, town.environment)
    town.plane.budgets.follow()
    # One of two, which are alike, is left.
    left = town.stands(key)
    assert left.peaks == 0
    assert abs(2 * left.encumbered - low.encumbered) <= Decimal("0.02")


def test_a_line_that_a_budget_reaches_is_told_once_in_percent(town: Spender) -> None:
    key = town.decide("200")
    town.use(7)
    for _ in range(2):
        assert town.plane.budgets.follow() == 1
    used = [one for one in town.told() if one.kind is Kind.BUDGET_USED]
    assert used == []
    town.decide("100")
    for _ in range(2):
        town.plane.budgets.follow()
    (told,) = (one for one in town.told() if one.kind is Kind.BUDGET_USED)
    assert (told.about_kind, told.about_id) == ("budget", key.id)
    assert told.department_id == key.department_id
    percent = int(town.stands(key).used)
    assert 80 <= percent < 100
    assert f"{percent}%" in told.zh
    assert f"{percent} %" in told.en
    town.decide("50")
    for _ in range(2):
        town.plane.budgets.follow()
    assert [one.key[-3:] for one in town.told() if one.kind is Kind.BUDGET_USED] == [":80", "100"]


def test_where_a_year_is_going_is_told_once_and_not_when_it_is_over(town: Spender) -> None:
    key = town.decide("1")
    town.use(7)
    for _ in range(2):
        town.plane.budgets.follow()
    assert town.stands(key).projected is not None
    assert [o.kind for o in town.told()] == [Kind.BUDGET_USED, Kind.BUDGET_PROJECTED]
    late = town.decide("2", town.environment.system_id)
    town.clock.set(year_of(key.year, town.plane.settings.zone).end + DAY)
    town.plane.budgets.follow()
    assert [o.kind for o in town.told() if o.about_id == late.id] == [Kind.BUDGET_USED]


def test_a_budget_that_was_withdrawn_tells_nothing(town: Spender) -> None:
    town.decide("1")
    town.use(7)
    town.decide(None)
    assert town.plane.budgets.follow() == 0
    assert town.told() == []


def test_following_budgets_is_one_of_the_duties(town: Spender) -> None:
    assert "budgets" in {duty.name for duty in town.plane.duties}
