"""Strategies: prices, usage and charges as they may come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from cloudmgr.billing.prices import Tariff
from cloudmgr.billing.rating import Charge, rate_all
from cloudmgr.interval import Interval
from cloudmgr.metering.meters import METERS, MeterKind
from cloudmgr.money import exact_product
from cloudmgr.policy.prices import Price, PriceList
from tests.builders import a_record

if TYPE_CHECKING:
    from cloudmgr.metering.usage import UsageRecord

START = datetime(2026, 5, 31, 16, tzinfo=UTC)  # midnight in Shanghai, 1 June
SECOND = timedelta(seconds=1)

# So that an hour from any of them is still in June.
moments = st.integers(0, (30 * 86_400 - 3_600) * 10**6).map(
    lambda us: START + timedelta(microseconds=us)
)
unit_prices = st.decimals(0, 100, places=6)


@st.composite
def price_lists(draw: st.DrawFn) -> PriceList:
    """Every meter priced since ever, and changed at any instants, in general and for zones."""
    since = datetime(2020, 1, 1, tzinfo=UTC)
    prices = [Price(meter, None, since, draw(unit_prices)) for meter in METERS]
    changes = draw(
        st.lists(
            st.tuples(
                st.sampled_from(list(METERS)),
                st.sampled_from([None, "extranet", "intranet"]),
                moments,
                unit_prices,
            ),
            max_size=8,
            unique_by=lambda change: change[:3],
        )
    )
    return PriceList("CNY", (*prices, *(Price(*change) for change in changes)))


@st.composite
def usage(draw: st.DrawFn) -> UsageRecord:
    """A record of up to an hour of any meter, of one of a few environments of two departments."""
    meter = draw(st.sampled_from(list(METERS)))
    start = draw(moments)
    end = start + timedelta(microseconds=draw(st.integers(1, 3_600 * 10**6)))
    interval = Interval(start, end)
    if METERS[meter].kind is MeterKind.RATE:
        quantity = exact_product(Decimal(draw(st.integers(1, 64_000))) / 1024, interval.seconds)
    else:
        quantity = Decimal(draw(st.integers(0, 1000)))
    environment = draw(st.sampled_from(["env_a", "env_b", "env_c"]))
    return a_record(
        resource=draw(st.uuids()).hex,
        meter=meter,
        interval=interval,
        quantity=quantity,
        environment_id=environment,
        department_id="dep_x" if environment == "env_a" else "dep_y",
        zone=draw(st.sampled_from(["extranet", "intranet"])),
    )


def account_of(department_id: str, moment: datetime) -> str:
    """``dep_y`` pays for itself; ``dep_x`` moves to its account in the middle of the month."""
    moved = moment >= START + timedelta(days=15)
    return "acc_y" if department_id == "dep_y" or moved else "acc_x"


@st.composite
def charges(draw: st.DrawFn, max_size: int = 20) -> list[Charge]:
    records = draw(st.lists(usage(), max_size=max_size, unique_by=lambda record: record.id))
    return list(rate_all(records, Tariff(draw(price_lists())), account_of).complete())
