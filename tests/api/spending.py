"""What the departments of the seeded city may spend."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cloudmgr.billing.budgets.budget import BudgetKey, Entry, year_at

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.api.services import Services


def spending(
    services: Services, tx: Connection, department_id: str, name: str, now: datetime
) -> str:
    """A budget of this year; its id."""
    key = BudgetKey(department_id, None, year_at(now, services.time_zone))
    entry = Entry(0, Decimal("1000.00"), "CNY", f"{name}年度预算", "usr_finance", "finance", now)
    return services.budgets.store.decide(tx, key, entry).id
