"""What pooling saved: each system at its own peak, against what it cost, from frozen inputs."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from openpyxl import load_workbook

from cloudmgr.billing.dividend import coverage, dividend, dividend_sheet
from cloudmgr.billing.periods import ClosedPeriod, Inputs
from cloudmgr.billing.prices import Tariff
from cloudmgr.billing.rating import Category, exact_cost, rate_all
from cloudmgr.billing.reporting import Reports
from cloudmgr.billing.sheets import sheet_csv, workbook
from cloudmgr.errors import NotFound
from cloudmgr.interval import Interval
from cloudmgr.metering.usage import Holding, Owner
from cloudmgr.money import to_cents
from cloudmgr.policy.prices import Price
from tests.billing.finance import Finance
from tests.billing.test_invoices import JUNE, LABELS
from tests.billing.worlds import account_of, charges
from tests.builders import a_price_list, a_record

if TYPE_CHECKING:
    from cloudmgr.billing.rating import Charge
    from cloudmgr.db.engine import Database
    from cloudmgr.policy.prices import PriceList

HOUR = timedelta(hours=1)
START = JUNE.interval.start


def closed(prices: PriceList) -> ClosedPeriod:
    moment = datetime(2026, 7, 1, tzinfo=UTC)
    inputs = Inputs(None, "0.1.0", prices)
    digest = Tariff(prices).digest
    return ClosedPeriod(JUNE, moment, "usr_f", prices.currency, digest, "d", 0, {}, inputs)


def held(*, hours: int, meter: str = "vcpu", ended: bool = True) -> Holding:
    owner = Owner("env_exam", "sys_exam", "dep_exam", "extranet", "pool_extranet")
    end = START + hours * HOUR
    return Holding("p", "a", meter, owner, "web", Decimal(1), START, end if ended else None, end)


def cores(count: int, hour: int, system: str = "sys_exam", **changes: object) -> list[Charge]:
    """So many cores for one hour, each of an environment of its own."""
    interval = Interval(START + hour * HOUR, START + (hour + 1) * HOUR)
    records = [
        a_record(
            resource=f"{system}-{hour}-{n}",
            environment_id=f"env_{n}",
            system_id=system,
            interval=interval,
            **changes,
        )
        for n in range(count)
    ]
    return list(rate_all(records, Tariff(a_price_list()), account_of).complete())


def test_systems_whose_peaks_do_not_meet_save_what_each_would_have_kept_idle() -> None:
    prices = a_price_list()  # a core costs 0.12 an hour
    some = [*cores(10, 0), *cores(1, 5), *cores(4, 9, "sys_b")]
    found = dividend(closed(prices), some, [], LABELS)
    # 720 hours of June: 10 and 4 cores for all of them, against 11 and 4 hours of a core.
    assert [(one.system_id, one.alone, one.pooled, one.saved) for one in found.systems] == [
        ("sys_exam", Decimal("864.00"), Decimal("1.32"), Decimal("862.68")),
        ("sys_b", Decimal("345.60"), Decimal("0.48"), Decimal("345.12")),
    ]
    assert (found.alone, found.pooled, found.saved) == (
        Decimal("1209.60"),
        Decimal("1.80"),
        Decimal("1207.80"),
    )
    assert found.percent_saved == Decimal("99.9")
    assert found.systems[0].peaks == {"vcpu": 10}
    assert found.systems[0].department.zh == "教育考试院"


@given(charges())
def test_systems_sum_to_the_whole_in_every_form(some: list[Charge]) -> None:
    prices = a_price_list(
        *(Price(m, None, START, Decimal(0)) for m in ("vcpu-used", "memory-used"))
    )
    spread = [replace(one, system_id=f"sys_{n % 3}") for n, one in enumerate(some)]
    found = dividend(closed(prices), spread, [], LABELS)
    assert found.pooled == to_cents(exact_cost(spread))
    assert found.saved == found.alone - found.pooled
    sheet = dividend_sheet(found, "en")
    rows = list(csv.DictReader(io.StringIO(sheet_csv(sheet).decode("utf-8-sig"))))
    assert sum(Decimal(row["Saved"]) for row in rows) == found.saved
    book = load_workbook(io.BytesIO(workbook([sheet], JUNE.interval.end)))["Dividend"]
    kept = [Decimal(str(row[9])) for row in book.iter_rows(min_row=2, values_only=True)]
    assert sum(kept) == found.pooled


def test_what_came_late_from_another_month_is_in_neither_sum() -> None:
    prices = a_price_list()
    (late,) = cores(1, 0)
    before = Interval(late.interval.start - 100 * HOUR, late.interval.end - 100 * HOUR)
    late = replace(late, id="late", category=Category.ADJUSTMENT, interval=before)
    some = cores(2, 0)
    assert dividend(closed(prices), [*some, late], [], {}) == dividend(closed(prices), some, [], {})


def test_prices_are_those_that_the_month_was_closed_with() -> None:
    assert dividend(closed(a_price_list()), cores(1, 0), [], {}).alone == Decimal("86.40")
    dearer = a_price_list(Price("vcpu", None, START + 360 * HOUR, Decimal("0.24")))
    # Half of June at the one price and half at the other, also where nothing ran any more.
    assert dividend(closed(dearer), cores(1, 0), [], {}).alone == Decimal("129.60")


def test_coverage_is_the_share_of_the_time_held_that_was_charged() -> None:
    some = cores(1, 0)
    assert coverage(some, [held(hours=1)], JUNE.interval) == 1
    assert coverage(some, [held(hours=4)], JUNE.interval) == Fraction(1, 4)
    assert coverage(some, [held(hours=1, ended=False)], JUNE.interval) == Fraction(1, 720)
    assert coverage([], [], JUNE.interval) is None
    # What need not have a price, and requests, cover nothing.
    assert coverage(some, [held(hours=1), held(hours=9, meter="vcpu-used")], JUNE.interval) == 1


def test_what_is_not_whole_does_not_read_as_a_hundred_percent() -> None:
    prices = a_price_list()
    found = dividend(closed(prices), cores(1, 0), [], {})
    assert found.percent_covered == 100
    nearly = replace(found, coverage=Fraction(999_999, 1_000_000))
    assert nearly.percent_covered == Decimal("99.99")
    empty = dividend(closed(prices), [], [], {})
    assert (empty.percent_covered, empty.percent_saved) == (None, None)
    assert empty.saved == 0


def test_a_closed_months_dividend_is_read_from_what_was_frozen(database: Database) -> None:
    finance = Finance(database)
    reports = Reports(finance.books, finance.labels)
    finance.hold(3)
    finance.hold(7.5, "alloc_2", environment_id="env_b", department_id="dep_b")
    finance.later(hours=1)
    with pytest.raises(NotFound) as refused:
        reports.dividend("2026-06")
    assert refused.value.code == "period-not-closed"
    finance.closing.close("2026-06", "usr_finance")
    found = reports.dividend("2026-06")
    assert found.percent_covered == 100
    (bill, other) = finance.books.invoices(month="2026-06")
    assert found.pooled == to_cents(bill.exact + other.exact)
    assert found.saved > 0
    own = reports.dividend("2026-06", department_id="dep_b")
    assert {one.department_id for one in own.systems} == {"dep_b"}
    assert own.pooled < found.pooled
