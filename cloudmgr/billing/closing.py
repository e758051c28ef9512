"""Closing a month: once, for ever, and only when it is whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudmgr import __version__
from cloudmgr.billing.digits import canonical, plain
from cloudmgr.billing.idle.documents import document as statement
from cloudmgr.billing.idle.documents import from_document, remade
from cloudmgr.billing.invoices import document, invoices, line_key
from cloudmgr.billing.periods import ClosedPeriod, FrozenCharge, Inputs, billing_period
from cloudmgr.billing.prices import Tariff
from cloudmgr.billing.rating import charge_fields, rate
from cloudmgr.errors import Conflict, NotFound, Unpriced
from cloudmgr.money import exact_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from cloudmgr.billing.books import Books, Check
    from cloudmgr.billing.idle.control import PoolCosts
    from cloudmgr.billing.invoices import Invoice
    from cloudmgr.billing.rating import Charge
    from cloudmgr.metering.lake.checking import Verdict
    from cloudmgr.metering.usage import UsageRecord

# Of what is wrong with a ledger so much is told, and kept with a month that is closed over it.
_MOST_TOLD = 100
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


@dataclass(frozen=True, slots=True)
class _Sound:
    """The ledger at rest as of ``batch``, and what whoever closed a month accepted of it."""

    batch: int | None
    problems: tuple[str, ...] = ()


class Closing:
    """Closes months, and proves later that nothing has changed.

    :param collect: runs the collector, so that what is still held is cut at the month's end.
    :param at_rest: brings usage to rest, and says of a month whether all of it is there and is as
        it was written; None where no ledger is kept at rest.
    :param idle: makes the statements of pools that are kept with the month; None for none.
    """

    def __init__(
        self,
        books: Books,
        collect: Callable[[], object],
        at_rest: Callable[[str], Verdict] | None = None,
        idle: PoolCosts | None = None,
    ) -> None:
        self._books = books
        self._collect = collect
        self._at_rest = at_rest
        self._idle = idle

    def close(self, month: str, by: str, *, accept_gaps: bool = False) -> ClosedPeriod:
        """Rate the month, freeze its charges and write its invoices, in one transaction.

        :param by: who closes it (a user's id).
        :param accept_gaps: close though usage is not all collected; the gaps are kept with it.
        :raises Conflict: ``period-closed`` (by whom and when), ``period-not-ended``,
            ``period-out-of-order``; with their ``problems`` ``usage-not-collected``,
            ``ledger-damaged`` and ``ledger-not-sound``; ``pool-costs-changed`` meanwhile.
        :raises Unpriced: with all that has no price as its ``problems``.
        :raises Invalid: ``no-such-month``.
        :raises Temporary: ``ledger-unwritable``, ``ledger-unreadable``: usage cannot come to rest.
        """
        books = self._books
        period = billing_period(month, books.zone)
        self._refuse_closed(month)
        if books.clock.now() < period.interval.end:
            raise Conflict(
                f"{month} is not over yet", code="period-not-ended", hint=_REFUSALS["ended"][1]
            )
        self._collect()
        sound = self._sound(month, accept_gaps=accept_gaps)

        # Before anything is read: what is written from now on may be missed, and is late then.
        closed_at = books.clock.now()
        with books.database.read() as tx:
            tariff = books.tariff()
            rated = books.rated(tx, period)
            checks = {check.code: check for check in books.checks(tx, period, rated)}
            labels = books.labels_of(tx, rated.charges)
            pools = self._idle.made(tx, period, rated.charges) if self._idle else ()
        gaps = (*checks["collected"].problems, *sound.problems) if accept_gaps else ()
        self._refuse(checks, accept_gaps=accept_gaps)
        charges = rated.complete()
        bills = invoices(period, charges, labels, books.zone, numbered=True)
        closed = ClosedPeriod(
            period,
            closed_at,
            by,
            tariff.currency,
            tariff.digest,
            "",
            len(charges),
            labels,
            Inputs(sound.batch, __version__, tariff.prices),
            gaps,
        )
        closed = replace(
            closed, digest=digest(closed, charges, bills, [statement(made) for made in pools])
        )
        try:
            with books.database.write() as tx:
                books.store.freeze(tx, closed, bills, on_lines(charges, bills, books.zone))
                if self._idle is not None:
                    self._idle.keep(tx, month, pools)
        except Conflict:
            self._refuse_closed(month)
            raise
        return closed

    def verify(self, month: str) -> Verification:
        """Rate the month anew from what was frozen and compare it, byte for byte.

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
            pools = self._idle.kept(tx, month) if self._idle else ()
            usage = books.metering.ledger.by_ids(tx, {charge.usage_id for charge in charges})
        bills = recompute(closed, charges, books.zone)
        problems = [
            *([] if self._at_rest is None else self._at_rest(month).sentences),
            *_uncovered(charges, usage),
            *_rated_otherwise(closed, charges, usage),
            *(
                f"{bill.number} is not what its charges say"
                for bill in bills
                if document(bill) not in kept
            ),
        ]
        anew = [remade(text, charges) for text in pools]
        problems += [
            f"the statement of pool {from_document(text).facts.name} is not what its inputs say"
            for text, again in zip(pools, anew, strict=True)
            if text != again
        ]
        found = digest(closed, charges, bills, anew)
        if found != closed.digest or len(bills) != len(kept) or len(charges) != closed.charges:
            problems.append(f"{month} is not what was closed: {found}, not {closed.digest}")
        return Verification(month, found, tuple(problems))

    def _sound(self, month: str, *, accept_gaps: bool) -> _Sound:
        """:raises Conflict: ``ledger-damaged``; ``ledger-not-sound``: lapses, if not accepted."""
        if self._at_rest is None:
            return _Sound(None)
        verdict = self._at_rest(month)
        problems = verdict.sentences[:_MOST_TOLD]
        if verdict.damages or (problems and not accept_gaps):
            raise Conflict(
                problems[0],
                code="ledger-damaged" if verdict.damages else "ledger-not-sound",
                hint="see `cloudmgr usage ledger check`"
                + ("" if verdict.damages else "; mend it, or accept the gaps"),
                problems=tuple(("ledger", problem) for problem in problems),
            )
        return _Sound(verdict.batch, problems)

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


def digest(
    closed: ClosedPeriod,
    charges: Sequence[Charge],
    bills: Sequence[Invoice],
    pools: Sequence[str] = (),
) -> str:
    """sha256 over the period, its charges in the order of their ids, its invoices, and the
    statements of ``pools``, by id.
    """
    period = closed.period
    total = hashlib.sha256()
    head = [
        period.month,
        period.interval.start.isoformat(),
        period.interval.end.isoformat(),
        period.time_zone,
        closed.currency,
        closed.price_digest,
        closed.inputs.ledger_batch,
        closed.inputs.version,
    ]
    total.update(canonical(head).encode())
    for charge in sorted(charges, key=lambda charge: charge.id):
        total.update(b"\n" + canonical(charge_fields(charge)).encode())
    for bill in bills:
        total.update(b"\n" + document(bill).encode())
    for text in pools:
        total.update(b"\n" + text.encode())
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


def _rated_otherwise(
    closed: ClosedPeriod, charges: Sequence[Charge], usage: Mapping[str, UsageRecord]
) -> list[str]:
    """Usage that comes to other charges by the prices that were frozen, and the accounts."""
    tariff = Tariff(closed.inputs.prices)
    frozen: dict[str, list[Charge]] = {}
    for charge in charges:
        frozen.setdefault(charge.usage_id, []).append(charge)
    problems = []
    for usage_id, some in frozen.items():
        record = usage.get(usage_id)
        if record is None:
            continue  # told already
        account = some[0].account_id
        try:
            anew = rate(record, tariff, lambda _d, _m, a=account: a, some[0].category)  # type: ignore[misc]
        except Unpriced as error:
            problems.append(f"usage {usage_id} cannot be rated any more: {error.message}")
            continue
        if sorted(anew, key=_by_id) != sorted(some, key=_by_id):
            problems.append(f"usage {usage_id} is rated otherwise by the prices that were frozen")
    return problems


def _by_id(charge: Charge) -> str:
    return charge.id
