"""Closed periods at rest. Written once, in one transaction; nothing here changes a row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    insert,
    or_,
    select,
)

from cloudmgr.billing.digits import plain
from cloudmgr.billing.invoices import Label, document, from_document
from cloudmgr.billing.periods import BillingPeriod, ClosedPeriod, FrozenCharge, Inputs
from cloudmgr.billing.rating import Category, Charge
from cloudmgr.db.types import ExactDecimal, UtcDateTime, metadata
from cloudmgr.errors import Invalid, NotFound, Permanent
from cloudmgr.interval import Interval
from cloudmgr.policy.prices import Price, PriceList

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Row, Select

    from cloudmgr.billing.invoices import Invoice

billing_periods = Table(
    "billing_period",
    metadata,
    # The key that makes a second close impossible.
    Column("month", String(7), primary_key=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("closed_at", UtcDateTime, nullable=False),
    Column("closed_by", String, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("price_digest", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("charges", Integer, nullable=False),
    Column("labels", JSON, nullable=False),
    # What it was rated from.
    Column("ledger_batch", Integer),
    Column("version", String(40), nullable=False),
    Column("price_list", JSON, nullable=False),
    Column("gaps", JSON, nullable=False),
)

invoices = Table(
    "invoice",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("month", ForeignKey("billing_period.month"), nullable=False, index=True),
    Column("number", String(20), nullable=False, unique=True),
    Column("account_id", String(40), nullable=False, index=True),
    Column("currency", String(3), nullable=False),
    Column("total", ExactDecimal, nullable=False),
    Column("document", Text, nullable=False),
)

charges = Table(
    "charge",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("month", ForeignKey("billing_period.month"), nullable=False),
    Column("invoice_id", ForeignKey("invoice.id"), nullable=False),
    Column("line", Integer, nullable=False),
    Column("usage_id", String(64), nullable=False, index=True),
    Column("category", String(20), nullable=False),
    Column("environment_id", String(40), nullable=False),
    Column("system_id", String(40), nullable=False),
    Column("department_id", String(40), nullable=False),
    Column("account_id", String(40), nullable=False),
    Column("zone", String(20), nullable=False),
    Column("pool_id", String(40), nullable=False),
    Column("component", String, nullable=False),
    Column("meter", String(20), nullable=False),
    Column("unit", String(20), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, nullable=False),
    Column("quantity", ExactDecimal, nullable=False),
    Column("unit_price", ExactDecimal, nullable=False),
    Column("priced_per", Integer, nullable=False),
    # The cost is numerator / priced_per; the quotient need not terminate.
    Column("numerator", ExactDecimal, nullable=False),
    Column("price_zone", String(20)),
    Column("price_valid_from", UtcDateTime, nullable=False),
    Column("price_digest", String(64), nullable=False),
    Column("currency", String(3), nullable=False),
    Index("ix_charge_invoice_id_line_started_at_id", "invoice_id", "line", "started_at", "id"),
    Index("ix_charge_month_department_id", "month", "department_id"),
)

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class ChargePage:
    """Some charges in the order of (start, id), and where the next page begins (None: no more)."""

    charges: tuple[Charge, ...]
    cursor: str | None


class BillingStore:
    """Closed periods, their invoices and their charges."""

    def freeze(
        self,
        tx: Connection,
        closed: ClosedPeriod,
        bills: Sequence[Invoice],
        frozen: Sequence[FrozenCharge],
    ) -> None:
        """Write a closed period whole.

        :raises sqlalchemy.exc.IntegrityError: when it is closed already, or a charge was made
            before; the database turns it into a Conflict.
        """
        tx.execute(insert(billing_periods).values(**_period_values(closed)))
        if bills:
            tx.execute(insert(invoices), [_invoice_values(bill) for bill in bills])
        for start in range(0, len(frozen), _BATCH):
            some = frozen[start : start + _BATCH]
            tx.execute(insert(charges), [_charge_values(f, closed.period.month) for f in some])

    def closed(self, tx: Connection, month: str) -> ClosedPeriod | None:
        row = tx.execute(
            select(billing_periods).where(billing_periods.c.month == month)
        ).one_or_none()
        return None if row is None else _period(row)

    def all_closed(self, tx: Connection) -> tuple[ClosedPeriod, ...]:
        """Earliest first."""
        rows = tx.execute(select(billing_periods).order_by(billing_periods.c.month))
        return tuple(_period(row) for row in rows)

    def invoice(self, tx: Connection, invoice_id: str) -> Invoice:
        """:raises NotFound: ``no-such-invoice``."""
        text = tx.execute(
            select(invoices.c.document).where(invoices.c.id == invoice_id)
        ).scalar_one_or_none()
        if text is None:
            raise NotFound(f"there is no invoice {invoice_id}", code="no-such-invoice")
        return from_document(text)

    def documents(
        self, tx: Connection, *, month: str | None = None, account_id: str | None = None
    ) -> tuple[str, ...]:
        """Invoices as they were written, latest month first, by number within it."""
        c = invoices.c
        query = select(c.document).order_by(c.month.desc(), c.number)
        if month is not None:
            query = query.where(c.month == month)
        if account_id is not None:
            query = query.where(c.account_id == account_id)
        return tuple(tx.execute(query).scalars())

    def charges_of_line(
        self,
        tx: Connection,
        invoice_id: str,
        line: int,
        *,
        cursor: str | None = None,
        limit: int = 100,
    ) -> ChargePage:
        """:raises Invalid: ``bad-cursor``, ``bad-limit``."""
        if not 1 <= limit <= _BATCH:
            raise Invalid(f"a page has 1 to {_BATCH} charges", code="bad-limit", path="limit")
        c = charges.c
        query = (
            select(charges)
            .where(c.invoice_id == invoice_id, c.line == line)
            .order_by(c.started_at, c.id)
            .limit(limit + 1)
        )
        if cursor is not None:
            start, charge_id = _position(cursor)
            query = query.where(
                or_(c.started_at > start, and_(c.started_at == start, c.id > charge_id))
            )
        found = [_charge(row) for row in tx.execute(query)]
        kept = tuple(found[:limit])
        after = f"{kept[-1].interval.start.isoformat()}~{kept[-1].id}" if kept else None
        return ChargePage(kept, after if len(found) > limit else None)

    def charges_of(
        self,
        tx: Connection,
        month: str,
        *,
        account_id: str | None = None,
        department_id: str | None = None,
    ) -> Iterator[Charge]:
        """The frozen charges of a month, in the order of (start, id)."""
        c = charges.c
        query = select(charges).where(c.month == month).order_by(c.started_at, c.id)
        if account_id is not None:
            query = query.where(c.account_id == account_id)
        if department_id is not None:
            query = query.where(c.department_id == department_id)
        rows = tx.execute(query, execution_options={"yield_per": _BATCH})
        try:
            for row in rows:
                yield _charge(row)
        finally:
            rows.close()

    def charged(self) -> Select[Any]:
        """Selects the ids of all usage that was ever charged."""
        return select(charges.c.usage_id)


def _position(cursor: str) -> tuple[datetime, str]:
    moment, _, charge_id = cursor.partition("~")
    try:
        start = datetime.fromisoformat(moment)
    except ValueError:
        start = None
    if start is None or start.tzinfo is None or not charge_id:
        raise Invalid("this cursor comes from no page", code="bad-cursor", path="cursor")
    return start, charge_id


def _period(row: Row[Any]) -> ClosedPeriod:
    return ClosedPeriod(
        BillingPeriod(row.month, Interval(row.started_at, row.ended_at), row.time_zone),
        row.closed_at,
        row.closed_by,
        row.currency,
        row.price_digest,
        row.digest,
        row.charges,
        {thing: Label(*names) for thing, names in row.labels.items()},
        Inputs(row.ledger_batch, row.version, _price_list(row.currency, row.price_list)),
        tuple(row.gaps),
    )


def _period_values(closed: ClosedPeriod) -> dict[str, Any]:
    return {
        "month": closed.period.month,
        "started_at": closed.period.interval.start,
        "ended_at": closed.period.interval.end,
        "time_zone": closed.period.time_zone,
        "closed_at": closed.closed_at,
        "closed_by": closed.closed_by,
        "currency": closed.currency,
        "price_digest": closed.price_digest,
        "digest": closed.digest,
        "charges": closed.charges,
        "labels": {thing: [label.zh, label.en] for thing, label in closed.labels.items()},
        "ledger_batch": closed.inputs.ledger_batch,
        "version": closed.inputs.version,
        "price_list": {
            "gaps": closed.inputs.prices.gaps,
            "prices": [
                [p.meter, p.zone, p.valid_from.isoformat(), plain(p.unit_price)]
                for p in closed.inputs.prices.prices
            ],
        },
        "gaps": list(closed.gaps),
    }


def _price_list(currency: str, kept: dict[str, Any]) -> PriceList:
    prices = [
        Price(meter, zone, datetime.fromisoformat(since), Decimal(amount))
        for meter, zone, since, amount in kept["prices"]
    ]
    return PriceList(currency, tuple(prices), kept["gaps"])


def _invoice_values(bill: Invoice) -> dict[str, Any]:
    return {
        "id": bill.id,
        "month": bill.month,
        "number": bill.number,
        "account_id": bill.account_id,
        "currency": bill.currency,
        "total": bill.total,
        "document": document(bill),
    }


_SAME = (
    "id",
    "usage_id",
    "environment_id",
    "system_id",
    "department_id",
    "account_id",
    "zone",
    "pool_id",
    "component",
    "meter",
    "unit",
    "quantity",
    "unit_price",
    "priced_per",
    "price_zone",
    "price_valid_from",
    "price_digest",
    "currency",
)


def _charge_values(frozen: FrozenCharge, month: str) -> dict[str, Any]:
    charge = frozen.charge
    return {
        **{name: getattr(charge, name) for name in _SAME},
        "month": month,
        "invoice_id": frozen.invoice_id,
        "line": frozen.line,
        "category": charge.category.value,
        "started_at": charge.interval.start,
        "ended_at": charge.interval.end,
        "numerator": charge.numerator,
    }


def _charge(row: Row[Any]) -> Charge:
    charge = Charge(
        **{name: getattr(row, name) for name in _SAME},
        category=Category(row.category),
        interval=Interval(row.started_at, row.ended_at),
    )
    if charge.numerator != row.numerator:
        raise Permanent(
            f"charge {charge.id} is not what was written: {row.numerator} is not"
            f" {charge.quantity} × {charge.unit_price}",
            code="ledger-damaged",
            hint="restore the database from a backup and verify the month",
        )
    return charge
