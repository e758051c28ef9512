"""Usage that an engine is not to rate, and why; None: it just may."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cloudmgr.policy.prices import Price
from tests.billing.engines.cases import EVER, a_tariff
from tests.builders import a_record

if TYPE_CHECKING:
    from cloudmgr.billing.prices import Tariff
    from cloudmgr.metering.usage import UsageRecord

HIGHEST = Decimal("999999999.99999999")
_MUCH = a_record(meter="storage", quantity=Decimal(3_600_000_000_000))

FAULTY = (
    (_MUCH, Decimal("0.1"), "too-much"),
    (_MUCH, Decimal("0.02"), None),
    (a_record(meter="storage", quantity=Decimal(100)), HIGHEST, None),
    (a_record(meter="storage", quantity=Decimal(101)), HIGHEST, "too-much"),
    (a_record(department_id="dep_gone"), Decimal(1), "no-account"),
)


def too_much_in_all() -> tuple[list[UsageRecord], Tariff]:
    """Records that each may be rated, and whose line has a digit more than any engine keeps."""
    tariff = a_tariff(Price("storage", None, EVER, HIGHEST))
    return [
        a_record(resource=f"r{n}", meter="storage", quantity=Decimal(99)) for n in range(2)
    ], tariff
