"""What was really used, and what nobody knows: on record always, charged where it has a price."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from cloudmgr.billing.prices import Tariff
from cloudmgr.billing.rating import charge_for
from cloudmgr.errors import Conflict
from cloudmgr.metering.measured.measuring import GapCharge
from cloudmgr.policy.prices import Price, PriceList
from tests.billing.finance import HOUR, Finance
from tests.builders import a_gap, a_price_list, a_record

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FOR_USE = Price("vcpu-used", None, LONG_AGO, Decimal("0.05"))


def measured(office: Finance, read_at: datetime | None) -> None:
    """One vCPU was held for an hour, half of it was used, and all is measured until ``read_at``."""
    office.write(
        a_record(),
        a_record(source="measured/pool_a", meter="vcpu-used", quantity=Decimal(1800)),
    )
    with office.database.write() as tx:
        source = office.metering.sources.ensure(tx, "measured/pool_a")
        if read_at is not None:
            office.metering.sources.step(tx, source.name, source.version, read_at)


def test_what_was_used_is_not_charged_and_keeps_no_month_open_without_a_price(
    sqlite: Database,
) -> None:
    office = Finance(sqlite)
    measured(office, None)
    office.later(minutes=2)
    office.closing.close("2026-06", "usr_li")
    preview = office.books.preview("2026-06")

    assert [charge.meter for charge in preview.charges] == ["vcpu"]
    assert preview.unpriced == ()
    assert preview.until == office.clock.now()
    assert office.closing.verify("2026-06").equal
    assert office.books.late() == ()


def test_what_was_used_is_charged_where_it_has_a_price_once_it_is_measured(
    sqlite: Database,
) -> None:
    office = Finance(sqlite)
    office.prices = a_price_list(FOR_USE)
    measured(office, None)
    office.later(minutes=2)
    with pytest.raises(Conflict, match="measured/pool_a was not read since the month ended"):
        office.closing.close("2026-06", "usr_li")

    measured(office, office.month.interval.end)
    office.closing.close("2026-06", "usr_li")
    charges = {c.meter: c for c in office.books.preview("2026-06").charges}

    assert charges["vcpu-used"].numerator == Decimal(1800) * Decimal("0.05")
    assert charges["vcpu"].quantity == 3600
    assert office.closing.verify("2026-06").equal


@pytest.mark.parametrize(
    ("price", "gaps", "charged"),
    [
        (FOR_USE, "held", GapCharge.HELD),
        (FOR_USE, "nothing", GapCharge.NOTHING),
        (Price("memory-used", None, LONG_AGO, Decimal(1)), "held", GapCharge.NOTHING),
        (Price("vcpu-used", "intranet", LONG_AGO, Decimal(1)), "held", GapCharge.NOTHING),
        (
            Price("vcpu-used", None, a_gap().interval.start + HOUR, Decimal(1)),
            "held",
            GapCharge.NOTHING,
        ),
    ],
)
def test_a_gap_is_charged_where_its_meter_has_a_price_and_policy_says_so(
    price: Price, gaps: str, charged: GapCharge
) -> None:
    assert charge_for(a_gap(), Tariff(PriceList("CNY", (price,), gaps))) is charged
