"""Closing a month: once, for ever, and only when it is whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudmgr.billing.digits import canonical, plain
from cloudmgr.billing.invoices import document, invoices, line_key
from cloudmgr.billing.periods import ClosedPeriod, FrozenCharge, billing_period
from cloudmgr.billing.rating import charge_fields
from cloudmgr.errors import Conflict, NotFound
from cloudmgr.money import exact_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from cloudmgr.billing.books import Books, Check
    from cloudmgr.billing.invoices import Invoice
    from cloudmgr.billing.rating import Charge
    from cloudmgr.metering.usage import UsageRecord

_REFUSALS = {
    "ended": ("period-not-ended", "close it when it is over"),
    "in-order": ("period-out-of-order", "months are closed one after the other"),
    "collected": (
        "usage-not-collected",
        "wait until all is read, a minute after the month's end, or accept the gaps",
    ),
}


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a closed month is what it was when it was closed; ``problems`` are sentences."""

    month: str
    digest: str
    problems: tuple[str, ...]

    @property
    def equal(self) -> bool:
        return not self.problems


class Closing:
    """Closes months, and proves later that nothing has changed.

    :param collect: runs the collector, so that what is still held is cut at the month's end.
    """

    def __init__(self, books: Books, collect: Callable[[], object]) -> None:
        self._books = books
        self._collect = collect

    def close(self, month: str, by: str, *, accept_gaps: bool = False) -> ClosedPeriod:
        """Rate the month, freeze its charges and write its invoices, in one transaction.

        :param by: who closes it (a user's id).
        :param accept_gaps: close though usage is not all collected; the gaps are kept with it.
        :raises Conflict: ``period-closed`` (by whom and when), ``period-not-ended``,
            ``period-out-of-order``, ``usage-not-collected``; the last with its ``problems``.
        :raises Unpriced: with all that has no price as its ``problems``.
        :raises Invalid: ``no-such-month``.
        """
        books = self._books
        period = billing_period(month, books.zone)
        self._refuse_closed(month)
        if books.clock.now() < period.interval.end:
            raise Conflict(
                f"{month} is not over yet", code="period-not-ended", hint=_REFUSALS["ended"][1]
            )
        self._collect()

        # Before anything is read: what is written from now on may be missed, and is late then.
        closed_at = books.clock.now()
        with books.database.read() as tx:
            tariff = books.tariff()
            rated = books.rated(tx, period)
            checks = {check.code: check for check in books.checks(tx, period, rated)}
            labels = books.labels_of(tx, rated.charges)
        gaps = checks["collected"].problems if accept_gaps else ()
        self._refuse(checks, accept_gaps=accept_gaps)
        charges = rated.complete()
        bills = invoices(period, charges, labels, books.zone, numbered=True)
        closed = ClosedPeriod(
            period, closed_at, by, tariff.currency, tariff.digest, "", len(charges), labels, gaps
        )
        closed = replace(closed, digest=digest(closed, charges, bills))
        try:
            with books.database.write() as tx:
                books.store.freeze(tx, closed, bills, on_lines(charges, bills, books.zone))
        except Conflict:
            self._refuse_closed(month)
            raise
        return closed

    def verify(self, month: str) -> Verification:
        """Make the month anew from what was frozen and compare it, byte for byte.

        :raises NotFound: ``period-not-closed``. :raises Permanent: ``ledger-damaged`` when a charge
            does not even agree with itself.
        """
        books = self._books
        with books.database.read() as tx:
            closed = books.store.closed(tx, month)
            if closed is None:
                raise NotFound(f"{month} is not closed", code="period-not-closed")
            charges = tuple(books.store.charges_of(tx, month))
            kept = books.store.documents(tx, month=month)
            usage = books.metering.ledger.by_ids(tx, {charge.usage_id for charge in charges})
        bills = recompute(closed, charges, books.zone)
        problems = [
            *_uncovered(charges, usage),
            *(
                f"{bill.number} is not what its charges say"
                for bill in bills
                if document(bill) not in kept
            ),
        ]
        found = digest(closed, charges, bills)
        if found != closed.digest or len(bills) != len(kept) or len(charges) != closed.charges:
            problems.append(f"{month} is not what was closed: {found}, not {closed.digest}")
        return Verification(month, found, tuple(problems))

    def _refuse_closed(self, month: str) -> None:
        with self._books.database.read() as tx:
            closed = self._books.store.closed(tx, month)
        if closed is not None:
            when = closed.closed_at.astimezone(self._books.zone)
            raise Conflict(
                f"{month} was closed by {closed.closed_by} at {when:%Y-%m-%d %H:%M:%S}",
                code="period-closed",
                hint="a closed month stays as it is; what comes late is billed in the next one",
            )

    def _refuse(self, checks: Mapping[str, Check], *, accept_gaps: bool) -> None:
        for name, (code, hint) in _REFUSALS.items():
            check = checks[name]
            if not check.ok and not (name == "collected" and accept_gaps):
                raise Conflict(
                    check.problems[0],
                    code=code,
                    hint=hint,
                    problems=tuple((name, problem) for problem in check.problems),
                )


def recompute(
    closed: ClosedPeriod, charges: Sequence[Charge], zone: ZoneInfo
) -> tuple[Invoice, ...]:
    """The invoices of a closed period from what was frozen: the same, to the byte."""
    return invoices(closed.period, charges, closed.labels, zone, numbered=True)


def on_lines(
    charges: Sequence[Charge], bills: Sequence[Invoice], zone: ZoneInfo
) -> list[FrozenCharge]:
    """Each charge with the line that it is on."""
    where = {
        (bill.account_id, line.key): (bill.id, line.number) for bill in bills for line in bill.lines
    }
    return [
        FrozenCharge(charge, *where[charge.account_id, line_key(charge, zone)])
        for charge in charges
    ]


def digest(closed: ClosedPeriod, charges: Sequence[Charge], bills: Sequence[Invoice]) -> str:
    """sha256 over the period, its charges in the order of their ids, and its invoices."""
    period = closed.period
    total = hashlib.sha256()
    head = [
        period.month,
        period.interval.start.isoformat(),
        period.interval.end.isoformat(),
        period.time_zone,
        closed.currency,
        closed.price_digest,
    ]
    total.update(canonical(head).encode())
    for charge in sorted(charges, key=lambda charge: charge.id):
        total.update(b"\n" + canonical(charge_fields(charge)).encode())
    for bill in bills:
        total.update(b"\n" + document(bill).encode())
    return total.hexdigest()


def _uncovered(charges: Sequence[Charge], usage: Mapping[str, UsageRecord]) -> list[str]:
    """Where the charges for a usage record do not sum to it."""
    parts: dict[str, list[Charge]] = {}
    for charge in charges:
        parts.setdefault(charge.usage_id, []).append(charge)
    problems = []
    for usage_id, some in parts.items():
        record = usage.get(usage_id)
        charged = exact_sum([charge.quantity for charge in some])
        if record is None or charged != record.quantity:
            have = "nothing" if record is None else plain(record.quantity)
            problems.append(
                f"{plain(charged)} {some[0].unit} are charged for usage {usage_id}, of which the"
                f" ledger has {have}"
            )
    return problems
