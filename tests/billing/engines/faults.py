"""Usage that an engine is not to rate, and why; None: it just may."""

from __future__ import annotations

from decimal import Decimal

from tests.builders import a_record

HIGHEST = Decimal("999999999.99999999")
_MUCH = a_record(meter="storage", quantity=Decimal(3_600_000_000_000))

FAULTY = (
    (_MUCH, Decimal("0.1"), "too-much"),
    (_MUCH, Decimal("0.02"), None),
    (a_record(meter="storage", quantity=Decimal(99)), HIGHEST, None),
    (a_record(meter="storage", quantity=Decimal(100)), HIGHEST, "too-much"),
    (a_record(department_id="dep_gone"), Decimal(1), "no-account"),
)
