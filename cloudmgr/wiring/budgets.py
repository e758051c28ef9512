"""Budgets in their city: what departments are committed to, and the duty that follows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.billing.budgets.budget import BudgetKey, Commitment, Peak, outlook, year_at
from cloudmgr.billing.budgets.control import Budgets
from cloudmgr.scaling.readiness import Spending
from cloudmgr.wiring.duties import Duty

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.interval import Interval
    from cloudmgr.wiring.control_plane import ControlPlane

# Elapsed seconds between two looks at all budgets.
_OFTEN = 3600.0


class Budgeting:
    """What :class:`cloudmgr.billing.budgets.control.Around` asks, around one database."""

    def __init__(self, plane: ControlPlane) -> None:
        """:param plane: with its stores and books."""
        self._stores = plane.stores
        self._zone = plane.settings.zone
        self.control = Budgets(plane.books, plane.stores.budgets, self)
        self.duties = (Duty("budgets", _OFTEN, self.control.follow),)

    def spending(
        self, tx: Connection, environment: Environment, at: datetime
    ) -> tuple[Spending, ...]:
        """Budgets that the environment's costs ``at`` a moment are in, as they were kept last."""
        year = year_at(at, self._zone)
        found = []
        for system_id in (environment.system_id, None):
            key = BudgetKey(environment.department_id, system_id, year)
            budget = self._stores.budgets.find(tx, key)
            if budget is not None and budget.amount is not None:
                exceeds, percent = outlook(budget)
                found.append(Spending(system_id is not None, exceeds, percent))
        return tuple(found)

    def accounts(self, tx: Connection, department_id: str) -> Sequence[str]:
        """Late usage of a month may be another account's than what is used now."""
        department = self._stores.departments.get(tx, department_id)
        return [version.billing_account_id for version in department.versions]

    def commitments(
        self, tx: Connection, department_id: str, rest: Interval
    ) -> Mapping[str, Sequence[Commitment]]:
        """By system."""
        peaks: dict[str, list[Peak]] = {}
        for window in self._stores.scaling.windows.list(
            tx, hosted=True, department_id=department_id, during=rest, cancelled=False
        ):
            peak = Peak(window.component, window.replicas, window.interval)
            peaks.setdefault(window.environment_id, []).append(peak)
        found: dict[str, list[Commitment]] = {}
        for environment in self._stores.environments.list(tx, department_id=department_id):
            if not environment.retiring:
                commitment = Commitment(
                    environment.id,
                    environment.components,
                    environment.zone.value,
                    tuple(peaks.get(environment.id, ())),
                )
                found.setdefault(environment.system_id, []).append(commitment)
        return found
