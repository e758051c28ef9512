"""What pools may cost, and what may be hosted in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from cloudmgr.billing.idle.costs import CostAsk, CostEntry, CostKind
from cloudmgr.billing.idle.shares import Promise, Tenant
from cloudmgr.billing.idle.statements import PoolFacts
from cloudmgr.billing.invoices import Label
from cloudmgr.billing.rating import Category
from cloudmgr.interval import Interval
from cloudmgr.policy.idle import IdleRule
from tests.billing.worlds import START, charges

if TYPE_CHECKING:
    from cloudmgr.billing.rating import Charge

WEIGHTS = {"vcpu": 4, "memory": 1}
cents = st.integers(0, 10**9).map(lambda n: Decimal(n).scaleb(-2))


def an_ask(**changes: Any) -> CostAsk:
    return replace(
        CostAsk(CostKind.POWER, Decimal("1200.00"), "电费单 2026-06", "", "六月电费"), **changes
    )


def an_entry(number: int = 1, /, **changes: Any) -> CostEntry:
    entry = CostEntry(
        f"pco_{number}",
        "2026-06",
        "pool_extranet",
        number,
        CostKind.POWER,
        Decimal("1200.00"),
        "CNY",
        f"电费单 {number}",
        "",
        "六月电费",
        "usr_finance",
        datetime(2026, 7, 1, tzinfo=UTC),
    )
    return replace(entry, **changes)


def facts(*entries: CostEntry, **changes: Any) -> PoolFacts:
    found = PoolFacts(
        "2026-06",
        "pool_extranet",
        "extranet-a",
        "extranet",
        "CNY",
        IdleRule.ALLOCATION,
        WEIGHTS,
        entries,
        (),
        {"dep_x": Label("教育局", "Education")},
    )
    return replace(found, **changes)


@st.composite
def used(draw: st.DrawFn) -> list[Charge]:
    """Charges of a few systems and two pools, some of them for months before."""
    return [
        replace(
            charge,
            system_id=draw(st.sampled_from(["sys_1", "sys_2"])),
            pool_id=draw(st.sampled_from(["pool_extranet", "pool_extranet", "pool_b"])),
            category=draw(st.sampled_from([Category.USAGE, Category.USAGE, Category.ADJUSTMENT])),
        )
        for charge in draw(charges())
    ]


@st.composite
def promised(draw: st.DrawFn) -> Promise:
    name = draw(st.sampled_from(["a", "b", "c"]))
    hours = draw(st.integers(1, 100))
    return Promise(
        f"win_{draw(st.uuids()).hex}",
        Tenant(f"dep_{name}", "acc_y", f"sys_{name}", f"env_{draw(st.sampled_from('12'))}"),
        Interval(START, START + timedelta(hours=hours)),
        Decimal(draw(st.integers(0, 64_000))) / 1000,
    )


@st.composite
def known(draw: st.DrawFn) -> PoolFacts:
    """Any rule, with or without costs and promises."""
    amounts = draw(st.lists(cents, max_size=4))
    entries = [an_entry(n, amount=amount) for n, amount in enumerate(amounts, start=1)]
    rule = draw(st.sampled_from(list(IdleRule)))
    promises = draw(st.lists(promised(), max_size=5)) if rule is IdleRule.RESERVATION else []
    return facts(*entries, rule=rule, promises=tuple(promises))
