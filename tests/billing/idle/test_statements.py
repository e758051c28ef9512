from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.billing.idle.documents import document, from_document, remade
from cloudmgr.billing.idle.shares import Promise, Tenant, divide
from cloudmgr.billing.idle.statements import Kept, PoolFacts, departments, statement
from cloudmgr.billing.prices import Tariff
from cloudmgr.billing.rating import Category, rate_all
from cloudmgr.interval import Interval
from cloudmgr.money import CENT, exact_sum
from cloudmgr.policy.idle import IdleRule
from tests.billing.idle.worlds import an_entry, cents, facts, known, used
from tests.builders import a_price_list, a_record

if TYPE_CHECKING:
    import random

    from cloudmgr.billing.rating import Charge

HOUR = timedelta(hours=1)


def held(department: str, cores: int, hour: int = 0, **changes: object) -> Charge:
    """So many cores for an hour, at 0.12 each."""
    start = a_record().interval.start + hour * HOUR
    record = a_record(
        **{
            "resource": f"{department}-{hour}-{cores}",
            "department_id": department,
            "system_id": f"sys_{department}",
            "environment_id": f"env_{department}",
            "interval": Interval(start, start + HOUR),
            "quantity": Decimal(cores * 3600),
        }
        | changes
    )
    [charge] = rate_all([record], Tariff(a_price_list()), lambda *_: "acc_city").complete()
    return charge


def borne(found: object, charges: list[Charge]) -> dict[str, Decimal]:
    assert isinstance(found, PoolFacts)
    return {part.department_id: part.idle for part in departments(statement(found, charges))}


@given(known(), used())
def test_what_is_charged_and_borne_and_kept_is_what_the_pool_cost(
    found: PoolFacts, charges: list[Charge]
) -> None:
    made = statement(found, charges)
    assert exact_sum([share.charged for share in made.shares]) == made.charged
    assert all(share.idle >= 0 for share in made.shares)
    if made.cost is None:
        assert made.idle is None
        assert made.centre == 0
        assert not any(share.idle for share in made.shares)
    else:
        parts = [share.cost for share in made.shares]
        assert exact_sum([*parts, made.centre]) == made.cost


@given(known(), used(), st.data())
def test_parts_sum_to_the_whole_under_any_filter(
    found: PoolFacts, charges: list[Charge], data: st.DataObject
) -> None:
    made = statement(found, charges)
    wanted = data.draw(st.sets(st.sampled_from(["dep_x", "dep_y", "sys_1", "env_a", "acc_x"])))
    inside = [share for share in made.shares if wanted & set(share.tenant.path)]
    outside = [share for share in made.shares if not wanted & set(share.tenant.path)]
    sides = [exact_sum([share.cost for share in side]) for side in (inside, outside)]
    assert exact_sum([*sides, made.centre]) == (made.charged if made.cost is None else made.cost)
    by_department = departments(made)
    assert exact_sum([part.cost for part in by_department]) == exact_sum(sides)


@given(known(), used(), st.randoms())
def test_the_order_in_which_anything_comes_does_not_matter(
    found: PoolFacts, charges: list[Charge], chance: random.Random
) -> None:
    mixed, entries, promises = charges.copy(), [*found.entries], [*found.promises]
    for some in (mixed, entries, promises):
        chance.shuffle(some)
    other = replace(found, promises=tuple(promises))
    assert statement(other, mixed).shares == statement(found, charges).shares
    assert statement(replace(other, entries=tuple(entries)), mixed).cost == (
        statement(found, charges).cost
    )


@given(known(), used())
def test_a_statement_made_again_from_its_document_has_the_same_bytes(
    found: PoolFacts, charges: list[Charge]
) -> None:
    made = statement(found, charges)
    kept = document(made)
    assert from_document(kept) == made
    assert remade(kept, reversed(charges)) == kept


@given(known(), used())
def test_no_departments_share_is_more_than_a_cent_from_its_exact_part(
    found: PoolFacts, charges: list[Charge]
) -> None:
    made = statement(found, charges)
    if made.kept is None and made.idle is not None:
        for part in departments(made):
            assert part.basis is not None
            exact = Fraction(made.idle) * part.basis / made.basis
            assert abs(Fraction(part.idle) - exact) < Fraction(CENT)


@given(cents, st.lists(st.integers(0, 9), min_size=1, max_size=8))
def test_a_sum_is_divided_to_the_last_cent_or_not_at_all(
    amount: Decimal, counts: list[int]
) -> None:
    tenants = [Tenant(f"dep_{n}", "acc", "sys", f"env_{n}") for n in range(len(counts))]
    by_name = {f"dep_{n}": Fraction(count) for n, count in enumerate(counts)}
    shares = divide(amount, tenants, lambda prefix: by_name[prefix[0]])
    if shares is None:
        assert not any(counts)
    else:
        assert exact_sum(list(shares.values())) == amount


def test_by_allocation_it_is_what_each_held_over_time() -> None:
    charges = [held("dep_a", 30), held("dep_b", 10)]
    found = facts(an_entry(amount=Decimal("104.80")))
    # 40 vCPU-hours at 0.12 are charged; 100.00 are left.
    assert borne(found, charges) == {"dep_a": Decimal("75.00"), "dep_b": Decimal("25.00")}


def test_by_peak_share_it_is_the_most_that_each_held_at_once() -> None:
    charges = [held("dep_a", 10, hour=hour) for hour in range(4)] + [held("dep_b", 10)]
    found = facts(an_entry(amount=Decimal("106.00")), rule=IdleRule.PEAK)
    assert borne(found, charges) == {"dep_a": Decimal("50.00"), "dep_b": Decimal("50.00")}


def test_systems_whose_peaks_take_turns_are_one_peak_of_their_department() -> None:
    turns = [held("dep_a", 10, 0, system_id="sys_1"), held("dep_a", 10, 1, system_id="sys_2")]
    charges = [*turns, held("dep_b", 10)]
    found = facts(an_entry(amount=Decimal("103.60")), rule=IdleRule.PEAK)
    made = statement(found, charges)
    assert borne(found, charges) == {"dep_a": Decimal("50.00"), "dep_b": Decimal("50.00")}
    assert [share.idle for share in made.shares] == [
        Decimal("25.00"),
        Decimal("25.00"),
        Decimal("50.00"),
    ]


def test_by_reservation_it_is_what_each_was_promised_though_nothing_was_held() -> None:
    start = a_record().interval.start
    promises = tuple(
        Promise(
            f"win_{name}",
            Tenant(name, "acc_city", f"sys_{name}", f"env_{name}"),
            Interval(start, start + hours * HOUR),
            Decimal(8),
        )
        for name, hours in (("dep_b", 1), ("dep_c", 3))
    )
    found = facts(an_entry(amount=Decimal("101.20")), rule=IdleRule.RESERVATION, promises=promises)
    assert borne(found, [held("dep_a", 10)]) == {
        "dep_a": Decimal("0.00"),
        "dep_b": Decimal("25.00"),
        "dep_c": Decimal("75.00"),
    }


def test_uniform_is_the_same_for_each_department_however_many_systems_it_has() -> None:
    charges = [
        held("dep_a", 1, 0, environment_id="env_1"),
        held("dep_a", 1, 1, environment_id="env_2"),
        held("dep_b", 8),
    ]
    found = facts(an_entry(amount=Decimal("101.21")), rule=IdleRule.UNIFORM)
    # 100.01 is left, and the cent that cannot be halved is somebody's, always the same one's.
    assert borne(found, charges) == {"dep_a": Decimal("50.01"), "dep_b": Decimal("50.00")}


@pytest.mark.parametrize(
    ("rule", "amount", "cores", "kept", "centre"),
    [
        (IdleRule.CENTRE, "101.20", 10, Kept.RULE, "100.00"),
        (IdleRule.ALLOCATION, "100.00", 0, Kept.EMPTY, "100.00"),
        (IdleRule.UNIFORM, "100.00", 0, Kept.EMPTY, "100.00"),
        (IdleRule.RESERVATION, "101.20", 10, Kept.NO_BASIS, "100.00"),
        (IdleRule.ALLOCATION, "1.00", 10, Kept.SURPLUS, "-0.20"),
        (IdleRule.CENTRE, "1.00", 10, Kept.SURPLUS, "-0.20"),
    ],
)
def test_what_nobody_bears_stays_with_the_centre_and_says_why(
    rule: IdleRule, amount: str, cores: int, kept: Kept, centre: str
) -> None:
    charges = [held("dep_a", cores)] if cores else []
    made = statement(facts(an_entry(amount=Decimal(amount)), rule=rule), charges)
    assert (made.kept, made.centre) == (kept, Decimal(centre))
    assert not any(share.idle for share in made.shares)


def test_without_a_cost_nothing_is_idle_and_nothing_is_said_to_be() -> None:
    made = statement(facts(), [held("dep_a", 10)])
    assert (made.cost, made.idle, made.kept) == (None, None, None)
    assert made.charged == Decimal("1.20")


def test_late_usage_of_months_before_and_other_pools_do_not_count() -> None:
    late = replace(held("dep_b", 50), category=Category.ADJUSTMENT)
    elsewhere = replace(held("dep_c", 50), pool_id="pool_b")
    made = statement(
        facts(an_entry(amount=Decimal("101.20"))), [held("dep_a", 10), late, elsewhere]
    )
    assert made.charged == Decimal("1.20")
    assert [part.department_id for part in departments(made)] == ["dep_a"]
