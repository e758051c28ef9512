"""Rating in SQL: one definition, in DuckDB's words, for every engine. Nothing is rounded here.

What may stand in it is what engines agree on to the last digit, and no more: every decimal is cast
where it is made, none is divided (DuckDB would give a DOUBLE, Spark fewer digits), decimals are
multiplied only where the product needs no more than 37 digits and one side has more than 18 (two of
18 digits are multiplied in 64 bits by DuckDB, which then overflows), whole numbers are divided with
``//`` as BIGINT, and what could overflow is judged before, row by row, by :data:`STATES`.
``cloudmgr/billing/rating.py`` says what it must come to; the tests hold every engine to that.

The relations it reads: ``ledger`` (the usage ledger's columns) and those of
:mod:`cloudmgr.billing.engines.inputs`: ``tariff``, ``meters``, ``accounts``, ``periods``. Moments
are with a time zone, and the session's time zone is UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudmgr.billing.rating import Category

# The limits. A quantity has 14 digits before the point, a price 9; behind it 18 and 8.
QUANTITY_DIGITS, QUANTITY_SCALE = 14, 18
PRICE_DIGITS, PRICE_SCALE = 9, 8
NUMERATOR_DIGITS, NUMERATOR_SCALE = 11, QUANTITY_SCALE + PRICE_SCALE
# Of one record. Its microseconds × 2,000,000 must fit a BIGINT where a price change divides it.
LONGEST_DAYS = 32

# A price without a zone, in the tariff: no zone has this name.
EVERY_ZONE = "*"

COLUMNS = (
    "id",
    "environment_id",
    "system_id",
    "department_id",
    "zone",
    "pool_id",
    "component",
    "meter",
    '"start"',
    '"end"',
    "quantity",
    "month",
)

# What may become of a usage record, and what a person is told of one that is at fault.
WHOLE, CUT, UNPRICED, SKIPPED = "whole", "cut", "unpriced", "skipped"
STATES = {
    "empty-column": "one of its columns is empty",
    "bad-id": "its id is not 64 characters without quotes or backslashes",
    "no-such-meter": "there is no such meter",
    "negative-quantity": "its quantity is negative",
    "absurd-quantity": f"its quantity has more than {QUANTITY_DIGITS} digits before the point",
    "empty-interval": "it ends no later than it starts",
    "time-out-of-range": "it lies outside the years 1970 to 9998",
    "too-long": f"it is longer than {LONGEST_DAYS} days",
    "wrong-month": "its month is not the one that it starts in",
    "no-account": "no account pays for its department then",
    "too-much": f"quantity × price has more than {NUMERATOR_DIGITS} digits before the point",
}


def _decimal(text: str, digits: int, scale: int) -> str:
    return f"CAST('{text}' AS DECIMAL({digits}, {scale}))"


_BASE = 1_000_000  # of the digits of the long division; two of them and a remainder fit a BIGINT
_TINY = _decimal("0." + "0" * 17 + "1", 18, 18)
_WIDE = f"DECIMAL({QUANTITY_DIGITS + QUANTITY_SCALE}, {QUANTITY_SCALE})"
_EXACT = f"DECIMAL(37, {NUMERATOR_SCALE})"
_NUMERATOR = (
    f"CAST(CAST(whole_units * unit_price AS {_EXACT})"
    f" + CAST(fraction * unit_price AS {_EXACT}) AS DECIMAL(38, {NUMERATOR_SCALE}))"
)

# Each record with its price and account at its start. A zone's own prices hold for it from the
# first on; the tariff has the general ones before that in the zone's line already.
_PRICED = f"""
own AS (SELECT DISTINCT meter, zone FROM tariff WHERE zone <> '{EVERY_ZONE}'),
keyed AS (
  SELECT {", ".join(f"l.{name}" for name in COLUMNS)},
    CASE WHEN own.zone IS NULL THEN '{EVERY_ZONE}' ELSE own.zone END AS tariff_zone
  FROM ledger AS l LEFT JOIN own ON l.meter = own.meter AND l.zone = own.zone),
priced AS (
  SELECT {", ".join(f"k.{name}" for name in COLUMNS)}, k.tariff_zone,
    a.account_id, m.unit, m.priced_per, m.counted, m.optional,
    t.unit_price, t.price_zone, t.price_valid_from, t.valid_until, t.most, t.most_divided,
    t.price_digest, t.currency
  FROM keyed AS k
  LEFT JOIN meters AS m ON k.meter = m.meter
  LEFT JOIN tariff AS t ON k.meter = t.meter AND k.tariff_zone = t.zone
    AND t.valid_from <= k."start" AND k."start" < t.valid_until
  LEFT JOIN accounts AS a ON k.department_id = a.department_id
    AND a.valid_from <= k."start" AND k."start" < a.valid_until)"""

_LACKING = " OR ".join(f"p.{name} IS NULL" for name in COLUMNS)
_JUDGED = f"""{_PRICED},
judged AS (
  SELECT p.id, p.meter, p.zone, p."start", p."end", CASE
    WHEN {_LACKING} THEN 'empty-column'
    WHEN LENGTH(p.id) <> 64 OR STRPOS(p.id, '"') > 0 OR STRPOS(p.id, '\\') > 0 THEN 'bad-id'
    WHEN p.unit IS NULL THEN 'no-such-meter'
    WHEN p.quantity < {_decimal("0", 1, 0)} THEN 'negative-quantity'
    WHEN p.quantity >= {_decimal("1" + "0" * QUANTITY_DIGITS, QUANTITY_DIGITS + 1, 0)}
      THEN 'absurd-quantity'
    WHEN p."end" <= p."start" THEN 'empty-interval'
    WHEN p."start" < CAST('1970-01-01 00:00:00+00:00' AS TIMESTAMPTZ)
      OR p."end" >= CAST('9999-01-01 00:00:00+00:00' AS TIMESTAMPTZ) THEN 'time-out-of-range'
    WHEN EPOCH_US(p."end") - EPOCH_US(p."start") > {LONGEST_DAYS * 86_400 * 1_000_000}
      THEN 'too-long'
    WHEN s.month IS NULL THEN 'wrong-month'
    WHEN p.account_id IS NULL THEN 'no-account'
    WHEN p.unit_price IS NULL AND p.optional THEN '{SKIPPED}'
    WHEN p.unit_price IS NULL THEN '{UNPRICED}'
    WHEN p.quantity >= p.most THEN 'too-much'
    WHEN p.counted OR p."end" <= p.valid_until THEN '{WHOLE}'
    WHEN p.quantity >= p.most_divided THEN 'too-much'
    ELSE '{CUT}' END AS state
  FROM priced AS p LEFT JOIN periods AS s ON p.month = s.month
    AND s.starts_at <= p."start" AND p."start" < s.ends_at)"""

SURVEY = f"""WITH {_JUDGED}
SELECT state, COUNT(*) AS records FROM judged GROUP BY state"""

UNPRICED_USAGE = f"""WITH {_JUDGED}
SELECT meter, zone, MIN("start") AS "start", MAX("end") AS "end", COUNT(*) AS records
FROM judged WHERE state = '{UNPRICED}' GROUP BY meter, zone"""

_NO_FAULT = ", ".join(f"'{state}'" for state in (WHOLE, CUT, UNPRICED, SKIPPED))
# The first of them, for a person to mend. An id may itself be what is missing.
FAULTS = f"""WITH {_JUDGED}
SELECT id, state FROM judged WHERE state NOT IN ({_NO_FAULT}) ORDER BY id LIMIT 20"""


def _charge(category: Category, start: str, end: str, source: str) -> str:
    """The columns of a charge from ``source``, which has its parts of the quantity as p and f."""
    moment = f"STRFTIME({start}, '%Y-%m-%d') || 'T' || STRFTIME({start}, '%H:%M:%S.%f') || '+00:00'"
    return f"""SELECT SHA256('["' || id || '","' || {moment} || '"]') AS id, id AS usage_id,
  CAST('{category.value}' AS VARCHAR) AS category,
  environment_id, system_id, department_id, account_id, zone, pool_id, component, meter, unit,
  {start} AS "start", {end} AS "end", quantity, unit_price, priced_per,
  price_zone, price_valid_from, price_digest, currency, {_NUMERATOR} AS numerator, month
FROM {source}"""


def _halved(quantity: str) -> str:
    """``quantity`` before and behind the point: each × price has few enough digits to be exact."""
    before = f"CAST(FLOOR({quantity}) AS DECIMAL({QUANTITY_DIGITS}, 0))"
    return (
        f"CAST({before} AS DECIMAL(19, 0)) AS whole_units, CAST(CAST({quantity} AS {_WIDE})"
        f" - {before} AS DECIMAL(19, {QUANTITY_SCALE})) AS fraction"
    )


_CARRIED = (
    "id, environment_id, system_id, department_id, account_id, zone, pool_id, component, meter,"
    " unit, priced_per, currency, price_digest"
)


def whole(category: Category) -> str:
    """The charges of records during which the price does not change, and of single events."""
    return f"""WITH {_PRICED},
halved AS (
  SELECT {_CARRIED}, "start", "end", month, unit_price, price_zone, price_valid_from,
    quantity, {_halved("quantity")}
  FROM priced
  WHERE unit_price IS NOT NULL AND (counted OR "end" <= valid_until))
{_charge(category, '"start"', '"end"', "halved")}"""


def cut(category: Category) -> str:
    """The charges of records that are divided where the price changes, by time.

    A part is cut off after 18 digits, and the last takes the rest. ``share × p / w`` is a long
    division in BIGINT, six digits at a time, since a decimal may not be divided.
    """
    return f"""WITH {_PRICED},
divided AS (
  SELECT p.{_CARRIED.replace(", ", ", p.")}, p.quantity AS whole_quantity,
    p."start" AS starts_at, p."end" AS ends_at,
    t.unit_price, t.price_zone, t.price_valid_from,
    GREATEST(p."start", t.valid_from) AS "start", LEAST(p."end", t.valid_until) AS "end",
    {_halved("p.quantity")}
  FROM priced AS p JOIN tariff AS t ON p.meter = t.meter AND p.tariff_zone = t.zone
    AND t.valid_from < p."end" AND p."start" < t.valid_until
  WHERE p.unit_price IS NOT NULL AND NOT p.counted AND p."end" > p.valid_until),
counted_out AS (
  SELECT {_KEPT}, whole_quantity, starts_at, ends_at,
    EPOCH_US("end") - EPOCH_US("start") AS p, EPOCH_US(ends_at) - EPOCH_US(starts_at) AS w,
    CAST(whole_units AS BIGINT) AS h,
    CAST(CAST(fraction AS DECIMAL(18, 18)) * {_decimal("1" + "0" * 18, 19, 0)} AS BIGINT) AS f
  FROM divided),
limbs AS (
  SELECT {_KEPT}, whole_quantity, starts_at, ends_at, p, w,
    h // {_BASE**2} AS l0, (h // {_BASE}) % {_BASE} AS l1, h % {_BASE} AS l2,
    f // {_BASE**2} AS l3, (f // {_BASE}) % {_BASE} AS l4, f % {_BASE} AS l5
  FROM counted_out),
{_long_division()},
shares AS (
  SELECT {_KEPT}, whole_quantity, ends_at, CASE WHEN "end" < ends_at THEN
    CAST(CAST((d0 * {_BASE} + d1) * {_BASE} + d2 AS {_WIDE})
      + CAST(CAST((d3 * {_BASE} + d4) * {_BASE} + d5 AS DECIMAL(19, 0)) * {_TINY} AS {_WIDE})
    AS {_WIDE}) ELSE {_decimal("0", QUANTITY_DIGITS + QUANTITY_SCALE, QUANTITY_SCALE)} END AS share
  FROM divided5),
rest AS (
  SELECT {_KEPT}, whole_quantity, ends_at, share,
    CAST(SUM(share) OVER (PARTITION BY id) AS {_WIDE}) AS others FROM shares),
parts AS (
  SELECT {_KEPT}, CAST(CASE WHEN "end" < ends_at THEN share
    ELSE CAST(whole_quantity AS {_WIDE}) - others END AS DECIMAL(38, {QUANTITY_SCALE})) AS quantity
  FROM rest),
halved AS (
  SELECT {", ".join(f"q.{name}" for name in _KEPT.split(", "))}, s.month, q.quantity,
    {_halved("q.quantity")}
  FROM parts AS q JOIN periods AS s ON s.starts_at <= q."start" AND q."start" < s.ends_at)
{_charge(category, '"start"', '"end"', "halved")}"""


_KEPT = f'{_CARRIED}, unit_price, price_zone, price_valid_from, "start", "end"'


def _long_division() -> str:
    """From the limbs of the quantity to those of quantity × p / w, the highest first."""
    known = f"{_KEPT}, whole_quantity, ends_at, p, w"
    steps = []
    for step in range(6):
        later = "".join(f", l{n}" for n in range(step + 1, 6))
        digits = "".join(f", d{n}" for n in range(step))
        carried = f"r * {_BASE} + " if step else ""
        dividend = f"({carried}l{step} * p)"
        steps.append(
            f"divided{step} AS (\n  SELECT {known}{later}{digits},"
            f" {dividend} // w AS d{step}, {dividend} % w AS r\n"
            f"  FROM {f'divided{step - 1}' if step else 'limbs'})"
        )
    return ",\n".join(steps)


_LINE = "account_id, department_id, system_id, environment_id, category, month, meter, unit_price"
_ONE = _decimal("1", 38, QUANTITY_SCALE)
_SUMMED = f"DECIMAL(38, {QUANTITY_SCALE})"

# The sum of quantities × their price is the sum of the numerators, and saves a product for each.
LINES = f"""WITH summed AS (
  SELECT {_LINE}, priced_per, currency, MIN("start") AS "start", MAX("end") AS "end",
    CAST(SUM(quantity) AS {_SUMMED}) AS quantity, COUNT(*) AS charges
  FROM charges GROUP BY {_LINE}, priced_per, currency),
parted AS (
  SELECT {_LINE}, priced_per, currency, "start", "end", quantity, charges,
    CAST(FLOOR(quantity) AS DECIMAL(20, 0)) AS whole_units,
    CAST(quantity % {_ONE} AS DECIMAL(19, {QUANTITY_SCALE})) AS fraction
  FROM summed)
SELECT {_LINE}, priced_per, currency, "start", "end", quantity, {_NUMERATOR} AS numerator, charges
FROM parted"""


@dataclass(frozen=True, slots=True)
class Definition:
    """The queries, in one engine's words.

    ``survey`` counts the ledger's records by what becomes of them (``whole``, ``cut``,
    ``unpriced``, ``skipped``, or a fault of :data:`STATES`); nothing may be rated while one is at
    fault. ``faults`` names some of those, ``unpriced`` sums up what has no price. ``whole`` and
    ``cut`` together are the charges, and ``lines`` sums up a relation ``charges`` of them.
    """

    survey: str
    faults: str
    unpriced: str
    whole: str
    cut: str
    lines: str


def definition(category: Category) -> Definition:
    """For usage of the month, or of one closed before."""
    return Definition(SURVEY, FAULTS, UNPRICED_USAGE, whole(category), cut(category), LINES)
