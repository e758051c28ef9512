"""The definition in the words of other engines, by sqlglot, which is pinned for it."""

from __future__ import annotations

from dataclasses import fields
from enum import StrEnum
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from cloudmgr.billing.engines.definition import Definition, definition
from cloudmgr.billing.rating import Category

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudmgr.billing.engines.inputs import Relation, Selected


class Dialect(StrEnum):
    """The engines that the tests hold to the reference."""

    DUCKDB = "duckdb"
    POSTGRESQL = "postgres"
    SPARK = "spark"


def spoken(query: str, dialect: Dialect) -> str:
    """``query``, in the definition's words, as ``dialect`` says it."""
    if dialect is Dialect.DUCKDB:
        return query
    tree = sqlglot.parse_one(query, read=Dialect.DUCKDB.value)
    return tree.transform(_mended, dialect).sql(dialect=dialect.value, pretty=True)


def definition_in(dialect: Dialect, category: Category = Category.USAGE) -> Definition:
    """All queries of the definition."""
    own = definition(category)
    return Definition(*(spoken(getattr(own, field.name), dialect) for field in fields(Definition)))


def _mended(node: exp.Expression, dialect: Dialect) -> exp.Expression:
    """What sqlglot leaves as it stands, or says so that the engine refuses it."""
    if isinstance(node, exp.Anonymous) and node.name.upper() == "EPOCH_US":
        moment = node.expressions[0]
        if dialect is Dialect.SPARK:
            return exp.Anonymous(this="UNIX_MICROS", expressions=[moment])
        # EXTRACT gives a NUMERIC with all microseconds, from PostgreSQL 14 on.
        seconds = exp.Extract(this=exp.var("EPOCH"), expression=moment)
        return exp.cast(exp.Mul(this=seconds, expression=exp.Literal.number(1_000_000)), "BIGINT")
    if isinstance(node, (exp.SHA2, exp.SHA2Digest)) and dialect is Dialect.POSTGRESQL:
        # Its SHA256 is of bytes.
        text = node.this
        if not (isinstance(text, exp.Anonymous) and text.name == "CONVERT_TO"):
            as_bytes = exp.Anonymous(
                this="CONVERT_TO", expressions=[text, exp.Literal.string("UTF8")]
            )
            node.set("this", as_bytes)
    return node


def script(
    dialect: Dialect,
    relations: Iterable[Relation | Selected],
    category: Category = Category.USAGE,
) -> str:
    """All that ``dialect`` is to be told, in order, over a relation ``ledger`` that it has.

    Charges come as the relation ``charges``. They are to be taken only if the survey before finds
    nothing at fault and nothing unpriced, since what has no price is in none of them.
    """
    queries = definition_in(dialect, category)
    view = "VIEW" if dialect is Dialect.SPARK else "TABLE"
    said = list(_SESSIONS[dialect])
    said += [
        f"CREATE TEMPORARY {view} {relation.name} AS\n{spoken(relation.query, dialect)}"
        for relation in relations
    ]
    said += [
        f"-- How many records are rated, unpriced, skipped or at fault.\n{queries.survey}",
        f"-- The first records at fault.\n{queries.faults}",
        f"-- What has no price.\n{queries.unpriced}",
        f"CREATE TEMPORARY VIEW charges AS\n({queries.whole})\nUNION ALL\n({queries.cut})",
        f"-- The lines of invoices.\n{queries.lines}",
    ]
    return ";\n\n".join(said) + ";\n"


_SESSIONS = {
    Dialect.DUCKDB: ("SET TimeZone = 'UTC'",),
    Dialect.POSTGRESQL: ("SET TIME ZONE 'UTC'",),
    # Without ANSI a sum that overflows is NULL.
    Dialect.SPARK: (
        "SET spark.sql.session.timeZone = UTC",
        "SET spark.sql.ansi.enabled = true",
    ),
}
