"""Reports over the books: what months cost, by what finance wants to see it by."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cloudmgr.billing.dividend import HELD, dividend
from cloudmgr.billing.focus import focus_rows
from cloudmgr.billing.invoices import from_document
from cloudmgr.billing.periods import billing_period, period_at, period_before
from cloudmgr.billing.reports import MonthParts, apportioned, months_from, report
from cloudmgr.billing.settlement import settlement
from cloudmgr.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from cloudmgr.billing.books import Books, Labels
    from cloudmgr.billing.dividend import Dividend
    from cloudmgr.billing.invoices import Invoice, Label
    from cloudmgr.billing.periods import ClosedPeriod
    from cloudmgr.billing.reports import Grouping, Part, PartKey, Report
    from cloudmgr.billing.settlement import SettlementRow
    from cloudmgr.billing.sheets import Language

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
                parts = apportioned(self._bills(tx, month), books.store.charges_of(tx, month))
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

    def settlement(
        self, month: str, *, department_id: str | None = None
    ) -> tuple[SettlementRow, ...]:
        """Who owes the centre what for a closed month, of one department or of all.

        :raises NotFound: ``period-not-closed``. :raises Invalid: ``no-such-month``.
        """
        with self._books.database.read() as tx:
            rows = settlement(self._closed_period(tx, month), self._bills(tx, month))
        return tuple(row for row in rows if department_id in {None, row.department_id})

    def focus(
        self, month: str, *, department_id: str | None = None, language: Language = "zh"
    ) -> tuple[Mapping[str, str], ...]:
        """A closed month as rows of FOCUS. One department's are its usage, without rounding.

        :raises NotFound: ``period-not-closed``. :raises Invalid: ``no-such-month``.
        """
        store = self._books.store
        with self._books.database.read() as tx:
            self._closed_period(tx, month)
            rows = focus_rows(self._bills(tx, month), store.charges_of(tx, month), language)
        return tuple(row for row in rows if department_id in {None, row["SubAccountId"]})

    def dividend(self, month: str, *, department_id: str | None = None) -> Dividend:
        """What pooling saved in a closed month, of one department's systems or of all.

        :raises NotFound: ``period-not-closed``. :raises Invalid: ``no-such-month``.
        :raises Unpriced: when a meter has no price over the whole month.
        """
        books = self._books
        with books.database.read() as tx:
            closed = self._closed_period(tx, month)
            charges = tuple(books.store.charges_of(tx, month, department_id=department_id))
            held = [
                one
                for source in books.metering.sources.all(tx)
                for one in books.metering.holdings.during(
                    tx, source.name, closed.period.interval, HELD
                )
                if department_id in {None, one.owner.department_id}
            ]
            things = {name for one in charges for name in (one.system_id, one.department_id)}
            labels = {**self._labels(tx, sorted(things)), **closed.labels}
        return dividend(closed, charges, held, labels)

    def _closed_period(self, tx: Connection, month: str) -> ClosedPeriod:
        billing_period(month, self._books.zone)
        closed = self._books.store.closed(tx, month)
        if closed is None:
            raise NotFound(
                f"{month} is not closed",
                code="period-not-closed",
                hint="close it first: until then nothing of it is final",
            )
        return closed

    def _bills(self, tx: Connection, month: str) -> list[Invoice]:
        return [from_document(text) for text in self._books.store.documents(tx, month=month)]

    def _named(self, tx: Connection, parts: Iterable[Part]) -> Mapping[str, Label]:
        things = {
            name
            for part in parts
            for name in (part.key.department_id, part.key.system_id, part.key.pool_id)
        }
        return self._labels(tx, sorted(things))
