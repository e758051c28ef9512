"""Engines that run the definition, each behind the same two calls, and what the reference says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from cloudmgr.billing.digits import plain
from cloudmgr.billing.engines.definition import STATES
from cloudmgr.billing.engines.dialects import Dialect, definition_in, spoken
from cloudmgr.billing.engines.inputs import AccountSpan, Relation, relations
from cloudmgr.billing.engines.totals import LINE_COLUMNS, Line, line_of, moment
from cloudmgr.billing.invoices import LineKey, line_key
from cloudmgr.billing.periods import period_at
from cloudmgr.billing.rating import Category, Charge, Missing, charge_fields, rate_all
from cloudmgr.interval import Interval
from cloudmgr.money import exact_sum

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    from cloudmgr.billing.prices import Tariff
    from cloudmgr.metering.usage import UsageRecord

LEDGER = {
    "id": "VARCHAR",
    "source": "VARCHAR",
    "resource": "VARCHAR",
    "environment_id": "VARCHAR",
    "system_id": "VARCHAR",
    "department_id": "VARCHAR",
    "zone": "VARCHAR",
    "pool_id": "VARCHAR",
    "component": "VARCHAR",
    "meter": "VARCHAR",
    '"start"': "TIMESTAMPTZ",
    '"end"': "TIMESTAMPTZ",
    "quantity": "DECIMAL(38, 18)",
    "month": "VARCHAR",
}
_MOMENTS = ("start", "end", "price_valid_from")
_FIELDS = (
    "id", "usage_id", "category", "environment_id", "system_id", "department_id", "account_id",
    "zone", "pool_id", "component", "meter", "unit", "start", "end", "quantity", "unit_price",
    "priced_per", "price_zone", "price_valid_from", "price_digest", "currency", "numerator",
)  # fmt: skip
_ALL_FIELDS = ", ".join(f'EPOCH_US("{f}")' if f in _MOMENTS else f for f in _FIELDS)
# As worlds.account_of: the second moves to its account in the middle of June.
ACCOUNTS = (
    AccountSpan("dep_exam", datetime(2020, 1, 1, tzinfo=UTC), "acc_edu"),
    AccountSpan("dep_y", datetime(2020, 1, 1, tzinfo=UTC), "acc_y"),
    AccountSpan("dep_x", datetime(2020, 1, 1, tzinfo=UTC), "acc_x"),
    AccountSpan("dep_x", datetime(2026, 6, 15, 16, tzinfo=UTC), "acc_y"),
)
SPAN = Interval(datetime(2026, 4, 1, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC))


class Engine(Protocol):
    """A database with nothing in it, whose session is in UTC."""

    dialect: Dialect

    def run(self, query: str) -> None: ...

    def all(self, query: str) -> list[tuple[Any, ...]]: ...


@dataclass(frozen=True, slots=True)
class Said:
    """What came of rating, in a form in which equal things are equal."""

    charges: dict[str, dict[str, str | int | None]]
    missing: tuple[Missing, ...]
    lines: dict[tuple[str, LineKey], tuple[Interval, Decimal, Decimal, int]]
    faults: dict[str, int]


def account_of(department_id: str, moment: datetime) -> str:
    known = [s for s in ACCOUNTS if s.department_id == department_id]
    return next((s for s in reversed(known) if s.valid_from <= moment), known[0]).account_id


def ledger(records: Iterable[UsageRecord], zone: ZoneInfo) -> Relation:
    """The records as they lie at rest."""
    return Relation(
        "ledger",
        LEDGER,
        tuple(
            (
                r.id,
                r.source,
                r.resource,
                r.environment_id,
                r.system_id,
                r.department_id,
                r.zone,
                r.pool_id,
                r.component,
                r.meter,
                r.interval.start,
                r.interval.end,
                r.quantity,
                period_at(r.interval.start, zone).month,
            )
            for r in records
        ),
    )


def by_engine(
    engine: Engine,
    records: Sequence[UsageRecord],
    tariff: Tariff,
    zone: ZoneInfo,
    category: Category = Category.USAGE,
) -> Said:
    """What ``engine`` makes of ``records``."""
    kind = "VIEW" if engine.dialect is Dialect.SPARK else "TABLE"

    def made(name: str, query: str) -> None:
        if engine.dialect is not Dialect.SPARK:
            engine.run(f"DROP TABLE IF EXISTS {name}")
        replace = "OR REPLACE " if engine.dialect is Dialect.SPARK else ""
        engine.run(f"CREATE {replace}TEMPORARY {kind} {name} AS {query}")

    for relation in (*relations(tariff, ACCOUNTS, SPAN, zone), ledger(records, zone)):
        made(relation.name, spoken(relation.query, engine.dialect))
    definition = definition_in(engine.dialect, category)
    states = {str(state): int(n) for state, n in engine.all(definition.survey)}
    faults = {state: n for state, n in states.items() if state in STATES}
    if faults:
        return Said({}, (), {}, faults)
    made("charges", f"({definition.whole}) UNION ALL ({definition.cut})")
    if engine.dialect is Dialect.SPARK:
        # A view there; what is asked of it twice need not be rated twice.
        engine.run("CACHE TABLE charges")
    charges = engine.all(spoken(f"SELECT {_ALL_FIELDS} FROM charges", engine.dialect))
    missing = engine.all(
        spoken(
            'SELECT meter, zone, EPOCH_US("start"), EPOCH_US("end"), records FROM'
            " unpriced_usage ORDER BY meter, zone",
            engine.dialect,
        ).replace("unpriced_usage", f"({definition.unpriced}) AS u")
    )
    made("lines", definition.lines)
    lines = [
        line_of(row)
        for row in engine.all(spoken(f"SELECT {LINE_COLUMNS} FROM lines", engine.dialect))
    ]
    assert len({row[0] for row in charges}) == len(charges)
    return Said(
        {row[0]: _fields(row) for row in charges},
        tuple(Missing(m, z, Interval(moment(s), moment(e)), n) for m, z, s, e, n in missing),
        sums_of(lines),
        {},
    )


def by_reference(
    records: Sequence[UsageRecord],
    tariff: Tariff,
    zone: ZoneInfo,
    category: Category = Category.USAGE,
) -> Said:
    """What the definition must come to."""
    rated = rate_all(records, tariff, account_of, category)
    groups: dict[tuple[str, LineKey], list[Charge]] = {}
    for charge in rated.charges:
        groups.setdefault((charge.account_id, line_key(charge, zone)), []).append(charge)
    return Said(
        {charge.id: charge_fields(charge) for charge in rated.charges},
        rated.missing,
        {
            key: (
                Interval(
                    min(c.interval.start for c in charges), max(c.interval.end for c in charges)
                ),
                exact_sum([c.quantity for c in charges]),
                exact_sum([c.numerator for c in charges]),
                len(charges),
            )
            for key, charges in groups.items()
        },
        {},
    )


def sums_of(
    lines: Iterable[Line],
) -> dict[tuple[str, LineKey], tuple[Interval, Decimal, Decimal, int]]:
    found = {
        (line.account_id, line.key): (line.interval, line.quantity, line.numerator, line.charges)
        for line in lines
    }
    assert all(isinstance(value, Decimal) for _, *sums, _ in found.values() for value in sums)
    return found


def _fields(row: Sequence[Any]) -> dict[str, str | int | None]:
    found: dict[str, str | int | None] = {}
    for name, value in zip(_FIELDS, row, strict=True):
        if name in _MOMENTS:
            found[name] = moment(int(value)).isoformat(timespec="microseconds")
        elif isinstance(value, Decimal):
            found[name] = plain(value)
        else:
            found[name] = value
    return found
