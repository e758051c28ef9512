from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, Inexact
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.errors import Invalid
from cloudmgr.money import Money, exact_product, exact_sum, largest_remainder, to_cents

# What a DECIMAL(38, 18) column holds.
exact_numbers = st.integers(-(10**38) + 1, 10**38 - 1).map(
    lambda digits: Context(prec=40).scaleb(Decimal(digits), -18)
)
fractions = st.fractions(min_value=-(10**30), max_value=10**30, max_denominator=10**9)
weights = st.lists(
    st.fractions(min_value=0, max_value=10**9, max_denominator=10**6), min_size=1, max_size=20
)


@given(exact_numbers, exact_numbers)
def test_a_product_of_two_stored_numbers_keeps_every_digit(left: Decimal, right: Decimal) -> None:
    assert Fraction(exact_product(left, right)) == Fraction(left) * Fraction(right)


@given(st.lists(exact_numbers))
def test_a_sum_of_stored_numbers_keeps_every_digit(values: list[Decimal]) -> None:
    assert Fraction(exact_sum(values)) == sum(map(Fraction, values), Fraction(0))


def test_a_digit_that_does_not_fit_raises_instead_of_being_rounded_away() -> None:
    with pytest.raises(Inexact):
        exact_sum([Decimal("1e50"), Decimal("1e-50")])
    with pytest.raises(Inexact):
        exact_product(Decimal(10**60 + 1), Decimal(10**60 + 1))


def test_the_sum_of_nothing_is_zero() -> None:
    assert exact_sum([]) == 0


@pytest.mark.parametrize(
    ("value", "cents"),
    [
        (Fraction(5, 1000), "0.01"),
        (Fraction(-5, 1000), "-0.01"),
        (Fraction(4999, 10**6), "0.00"),
        (Fraction(1, 3), "0.33"),
        (Fraction(2675, 1000), "2.68"),  # which a float would make 2.67
        (Fraction(10**40 + 1, 100), "100000000000000000000000000000000000000.01"),
    ],
)
def test_cents_are_rounded_half_up(value: Fraction, cents: str) -> None:
    assert to_cents(value) == Decimal(cents)
    assert to_cents(value).as_tuple().exponent == -2


@given(fractions)
def test_rounding_to_cents_moves_by_half_a_cent_at_most(value: Fraction) -> None:
    assert abs(Fraction(to_cents(value)) - value) <= Fraction(1, 200)


@given(exact_numbers)
def test_rounding_to_cents_agrees_with_the_decimal_module(value: Decimal) -> None:
    context = Context(prec=60, rounding=ROUND_HALF_UP)
    assert to_cents(Fraction(value)) == context.quantize(value, Decimal("0.01"))


@given(st.integers(-(10**40), 10**40), weights.filter(any))
def test_shares_sum_to_the_whole_and_stray_less_than_a_cent(
    cents: int, weights: list[Fraction]
) -> None:
    total = Context(prec=60).scaleb(Decimal(cents), -2)
    shares = largest_remainder(total, weights)
    assert exact_sum(shares) == total
    whole = sum(weights)
    for share, weight in zip(shares, weights, strict=True):
        assert abs(Fraction(share) - Fraction(total) * weight / whole) < Fraction(1, 100)


def test_a_tie_goes_to_the_earlier_weight() -> None:
    shares = largest_remainder(Decimal("0.02"), [Fraction(1)] * 3)
    assert shares == [Decimal("0.01"), Decimal("0.01"), Decimal("0.00")]


def test_a_weight_of_zero_gets_nothing() -> None:
    assert largest_remainder(Decimal("0.01"), [Fraction(0), Fraction(1)])[0] == 0


@pytest.mark.parametrize(
    ("total", "weights", "code"),
    [
        ("1.00", [], "no-weights"),
        ("1.00", [Fraction(0)], "no-weights"),
        ("1.00", [Fraction(2), Fraction(-1)], "negative-weight"),
        ("1.001", [Fraction(1)], "not-whole-cents"),
    ],
)
def test_sharing_what_cannot_be_shared_is_refused(
    total: str, weights: list[Fraction], code: str
) -> None:
    with pytest.raises(Invalid) as caught:
        largest_remainder(Decimal(total), weights)
    assert caught.value.code == code


@given(exact_numbers, exact_numbers)
def test_what_is_added_and_taken_away_again_leaves_the_same_money(a: Decimal, b: Decimal) -> None:
    money = Money(a, "CNY")
    assert money + Money(b, "CNY") - Money(b, "CNY") == money


def test_money_of_two_currencies_cannot_be_added() -> None:
    with pytest.raises(Invalid) as caught:
        Money(Decimal(1), "CNY") + Money(Decimal(1), "EUR")
    assert caught.value.code == "mixed-currencies"


def test_money_times_a_factor_keeps_every_digit() -> None:
    price = Money(Decimal("0.000000000000000001"), "CNY")
    assert price.times(Decimal("1e-18")).amount == Decimal("1e-36")


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity"])
def test_money_that_is_not_a_number_is_refused(amount: str) -> None:
    with pytest.raises(Invalid) as caught:
        Money(Decimal(amount), "CNY")
    assert caught.value.code == "not-a-number"


@pytest.mark.parametrize("currency", ["", "cny", "RMBY", "A1B", "元元元"])
def test_a_currency_that_is_not_three_capitals_is_refused(currency: str) -> None:
    with pytest.raises(Invalid) as caught:
        Money(Decimal(1), currency)
    assert caught.value.code == "no-currency"
