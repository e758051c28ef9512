from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.billing.prices import Tariff
from cloudmgr.billing.rating import Category, exact_cost, rate, rate_all
from cloudmgr.errors import Unpriced
from cloudmgr.interval import Interval
from cloudmgr.metering.meters import METERS, MeterKind
from cloudmgr.money import exact_sum
from cloudmgr.policy.prices import Price, PriceList
from tests.billing.worlds import account_of, price_lists, usage
from tests.builders import a_price_list, a_record

if TYPE_CHECKING:
    from cloudmgr.metering.usage import UsageRecord

TEN = datetime(2026, 6, 1, 10, tzinfo=UTC)


def one_account(_department_id: str, _moment: datetime) -> str:
    return "acc_edu"


def changing(meter: str, at: datetime) -> Tariff:
    return Tariff(
        PriceList("CNY", (Price(meter, None, TEN, Decimal(1)), Price(meter, None, at, Decimal(3))))
    )


def test_a_charge_copies_every_input() -> None:
    tariff = Tariff(a_price_list())
    record = a_record()
    [charge] = rate(record, tariff, one_account)

    assert (charge.usage_id, charge.environment_id, charge.system_id) == (
        record.id,
        "env_exam",
        "sys_exam",
    )
    assert (charge.department_id, charge.account_id) == ("dep_exam", "acc_edu")
    assert (charge.meter, charge.unit, charge.quantity) == ("vcpu", "vCPU-second", Decimal(3600))
    assert (charge.unit_price, charge.priced_per) == (Decimal("0.12"), 3600)
    assert (charge.price_valid_from, charge.price_zone) == (datetime(2020, 1, 1, tzinfo=UTC), None)
    assert charge.price_digest == tariff.digest
    assert charge.category is Category.USAGE
    assert charge.numerator == Decimal(432)
    assert charge.cost == Fraction(12, 100)


def test_a_cost_that_does_not_terminate_is_kept_exactly() -> None:
    [charge] = rate(a_record(quantity=Decimal(1)), Tariff(a_price_list()), one_account)

    assert charge.cost == Fraction(12, 100 * 3600)


def test_what_is_held_is_divided_where_the_price_changes() -> None:
    charges = rate(a_record(), changing("vcpu", TEN + timedelta(minutes=20)), one_account)

    assert [(c.quantity, c.unit_price) for c in charges] == [
        (Decimal(1200), Decimal(1)),
        (Decimal(2400), Decimal(3)),
    ]
    assert exact_cost(charges) == Fraction(1200 + 3 * 2400, 3600)
    assert len({c.id for c in charges}) == 2


def test_requests_cost_what_was_in_force_when_their_hour_began() -> None:
    record = a_record(meter="requests", quantity=Decimal(7))
    [charge] = rate(record, changing("requests", TEN + timedelta(seconds=1)), one_account)

    assert (charge.quantity, charge.unit_price, charge.interval) == (
        Decimal(7),
        Decimal(1),
        record.interval,
    )


def test_the_account_is_that_of_the_start_of_the_usage() -> None:
    asked = []

    def remember(department_id: str, moment: datetime) -> str:
        asked.append((department_id, moment))
        return "acc"

    rate(a_record(), changing("vcpu", TEN + timedelta(minutes=20)), remember)
    assert asked == [("dep_exam", TEN)]


def test_all_that_has_no_price_is_listed_and_nothing_is_free() -> None:
    hour = timedelta(hours=1)
    records = [
        a_record(),
        a_record(meter="memory"),
        a_record(meter="memory", interval=Interval(TEN + hour, TEN + 2 * hour)),
        a_record(meter="requests", quantity=Decimal(0), zone="intranet"),
    ]
    rated = rate_all(records, changing("vcpu", TEN + hour), one_account)

    assert len(rated.charges) == 1
    assert [(m.meter, m.zone, m.records, int(m.interval.seconds)) for m in rated.missing] == [
        ("memory", "extranet", 2, 7200),
        ("requests", "intranet", 1, 3600),
    ]
    with pytest.raises(Unpriced) as refused:
        rated.complete()
    assert [path for path, _ in refused.value.problems] == ["memory/extranet", "requests/intranet"]


@given(usage(), price_lists(), st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_splitting_usage_anywhere_costs_the_same(
    record: UsageRecord, prices: PriceList, where: float
) -> None:
    if METERS[record.meter].kind is MeterKind.COUNT:
        return
    tariff = Tariff(prices)
    cut = record.interval.start + record.interval.duration * where
    parts = [
        a_record(
            source=record.source,
            resource=record.resource,
            meter=record.meter,
            zone=record.zone,
            interval=interval,
            quantity=quantity,
        )
        for interval, quantity in record.parts([cut])
    ]

    whole = rate(record, tariff, account_of)
    split = [charge for part in parts for charge in rate(part, tariff, account_of)]
    assert exact_cost(split) == exact_cost(whole)
    assert exact_sum([c.quantity for c in split]) == record.quantity


@given(st.lists(usage(), max_size=8, unique_by=lambda r: r.id), price_lists(), st.randoms())
def test_rating_twice_or_in_another_order_gives_the_same_charges(
    records: list[UsageRecord], prices: PriceList, chance: object
) -> None:
    tariff = Tariff(prices)
    first = rate_all(records, tariff, account_of).charges
    shuffled = list(records)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    second = rate_all(shuffled, Tariff(prices), account_of).charges

    assert set(first) == set(second)
    assert len({charge.id for charge in first}) == len(first)


@given(usage(), price_lists())
def test_charges_sum_to_usage_times_price_to_the_last_digit(
    record: UsageRecord, prices: PriceList
) -> None:
    charges = rate(record, Tariff(prices), account_of)

    assert exact_sum([charge.quantity for charge in charges]) == record.quantity
    assert exact_cost(charges) == sum(
        Fraction(c.quantity) * Fraction(c.unit_price) / METERS[c.meter].priced_per for c in charges
    )
    assert charges[0].interval.start == record.interval.start
    assert charges[-1].interval.end == record.interval.end
