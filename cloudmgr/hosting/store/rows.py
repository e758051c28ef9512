"""How the stores of this folder read: filters that may be absent, pages by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Column, Select, Table


def only(query: Select[Any], *wanted: tuple[Column[Any], object]) -> Select[Any]:
    """``query`` narrowed to rows that have each value that is not None."""
    return query.where(*(column == value for column, value in wanted if value is not None))


def page(query: Select[Any], table: Table, after: str | None, limit: int | None) -> Select[Any]:
    if after is not None:
        query = query.where(table.c.id > after)
    return query if limit is None else query.limit(limit)
