from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.billing.prices import Tariff
from cloudmgr.errors import Unpriced
from cloudmgr.interval import Interval
from cloudmgr.policy.prices import Price, PriceList
from tests.billing.worlds import START, moments, price_lists

JUNE = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def priced(*prices: tuple[str | None, datetime, str]) -> Tariff:
    return Tariff(
        PriceList("CNY", tuple(Price("vcpu", zone, start, Decimal(p)) for zone, start, p in prices))
    )


def test_a_price_holds_from_its_instant_until_the_next() -> None:
    tariff = priced((None, JUNE, "1"), (None, JUNE + DAY, "2"))

    assert tariff.price_at("vcpu", "extranet", JUNE).unit_price == 1
    assert tariff.price_at("vcpu", "extranet", JUNE + DAY - DAY / 86_400).unit_price == 1
    assert tariff.price_at("vcpu", "extranet", JUNE + DAY).unit_price == 2


def test_a_price_of_the_zone_beats_the_general_one_once_it_begins() -> None:
    tariff = priced((None, JUNE, "1"), ("extranet", JUNE + DAY, "2"), (None, JUNE + 2 * DAY, "3"))

    assert tariff.price_at("vcpu", "extranet", JUNE).unit_price == 1
    assert tariff.price_at("vcpu", "extranet", JUNE + 3 * DAY).unit_price == 2
    assert tariff.price_at("vcpu", "intranet", JUNE + 3 * DAY).unit_price == 3


@pytest.mark.parametrize(
    ("meter", "zone", "moment"),
    [
        ("vcpu", "extranet", JUNE - DAY),
        ("memory", "extranet", JUNE),
        ("vcpu", "intranet", JUNE),
    ],
)
def test_what_has_no_price_is_never_free(meter: str, zone: str, moment: datetime) -> None:
    with pytest.raises(Unpriced) as refused:
        priced(("extranet", JUNE, "1")).price_at(meter, zone, moment)
    assert refused.value.hint


def test_cuts_are_where_the_price_in_force_changes_and_nowhere_else() -> None:
    tariff = priced(
        (None, JUNE, "1"),
        ("extranet", JUNE + DAY, "2"),
        (None, JUNE + 2 * DAY, "3"),  # not for the extranet any more
    )
    month = Interval(JUNE, JUNE + 30 * DAY)

    assert tariff.cuts("vcpu", "extranet", month) == (JUNE + DAY,)
    assert tariff.cuts("vcpu", "intranet", month) == (JUNE + 2 * DAY,)
    assert tariff.cuts("vcpu", "intranet", Interval(JUNE + 2 * DAY, JUNE + 3 * DAY)) == ()


@given(price_lists(), moments, st.sampled_from(["extranet", "intranet"]))
def test_between_two_cuts_one_price_is_in_force(
    prices: PriceList, moment: datetime, zone: str
) -> None:
    tariff = Tariff(prices)
    month = Interval(START, START + 30 * DAY)
    if moment not in month:
        return
    piece = next(p for p in month.split(tariff.cuts("vcpu", zone, month)) if moment in p)

    assert tariff.price_at("vcpu", zone, moment) == tariff.price_at("vcpu", zone, piece.start)


def test_the_digest_names_what_is_charged_and_not_how_it_is_written() -> None:
    beijing = timezone(timedelta(hours=8))
    one = priced((None, JUNE, "0.50"), ("extranet", JUNE, "1"))
    same = priced(("extranet", JUNE.astimezone(beijing), "1.0"), (None, JUNE, "0.5"))

    assert one.digest == same.digest
    assert one.digest != priced((None, JUNE, "0.51"), ("extranet", JUNE, "1")).digest
