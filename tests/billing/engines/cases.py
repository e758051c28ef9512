"""Usage and prices on which engines differ, if anything does."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from cloudmgr.billing.prices import Tariff
from cloudmgr.interval import Interval
from cloudmgr.metering.meters import METERS, MeterKind
from cloudmgr.money import EXACT, exact_product
from cloudmgr.policy.prices import Price, PriceList
from tests.billing.worlds import START, moments
from tests.builders import a_record

if TYPE_CHECKING:
    from cloudmgr.metering.usage import UsageRecord

SHANGHAI, NEW_YORK, CHATHAM = map(
    ZoneInfo, ("Asia/Shanghai", "America/New_York", "Pacific/Chatham")
)
EVER = datetime(2020, 1, 1, tzinfo=UTC)
# Midnight in Shanghai, and the end of June there.
MIDNIGHT = datetime(2026, 6, 9, 16, tzinfo=UTC)
JULY = datetime(2026, 6, 30, 16, tzinfo=UTC)
# Clocks go back in New York: 01:00 to 02:00 comes twice.
TWICE = datetime(2026, 11, 1, 5, tzinfo=UTC)
HOUR, TINY = timedelta(hours=1), Decimal("0.000000000000000001")
# The largest that the definition takes: 14 digits before the point and all 18 behind it.
LARGEST = Decimal("99999999999999.999999999999999999")


def a_tariff(*prices: Price) -> Tariff:
    return Tariff(PriceList("CNY", prices))


def edges() -> tuple[list[UsageRecord], Tariff]:
    """All the corners at once, under one price list."""
    prices = (
        Price("vcpu", None, EVER, Decimal("0.12")),
        # Mid-hour, at midnight, at the month's end, and within the hour that comes twice.
        Price("vcpu", None, datetime(2026, 6, 5, 3, 20, tzinfo=UTC), Decimal("0.13")),
        Price("vcpu", None, MIDNIGHT, Decimal("0.12500001")),
        Price("vcpu", None, JULY, Decimal(1)),
        Price("vcpu", None, TWICE + timedelta(minutes=30), Decimal("0.5")),
        Price("vcpu", None, TWICE + HOUR + timedelta(minutes=30), Decimal("0.25")),
        # A zone's own, from a moment on, and then again the same amount as another price.
        Price("vcpu", "intranet", datetime(2026, 6, 7, 1, 0, 0, 1, tzinfo=UTC), Decimal("0.11")),
        Price("vcpu", "intranet", datetime(2026, 6, 7, 1, 30, tzinfo=UTC), Decimal("0.11")),
        # Only one zone has a price, and only from a moment on.
        Price("memory", "intranet", MIDNIGHT, Decimal("0.045")),
        Price("storage", None, EVER, Decimal("0.00000001")),
        Price("storage", "extranet", EVER, Decimal(0)),
        # Half a cent for each request, and a price that changes within their hour.
        Price("requests", None, EVER, Decimal(5)),
        Price("requests", None, MIDNIGHT + timedelta(minutes=10), Decimal(7)),
        Price("vcpu-used", "intranet", MIDNIGHT, Decimal("0.3")),
    )
    records = [
        _held("vcpu", datetime(2026, 6, 5, 3, tzinfo=UTC), HOUR, 1),
        _held("vcpu", MIDNIGHT - HOUR / 2, HOUR, 3),
        _held("vcpu", MIDNIGHT - HOUR, HOUR, 7),
        _held("vcpu", MIDNIGHT, HOUR, 7),
        _held("vcpu", JULY - HOUR / 2, HOUR, 1025),
        _held("vcpu", JULY - timedelta(microseconds=1), timedelta(microseconds=2), 1),
        _held("vcpu", TWICE, 2 * HOUR, 333),
        _held("vcpu", TWICE + HOUR / 4, HOUR, 333),
        *(
            _held("vcpu", datetime(2026, 6, 7, h, tzinfo=UTC), 3 * HOUR, 11, zone=z)
            for h in (0, 1)
            for z in ("intranet", "extranet")
        ),
        # Thirds, and what is too fine to be divided; over all price changes of a month at once.
        *(
            a_record(
                resource=f"measured-{n}",
                interval=Interval(datetime(2026, 6, 1, tzinfo=UTC), JULY + HOUR),
                quantity=quantity,
                zone="intranet",
            )
            for n, quantity in enumerate((Decimal(1) - TINY, TINY, Decimal(10) / 1024, Decimal(0)))
        ),
        a_record(
            resource="third",
            interval=Interval(MIDNIGHT - timedelta(seconds=1), MIDNIGHT + timedelta(seconds=2)),
            quantity=Decimal("0.000000000000000100"),
        ),
        # Ends in half a cent, exactly: 1 request is 5/1000.
        *(a_record(resource=f"tie{n}", meter="requests", quantity=Decimal(n)) for n in (1, 2, 3)),
        a_record(
            resource="burst",
            meter="requests",
            interval=Interval(MIDNIGHT, MIDNIGHT + HOUR),
            quantity=Decimal(1000),
        ),
        # No price: general, of a zone, and before the first; of what is optional, that is no fault.
        _held("memory", MIDNIGHT, HOUR, 1),
        _held("memory", MIDNIGHT - HOUR, HOUR, 1, zone="intranet"),
        _held("memory", MIDNIGHT - HOUR / 2, HOUR, 1, zone="intranet"),
        _held("memory", MIDNIGHT, HOUR, 1, zone="intranet"),
        _held("address", MIDNIGHT, HOUR, 1),
        _held("vcpu-used", MIDNIGHT - HOUR / 2, HOUR, 1, zone="intranet"),
        _held("vcpu-used", MIDNIGHT, HOUR, 1, zone="intranet"),
        _held("vcpu-used", MIDNIGHT, HOUR, 1),
        _held("storage", MIDNIGHT, HOUR, 1),
        _held("storage", MIDNIGHT, HOUR, 999_999_999, zone="intranet"),
        # Names as people write them.
        a_record(resource='it\'s "all"', component="", environment_id="环境 'a'; --"),
        a_record(resource="\\"),
    ]
    return records, a_tariff(*prices)


def near_overflow() -> tuple[list[UsageRecord], Tariff]:
    """As much as is taken, at prices as fine as are taken: divided and whole."""
    interval = Interval(MIDNIGHT - timedelta(days=16), MIDNIGHT + timedelta(days=16))
    prices = (
        Price("storage", None, EVER, Decimal("0.00099999")),
        Price("storage", None, MIDNIGHT + timedelta(microseconds=1), Decimal("0.00098765")),
        Price("storage", "intranet", EVER, Decimal("999999999.99999999")),
        Price("requests", None, EVER, Decimal("2.99999999")),
    )
    records = [
        a_record(resource="a", meter="storage", interval=interval, quantity=LARGEST),
        a_record(resource="b", meter="storage", interval=interval, quantity=LARGEST - 1),
        a_record(
            resource="c",
            meter="storage",
            zone="intranet",
            quantity=Decimal("98.999999999999999999"),
        ),
        a_record(
            resource="d", meter="requests", quantity=Decimal("33333333331.999999999999999999")
        ),
    ]
    return records, a_tariff(*prices)


def at_random(seed: int, count: int) -> tuple[list[UsageRecord], Tariff]:
    """The same each time: held and measured, of three months, with prices that change often."""
    chance = random.Random(seed)  # noqa: S311 - the same each time
    prices = [Price(m, None, EVER, Decimal(chance.randrange(10**9)).scaleb(-8)) for m in METERS]
    changed = {
        (
            chance.choice(list(METERS)),
            chance.choice((None, "extranet", "intranet")),
            START + timedelta(microseconds=chance.randrange(90 * 86_400 * 10**6)),
        )
        for _ in range(60)
    }
    prices += [
        Price(*change, Decimal(chance.randrange(10**digits)).scaleb(1 - digits))
        for change in sorted(changed, key=str)
        for digits in (chance.randrange(1, 10),)
    ]
    records = []
    for n in range(count):
        meter = chance.choice(list(METERS.values()))
        start = START + timedelta(microseconds=chance.randrange(90 * 86_400 * 10**6))
        length = chance.choice((HOUR, HOUR, timedelta(microseconds=chance.randrange(1, 10**12))))
        quantity = (
            Decimal(chance.randrange(10_000))
            if meter.kind is MeterKind.COUNT
            else Decimal(chance.randrange(10 ** chance.randrange(1, 22))).scaleb(-18, context=EXACT)
        )
        records.append(
            a_record(
                resource=f"r{n}",
                meter=meter.name,
                interval=Interval(start, start + length),
                quantity=quantity,
                environment_id=f"env_{n % 7}",
                department_id=chance.choice(("dep_x", "dep_y")),
                zone=chance.choice(("extranet", "intranet", "elsewhere")),
            )
        )
    return records, a_tariff(*prices)


def _held(
    meter: str, start: datetime, length: timedelta, rate: int, zone: str = "extranet"
) -> UsageRecord:
    interval = Interval(start, start + length)
    return a_record(
        resource=f"{meter}/{zone}/{start.isoformat()}/{rate}",
        meter=meter,
        zone=zone,
        interval=interval,
        quantity=exact_product(Decimal(rate) / 1024, interval.seconds),
        department_id="dep_x",
    )


# ------------------------------------------------------------------------------------ strategies

prices_of_a_day = st.integers(0, 10**10).map(lambda n: Decimal(n).scaleb(-8))


@st.composite
def sparse_price_lists(draw: st.DrawFn) -> PriceList:
    """Any meter and zone may lack a price, at any time."""
    lines = draw(
        st.lists(
            st.tuples(
                st.sampled_from(list(METERS)),
                st.sampled_from([None, "extranet", "intranet"]),
                st.one_of(moments, st.just(EVER)),
                prices_of_a_day,
            ),
            max_size=12,
            unique_by=lambda line: line[:3],
        )
    )
    return PriceList("CNY", tuple(Price(*line) for line in lines))


@st.composite
def any_usage(draw: st.DrawFn) -> UsageRecord:
    """Of any digits, over up to ten days."""
    meter = draw(st.sampled_from(list(METERS)))
    start = draw(moments)
    length = timedelta(microseconds=draw(st.integers(1, 10 * 86_400 * 10**6)))
    digits = draw(st.integers(0, 18))
    quantity = Decimal(draw(st.integers(0, 1000 * 10**digits))).scaleb(-digits, context=EXACT)
    interval = Interval(start, start + length)
    return a_record(
        resource=draw(st.uuids()).hex,
        meter=meter,
        interval=interval,
        quantity=min(quantity, exact_product(METERS[meter].absurd_rate, interval.seconds)),
        environment_id=draw(st.sampled_from(["env_a", "env_b"])),
        department_id=draw(st.sampled_from(["dep_x", "dep_y"])),
        zone=draw(st.sampled_from(["extranet", "intranet"])),
    )
