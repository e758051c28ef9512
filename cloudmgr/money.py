"""Exact money. Nothing here rounds unless its name says so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING, Self

from cloudmgr.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

_CURRENCY = re.compile(r"[A-Z]{3}")
CENT = Decimal("0.01")
# Two numbers of 38 digits have a product of 76: Inexact raises rather than lose one of them.
EXACT = Context(prec=80, traps=[Inexact, InvalidOperation])


def exact_product(left: Decimal, right: Decimal) -> Decimal:
    """``left × right`` with every digit.

    :raises decimal.Inexact: beyond 80 digits.
    """
    return EXACT.multiply(left, right)


def exact_sum(values: Sequence[Decimal]) -> Decimal:
    """The sum with every digit, 0 for nothing.

    :raises decimal.Inexact: beyond 80 digits.
    """
    with localcontext(EXACT):
        return sum(values, Decimal(0))


def to_cents(value: Fraction) -> Decimal:
    """``value``, an exact fraction, rounded to two decimals, half up (a tie away from zero).

    :raises decimal.Inexact: beyond 80 digits.
    """
    cents, remainder = divmod(abs(value) * 100, 1)
    if remainder >= Fraction(1, 2):
        cents += 1
    return _of_cents(cents if value >= 0 else -cents)


def largest_remainder(total: Decimal, weights: Sequence[Fraction]) -> list[Decimal]:
    """``total`` (in whole cents) shared by ``weights``, so that the shares sum to it exactly.

    Ties go to the earlier weight, so the result does not depend on chance. Source: Hamilton's
    method of apportionment.

    :raises Invalid: ``no-weights`` when there is nothing to share by; ``negative-weight``;
        ``not-whole-cents``.
    """
    if any(weight < 0 for weight in weights):
        raise Invalid("a share cannot have a negative weight", code="negative-weight")
    whole = sum(weights, Fraction(0))
    if whole == 0:
        raise Invalid("there is nothing to share by", code="no-weights")
    cents = Fraction(total) * 100
    if cents.denominator != 1:
        raise Invalid(f"{total} is not a whole number of cents", code="not-whole-cents")
    ideal = [cents * weight / whole for weight in weights]
    floors = [share.numerator // share.denominator for share in ideal]
    by_remainder = sorted(range(len(weights)), key=lambda i: (floors[i] - ideal[i], i))
    for index in by_remainder[: cents.numerator - sum(floors)]:
        floors[index] += 1
    return [_of_cents(share) for share in floors]


def _of_cents(cents: int) -> Decimal:
    # Not Decimal.scaleb, which would round to the 28 digits of the ambient context.
    return EXACT.scaleb(Decimal(cents), -2)


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in one currency (ISO 4217).

    :raises Invalid: ``not-a-number`` for NaN and infinities, ``no-currency``.
    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not self.amount.is_finite():
            raise Invalid("money must be a finite number", code="not-a-number")
        if not _CURRENCY.fullmatch(self.currency):
            raise Invalid(f"{self.currency!r} is not an ISO 4217 currency", code="no-currency")

    def __add__(self, other: Self) -> Self:
        self._same(other)
        return type(self)(EXACT.add(self.amount, other.amount), self.currency)

    def __sub__(self, other: Self) -> Self:
        self._same(other)
        # Not a sum with the negative: a unary minus rounds to the 28 digits of the ambient context.
        return type(self)(EXACT.subtract(self.amount, other.amount), self.currency)

    def times(self, factor: Decimal) -> Self:
        return type(self)(exact_product(self.amount, factor), self.currency)

    def _same(self, other: Self) -> None:
        if self.currency != other.currency:
            raise Invalid(
                f"{self.currency} and {other.currency} cannot be added", code="mixed-currencies"
            )
