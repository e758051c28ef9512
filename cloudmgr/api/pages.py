"""Lists in pages: ``?limit=&cursor=`` in, ``{items, next_cursor}`` out.

A cursor names the last thing that was shown, so what is added or removed meanwhile neither repeats
nor hides the rest. It is opaque to clients; it holds nothing but a place in a list that its holder
may see.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import Field

from cloudmgr.api.values import View, storable
from cloudmgr.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
Row = TypeVar("Row")

LONGEST_PAGE = 200
_LARGEST_NUMBER = 2**63 - 1


class Page(View, Generic[T]):
    """A part of a list. Ask again with `cursor=next_cursor` for the next; null ends it."""

    items: list[T]
    next_cursor: str | None = Field(description="Where the next page begins; null on the last.")


@dataclass(frozen=True, slots=True)
class Paging:
    """How much of a list is wanted, and after what."""

    limit: int
    cursor: str | None

    @property
    def fetch(self) -> int:
        """How many rows to ask a store for: one more than are shown tells of a next page."""
        return self.limit + 1

    def after(self, kind: str) -> str | None:
        """The text key after which a list of ``kind`` goes on.

        :raises Invalid: ``bad-cursor`` for one that was not given out by such a list.
        """
        key = self._key(kind)
        if key is not None and not (isinstance(key, str) and storable(key)):
            raise _bad_cursor()
        return key

    def after_number(self, kind: str) -> int | None:
        """As :meth:`after`, for a list that goes by a number."""
        key = self._key(kind)
        if key is None:
            return None
        if type(key) is not int or not 0 <= key <= _LARGEST_NUMBER:
            raise _bad_cursor()
        return key

    def page(
        self,
        kind: str,
        rows: Sequence[Row],
        key: Callable[[Row], str | int],
        view: Callable[[Row], T],
    ) -> Page[T]:
        """The page made of ``rows`` (as many as :attr:`fetch`, in the order of ``key``)."""
        shown = rows[: self.limit]
        more = len(rows) > self.limit
        return Page(
            items=[view(row) for row in shown],
            next_cursor=_encoded(kind, key(shown[-1])) if more else None,
        )

    def given(
        self, kind: str, rows: Sequence[Row], key: str | None, view: Callable[[Row], T]
    ) -> Page[T]:
        """The page of a store that makes its own pages; ``key`` is where its next one begins."""
        return Page(
            items=[view(row) for row in rows],
            next_cursor=None if key is None else _encoded(kind, key),
        )

    def _key(self, kind: str) -> object:
        if self.cursor is None:
            return None
        try:
            raw = base64.b64decode(self.cursor.encode("ascii"), altchars=b"-_", validate=True)
            found = json.loads(raw)
        except (UnicodeError, binascii.Error, ValueError, RecursionError):
            raise _bad_cursor() from None
        if not (isinstance(found, list) and len(found) == 2 and found[0] == kind):
            raise _bad_cursor()
        if found[1] is None:
            raise _bad_cursor()
        return found[1]


async def _paging(
    limit: Annotated[int, Query(ge=1, le=LONGEST_PAGE, description="How many at most.")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=500, description="`next_cursor` of the page before.")
    ] = None,
) -> Paging:
    return Paging(limit, cursor)


Paged = Annotated[Paging, Depends(_paging)]
"""Declares ``?limit=&cursor=`` on a route."""


def _encoded(kind: str, key: str | int) -> str:
    raw = json.dumps([kind, key], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).decode("ascii")


def _bad_cursor() -> Invalid:
    return Invalid(
        "this is no cursor of this list",
        code="bad-cursor",
        path="cursor",
        hint="give next_cursor of the page before, or none for the first page",
    )
