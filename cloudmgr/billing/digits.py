"""Exact numbers as text, one text for one number, so that equal things have equal bytes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

from cloudmgr.money import EXACT

if TYPE_CHECKING:
    from fractions import Fraction


def plain(value: Decimal) -> str:
    """Every digit of ``value`` and no more: no exponent, no zeros at the end, no ``-0``."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def rounded(value: Fraction, digits: int) -> Decimal:
    """``value`` half up to ``digits`` decimals, for reading; nothing is computed from it."""
    whole, rest = divmod(abs(value) * 10**digits, 1)
    whole += rest * 2 >= 1
    signed = int(whole) if value >= 0 else -int(whole)
    return Decimal(signed).scaleb(-digits, context=EXACT)


def canonical(content: object) -> str:
    """JSON with sorted keys and no spaces."""
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
