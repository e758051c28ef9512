"""Budgets in a finance office: decided, kept, and worked out from its books."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from cloudmgr.billing.budgets.budget import BudgetKey, Commitment
from cloudmgr.billing.budgets.control import Budgets
from cloudmgr.billing.budgets.store import BudgetStore
from cloudmgr.billing.reporting import Reports
from cloudmgr.billing.reports import Grouping
from cloudmgr.errors import Conflict, Invalid, NotFound
from cloudmgr.interval import Interval
from tests.billing.finance import HOUR, Finance
from tests.builders import a_component, a_price_list, a_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from cloudmgr.billing.budgets.budget import Budget
    from cloudmgr.db.engine import Database

WHOLE = BudgetKey("dep_exam", None, 2026)
OF_A = BudgetKey("dep_exam", "sys_a", 2026)
OF_B = BudgetKey("dep_exam", "sys_b", 2026)


@dataclass
class Clerk:
    user_id: str = "usr_finance"
    login: str = "finance"


@dataclass
class Department:
    """One department with two systems, whatever is asked."""

    by_system: dict[str, list[Commitment]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def accounts(self, _tx: Connection, _department_id: str) -> Sequence[str]:
        return ["acc_edu", "acc_edu", "acc_b"]

    def commitments(
        self, _tx: Connection, department_id: str, _rest: Interval
    ) -> Mapping[str, Sequence[Commitment]]:
        self.asked.append(department_id)
        return self.by_system


class Office(Finance):
    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.department = Department()
        self.budgets = Budgets(self.books, BudgetStore(), self.department)

    def decide(self, key: BudgetKey, amount: str | None, reason: str = "批复") -> Budget:
        given = None if amount is None else Decimal(amount)
        with self.database.write() as tx:
            return self.budgets.decide(tx, key, given, reason, Clerk())

    def kept(self, key: BudgetKey) -> Budget:
        with self.database.read() as tx:
            return self.budgets.store.get(tx, key.id)

    def use(self, *systems: tuple[str, str], department_id: str = "dep_exam") -> None:
        """Vcpu-seconds by system, in the first hour of the month, on a pool for each."""
        start = self.clock.now()
        self.write(
            *(
                a_record(
                    resource=f"{department_id}-{system_id}-{start}",
                    system_id=system_id,
                    department_id=department_id,
                    pool_id=f"pool_{system_id}",
                    interval=Interval(start, start + HOUR),
                    quantity=Decimal(quantity),
                )
                for system_id, quantity in systems
            )
        )


@pytest.fixture
def office(database: Database) -> Office:
    return Office(database)


def test_each_decision_is_added_and_the_last_is_in_force(office: Office) -> None:
    assert office.decide(WHOLE, "1000").entry.number == 1
    office.clock.advance(HOUR)
    office.decide(WHOLE, "900.5", "压减")
    office.decide(WHOLE, None, "撤销")
    office.decide(WHOLE, "1000", "恢复")
    with office.database.read() as tx:
        found = office.budgets.store.history(tx, WHOLE.id)
        rest = office.budgets.store.history(tx, WHOLE.id, before=3, limit=1)
    assert [(one.number, one.amount, one.reason) for one in found] == [
        (4, Decimal("1000.00"), "恢复"),
        (3, None, "撤销"),
        (2, Decimal("900.50"), "压减"),
        (1, Decimal("1000.00"), "批复"),
    ]
    assert [one.number for one in rest] == [2]
    assert {(one.actor, one.actor_login) for one in found} == {("usr_finance", "finance")}
    assert found[-1].at == office.clock.now() - HOUR
    assert office.kept(WHOLE).entry == found[0]


def test_what_changes_nothing_is_no_decision(office: Office) -> None:
    with pytest.raises(Conflict, match="no such budget"):
        office.decide(WHOLE, None)
    office.decide(WHOLE, "10")
    with pytest.raises(Conflict, match="already"):
        office.decide(WHOLE, "10.00")
    office.prices = a_price_list(currency="EUR")
    assert office.decide(WHOLE, "10").entry.currency == "EUR"


def test_of_two_who_decide_at_once_one_is_refused(office: Office) -> None:
    office.decide(WHOLE, "10")
    first = office.kept(WHOLE).entry

    class Late(BudgetStore):
        """Saw what was before."""

        def find(self, tx: Connection, key: BudgetKey) -> Budget | None:
            found = super().find(tx, key)
            assert found is not None
            return type(found)(key, first, found.standing)

    office.decide(WHOLE, "20")
    with pytest.raises(Conflict) as refused, office.database.write() as tx:
        Late().decide(tx, WHOLE, first)
    assert refused.value.code == "stale-version"
    assert office.kept(WHOLE).amount == 20


def test_a_budget_that_is_not_there_is_not_found(office: Office) -> None:
    with pytest.raises(NotFound) as refused:
        office.kept(WHOLE)
    assert refused.value.code == "no-such-budget"


def test_lists_are_by_id_of_a_year_or_a_department_page_by_page(office: Office) -> None:
    keys = [WHOLE, OF_A, BudgetKey("dep_b", None, 2026), BudgetKey("dep_exam", None, 2027)]
    for key in keys:
        office.decide(key, "10")
    ids = sorted(key.id for key in keys)
    store = office.budgets.store
    with office.database.read() as tx:
        assert [b.id for b in store.list(tx)] == ids
        assert [b.id for b in store.list(tx, after=ids[1], limit=1)] == [ids[2]]
        assert {b.key for b in store.list(tx, year=2027)} == {keys[3]}
        assert {b.key for b in store.list(tx, department_id="dep_b")} == {keys[2]}


def test_an_open_month_counts_as_far_as_it_is_known_and_by_system(office: Office) -> None:
    budgets = [office.decide(key, "1000") for key in (WHOLE, OF_A, OF_B)]
    office.use(("sys_a", "3600000"), ("sys_b", "1800000"))
    office.use(("sys_c", "99000000"), department_id="dep_b")
    office.clock.advance(timedelta(days=10))
    used = [office.budgets.stand(budget).standing for budget in budgets]
    assert [one and one.used for one in used] == [180, 120, 60]
    assert used[0] is not None
    assert [(m.month, m.closed) for m in used[0].months] == [
        (f"2026-{number:02}", False) for number in range(1, 7)
    ]
    # 18 a day, of which 204 are to come.
    assert used[0].projected == 180 + 18 * 204


def test_a_closed_month_counts_as_invoiced_to_the_same_cent_as_in_reports(office: Office) -> None:
    for key in (WHOLE, OF_A, OF_B):
        office.decide(key, "1000")
    # Each a third of a cent and more, so that cents are to be shared.
    office.use(("sys_a", "100"), ("sys_b", "100"), ("sys_c", "100"), ("sys_d", "50"))
    office.use(("sys_e", "100"), department_id="dep_x")
    office.later(hours=1)
    with office.database.read() as tx:
        open_month = office.budgets.stand(office.budgets.store.get(tx, WHOLE.id)).standing
    for month in ("2026-06",):
        office.closing.close(month, "usr_finance", accept_gaps=True)
    assert office.budgets.follow() == 3
    reports = Reports(office.books, lambda _tx, _ids: {})
    row = next(r for r in reports.report(Grouping.DEPARTMENT).rows if r.id == "dep_exam")
    systems = {
        r.id: r.amount for r in reports.report(Grouping.SYSTEM, department_id="dep_exam").rows
    }
    assert open_month is not None
    assert open_month.used == Decimal("0.01")
    for key, amount in ((WHOLE, row.amount), (OF_A, systems["sys_a"]), (OF_B, systems["sys_b"])):
        found = office.kept(key).standing
        assert found is not None
        assert found.used == amount
        assert [m.amount for m in found.months if m.month == "2026-06" and m.closed] == [amount]


def test_a_month_that_was_closed_is_not_looked_up_again(office: Office) -> None:
    office.decide(WHOLE, "1000")
    office.use(("sys_a", "3600000"))
    office.later(hours=1)
    office.closing.close("2026-06", "usr_finance", accept_gaps=True)
    assert office.budgets.follow() == 1
    store, asked = office.books.store, []

    class Watched(type(store)):  # type: ignore[misc]
        def documents(self, tx: Connection, **query: object) -> tuple[str, ...]:
            asked.append(query)
            found: tuple[str, ...] = super().documents(tx, **query)
            return found

    office.books.store = Watched()
    assert office.budgets.follow() == 1
    assert asked == []
    assert (office.kept(WHOLE).standing or pytest.fail("nothing")).used == 120


def test_what_environments_will_cost_is_encumbered_of_their_system_and_all(office: Office) -> None:
    part = a_component(cpu_millis=1000, memory_mib=1024)
    commitment = Commitment("env_a", (part,), "extranet")
    office.department.by_system = {"sys_a": [commitment, commitment], "sys_b": [commitment]}
    found = [
        office.budgets.stand(office.decide(key, "1000")).standing
        for key in (WHOLE, OF_A, OF_B, BudgetKey("dep_exam", "sys_none", 2026))
    ]
    # 214 days of 0.155 an hour.
    each = Decimal("796.08")
    assert [one and one.encumbered for one in found] == [3 * each, 2 * each, each, 0]


def test_what_has_no_price_is_told_and_in_no_sum(office: Office) -> None:
    plain, kept = a_component(), a_component(storage_gib=1)
    prices = a_price_list()
    office.prices = type(prices)(
        "CNY", tuple(price for price in prices.prices if price.meter != "storage")
    )
    office.department.by_system = {
        "sys_a": [Commitment("env_a", (kept,), "extranet")],
        "sys_b": [Commitment("env_b", (plain,), "extranet")],
    }
    found = office.budgets.stand(office.decide(WHOLE, "1000")).standing
    alone = office.budgets.stand(office.decide(OF_B, "1000")).standing
    assert found is not None
    assert alone is not None
    assert [said.split(":")[0] for said in found.unpriced] == ["env_a"]
    assert (alone.unpriced, alone.encumbered) == ((), found.encumbered)


def test_a_budget_in_another_currency_than_was_used_says_so_and_hinders_no_other(
    office: Office,
) -> None:
    office.prices = a_price_list(currency="EUR")
    office.decide(WHOLE, "1000")
    other = BudgetKey("dep_b", None, 2026)
    office.decide(other, "1000")
    office.prices = a_price_list()
    office.use(("sys_a", "3600000"))
    with pytest.raises(Invalid) as refused:
        office.budgets.stand(office.kept(WHOLE))
    assert refused.value.code == "mixed-currencies"
    assert office.budgets.follow() == 1
    assert office.kept(WHOLE).standing is None
    assert office.kept(other).standing is not None


def test_what_was_withdrawn_or_is_settled_is_not_followed(office: Office) -> None:
    old = BudgetKey("dep_exam", None, 2025)
    for key in (WHOLE, old):
        office.decide(key, "10")
    assert office.budgets.follow() == 2
    office.decide(WHOLE, None)
    assert office.budgets.follow() == 1
    # Nothing of 2025 is closed: it may still change.
    assert (office.kept(old).standing or pytest.fail("nothing")).projected == 0
    # Of a year that is over nothing is encumbered, and of all environments nobody asks.
    assert office.department.asked == ["dep_exam"]
