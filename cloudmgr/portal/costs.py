"""What the month costs so far, for homes and lists: read at most every few seconds."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from cloudmgr.billing.periods import period_at
from cloudmgr.money import to_cents

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    from cloudmgr.portal.view import View

_FRESH_SECONDS = 15.0
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one month, each sum rounded by itself: for reading. Invoices are what is owed."""

    month: str
    currency: str
    until: datetime | None
    total: Decimal
    environments: Mapping[str, Decimal]
    departments: Mapping[str, Decimal]
    accounts: Mapping[str, Decimal]
    unpriced: bool


def costs_so_far(view: View, department_id: str | None) -> Costs:
    """This month's, of one department or of all. A few seconds old at most."""
    services = view.services
    state = view.request.app.state
    month = period_at(view.formats.now, services.time_zone).month
    moment = services.clock.monotonic()
    with _LOCK:
        kept: dict[tuple[str | None, str], tuple[float, Costs]]
        kept = getattr(state, "portal_costs", None) or {}
        state.portal_costs = kept
        found = kept.get((department_id, month))
        if found is not None and 0 <= moment - found[0] < _FRESH_SECONDS:
            return found[1]
    costs = _read(view, month, department_id)
    with _LOCK:
        if len(kept) > 1000:
            kept.clear()
        kept[department_id, month] = (moment, costs)
    return costs


def _read(view: View, month: str, department_id: str | None) -> Costs:
    preview = view.services.books.preview(month, department_id=department_id)
    sums: tuple[dict[str, Fraction], ...] = tuple(defaultdict(Fraction) for _ in range(3))
    for charge in preview.charges:
        for table, key in zip(
            sums, (charge.environment_id, charge.department_id, charge.account_id), strict=True
        ):
            table[key] += charge.cost
    cents = [{key: to_cents(exact) for key, exact in table.items()} for table in sums]
    return Costs(
        month=month,
        currency=view.services.policies.current.price_list.currency,
        until=preview.until,
        total=to_cents(sum((charge.cost for charge in preview.charges), Fraction(0))),
        environments=cents[0],
        departments=cents[1],
        accounts=cents[2],
        unpriced=bool(preview.unpriced),
    )
