"""Columns that lose nothing on SQLite and PostgreSQL alike.

SQLite's NUMERIC is a float in disguise and its DATETIME forgets the zone, so exact numbers are TEXT
there, and times are fixed-width UTC TEXT that sorts as time does.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import DateTime, MetaData, Numeric, String, TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

# One catalogue for all stores, with stable constraint names: Alembic needs them on SQLite.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class ExactDecimal(TypeDecorator[Decimal]):
    """A finite Decimal: TEXT on SQLite, NUMERIC without a limit on PostgreSQL.

    For keeping only: sorting and arithmetic would be those of text on SQLite, so do them in Python.
    SQLAlchemy wraps what is raised here in its ``StatementError``.

    :raises ValueError: for NaN and infinities.
    :raises TypeError: for anything but a Decimal, a float above all.
    """

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Numeric(asdecimal=True))
        return dialect.type_descriptor(String(80))

    def process_bind_param(self, value: object, dialect: Dialect) -> Any:
        if value is None:
            return None
        if not isinstance(value, Decimal):
            message = f"an exact column takes a Decimal, not {type(value).__name__}"
            raise TypeError(message)
        if not value.is_finite():
            message = "an exact column takes a finite number"
            raise ValueError(message)
        return value if dialect.name == "postgresql" else format(value, "f")

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        return None if value is None else Decimal(value)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant, given back in UTC; microseconds kept; sorts as time does on both.

    SQLAlchemy wraps what is raised here in its ``StatementError``.

    :raises ValueError: for a naive time.
    """

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        return dialect.type_descriptor(String(27))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.utcoffset() is None:
            message = "a time without a zone cannot be stored"
            raise ValueError(message)
        value = value.astimezone(UTC)
        if dialect.name == "postgresql":
            return value
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        instant: datetime = value if dialect.name == "postgresql" else datetime.fromisoformat(value)
        return instant.astimezone(UTC)
