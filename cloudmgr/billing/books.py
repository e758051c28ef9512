"""What finance, officers and pages ask: periods, previews, invoices, and what is behind a line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

from cloudmgr.billing.invoices import from_document, invoices, line_key
from cloudmgr.billing.periods import (
    billing_period,
    period_after,
    period_at,
    period_before,
)
from cloudmgr.billing.prices import Tariff
from cloudmgr.billing.rating import Category, Rated, rate_all
from cloudmgr.errors import NotFound
from cloudmgr.interval import Interval
from cloudmgr.metering.live import LiveUsage
from cloudmgr.metering.measured.measuring import MEASURED
from cloudmgr.metering.meters import METERS
from cloudmgr.metering.queries import UsageFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection

    from cloudmgr.billing.invoices import Invoice, InvoiceLine, Label
    from cloudmgr.billing.periods import BillingPeriod, ClosedPeriod
    from cloudmgr.billing.rating import AccountOf, Charge
    from cloudmgr.billing.store import BillingStore
    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.metering.observation import Note
    from cloudmgr.metering.store import MeteringStores, Source
    from cloudmgr.metering.usage import Holding, UsageRecord
    from cloudmgr.policy.prices import PriceList

    Labels = Callable[[Connection, Collection[str]], Mapping[str, Label]]

_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
# A record may be committed this much later than it says it was written.
_SLACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Check:
    """One item of the list that finance ticks off before a month is closed.

    ``code``: ``ended``, ``in-order``, ``collected``, ``priced``. ``problems`` are sentences.
    """

    code: str
    ok: bool
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PeriodSummary:
    """A period that has usage or is closed. ``closed`` is None while it is open."""

    period: BillingPeriod
    closed: ClosedPeriod | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a period costs as far as it is known; final when it is ``closed``.

    ``charges`` is what the invoices are made of. ``unpriced`` says in sentences what could not be
    rated and is in no invoice. ``notes`` are what went wrong in collecting. ``until`` is up to when
    every source is read; None when one never was.
    """

    period: BillingPeriod
    closed: ClosedPeriod | None
    invoices: tuple[Invoice, ...]
    charges: tuple[Charge, ...]
    unpriced: tuple[str, ...]
    notes: tuple[Note, ...]
    until: datetime | None


@dataclass(frozen=True, slots=True)
class ExplainedCharge:
    """A charge, the usage it is for, and what was held, as observed (none for requests)."""

    charge: Charge
    usage: UsageRecord | None
    held: tuple[Holding, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is behind a line of an invoice, a page of it; ``cursor`` None: no more."""

    line: InvoiceLine
    charges: tuple[ExplainedCharge, ...]
    cursor: str | None


class Books:
    """Reads only.

    :param prices: the price list in force as policy now states it.
    :param accounts: makes, for a transaction, the function that says which account pays for a
        department at a moment. It is asked once for each usage record: let it read what it needs
        once.
    :param labels: what departments, accounts and environments of these ids are called.
    :param zone: the city's: its months are the billing periods.
    """

    def __init__(
        self,
        database: Database,
        store: BillingStore,
        metering: MeteringStores,
        *,
        prices: Callable[[], PriceList],
        accounts: Callable[[Connection], AccountOf],
        labels: Labels,
        zone: ZoneInfo,
        clock: Clock,
    ) -> None:
        self.database = database
        self.store = store
        self.metering = metering
        self.zone = zone
        self.clock = clock
        self._prices = prices
        self._accounts = accounts
        self._labels = labels
        self._live = LiveUsage(metering, zone)

    # --------------------------------------------------------------------------------- periods

    def periods(self) -> tuple[PeriodSummary, ...]:
        """Every month from the first usage to now, the latest first."""
        with self.database.read() as tx:
            closed = {p.period.month: p for p in self.store.all_closed(tx)}
            first = self._first_moment(tx)
        now = self.clock.now()
        period = period_at(now, self.zone)
        found = [PeriodSummary(period, closed.get(period.month))]
        while first is not None and first < period.interval.start:
            period = period_before(period, self.zone)
            found.append(PeriodSummary(period, closed.get(period.month)))
        return tuple(found)

    def checklist(self, month: str) -> tuple[Check, ...]:
        """Whether the month can be closed, and what is in the way if not.

        :raises Invalid: ``no-such-month``.
        """
        period = billing_period(month, self.zone)
        with self.database.read() as tx:
            return self.checks(tx, period, self.rated(tx, period))

    def checks(self, tx: Connection, period: BillingPeriod, rated: Rated) -> tuple[Check, ...]:
        """As :meth:`checklist`, of what is rated already."""
        now = self.clock.now()
        unended = () if now >= period.interval.end else (f"{period.month} is not over yet",)
        disorder = self._disorder(tx, period)
        gaps = self._gaps(tx, period)
        missing = tuple(m.sentence for m in rated.missing)
        return (
            Check("ended", not unended, unended),
            Check("in-order", not disorder, disorder),
            Check("collected", not gaps, gaps),
            Check("priced", not missing, missing),
        )

    # ------------------------------------------------------------------------------- what it costs

    def preview(
        self, month: str, *, account_id: str | None = None, department_id: str | None = None
    ) -> Preview:
        """What the month costs, in all or for one account or department; the truth once closed.

        A department's part is rounded by itself: where several share an account, their parts may
        differ from its invoice by a cent; ``Invoice.shares`` sum to it.

        :raises Invalid: ``no-such-month``.
        """
        period = billing_period(month, self.zone)
        with self.database.read() as tx:
            closed = self.store.closed(tx, month)
            if closed is not None:
                charges = tuple(
                    self.store.charges_of(
                        tx, month, account_id=account_id, department_id=department_id
                    )
                )
                rated, labels = Rated(charges, ()), closed.labels
                bills = self._frozen(tx, month, account_id) if department_id is None else None
            else:
                rated = self.rated(tx, period, department_id=department_id, live=True)
                charges = tuple(
                    charge
                    for charge in rated.charges
                    if account_id is None or charge.account_id == account_id
                )
                labels, bills = self.labels_of(tx, charges), None
            if bills is None:
                bills = invoices(period, charges, labels, self.zone)
            notes = self.metering.sources.notes(tx, period.interval)
            until = self._read_until(tx)
        return Preview(
            period, closed, bills, charges, tuple(m.sentence for m in rated.missing), notes, until
        )

    def rated(
        self,
        tx: Connection,
        period: BillingPeriod,
        *,
        department_id: str | None = None,
        live: bool = False,
    ) -> Rated:
        """The charges of an open period: its usage, and late usage of periods closed before it.

        :param live: also what is not in the ledger yet.
        """
        tariff = self.tariff()
        account_of = self._accounts(tx)
        wanted = UsageFilter(period.interval, department_id=department_id)
        usage = self.metering.ledger.stream(tx, wanted)
        more = self._live.open(tx, wanted) if live else ()
        found = rate_all(chain(usage, more), tariff, account_of)
        late = rate_all(
            self._late(tx, period, department_id), tariff, account_of, Category.ADJUSTMENT
        )
        return Rated(found.charges + late.charges, found.missing + late.missing)

    def tariff(self) -> Tariff:
        """The price list, ready to be asked."""
        return Tariff(self._prices())

    def labels_of(self, tx: Connection, charges: Collection[Charge]) -> Mapping[str, Label]:
        """The names of all that invoices and reports of ``charges`` speak of."""
        ids = {
            thing
            for c in charges
            for thing in (
                *(c.account_id, c.department_id, c.environment_id),
                *(c.system_id, c.pool_id),
            )
        }
        return self._labels(tx, sorted(ids))

    # ------------------------------------------------------------------------------------ invoices

    def invoices(
        self, *, month: str | None = None, account_id: str | None = None
    ) -> tuple[Invoice, ...]:
        """Of closed periods, latest month first, by number within it."""
        with self.database.read() as tx:
            found = self.store.documents(tx, month=month, account_id=account_id)
        return tuple(from_document(text) for text in found)

    def invoice(self, invoice_id: str) -> Invoice:
        """:raises NotFound: ``no-such-invoice``."""
        with self.database.read() as tx:
            return self.store.invoice(tx, invoice_id)

    def explain(
        self, invoice_id: str, number: int, *, cursor: str | None = None, limit: int = 100
    ) -> Explanation:
        """A line down to its charges, each to its usage record, each to what was held.

        :raises NotFound: ``no-such-invoice``, ``no-such-line``. :raises Invalid: ``bad-cursor``,
            ``bad-limit``.
        """
        with self.database.read() as tx:
            line = self.store.invoice(tx, invoice_id).line(number)
            if line is None:
                raise NotFound(f"invoice {invoice_id} has no line {number}", code="no-such-line")
            page = self.store.charges_of_line(tx, invoice_id, number, cursor=cursor, limit=limit)
            return Explanation(line, self._explained(tx, page.charges), page.cursor)

    def explain_preview(self, preview: Preview, bill: Invoice, number: int) -> Explanation:
        """As :meth:`explain`, of a line of an invoice in ``preview``, whole.

        Usage that is not in the ledger yet has no record to show.

        :raises NotFound: ``no-such-line``.
        """
        line = bill.line(number)
        if line is None:
            raise NotFound(f"the invoice has no line {number}", code="no-such-line")
        charges = tuple(
            charge
            for charge in preview.charges
            if charge.account_id == bill.account_id and line_key(charge, self.zone) == line.key
        )
        with self.database.read() as tx:
            return Explanation(line, self._explained(tx, charges), None)

    def _explained(
        self, tx: Connection, charges: tuple[Charge, ...]
    ) -> tuple[ExplainedCharge, ...]:
        usage = self.metering.ledger.by_ids(tx, {charge.usage_id for charge in charges})
        held: dict[tuple[str, str], tuple[Holding, ...]] = {}
        for record in usage.values():
            key = (record.source, record.resource)
            if key not in held:
                held[key] = self.metering.holdings.of_resource(tx, *key)
        explained = []
        for charge in charges:
            found = usage.get(charge.usage_id)
            behind = () if found is None else held[found.source, found.resource]
            explained.append(
                ExplainedCharge(charge, found, tuple(h for h in behind if h.meter == charge.meter))
            )
        return tuple(explained)

    def late(self) -> tuple[UsageRecord, ...]:
        """Usage of closed periods that came after they were closed and is not billed yet."""
        with self.database.read() as tx:
            closed = self.store.all_closed(tx)
            if not closed:
                return ()
            return tuple(self._late(tx, period_after(closed[-1].period, self.zone), None))

    # --------------------------------------------------------------------------------------- parts

    def _late(
        self, tx: Connection, period: BillingPeriod, department_id: str | None
    ) -> tuple[UsageRecord, ...]:
        """What lies before ``period``, the next to be closed, and was not charged."""
        closed = self.store.all_closed(tx)
        if not closed or closed[-1].period.interval.end != period.interval.start:
            return ()
        # All that was known when the last period was closed was charged then or before.
        since = closed[-1].closed_at - _SLACK
        wanted = UsageFilter(
            Interval(_EARLIEST, period.interval.start),
            department_id=department_id,
            recorded_since=since,
        )
        return tuple(self.metering.ledger.stream(tx, wanted, self.store.charged()))

    def _disorder(self, tx: Connection, period: BillingPeriod) -> tuple[str, ...]:
        closed = self.store.all_closed(tx)
        if not closed:
            first = self.metering.ledger.first_start(tx)
            if first is None or first >= period.interval.start:
                return ()
            return (f"{period_at(first, self.zone).month} has usage and is to be closed first",)
        if any(known.period == period for known in closed):
            return ()
        last = closed[-1].period
        if last.interval.end < period.interval.start:
            return (f"{period_after(last, self.zone).month} is to be closed first",)
        if last.interval.end > period.interval.start:
            return (f"{last.month} is closed already, and comes after it",)
        return ()

    def _gaps(self, tx: Connection, period: BillingPeriod) -> tuple[str, ...]:
        end = period.interval.end
        gaps = [
            f"{source.name} was not read since the month ended"
            for source in self._sources(tx)
            if source.read_at is None or source.read_at < end
        ]
        behind = {holding.source for holding in self.metering.holdings.unmetered(tx, end)}
        gaps += [
            f"{source} has usage of the month that is not in the ledger yet"
            for source in sorted(behind)
        ]
        return tuple(gaps)

    def _read_until(self, tx: Connection) -> datetime | None:
        read = [s.read_at for s in self._sources(tx)]
        known = [moment for moment in read if moment is not None]
        return min(known) if known and len(known) == len(read) else None

    def _sources(self, tx: Connection) -> list[Source]:
        """Those that something is charged of."""
        measured = any(METERS[price.meter].measured for price in self._prices().prices)
        return [
            source
            for source in self.metering.sources.all(tx)
            if not source.retired and (measured or not source.name.startswith(MEASURED))
        ]

    def _frozen(self, tx: Connection, month: str, account_id: str | None) -> tuple[Invoice, ...]:
        found = self.store.documents(tx, month=month, account_id=account_id)
        return tuple(from_document(text) for text in found)

    def _first_moment(self, tx: Connection) -> datetime | None:
        moments = [h.started_at for h in self.metering.holdings.unsettled(tx)]
        first = self.metering.ledger.first_start(tx)
        return min([*moments, *([first] if first else [])], default=None)
