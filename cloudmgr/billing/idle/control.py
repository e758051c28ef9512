"""Entering what pools cost while a month is open, and what is told of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from cloudmgr.billing.digits import canonical
from cloudmgr.billing.idle.costs import CostAsk, CostEntry, check, counted, in_effect, twin
from cloudmgr.billing.idle.documents import document, from_document
from cloudmgr.billing.idle.statements import PoolFacts, statement
from cloudmgr.billing.periods import billing_period, period_before
from cloudmgr.errors import Conflict, Invalid, NotFound
from cloudmgr.policy.idle import IdleRule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from cloudmgr.billing.books import Books, Preview
    from cloudmgr.billing.idle.shares import Promise
    from cloudmgr.billing.idle.statements import PoolStatement
    from cloudmgr.billing.idle.store import PoolCostStore
    from cloudmgr.billing.periods import BillingPeriod
    from cloudmgr.billing.rating import Charge
    from cloudmgr.policy.idle import IdlePolicy

# Who enters more than a year ahead has mistaken the year.
_AHEAD_DAYS = 366


class Around(Protocol):
    """What is asked of the city around."""

    def policy(self) -> IdlePolicy:
        """As policy now states it."""

    def pools(self, tx: Connection) -> Mapping[str, tuple[str, str]]:
        """The name and the zone of every pool, by its id."""

    def promises(
        self, tx: Connection, period: BillingPeriod, weights: Mapping[str, int]
    ) -> Mapping[str, Sequence[Promise]]:
        """What peak windows were promised in the period, by pool."""


class PoolCosts:
    """Costs of pools: entered, corrected, undone and copied until their month is closed.

    What writes takes the transaction, so that it is on the audit trail or has not happened.
    """

    def __init__(self, books: Books, store: PoolCostStore, around: Around) -> None:
        self._books = books
        self._store = store
        self._around = around

    # ------------------------------------------------------------------------------- on record

    def entries(self, tx: Connection, month: str, pool_id: str) -> tuple[CostEntry, ...]:
        """All that was ever entered, what does not count any more included.

        :raises Invalid: ``no-such-month``. :raises NotFound: ``no-such-pool``.
        """
        self._period(tx, month, pool_id)
        return self._store.entries(tx, month, pool_id).get(pool_id, ())

    def enter(self, tx: Connection, month: str, pool_id: str, ask: CostAsk, by: str) -> CostEntry:
        """Enter a cost, or a correction of one.

        :raises Conflict: ``period-closed``, ``cost-known``, ``cost-void``.
        :raises NotFound: ``no-such-pool``, ``no-such-cost``.
        :raises Invalid: ``no-such-month``, ``month-too-far``, ``bad-cost``, ``mixed-currencies``.
        """
        entries = self._open(tx, month, pool_id)
        check(entries, ask)
        made = self._made(month, pool_id, entries, ask, by)
        self._store.append(tx, [made])
        return made

    def undo(
        self, tx: Connection, month: str, pool_id: str, entry_id: str, *, reason: str, by: str
    ) -> CostEntry:
        """Take an entry back, as if it had not been; an undoing may be undone, too.

        :raises Conflict: ``period-closed``, ``cost-void``. :raises NotFound: ``no-such-pool``,
            ``no-such-cost``. :raises Invalid: as :meth:`enter` does.
        """
        entries = self._open(tx, month, pool_id)
        gone = counted(entries, entry_id)
        if not reason.strip():
            raise Invalid("say why", code="bad-cost", path="reason")
        made = CostEntry(
            _entry_id(month, pool_id, len(entries) + 1),
            month,
            pool_id,
            len(entries) + 1,
            None,
            None,
            gone.currency,
            "",
            "",
            reason,
            by,
            self._books.clock.now(),
            undoes=entry_id,
        )
        self._store.append(tx, [made])
        return made

    def copy(
        self, tx: Connection, month: str, pool_id: str, reason: str, by: str
    ) -> tuple[CostEntry, ...]:
        """Enter again what counted in the month before; what is entered already is left out.

        :raises Conflict: ``period-closed``; ``nothing-to-copy`` when the month before has no cost.
        :raises NotFound: ``no-such-pool``. :raises Invalid: as :meth:`enter` does.
        """
        entries = self._open(tx, month, pool_id)
        period = billing_period(month, self._books.zone)
        before = period_before(period, self._books.zone).month
        found = in_effect(self._store.entries(tx, before, pool_id).get(pool_id, ()))
        if not found:
            raise Conflict(
                f"no cost of the pool is entered for {before}",
                code="nothing-to-copy",
                hint="enter what it cost by hand",
            )
        made: list[CostEntry] = []
        for old in found:
            if old.kind is None or old.amount is None:
                continue
            ask = CostAsk(old.kind, old.amount, old.reference, old.note, reason)
            known = (*entries, *made)
            if twin(known, ask) is None:
                check(known, ask)
                made.append(replace(self._made(month, pool_id, known, ask, by), copied_from=old.id))
        self._store.append(tx, made)
        return tuple(made)

    # ------------------------------------------------------------------------------------ told

    def statements(self, tx: Connection, preview: Preview) -> tuple[PoolStatement, ...]:
        """Of every pool there is and every pool that was charged for, by its id.

        Those that were kept when the month was closed; else as far as it is known.

        :param preview: of the whole month, not of one account or department.
        """
        kept = self._store.kept(tx, preview.period.month)
        if kept:
            return tuple(from_document(text) for text in kept)
        return self.made(tx, preview.period, preview.charges)

    def made(
        self, tx: Connection, period: BillingPeriod, charges: Sequence[Charge]
    ) -> tuple[PoolStatement, ...]:
        """As :meth:`statements`, of all charges of an open month, made now."""
        month = period.month
        policy = self._around.policy()
        charged = {charge.pool_id: charge.zone for charge in charges}
        pools = {name: (name, zone) for name, zone in charged.items()} | dict(
            self._around.pools(tx)
        )
        entries = self._store.entries(tx, month)
        promises = self._around.promises(tx, period, policy.weights)
        labels = self._books.labels_of(tx, charges)
        currency = self._books.tariff().currency
        found = []
        for pool_id, (name, zone) in sorted(pools.items()):
            rule = policy.rule_of(name)
            wanted = promises.get(pool_id, ()) if rule is IdleRule.RESERVATION else ()
            facts = PoolFacts(
                month,
                pool_id,
                name,
                zone,
                currency,
                rule,
                policy.weights,
                in_effect(entries.get(pool_id, ())),
                tuple(sorted(wanted)),
                labels,
            )
            found.append(statement(facts, charges))
        return tuple(found)

    # ---------------------------------------------------------------------------- closed, kept

    def keep(self, tx: Connection, month: str, found: Sequence[PoolStatement]) -> None:
        """Keep the statements of a month in the transaction that closes it.

        :raises Conflict: ``pool-costs-changed`` when a cost was entered since they were made.
        """
        self._store.lock(tx, month)
        entries = self._store.entries(tx, month)
        for made in found:
            if in_effect(entries.get(made.facts.pool_id, ())) != made.facts.entries:
                raise Conflict(
                    f"what {made.facts.name} cost in {month} was changed meanwhile",
                    code="pool-costs-changed",
                    hint="look at it again and close the month then",
                )
        self._store.keep(tx, month, {made.facts.pool_id: document(made) for made in found})

    def kept(self, tx: Connection, month: str) -> tuple[str, ...]:
        """The statements of a closed month as they were written, by the id of the pool."""
        return self._store.kept(tx, month)

    # ----------------------------------------------------------------------------------- parts

    def _period(self, tx: Connection, month: str, pool_id: str) -> BillingPeriod:
        period = billing_period(month, self._books.zone)
        if pool_id not in self._around.pools(tx):
            raise NotFound(f"there is no pool {pool_id}", code="no-such-pool")
        return period

    def _open(self, tx: Connection, month: str, pool_id: str) -> tuple[CostEntry, ...]:
        """What is on record, with nobody else writing until the transaction ends."""
        period = self._period(tx, month, pool_id)
        if (period.interval.start - self._books.clock.now()).days > _AHEAD_DAYS:
            raise Invalid(f"{month} is more than a year ahead", code="month-too-far", path="month")
        self._store.lock(tx, month)
        if self._books.store.closed(tx, month) is not None:
            raise Conflict(
                f"{month} is closed",
                code="period-closed",
                hint="a closed month stays as it is; enter the difference in an open one",
            )
        return self._store.entries(tx, month, pool_id).get(pool_id, ())

    def _made(
        self, month: str, pool_id: str, entries: Sequence[CostEntry], ask: CostAsk, by: str
    ) -> CostEntry:
        currency = self._books.tariff().currency
        other = {entry.currency for entry in entries} - {currency}
        if other:
            raise Invalid(
                f"costs of this month are in {', '.join(sorted(other))}, not in {currency}",
                code="mixed-currencies",
            )
        number = len(entries) + 1
        return CostEntry(
            _entry_id(month, pool_id, number),
            month,
            pool_id,
            number,
            ask.kind,
            ask.amount,
            currency,
            ask.reference.strip(),
            ask.note,
            ask.reason,
            by,
            self._books.clock.now(),
            replaces=ask.replaces,
        )


def _entry_id(month: str, pool_id: str, number: int) -> str:
    """The same for the same place on record."""
    text = canonical([month, pool_id, str(number)])
    return f"pco_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
