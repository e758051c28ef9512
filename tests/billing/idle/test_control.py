from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from cloudmgr.billing.closing import Closing
from cloudmgr.billing.idle.control import PoolCosts
from cloudmgr.billing.idle.costs import CostKind, total
from cloudmgr.billing.idle.statements import Kept, departments
from cloudmgr.billing.idle.store import PoolCostStore
from cloudmgr.errors import CloudmgrError, Conflict, Invalid, NotFound
from cloudmgr.money import exact_sum
from cloudmgr.policy.idle import IdlePolicy, IdleRule
from cloudmgr.pools.capacity import Resources
from tests.billing.finance import Finance
from tests.billing.idle.worlds import an_ask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from cloudmgr.billing.idle.costs import CostAsk, CostEntry
    from cloudmgr.billing.idle.shares import Promise
    from cloudmgr.billing.idle.statements import PoolStatement
    from cloudmgr.db.engine import Database


class Office(Finance):
    """A finance office whose pool ``a`` costs something, beside one that stands empty."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.idle = IdlePolicy()
        self.costs = PoolCosts(self.books, PoolCostStore(), self)
        self.closing = Closing(self.books, self.collector.collect, idle=self.costs)

    def policy(self) -> IdlePolicy:
        return self.idle

    def pools(self, _tx: Connection) -> Mapping[str, tuple[str, str]]:
        return {"a": ("extranet-a", "extranet"), "empty": ("spare", "extranet")}

    def promises(self, *_: object) -> Mapping[str, Sequence[Promise]]:
        return {}

    def enter(self, ask: CostAsk, pool: str = "a", month: str = "2026-06") -> CostEntry:
        with self.database.write() as tx:
            return self.costs.enter(tx, month, pool, ask, "usr_finance")

    def undo(self, entry: CostEntry) -> CostEntry:
        with self.database.write() as tx:
            return self.costs.undo(
                tx, entry.month, entry.pool_id, entry.id, reason="录错", by="usr_li"
            )

    def copy(self, month: str, pool: str = "a") -> tuple[CostEntry, ...]:
        with self.database.write() as tx:
            return self.costs.copy(tx, month, pool, "与上月相同", "usr_li")

    def known(self, month: str = "2026-06", pool: str = "a") -> tuple[CostEntry, ...]:
        with self.database.read() as tx:
            return self.costs.entries(tx, month, pool)

    def statement(self, pool: str = "a") -> PoolStatement:
        preview = self.books.preview("2026-06")
        with self.database.read() as tx:
            found = self.costs.statements(tx, preview)
        return next(made for made in found if made.facts.pool_id == pool)


def test_a_cost_is_entered_corrected_and_undone_and_all_of_it_stays_on_record(
    database: Database,
) -> None:
    office = Office(database)
    first = office.enter(an_ask())
    second = office.enter(an_ask(amount=Decimal("1100.00"), replaces=first.id))
    assert total(office.known()) == Decimal("1100.00")
    undone = office.undo(second)
    assert total(office.known()) == Decimal("1200.00")
    assert [entry.number for entry in office.known()] == [1, 2, 3]
    assert (undone.by, undone.reason, undone.undoes) == ("usr_li", "录错", second.id)
    assert first.at == office.clock.now()


def test_what_counted_the_month_before_is_copied_once(database: Database) -> None:
    office = Office(database)
    wrong = office.enter(an_ask(kind=CostKind.STAFF))
    office.undo(wrong)
    power = office.enter(an_ask())
    [copied] = office.copy("2026-07")
    assert (copied.kind, copied.amount, copied.copied_from) == (
        CostKind.POWER,
        Decimal("1200.00"),
        power.id,
    )
    assert office.copy("2026-07") == ()
    assert total(office.known("2026-07")) == Decimal("1200.00")
    with pytest.raises(Conflict) as refused:
        office.copy("2026-06")
    assert refused.value.code == "nothing-to-copy"


@pytest.mark.parametrize(
    ("month", "pool", "kind", "code"),
    [
        ("2026-6", "a", Invalid, "no-such-month"),
        ("2028-06", "a", Invalid, "month-too-far"),
        ("2026-06", "pool_gone", NotFound, "no-such-pool"),
    ],
)
def test_a_cost_of_nothing_that_there_is_is_refused(
    database: Database, month: str, pool: str, kind: type[CloudmgrError], code: str
) -> None:
    office = Office(database)
    with pytest.raises(kind) as refused:
        office.enter(an_ask(), pool, month)
    assert refused.value.code == code


def test_a_closed_month_takes_no_costs_and_gives_none_back(database: Database) -> None:
    office = Office(database)
    office.hold(1)
    entry = office.enter(an_ask())
    office.later(minutes=2)
    office.closing.close("2026-06", "usr_finance")
    with pytest.raises(Conflict) as entering:
        office.enter(an_ask(reference="x"))
    with pytest.raises(Conflict) as undoing:
        office.undo(entry)
    assert entering.value.code == undoing.value.code == "period-closed"
    assert office.known() == (entry,)


def test_costs_in_two_currencies_are_not_added(database: Database) -> None:
    office = Office(database)
    office.enter(an_ask())
    office.prices = replace(office.prices, currency="EUR")
    with pytest.raises(Invalid) as refused:
        office.enter(an_ask(reference="x"))
    assert refused.value.code == "mixed-currencies"


def test_who_hosted_something_bears_what_it_did_not_pay_for_and_the_empty_pool_is_the_centres(
    database: Database,
) -> None:
    office = Office(database)
    office.hold(10)
    office.hold(5, name="b", environment_id="env_b", department_id="dep_b", size=Resources(2000))
    office.clock.advance(timedelta(days=20))
    office.collector.collect()
    office.enter(an_ask())
    office.enter(an_ask(amount=Decimal("50.00")), "empty")

    made = office.statement()
    parts = departments(made)
    assert len(parts) == 2
    assert all(part.idle > 0 for part in parts)
    assert exact_sum([part.cost for part in parts]) == Decimal("1200.00")
    empty = office.statement("empty")
    assert (empty.kept, empty.centre, empty.shares) == (Kept.EMPTY, Decimal("50.00"), ())

    office.idle = IdlePolicy(pools={"extranet-a": IdleRule.CENTRE})
    centre = office.statement()
    assert (centre.kept, centre.centre) == (Kept.RULE, centre.idle)
    assert centre.charged == made.charged


def test_a_closed_month_keeps_its_statements_whatever_policy_says_later(
    database: Database,
) -> None:
    office = Office(database)
    office.hold(10)
    office.enter(an_ask())
    office.later(minutes=2)
    office.closing.close("2026-06", "usr_finance")
    made = office.statement()
    assert made.cost == Decimal("1200.00")

    office.idle = IdlePolicy(rule=IdleRule.CENTRE)
    assert office.statement() == made
    assert office.closing.verify("2026-06").equal


def test_a_statement_that_was_touched_breaks_the_seal_of_its_month(database: Database) -> None:
    office = Office(database)
    office.hold(10)
    office.enter(an_ask())
    office.later(minutes=2)
    closed = office.closing.close("2026-06", "usr_finance")
    for old, new, said in (
        ('"charged":"', '"charged":"1', ["the statement of pool extranet-a is not"]),
        ('"amount":"1200.00"', '"amount":"1300.00"', ["is not what", closed.digest]),
    ):
        with database.write() as tx:
            tx.execute(
                text("UPDATE pool_statement SET document = replace(document, :o, :n)"),
                {"o": old, "n": new},
            )
        problems = " ".join(office.closing.verify("2026-06").problems)
        assert all(part in problems for part in said)


def test_a_cost_that_comes_while_the_month_is_being_closed_is_not_lost(
    database: Database,
) -> None:
    office = Office(database)
    office.hold(10)
    office.later(minutes=2)
    period, charges = office.month, office.books.preview("2026-06").charges
    with database.read() as tx:
        made = office.costs.made(tx, period, charges)
    office.enter(an_ask())
    with pytest.raises(Conflict) as refused, database.write() as tx:
        office.costs.keep(tx, "2026-06", made)
    assert refused.value.code == "pool-costs-changed"
