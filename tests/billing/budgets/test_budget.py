"""What a budget has left, and where its year is going."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.billing.budgets.budget import (
    Budget,
    BudgetKey,
    Commitment,
    Encumbrance,
    Entry,
    MonthSpent,
    Peak,
    checked_amount,
    checked_key,
    encumbrance,
    line_reached,
    months_of,
    outlook,
    standing,
    year_at,
    year_of,
)
from cloudmgr.billing.prices import Tariff
from cloudmgr.errors import Invalid, Unpriced
from cloudmgr.interval import Interval
from cloudmgr.policy.prices import Price
from tests.billing.worlds import START
from tests.builders import a_component, a_price_list

ZONE = ZoneInfo("Asia/Shanghai")
KEY = BudgetKey("dep_exam", None, 2026)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TARIFF = Tariff(a_price_list())
NOW = START + 10 * DAY  # ten days of June are over
REST = Interval(NOW, year_of(2026, ZONE).end)
# A core and a gibibyte: 0.155 an hour, 113.15 for 730 hours.
CORE = a_component(cpu_millis=1000, memory_mib=1024)
A_MONTH = Fraction("113.15")
MONTHS = Fraction(REST.seconds) / 3600 / 730


def committed(*peaks: Peak, **changes: object) -> Commitment:
    made: dict[str, object] = {"components": (CORE,), "zone": "extranet", "peaks": peaks}
    return Commitment("env_exam", **{**made, **changes})  # type: ignore[arg-type]


def peak(replicas: int, start: datetime, hours: int) -> Peak:
    return Peak("web", replicas, Interval(start, start + hours * HOUR))


def test_a_year_is_the_citys_and_so_are_its_months() -> None:
    year = year_of(2026, ZONE)
    assert year == Interval(
        datetime(2025, 12, 31, 16, tzinfo=UTC), datetime(2026, 12, 31, 16, tzinfo=UTC)
    )
    assert (year_at(year.start, ZONE), year_at(year.end, ZONE)) == (2026, 2027)
    assert months_of(2026, NOW, ZONE)[-1] == "2026-06"
    assert len(months_of(2025, NOW, ZONE)) == 12
    assert months_of(2027, NOW, ZONE) == ()


def test_an_id_is_that_of_its_department_system_and_year() -> None:
    keys = [KEY, BudgetKey("dep_exam", "sys_exam", 2026), BudgetKey("dep_exam", None, 2027)]
    assert len({key.id for key in keys}) == 3
    assert BudgetKey("dep_exam", None, 2026).id == KEY.id


@pytest.mark.parametrize("amount", ["-0.01", "NaN", "Infinity", "0.001", "1e16"])
def test_an_amount_is_money(amount: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked_amount(Decimal(amount))
    assert refused.value.code == "invalid-amount"


def test_whole_cents_are_an_amount_nothing_is_too() -> None:
    assert str(checked_amount(Decimal(5))) == "5.00"
    assert str(checked_amount(Decimal("0.10"))) == "0.10"
    assert checked_amount(Decimal(0)) == 0


@pytest.mark.parametrize("year", [1999, 2201])
def test_a_year_that_nobody_plans_for_is_refused(year: int) -> None:
    with pytest.raises(Invalid, match="not a year"):
        checked_key("dep_exam", None, year)
    assert checked_key("dep_exam", None, 2026) == KEY


def test_what_is_held_at_the_least_is_encumbered_to_the_years_end() -> None:
    found = encumbrance(committed(), TARIFF, REST)
    assert found == Encumbrance(low=A_MONTH * MONTHS)


def test_a_peak_adds_what_it_holds_more_for_as_long_as_it_is_on() -> None:
    ahead = peak(4, NOW + DAY, 10)
    found = encumbrance(committed(ahead), TARIFF, REST)
    assert found.low == A_MONTH * MONTHS
    # Three more for ten hours.
    assert found.peaks == found.ahead == 3 * A_MONTH * 10 / 730


def test_of_peaks_that_overlap_the_largest_counts_and_the_ceiling_holds() -> None:
    many = (peak(3, NOW + DAY, 10), peak(5, NOW + DAY, 10), peak(1, NOW + DAY, 20))
    found = encumbrance(committed(*many), TARIFF, REST)
    assert found.peaks == 4 * A_MONTH * 10 / 730
    beyond = encumbrance(committed(peak(100, NOW + DAY, 10)), TARIFF, REST)
    assert beyond.peaks == 7 * A_MONTH * 10 / 730


def test_a_peak_under_way_is_encumbered_but_not_ahead() -> None:
    found = encumbrance(committed(peak(2, NOW - HOUR, 3)), TARIFF, REST)
    assert found.peaks == A_MONTH * 2 / 730
    assert found.ahead == 0


def test_a_peak_of_another_component_or_beyond_the_year_adds_nothing() -> None:
    other = Peak("worker", 4, Interval(NOW + DAY, NOW + 2 * DAY))
    late = peak(4, REST.end + DAY, 10)
    assert encumbrance(committed(other, late), TARIFF, REST).peaks == 0


def test_a_price_that_begins_later_counts_from_then_on() -> None:
    half = REST.start + REST.duration / 2
    dearer = Tariff(
        a_price_list(
            Price("vcpu", None, half, Decimal("0.24")),
            Price("memory", None, half, Decimal("0.07")),
        )
    )
    found = encumbrance(committed(), dearer, REST)
    assert found.low == A_MONTH * MONTHS * Fraction(3, 2)


def test_what_has_no_price_is_not_for_nothing() -> None:
    alone = Tariff(a_price_list())
    late = Interval(datetime(2019, 1, 1, tzinfo=UTC), datetime(2019, 2, 1, tzinfo=UTC))
    with pytest.raises(Unpriced):
        encumbrance(committed(), alone, late)


moments = st.integers(-40 * 24, 250 * 24).map(lambda hours: NOW + hours * HOUR)
peaks = st.lists(st.builds(peak, st.integers(0, 12), moments, st.integers(1, 800)), max_size=5).map(
    tuple
)


@given(peaks, peaks, st.integers(1, 200 * 24))
def test_peaks_never_make_it_cheaper_and_a_cut_anywhere_conserves_it(
    some: tuple[Peak, ...], more: tuple[Peak, ...], hours: int
) -> None:
    found = encumbrance(committed(*some), TARIFF, REST)
    assert found.low == A_MONTH * MONTHS
    assert 0 <= found.ahead <= found.peaks
    assert encumbrance(committed(*some, *more), TARIFF, REST).peaks >= found.peaks
    first, second = REST.split([NOW + hours * HOUR])
    parts = [encumbrance(committed(*some), TARIFF, part) for part in (first, second)]
    whole = parts[0] + parts[1]
    assert (whole.low, whole.peaks) == (found.low, found.peaks)


def spent(*amounts: str, first: int = 1) -> list[MonthSpent]:
    return [
        MonthSpent(f"2026-{first + place:02}", Decimal(amount), place < len(amounts) - 1)
        for place, amount in enumerate(amounts)
    ]


def test_used_encumbered_and_projected_say_what_is_left() -> None:
    cost = Encumbrance(Fraction(700), Fraction(50), Fraction(20))
    found = standing(KEY, spent("100", "100", "100", "100", "100", "50"), cost, NOW, zone=ZONE)
    assert [found.used, found.encumbered, found.peaks] == [550, 750, 50]
    assert found.left(Decimal(2000)) == 700
    assert found.left(Decimal(1000)) == -300
    # Five a day: 152.08 for 730 hours, 150 by the end of June, and 204 days to go.
    assert found.a_month == Decimal("152.08")
    assert found.month_end == 150
    assert found.projected == 550 + 5 * 204 + 20


def test_in_a_months_first_days_the_month_before_counts_too() -> None:
    early = START + 2 * DAY
    found = standing(KEY, spent("31", "2", first=5), Encumbrance(), early, zone=ZONE)
    # 33 in 33 days.
    assert found.a_month == Decimal("30.42")
    assert found.month_end == 30
    first = year_of(2026, ZONE).start + 2 * DAY
    assert standing(KEY, spent("2"), Encumbrance(), first, zone=ZONE).a_month == Decimal("30.42")


def test_in_a_years_first_day_nobody_tells_where_it_goes() -> None:
    early = year_of(2026, ZONE).start + HOUR
    found = standing(KEY, spent("2"), Encumbrance(Fraction(10)), early, zone=ZONE)
    assert (found.a_month, found.month_end, found.projected) == (None, None, None)
    assert [found.used, found.encumbered] == [2, 10]


def test_a_year_that_is_over_came_to_what_was_used() -> None:
    over = year_of(2026, ZONE).end + HOUR
    found = standing(KEY, spent(*["1"] * 12), Encumbrance(), over, zone=ZONE)
    assert [found.projected, found.a_month, found.encumbered] == [12, None, 0]


def test_of_a_year_to_come_it_is_known_what_is_encumbered() -> None:
    before = year_of(2026, ZONE).start - DAY
    found = standing(KEY, [], Encumbrance(Fraction(10)), before, zone=ZONE)
    assert [found.used, found.encumbered, found.projected] == [0, 10, None]


amounts = st.decimals(0, 10**6, places=2)


@given(
    st.lists(amounts, min_size=6, max_size=6),
    st.integers(0, 29 * 24 * 3600 * 10**6),
    amounts,
    st.fractions(0, 1000),
)
def test_what_is_used_encumbered_and_left_is_the_budget_to_the_cent(
    months: list[Decimal], elapsed: int, budget: Decimal, cost: Fraction
) -> None:
    now = START + timedelta(microseconds=elapsed)
    found = standing(KEY, spent(*map(str, months)), Encumbrance(cost), now, zone=ZONE)
    assert found.used + found.encumbered + found.left(budget) == budget
    assert found.projected is not None
    assert found.month_end is not None
    assert found.projected >= found.used - months[-1] + found.month_end - Decimal("0.01")
    assert found.month_end >= months[-1]


def outlook_of(
    projected: str, amount: str | None, *unpriced: str
) -> tuple[bool | None, int | None]:
    over = year_of(2026, ZONE).end + HOUR
    found = standing(
        KEY, spent(projected, first=12), Encumbrance(), over, zone=ZONE, unpriced=unpriced
    )
    given = None if amount is None else Decimal(amount)
    return outlook(Budget(KEY, Entry(1, given, "CNY", "", "", "", over), found))


def test_what_exceeds_a_budget_by_a_cent_is_not_told_as_all_of_it() -> None:
    assert outlook_of("100.00", "100") == (False, 100)
    assert outlook_of("100.01", "100") == (True, 101)
    assert outlook_of("50", "100") == (False, 50)
    assert outlook_of("0.01", "0") == (True, None)
    assert outlook_of("0", "0") == (False, None)


def test_nobody_can_say_that_it_will_do_of_what_has_no_price() -> None:
    assert outlook_of("50", "100", "storage has no price") == (None, None)
    assert outlook_of("150", "100", "storage has no price") == (True, 150)
    assert outlook_of("50", None) == (None, None)
    entry = Entry(1, Decimal(1), "CNY", "", "", "", NOW)
    assert outlook(Budget(KEY, entry)) == (None, None)


def test_the_highest_line_that_is_reached_is_told_and_none_of_a_budget_of_nothing() -> None:
    hundred, lines = Decimal(100), (100, 80)
    assert line_reached(Decimal("79.99"), hundred, lines) is None
    assert line_reached(Decimal(80), hundred, lines) == (80, 80)
    assert line_reached(Decimal("99.99"), hundred, lines) == (80, 99)
    assert line_reached(Decimal(250), hundred, lines) == (100, 250)
    assert line_reached(Decimal(250), hundred, ()) is None
    assert line_reached(Decimal(250), Decimal(0), lines) is None
