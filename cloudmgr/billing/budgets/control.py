"""Deciding on budgets, and working out how they stand: one department at a time, never the city."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from cloudmgr.billing.budgets.budget import (
    Encumbrance,
    Entry,
    MonthSpent,
    checked_amount,
    encumbrance,
    months_of,
    standing,
    year_at,
    year_of,
)
from cloudmgr.billing.invoices import from_document
from cloudmgr.billing.reports import Part, PartKey, apportioned
from cloudmgr.errors import CloudmgrError, Conflict, Invalid, Unpriced
from cloudmgr.interval import Interval
from cloudmgr.money import exact_sum

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from sqlalchemy import Connection

    from cloudmgr.billing.books import Books
    from cloudmgr.billing.budgets.budget import Budget, BudgetKey, Commitment, Standing
    from cloudmgr.billing.budgets.store import BudgetStore
    from cloudmgr.billing.invoices import Invoice


log = logging.getLogger(__name__)

_MONTHS = 12


class Around(Protocol):
    """What budgets must be told of a department."""

    def accounts(self, tx: Connection, department_id: str) -> Iterable[str]:
        """Every account that ever paid for it."""
        ...

    def commitments(
        self, tx: Connection, department_id: str, rest: Interval
    ) -> Mapping[str, Sequence[Commitment]]:
        """Its approved environments that are to stay, by system, with their peaks in ``rest``."""
        ...


class Actor(Protocol):
    """Who decides."""

    @property
    def user_id(self) -> str: ...

    @property
    def login(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Month:
    """Of a department: what the month came to by system."""

    parts: tuple[Part, ...]
    closed: bool
    unpriced: tuple[str, ...] = ()

    def of(self, key: BudgetKey) -> Decimal:
        return exact_sum(
            [part.amount for part in self.parts if key.system_id in {None, part.key.system_id}]
        )


class Budgets:
    """Entries are made by :meth:`decide`; the rest reads; :meth:`follow` keeps what it finds."""

    def __init__(self, books: Books, store: BudgetStore, around: Around) -> None:
        self.store = store
        self._books = books
        self._around = around

    def decide(
        self, tx: Connection, key: BudgetKey, amount: Decimal | None, reason: str, actor: Actor
    ) -> Budget:
        """From now on the budget is ``amount``, in the currency of the price list; None: none.

        :raises Invalid: ``invalid-amount``. :raises Conflict: ``no-change`` when that is how it is
            already, ``stale-version``, ``already-exists`` when somebody decides at the same time.
        """
        if amount is not None:
            amount = checked_amount(amount)
        currency = self._books.tariff().currency
        known = self.store.find(tx, key)
        before = None if known is None else known.amount
        if amount == before and (known is None or known.entry.currency == currency):
            raise Conflict(
                "there is no such budget"
                if amount is None
                else f"the budget is {amount} {currency} already",
                code="no-change",
            )
        now = self._books.clock.now()
        entry = Entry(0, amount, currency, reason, actor.user_id, actor.login, now)
        return self.store.decide(tx, key, entry)

    def stand(self, budget: Budget) -> Budget:
        """With its standing worked out now, of what is known to the second.

        :raises Invalid: ``mixed-currencies`` when what was used is in another one.
        """
        return self._worked_out([budget])[0]

    def follow(self) -> int:
        """Work out and keep how each budget stands that may still change; how many."""
        this_year = year_at(self._books.clock.now(), self._books.zone)
        groups: dict[tuple[str, int], list[Budget]] = {}
        with self._books.database.read() as tx:
            for budget in self.store.list(tx):
                if budget.amount is not None and not _settled(budget, this_year):
                    group = budget.key.department_id, budget.key.year
                    groups.setdefault(group, []).append(budget)
        return sum(self.keep(group) for group in groups.values())

    def keep(self, budgets: Sequence[Budget]) -> int:
        """The same for these, of one department and year; an error is logged, and 0."""
        try:
            found = self._worked_out(budgets)
            with self._books.database.write() as tx:
                for budget in found:
                    if budget.standing is not None:
                        self.store.stood(tx, budget.id, budget.standing)
        except CloudmgrError as error:
            key = budgets[0].key
            log.warning("how %s stands in %s is not known: %s", key.department_id, key.year, error)
            return 0
        return len(found)

    # --------------------------------------------------------------------------------------- parts

    def _worked_out(self, budgets: Sequence[Budget]) -> list[Budget]:
        """Of one department and year: what they share is looked up once."""
        books, key = self._books, budgets[0].key
        now = books.clock.now()
        year = year_of(key.year, books.zone)
        rest = Interval(max(now, year.start), year.end) if now < year.end else None
        # Months that were closed when it was looked at last are what they were.
        known = [_closed(budget.standing) for budget in budgets]
        by_system = any(budget.key.system_id is not None for budget in budgets)
        months = {
            month: self._month(month, key.department_id, by_system=by_system)
            for month in months_of(key.year, now, books.zone)
            if not all(month in one for one in known)
        }
        costs = {} if rest is None else self._costs(key.department_id, rest)
        return [
            self._one(budget, spent, months, costs, now)
            for budget, spent in zip(budgets, known, strict=True)
        ]

    def _costs(
        self, department_id: str, rest: Interval
    ) -> Mapping[str, tuple[Encumbrance, tuple[str, ...]]]:
        """By system, with what has no price in sentences."""
        with self._books.database.read() as tx:
            commitments = self._around.commitments(tx, department_id, rest)
        tariff = self._books.tariff()
        costs = {}
        for system_id, some in commitments.items():
            total, missing = Encumbrance(), []
            for commitment in some:
                try:
                    total += encumbrance(commitment, tariff, rest)
                except Unpriced as error:
                    missing.append(f"{commitment.environment_id}: {error}")
            costs[system_id] = total, tuple(missing)
        return costs

    def _one(
        self,
        budget: Budget,
        known: Mapping[str, MonthSpent],
        months: Mapping[str, _Month],
        costs: Mapping[str, tuple[Encumbrance, tuple[str, ...]]],
        now: datetime,
    ) -> Budget:
        key, zone = budget.key, self._books.zone
        spent: list[MonthSpent] = []
        unpriced: list[str] = []
        for month in months_of(key.year, now, zone):
            if month in known:
                spent.append(known[month])
                continue
            found = months[month]
            self._same_currency(budget, found.parts)
            spent.append(MonthSpent(month, found.of(key), found.closed))
            unpriced += found.unpriced
        committed = Encumbrance()
        for system_id, (cost, missing) in costs.items():
            if key.system_id in {None, system_id}:
                committed += cost
                unpriced += missing
        return replace(
            budget, standing=standing(key, spent, committed, now, zone=zone, unpriced=unpriced)
        )

    def _month(self, month: str, department_id: str, *, by_system: bool) -> _Month:
        books = self._books
        with books.database.read() as tx:
            if books.store.closed(tx, month) is not None:
                bills = [
                    from_document(text)
                    for account_id in sorted(set(self._around.accounts(tx, department_id)))
                    for text in books.store.documents(tx, month=month, account_id=account_id)
                ]
                # Lines tell apart neither pools nor zones, among which reports share the cents.
                charges = (
                    books.store.charges_of(tx, month, department_id=department_id)
                    if by_system
                    else None
                )
                return _Month(
                    shared(bills, department_id)
                    if charges is None
                    else apportioned(bills, charges, department_id=department_id),
                    closed=True,
                )
        preview = books.preview(month, department_id=department_id)
        parts = apportioned(preview.invoices, preview.charges)
        return _Month(parts, closed=False, unpriced=preview.unpriced)

    def _same_currency(self, budget: Budget, parts: Iterable[Part]) -> None:
        others = {part.currency for part in parts} - {budget.entry.currency}
        if others:
            raise Invalid(
                f"the budget is in {budget.entry.currency}, and what was used in "
                f"{', '.join(sorted(others))}",
                code="mixed-currencies",
                hint="decide on the budget again, in the currency of the price list",
            )


def shared(bills: Iterable[Invoice], department_id: str) -> tuple[Part, ...]:
    """A department's share of each invoice, whole."""
    return tuple(
        Part(
            PartKey(bill.month, bill.account_id, department_id, "", "", ""),
            bill.shares[department_id],
            Fraction(bill.shares[department_id]),
            bill.currency,
        )
        for bill in bills
        if department_id in bill.shares
    )


def _closed(found: Standing | None) -> Mapping[str, MonthSpent]:
    return {one.month: one for one in found.months if one.closed} if found else {}


def _settled(budget: Budget, this_year: int) -> bool:
    """Whether its year is over and every month of it closed."""
    return budget.key.year < this_year and len(_closed(budget.standing)) == _MONTHS
