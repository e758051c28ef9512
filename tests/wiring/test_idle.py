"""What was promised in a month, by pool."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cloudmgr.billing.idle.shares import Promise, Tenant
from cloudmgr.billing.periods import billing_period
from cloudmgr.hosting.environments import Purpose
from cloudmgr.hosting.requests import EnvironmentAsk, RequestKind
from cloudmgr.interval import Interval
from cloudmgr.wiring.idle import IdleAround
from cloudmgr.wiring.stores import Stores
from tests.builders import a_component, a_request, a_system, a_window, an_environment

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database
    from cloudmgr.policy.bundle import PolicyBundle

JUNE = billing_period("2026-06", ZoneInfo("Asia/Shanghai"))
START = datetime(2026, 6, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEIGHTS = {"vcpu": 4, "memory": 1, "storage": 9}


def nothing() -> PolicyBundle:
    raise AssertionError


def test_windows_are_promises_of_their_month_until_they_are_cancelled(sqlite: Database) -> None:
    stores = Stores()
    around = IdleAround(stores, nothing, lambda _tx: lambda _department, _moment: "acc_city")
    gone = a_request(
        kind=RequestKind.NEW,
        environment_id="env_gone",
        pool_id="pool_b",
        ask=EnvironmentAsk("production", Purpose.PRODUCTION, (a_component(memory_mib=1024),)),
    )
    windows = [
        a_window(START, START + 2 * HOUR, id="win_a"),
        a_window(START, START + 2 * HOUR, id="win_b", cancelled_at=START + HOUR),
        a_window(START, START + 2 * HOUR, id="win_c", cancelled_at=START - HOUR),
        a_window(JUNE.interval.end - HOUR, JUNE.interval.end + HOUR, id="win_d"),
        a_window(JUNE.interval.end, JUNE.interval.end + HOUR, id="win_e"),
        a_window(START, START + HOUR, id="win_f", component="worker"),
        a_window(START, START + HOUR, id="win_g", environment_id="env_gone"),
        a_window(START, START + HOUR, id="win_h", environment_id="env_unknown"),
    ]
    with sqlite.write() as tx:
        stores.systems.add(tx, a_system())
        stores.environments.add(tx, an_environment())
        stores.requests.add(tx, gone)
        for window in windows:
            stores.scaling.windows.add(tx, window)
    with sqlite.read() as tx:
        found = around.promises(tx, JUNE, WEIGHTS)

    here = Tenant("dep_exam", "acc_city", "sys_exam", "env_exam")
    # Six replicas of a quarter core, which weighs 1, and an eighth of a GiB.
    units = Decimal("6.75")
    assert set(found) == {"pool_extranet", "pool_b"}
    assert sorted(found["pool_extranet"]) == [
        Promise("win_a", here, Interval(START, START + 2 * HOUR), units),
        Promise("win_b", here, Interval(START, START + HOUR), units),
        Promise("win_d", here, Interval(JUNE.interval.end - HOUR, JUNE.interval.end), units),
    ]
    assert [(p.id, p.units) for p in found["pool_b"]] == [("win_g", Decimal(12))]
