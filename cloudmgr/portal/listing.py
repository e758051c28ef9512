"""Lists: columns, filters and order in the address, pages, CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from markupsafe import Markup
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudmgr.portal.view import View

T = TypeVar("T")

ROWS = 50
# More than this is for the API; the page says that it shows the latest of them.
MOST = 2000


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """``show`` makes the cell, ``plain`` what is exported and sorted by: the cell if None."""

    key: str
    label: str
    show: Callable[[T], object]
    plain: Callable[[T], Any] | None = None
    numeric: bool = False
    sortable: bool = True

    def value(self, row: T) -> Any:
        found = (self.plain or self.show)(row)
        return found.striptags() if isinstance(found, Markup) else found


@dataclass(frozen=True, slots=True)
class Choice:
    """One value that a filter may have."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Filter:
    """A field above a list; without ``choices`` it takes text."""

    name: str
    label: str
    choices: tuple[Choice, ...] = ()
    value: str = ""
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Empty:
    """What will stand here, and how to make it."""

    title: str
    text: str
    address: str = ""
    action: str = ""


@dataclass(slots=True)
class Listing(Generic[T]):
    """One list as its page shows it."""

    view: View
    caption: str
    columns: Sequence[Column[T]]
    rows: Sequence[T]
    empty: Empty
    filters: Sequence[Filter] = ()
    sort: str = ""
    csv_address: str = ""
    live: bool = False
    truncated: bool = False
    shown: list[T] = field(default_factory=list)
    page: int = 1
    pages: int = 1

    def __post_init__(self) -> None:
        query = self.view.request.query_params
        order = query.get("sort", self.sort)
        column = next((c for c in self.columns if c.key == order.removeprefix("-")), None)
        rows = list(self.rows)
        if column is not None and column.sortable:
            rows.sort(key=lambda row: _key(column.value(row)), reverse=order.startswith("-"))
        self.sort = order if column is not None else ""
        self.rows = rows
        self.pages = max(1, -(-len(rows) // ROWS))
        wanted = query.get("page", "1")
        self.page = min(self.pages, max(1, int(wanted) if wanted.isdecimal() else 1))
        self.shown = rows[(self.page - 1) * ROWS : self.page * ROWS]

    @property
    def filtered(self) -> bool:
        return any(f.value for f in self.filters)

    def order(self, column: Column[T]) -> str:
        """``ascending``, ``descending`` or ``none``, as ``aria-sort`` has it."""
        if self.sort.removeprefix("-") != column.key:
            return "none"
        return "descending" if self.sort.startswith("-") else "ascending"

    def sorting(self, column: Column[T]) -> str:
        """The address that sorts by ``column``, the other way round if it does already."""
        turned = f"-{column.key}" if self.order(column) == "ascending" else column.key
        return self.view.address(sort=turned, page=None)

    @property
    def export(self) -> str:
        """The address of the same list as CSV, filters and order included."""
        query = self.view.request.url.query
        return f"{self.csv_address}?{query}" if query else self.csv_address

    def csv(self, name: str) -> Response:
        """The whole list. With a mark, so that Excel reads Chinese."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow([column.label for column in self.columns])
        for row in self.rows:
            writer.writerow([_safe(column.value(row)) for column in self.columns])
        return Response(
            "\ufeff" + out.getvalue(),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
        )


def choices(words: Mapping[str, str], view: View) -> tuple[Choice, ...]:
    return tuple(Choice(value, view._(label)) for value, label in words.items())


def state_choices(words: Mapping[str, tuple[str, str]], view: View) -> tuple[Choice, ...]:
    return tuple(Choice(value, view._(label)) for value, (label, _) in words.items())


def _key(value: Any) -> tuple[bool, Any]:
    # What is missing comes last; what cannot be compared is compared as text.
    if value is None or value == "":
        return True, ""
    return False, value


def _safe(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula is marked as text."""
    if value is None:
        return ""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    text = str(value)
    if isinstance(value, str) and text[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return f"'{text}"
    return text
