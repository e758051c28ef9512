from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.billing.cost import cost_of_sleep, estimate, own_servers_cost
from cloudmgr.billing.prices import Tariff
from cloudmgr.billing.rating import exact_cost, rate_all
from cloudmgr.errors import Unpriced
from cloudmgr.interval import Interval
from cloudmgr.metering.usage import Holding, Owner
from cloudmgr.money import Money
from cloudmgr.policy.prices import Price, PriceList
from tests.billing.worlds import START, account_of, price_lists, usage
from tests.builders import a_component, a_price_list, a_record

if TYPE_CHECKING:
    from cloudmgr.metering.usage import UsageRecord

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_an_estimate_is_between_the_fewest_and_the_most_replicas() -> None:
    web = a_component(cpu_millis=500, memory_mib=2048, min_replicas=2, max_replicas=10)
    found = estimate([web], Tariff(a_price_list()), "extranet", NOW)

    # (0.5 × 0.12 + 2 × 0.035) × replicas × 730
    assert found.low == Money(Decimal("189.80"), "CNY")
    assert found.high == Money(Decimal("949.00"), "CNY")


def _held(meter: str, rate: str, ended: datetime | None = None) -> Holding:
    owner = Owner("env_exam", "sys_exam", "dep_exam", "extranet", "pool_extranet")
    return Holding("pool", f"{meter}_{rate}", meter, owner, "db", Decimal(rate), NOW, ended, NOW)


def test_sleep_costs_the_storage_and_addresses_that_are_held_and_nothing_that_it_gives_back() -> (
    None
):
    held = [
        _held("storage", "100"),
        _held("storage", "0.5"),
        _held("storage", "7", ended=NOW),
        _held("vcpu", "4"),
        _held("memory", "8"),
        _held("address", "2"),
    ]
    prices = a_price_list()
    found = cost_of_sleep(held, Tariff(prices), NOW)
    assert (found.storage_gib, found.addresses) == (Decimal("100.5"), Decimal(2))
    # 100.5 × 0.0007 × 730; an address without a price is free.
    assert found.month == Money(Decimal("51.36"), "CNY")
    priced = replace(
        prices, prices=(*prices.prices, Price("address", None, START, Decimal("0.01")))
    )
    assert cost_of_sleep(held, Tariff(priced), NOW).month == Money(Decimal("65.96"), "CNY")


def test_storage_without_a_price_costs_nobody_knows_what() -> None:
    without = replace(
        a_price_list(), prices=tuple(p for p in a_price_list().prices if p.meter != "storage")
    )
    with pytest.raises(Unpriced):
        cost_of_sleep([_held("storage", "1")], Tariff(without), NOW)
    assert cost_of_sleep([], Tariff(without), NOW).month == Money(Decimal(0), "CNY")


def test_what_sleeps_still_pays_for_its_storage_and_requests_count_at_most() -> None:
    database = a_component(min_replicas=0, max_replicas=1, storage_gib=100, memory_mib=0)
    found = estimate([database], Tariff(a_price_list()), "extranet", NOW, 1_000_000)

    assert found.low.amount == Decimal("51.10")
    assert found.high.amount == Decimal("51.10") + Decimal("21.90") + Decimal("2.10")


def test_an_estimate_without_a_price_is_refused() -> None:
    prices = PriceList("CNY", (Price("vcpu", None, NOW, Decimal(1)),))

    with pytest.raises(Unpriced):
        estimate([a_component()], Tariff(prices), "extranet", NOW)


def test_own_servers_are_bought_for_the_peak_and_kept_for_the_whole_time() -> None:
    ten = datetime(2026, 6, 1, 10, tzinfo=UTC)
    records = [
        a_record(resource=f"a{n}", interval=Interval(ten + k * HOUR, ten + (k + 1) * HOUR))
        for k, held in enumerate([1, 3, 2])
        for n in range(held)
    ] + [a_record(meter="requests", quantity=Decimal(1000))]
    day = Interval(ten, ten + 24 * HOUR)
    [alone] = own_servers_cost(records, day, Tariff(a_price_list()))

    assert alone.peaks == {"vcpu": 3}
    assert alone.cost == Fraction(12, 100) * 3 * 24


def test_own_servers_pay_each_price_for_as_long_as_it_is_in_force() -> None:
    ten = datetime(2026, 6, 1, 10, tzinfo=UTC)
    tariff = Tariff(a_price_list(Price("vcpu", None, ten + HOUR, Decimal(2))))
    [alone] = own_servers_cost([a_record()], Interval(ten, ten + 3 * HOUR), tariff)

    assert alone.cost == Fraction(12, 100) + 4


@given(st.lists(usage(), max_size=12, unique_by=lambda r: r.id), price_lists())
def test_own_servers_never_cost_less_than_what_was_held(
    records: list[UsageRecord], prices: PriceList
) -> None:
    tariff = Tariff(prices)
    whole = Interval(START, START + timedelta(days=31))
    held = [record for record in records if record.meter in {"vcpu", "memory", "storage"}]
    charges = rate_all(held, tariff, account_of).charges

    for alone in own_servers_cost(records, whole, tariff):
        mine = [c for c in charges if c.environment_id == alone.id]
        assert alone.cost >= exact_cost(mine)
