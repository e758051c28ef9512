"""Reports over the books: what months cost, by what finance wants to see it by."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cloudmgr.billing.invoices import from_document
from cloudmgr.billing.periods import billing_period, period_at, period_before
from cloudmgr.billing.reports import MonthParts, apportioned, months_from, report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from cloudmgr.billing.books import Books, Labels
    from cloudmgr.billing.invoices import Label
    from cloudmgr.billing.reports import Grouping, Part, PartKey, Report

# Months unless others are asked for, this one included.
USUAL_MONTHS = 12
_KEPT = 60


class Reports:
    """Reads only. What a closed month comes to is added up once and kept: it does not change.

    :param labels: what departments, systems and pools of these ids are called.
    """

    def __init__(self, books: Books, labels: Labels) -> None:
        self._books = books
        self._labels = labels
        self._lock = threading.Lock()
        self._closed: dict[str, MonthParts] = {}

    def report(
        self,
        by: Grouping,
        *,
        first: str | None = None,
        last: str | None = None,
        department_id: str | None = None,
    ) -> Report:
        """What the months from ``first`` to ``last`` cost, of one department or of all.

        Without them: the last twelve months in which anything was used, this one included. A
        department's part of an open month is rounded by itself, as on the page of that month.

        :raises Invalid: ``no-such-month``, ``months-in-no-order``, ``too-many-months``,
            ``mixed-currencies``.
        """
        months = self.months(first, last)
        found = [self.month(month, department_id=department_id) for month in months]

        def wanted(key: PartKey) -> bool:
            return department_id is None or key.department_id == department_id

        return report(found, by, self._books.tariff().currency, wanted=wanted)

    def months(self, first: str | None, last: str | None) -> tuple[str, ...]:
        """As :meth:`report` takes them."""
        books = self._books
        if last is None:
            last = period_at(books.clock.now(), books.zone).month
        if first is None:
            used = {summary.period.month for summary in books.periods()}
            begins = billing_period(last, books.zone)
            for _ in range(USUAL_MONTHS - 1):
                before = period_before(begins, books.zone)
                if before.month not in used:
                    break
                begins = before
            first = begins.month
        return months_from(first, last, books.zone)

    def month(self, month: str, *, department_id: str | None = None) -> MonthParts:
        """One month by part; of an open one, as far as it is known, and of a closed one all of it.

        :param department_id: of an open month, only this department's.
        """
        books = self._books
        with self._lock:
            kept = self._closed.get(month)
        if kept is not None:
            return kept
        with books.database.read() as tx:
            closed = books.store.closed(tx, month)
            if closed is not None:
                bills = [from_document(text) for text in books.store.documents(tx, month=month)]
                parts = apportioned(bills, books.store.charges_of(tx, month))
                # Names as they were when it was closed, of those that it kept.
                labels = {**self._named(tx, parts), **closed.labels}
                found = MonthParts(month, closed=True, parts=parts, labels=labels)
                with self._lock:
                    while len(self._closed) >= _KEPT:
                        self._closed.pop(next(iter(self._closed)))
                    self._closed[month] = found
                return found
        preview = books.preview(month, department_id=department_id)
        parts = apportioned(preview.invoices, preview.charges)
        with books.database.read() as tx:
            names = self._named(tx, parts)
        return MonthParts(month, preview.closed is not None, parts, names, preview.unpriced)

    def _named(self, tx: Connection, parts: Iterable[Part]) -> Mapping[str, Label]:
        things = {
            name
            for part in parts
            for name in (part.key.department_id, part.key.system_id, part.key.pool_id)
        }
        return self._labels(tx, sorted(things))
