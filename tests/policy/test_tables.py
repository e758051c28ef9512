from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import Invalid
from cloudmgr.policy.budget_lines import BudgetLines
from cloudmgr.policy.idle import IdlePolicy, IdleRule
from cloudmgr.policy.loading import load
from cloudmgr.policy.prices import Price, PriceList

if TYPE_CHECKING:
    from cloudmgr.policy.bundle import PolicyBundle
    from tests.policy.conftest import Policies

JULY = datetime(2026, 6, 30, 16, tzinfo=UTC)  # midnight in Shanghai


def test_prices_start_at_midnight_of_the_city_and_keep_every_digit(bundle: PolicyBundle) -> None:
    prices = bundle.price_list
    assert prices.currency == "CNY"
    assert {p.meter for p in prices.prices} == {"vcpu", "memory", "storage", "requests"}
    assert Price("memory", None, JULY, Decimal("0.0410")) in prices.prices
    assert {p.zone for p in prices.prices if p.meter == "vcpu"} == {"intranet", "extranet"}
    assert min(p.valid_from for p in prices.prices) == datetime(2025, 12, 31, 16, tzinfo=UTC)


def test_a_general_price_may_later_differ_by_zone(policies: Policies) -> None:
    policies.edit(
        "prices.yaml",
        '{meter: memory, unit_price: "0.0410"}',
        '{meter: memory, zone: extranet, unit_price: "0.0410"}',
    )
    assert not policies.findings()


def test_a_general_price_that_leaves_a_zone_as_it_was_is_refused(policies: Policies) -> None:
    policies.edit(
        "prices.yaml",
        '{meter: vcpu, zone: intranet, unit_price: "0.1260"}',
        '{meter: vcpu, unit_price: "0.1260"}',
    )
    (finding,) = policies.findings().splitlines()
    assert "generations[1].rates[0]: vcpu in intranet has a price of its own" in finding


def test_a_price_may_start_at_an_instant(policies: Policies) -> None:
    policies.edit("prices.yaml", "valid_from: 2026-07-01", "valid_from: 2026-07-01T08:00:00+08:00")
    assert not policies.findings()


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ('"0.0450"', "0.0450", "generations[0].rates[2].unit_price: 0.0450 is not a plain whole"),
        ('"0.0450"', "1", "unit_price: it must be quoted text such as '0.35', not a number"),
        ('"0.0450"', '"-0.01"', "unit_price: -0.01 is negative"),
        ('"0.0450"', '"4,50"', "'4,50' is not an amount"),
        ('"0.0450"', '"1e3"', "'1e3' is not an amount"),
        ('"0.0450"', '"0.0000000000000000001"', "at most 9 digits before and 18 after the point"),
        (
            "{meter: memory,",
            "{meter: ram,",
            "'ram' is none of 'vcpu', 'memory', 'storage', 'reque",
        ),
        ("{meter: memory,", "{meter: storage,", "storage has two prices from the same instant"),
        (
            "{meter: memory,",
            "{meter: storage,",
            "memory in intranet has no price in the first gener",
        ),
        ("{meter: memory,", "{meter: memory, zone: extranet,", "memory in intranet has no price"),
        (
            "valid_from: 2026-07-01",
            "valid_from: 2025-07-01",
            "later than that of the generation bef",
        ),
        (
            "valid_from: 2026-07-01",
            "valid_from: 2026-01-01",
            "later than that of the generation bef",
        ),
        ("valid_from: 2026-07-01", "valid_from: 2026-02-30", "'2026-02-30' is neither a day"),
        (
            "valid_from: 2026-07-01",
            "valid_from: 2026-07-01T00:00:00",
            "nor an instant with an offset",
        ),
        ("valid_from: 2026-07-01", "valid_from: 20260701", "valid_from: it must be text"),
        ("valid_from: 2026-07-01", "valid_from: 0001-01-01", "is neither a day"),
        ("Asia/Shanghai", "Asia/Shangai", "time_zone: there is no time zone 'Asia/Shangai'"),
        ("Asia/Shanghai", "../../etc/passwd", "there is no time zone"),
        ("currency: CNY", "currency: RMB¥", "currency: 'RMB¥' is not of the form"),
    ],
)
def test_a_price_list_that_cannot_be_billed_is_refused(
    policies: Policies, old: str, new: str, finding: str
) -> None:
    policies.edit("prices.yaml", old, new)
    findings = policies.findings()
    assert finding in findings
    assert all(line.startswith("prices.yaml:") for line in findings.splitlines())


def test_a_quoted_price_is_complained_of_once(policies: Policies) -> None:
    policies.edit("prices.yaml", '"0.0450"', "0.0450")
    assert len(policies.findings().splitlines()) == 1


def test_two_prices_from_the_same_instant_are_no_price_list() -> None:
    price = Price("vcpu", None, JULY, Decimal(1))
    with pytest.raises(Invalid, match="vcpu has two prices") as caught:
        PriceList("CNY", (price, Price("vcpu", None, JULY, Decimal(2))))
    assert caught.value.code == "duplicate-price"


@pytest.mark.parametrize("amount", ["-1", "NaN", "Infinity"])
def test_a_price_is_a_finite_amount(amount: str) -> None:
    with pytest.raises(Invalid, match="a price cannot be"):
        Price("vcpu", None, JULY, Decimal(amount))


def test_a_price_needs_a_time_zone() -> None:
    with pytest.raises(Invalid, match="time zone"):
        Price("vcpu", None, JULY.replace(tzinfo=None), Decimal(1))


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 2, 14), True),  # a Saturday that is worked for the Spring Festival
        (date(2026, 2, 16), False),  # a Monday within it
        (date(2026, 2, 28), True),
        (date(2026, 5, 4), False),
        (date(2026, 5, 9), True),
        (date(2026, 9, 20), True),
        (date(2026, 10, 7), False),
        (date(2026, 10, 8), True),
        (date(2026, 6, 6), False),
        (date(2026, 6, 8), True),
    ],
)
def test_offices_work_as_the_state_council_has_it(
    bundle: PolicyBundle, day: date, *, works: bool
) -> None:
    assert bundle.holidays.is_workday(day) is works


def test_2026_has_248_working_days(bundle: PolicyBundle) -> None:
    days = [date(2026, 1, 1) + timedelta(n) for n in range(365)]
    # 261 weekdays, of which 19 are off, and 6 weekend days that are worked.
    assert sum(bundle.holidays.is_workday(day) for day in days) == 248


def test_a_year_without_a_table_is_said_to_be_unknown(bundle: PolicyBundle) -> None:
    assert bundle.holidays.covers(2024)
    assert bundle.holidays.covers(2026)
    assert not bundle.holidays.covers(2027)
    assert not bundle.holidays.is_workday(date(2027, 10, 1)), "a Friday, and National Day"
    assert not bundle.holidays.is_workday(date(2027, 10, 9)), "a Saturday: who knows?"


def test_a_year_without_a_table_of_ours_is_as_the_country_has_it(policies: Policies) -> None:
    ours = load(policies.directory).holidays
    policies.write("holidays.yaml", "country: CN\n")
    theirs = load(policies.directory).holidays
    days = [date(2025, 1, 1) + timedelta(n) for n in range(730)]
    assert [ours.is_workday(d) for d in days] == [theirs.is_workday(d) for d in days]
    assert theirs.is_workday(date(2024, 2, 4)), "a Sunday that was worked for the Spring Festival"
    national = theirs.holiday_on(date(2024, 10, 1))
    assert national is not None
    assert (national.zh, national.en) == ("国庆节", "National Day")


def test_another_country_works_by_its_own_days(policies: Policies) -> None:
    policies.write("holidays.yaml", "country: DE\n")
    germany = load(policies.directory).holidays
    assert germany.covers(2040), "nothing is worked in exchange"
    assert not germany.is_workday(date(2026, 10, 3))
    assert germany.is_workday(date(2026, 10, 1))
    unity = germany.holiday_on(date(2028, 10, 3))
    assert unity is not None
    assert unity.en == "German Unity Day"


def test_a_country_that_nobody_knows_is_refused(policies: Policies) -> None:
    policies.edit("holidays.yaml", "country: CN", "country: XX")
    assert "country: no holidays are known of XX" in policies.findings()


def test_a_holiday_has_a_name_in_both_languages(bundle: PolicyBundle) -> None:
    holiday = bundle.holidays.holiday_on(date(2026, 10, 3))
    assert holiday is not None
    assert (holiday.zh, holiday.en) == ("国庆节", "National Day")
    assert bundle.holidays.holiday_on(date(2026, 10, 10)) is None


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("last: 2026-05-05", "last: 2026-04-30", "last: it ends before it begins"),
        ("last: 2026-05-05", "last: 2026-06-30", "last: a holiday of more than a month"),
        ("last: 2026-05-05", "last: 2026-05-32", "'2026-05-32' is not a day such as"),
        ("first: 2026-09-25", "first: 2025-09-25", "does not belong to the table of 2026"),
        ("working: [2026-05-09]", "working: [2026-05-08]", "2026-05-08 is no weekend day"),
        ("working: [2026-05-09]", "working: [2026-09-26]", "2026-09-26 is a holiday and a working"),
        ("first: 2026-10-01", "first: 2026-09-27", "years[1].holidays[6]: it overlaps another"),
        ("year: 2025", "year: 2026", "years[1].year: 2026 stands here twice"),
        ("en: National Day,", "en: ,", "en: it must be text, not nothing"),
    ],
)
def test_a_holiday_table_that_contradicts_itself_is_refused(
    policies: Policies, old: str, new: str, finding: str
) -> None:
    policies.edit("holidays.yaml", old, new)
    assert finding in policies.findings()


def test_a_gap_is_charged_nothing_unless_the_list_says_what_was_held(policies: Policies) -> None:
    assert load(policies.directory).price_list.gaps == "nothing"
    policies.edit("prices.yaml", "gaps: nothing", "gaps: held")
    policies.edit(
        "prices.yaml",
        '{meter: memory, unit_price: "0.0450"}',
        '{meter: memory, unit_price: "0.0450"}\n      - {meter: vcpu-used, unit_price: "0.02"}',
    )
    prices = load(policies.directory).price_list

    assert prices.gaps == "held"
    assert "vcpu-used" in {price.meter for price in prices.prices}
    policies.edit("prices.yaml", "gaps: held", "gaps: doubled")
    assert "gaps: 'doubled' is none of" in policies.findings()


def test_who_bears_idle_cost_is_stated_for_all_pools_and_for_some(policies: Policies) -> None:
    assert load(policies.directory).idle == IdlePolicy()
    policies.edit(
        "prices.yaml",
        "gaps: nothing",
        "gaps: nothing\nidle: {by: uniform, pools: {内网一号: centre}, weights: {storage: 1}}",
    )
    found = load(policies.directory).idle
    assert found.rule_of("内网一号") is IdleRule.CENTRE
    assert found.rule_of("extranet-a") is IdleRule.UNIFORM
    assert found.weights == {"storage": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{by: luck}", "prices.yaml:13: idle.by"),
        ("{statement: billed}", "prices.yaml:13: idle.statement"),
        ("{weights: {vcpu: 0}}", "one of them must be more than nothing"),
        ("{weights: {requests: 1}}", "idle.weights"),
        ("{pools: {a: half}}", "idle.pools.a"),
    ],
)
def test_idle_cost_that_would_be_borne_by_no_rule_is_refused(
    policies: Policies, text: str, said: str
) -> None:
    policies.edit("prices.yaml", "gaps: nothing", f"gaps: nothing\nidle: {text}")
    with pytest.raises(Invalid) as refused:
        load(policies.directory)
    assert said in str(refused.value)


def test_budgets_are_told_of_at_lines_that_policy_may_change(policies: Policies) -> None:
    assert load(policies.directory).budget_lines == BudgetLines((80, 100), (100,))
    policies.edit("prices.yaml", "gaps: nothing", "gaps: nothing\nbudgets: {used: [90]}")
    assert load(policies.directory).budget_lines == BudgetLines((90,), (100,))


@pytest.mark.parametrize("wrong", ["[0]", "[1001]", "[80.5]", '["80"]', "80"])
def test_a_line_that_is_no_percentage_is_refused(policies: Policies, wrong: str) -> None:
    policies.edit("prices.yaml", "gaps: nothing", f"gaps: nothing\nbudgets: {{used: {wrong}}}")
    assert "budgets.used" in policies.findings()
