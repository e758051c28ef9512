"""Budgets in their city: what departments are committed to, and the duty that follows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.billing.budgets.budget import (
    BudgetKey,
    Commitment,
    Peak,
    line_reached,
    outlook,
    year_at,
    year_of,
)
from cloudmgr.billing.budgets.control import Budgets
from cloudmgr.billing.invoices import Label
from cloudmgr.notices import budget_words as words
from cloudmgr.notices.notice import Kind, Subject
from cloudmgr.scaling.readiness import Spending
from cloudmgr.wiring.duties import Duty
from cloudmgr.wiring.labels import Labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.billing.budgets.budget import Budget
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.interval import Interval
    from cloudmgr.notices.notice import Notice
    from cloudmgr.wiring.control_plane import ControlPlane

# Elapsed seconds between two looks at all budgets.
_OFTEN = 3600.0


class Budgeting:
    """What :class:`cloudmgr.billing.budgets.control.Around` asks, around one database."""

    def __init__(self, plane: ControlPlane) -> None:
        """:param plane: with its stores and books."""
        self._stores = plane.stores
        self._zone = plane.settings.zone
        self._database = plane.database
        self._policies = plane.policies
        self._clock = plane.clock
        self._names = Labels(plane.stores, plane.clock)
        self.control = Budgets(plane.books, plane.stores.budgets, self)
        self.duties = (Duty("budgets", _OFTEN, self.follow),)

    def follow(self) -> int:
        """Work out how budgets stand, and tell which have reached a line of policy's, once each."""
        count = self.control.follow()
        now = self._clock.now()
        this_year = year_at(now, self._zone)
        with self._database.read() as tx:
            told = [
                notice
                for budget in self._stores.budgets.list(tx)
                # What ended long ago is no news, whatever is corrected in it.
                if budget.key.year >= this_year - 1
                for notice in self._told(tx, budget, now)
            ]
        if told:
            with self._database.write() as tx:
                for notice in told:
                    self._stores.notices.put(tx, notice)
        return count

    def _told(self, tx: Connection, budget: Budget, now: datetime) -> Iterator[Notice]:
        key, found, amount = budget.key, budget.standing, budget.amount
        if found is None or amount is None:
            return
        lines = self._policies.current.budget_lines
        for kind, value, which in (
            (Kind.BUDGET_USED, found.used, lines.used),
            (Kind.BUDGET_PROJECTED, found.projected, lines.projected),
        ):
            reached = None if value is None else line_reached(value, amount, which)
            # Of a year that is over nothing is foreseen.
            if reached and (kind is Kind.BUDGET_USED or now < year_of(key.year, self._zone).end):
                thing = key.system_id or key.department_id
                name = self._names(tx, [thing]).get(thing, Label(thing, thing))
                subject = Subject("", key.department_id, name.zh, name.en)
                yield words.budget(kind, subject, budget.id, key.year, *reached, now)

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
