"""At rest: what is kept comes back, page by page."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from cloudmgr.departments.store import BillingAccountStore, DepartmentStore
from cloudmgr.errors import Conflict, NotFound
from cloudmgr.hosting.expected import Expected, Sized, Unit
from cloudmgr.hosting.store import EnvironmentStore, SystemStore
from cloudmgr.interval import Interval
from cloudmgr.pools.store import PoolStore
from cloudmgr.scaling.orders import ScalingDecision
from cloudmgr.scaling.store import ScalingStores
from tests.builders import (
    a_department,
    a_pool,
    a_system,
    a_version,
    a_window,
    an_account,
    an_environment,
)
from tests.scaling.rig import HOUR, KEY, NOW

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database

STORES = ScalingStores()


def a_decision(number: int) -> ScalingDecision:
    return ScalingDecision(
        id=f"dec_{number:02}",
        environment_id=KEY if number % 2 else "env_other",
        component="web",
        at=NOW + timedelta(minutes=number // 3),
        before=1,
        after=number,
        zh=f"{number} = 高峰期 {number}，上限 8",
        en=f"{number} = window {number}, ceiling 8",
        terms={"window": number, "in_flight": 1.5, "manual": None},
        actor="usr_op" if number == 4 else None,
        reason="演练" if number == 4 else None,
    )


def test_a_window_comes_back_as_it_was(database: Database) -> None:
    expected = Expected(Unit.USERS, Decimal(10), Decimal("10.50"), Decimal(20), Decimal("0.4"))
    sized = Sized(Decimal("1.500"), Decimal(4), (1, 2, 3), Decimal("0.4"), Decimal(6))
    window = a_window(
        NOW,
        NOW + HOUR,
        expected_rps=Decimal("12.50"),
        note="中考\nday one",
        request_id="req_1",
        expected=replace(expected, sized=sized),
    )
    with database.write() as tx:
        STORES.windows.add(tx, window)
    with database.read() as tx:
        assert STORES.windows.get(tx, window.id) == window
        assert STORES.windows.of_request(tx, "req_1") == [window]
    with pytest.raises(Conflict), database.write() as tx:
        STORES.windows.add(tx, replace(window, id="win_2"))
    with pytest.raises(NotFound), database.read() as tx:
        STORES.windows.get(tx, "win_2")


def test_a_window_is_cancelled_once_by_who_saw_it_last(database: Database) -> None:
    window = a_window(NOW, NOW + HOUR)
    with database.write() as tx:
        STORES.windows.add(tx, window)
        after = STORES.windows.cancel(tx, window, NOW)
    assert (after.cancelled_at, after.version) == (NOW, 2)
    with database.read() as tx:
        assert STORES.windows.get(tx, window.id) == after
        assert STORES.windows.ahead(tx, KEY, NOW) == ()
    with pytest.raises(Conflict), database.write() as tx:
        STORES.windows.cancel(tx, window, NOW)


def test_windows_are_listed_by_start_and_page_by_page(database: Database) -> None:
    windows = [
        a_window(
            NOW + n // 2 * HOUR,
            NOW + (n // 2 + 1) * HOUR,
            id=f"win_{n}",
            environment_id=KEY if n % 3 else "env_other",
            cancelled_at=NOW if n == 5 else None,
        )
        for n in range(8)
    ]
    with database.write() as tx:
        for window in reversed(windows):
            STORES.windows.add(tx, window)
    with database.read() as tx:
        assert STORES.windows.list(tx) == windows
        pages, after = [], None
        while page := STORES.windows.list(tx, after=after, limit=3):
            pages.append([w.id for w in page])
            after = page[-1].id
        assert pages == [[f"win_{n}" for n in part] for part in ((0, 1, 2), (3, 4, 5), (6, 7))]
        assert STORES.windows.list(tx, cancelled=True) == [windows[5]]
        assert windows[5] not in STORES.windows.list(tx, cancelled=False)
        assert STORES.windows.list(tx, environment_ids=["env_other"]) == windows[::3]
        assert STORES.windows.list(tx, environment_ids=[]) == []
        during = Interval(NOW + HOUR, NOW + 2 * HOUR)
        assert STORES.windows.list(tx, during=during) == windows[2:4]
        ahead = STORES.windows.ahead(tx, KEY, NOW + 2 * HOUR)
        assert ahead == (windows[4], windows[7])


def test_decisions_are_listed_newest_first_and_page_by_page(database: Database) -> None:
    decisions = [a_decision(n) for n in range(8)]
    with database.write() as tx:
        STORES.scaling.record(tx, decisions)
        STORES.scaling.record(tx, [])
    with database.read() as tx:
        assert STORES.scaling.decisions(tx) == decisions[::-1]
        assert STORES.scaling.decisions(tx, environment_ids=[KEY]) == decisions[::-1][::2]
        found, after = [], None
        while page := STORES.scaling.decisions(tx, after=after, limit=3):
            found += page
            after = page[-1].id
        assert found == decisions[::-1]
        during = Interval(NOW, NOW + timedelta(minutes=1))
        assert STORES.scaling.decisions(tx, during=during) == decisions[2::-1]
        with pytest.raises(NotFound):
            STORES.scaling.decisions(tx, after="dec_none")


def test_windows_of_one_pool_are_those_of_the_environments_on_it(database: Database) -> None:
    pools, environments = PoolStore(), EnvironmentStore()
    with database.write() as tx:
        BillingAccountStore().create(tx, an_account(id="acc_exam"))
        version = a_version(billing_account_id="acc_exam")
        DepartmentStore().create(tx, a_department(id="dep_exam", code="exam", versions=(version,)))
        SystemStore().add(tx, a_system(department_id="dep_exam"))
        for place in ("one", "two"):
            pools.add(tx, a_pool(id=f"pool_{place}", name=place))
            there = an_environment(
                id=f"env_{place}", host=f"{place}.localhost", name=place, pool_id=f"pool_{place}"
            )
            environments.add(tx, there)
            STORES.windows.add(
                tx, a_window(NOW, NOW + HOUR, id=f"win_{place}", environment_id=there.id)
            )
    with database.read() as tx:
        found = STORES.windows.list(tx, pool_id="pool_two", during=Interval(NOW, NOW + HOUR))
        assert [w.id for w in found] == ["win_two"]
        assert STORES.windows.list(tx, pool_id="pool_none") == []
