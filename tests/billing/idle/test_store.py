from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudmgr.billing.idle.store import PoolCostStore
from cloudmgr.errors import Conflict
from tests.billing.finance import Finance
from tests.billing.idle.worlds import an_entry

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database

STORE = PoolCostStore()


def test_costs_come_back_by_pool_in_the_order_in_which_they_were_entered(
    database: Database,
) -> None:
    first, second = an_entry(1), an_entry(2, replaces="pco_1")
    undone = an_entry(3, kind=None, amount=None, undoes="pco_2")
    other = an_entry(9, number=1, pool_id="pool_b", copied_from="pco_1")
    with database.write() as tx:
        STORE.append(tx, [first, second])
        STORE.append(tx, [undone, other])
        STORE.append(tx, [an_entry(10, month="2026-07")])
        STORE.append(tx, [])
    with database.read() as tx:
        assert STORE.entries(tx, "2026-06") == {
            "pool_b": (other,),
            "pool_extranet": (first, second, undone),
        }
        assert STORE.entries(tx, "2026-06", "pool_b") == {"pool_b": (other,)}
        assert STORE.entries(tx, "2026-05") == {}


def test_two_who_follow_the_same_entry_at_once_do_not_both(database: Database) -> None:
    with database.write() as tx:
        STORE.append(tx, [an_entry(1)])
    with pytest.raises(Conflict), database.write() as tx:
        STORE.append(tx, [an_entry(2, number=1)])


def test_a_month_is_locked_as_often_as_one_likes(database: Database) -> None:
    for _ in range(2):
        with database.write() as tx:
            STORE.lock(tx, "2026-06")
            STORE.lock(tx, "2026-06")


def test_statements_of_a_closed_month_are_kept_once(database: Database) -> None:
    office = Finance(database)
    office.hold(1)
    office.later(minutes=2)
    office.closing.close("2026-06", "usr_finance")
    with database.write() as tx:
        STORE.keep(tx, "2026-06", {"pool_b": "{}", "pool_a": '{"a":1}'})
        STORE.keep(tx, "2026-06", {})
    with pytest.raises(Conflict), database.write() as tx:
        STORE.keep(tx, "2026-06", {"pool_a": "{}"})
    with database.read() as tx:
        assert STORE.kept(tx, "2026-06") == ('{"a":1}', "{}")
        assert STORE.kept(tx, "2026-07") == ()
