"""How the command line shows things: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cloudmgr.errors import Invalid

Json = dict[str, Any]
Column = tuple[str, Callable[[Json], object]]

# Lines are folded for eyes, not for what reads them through a pipe.
_UNFOLDED = 10_000
out = Console(highlight=False, width=None if sys.stdout.isatty() else _UNFOLDED)
err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _UNFOLDED)


def as_json(value: object) -> None:
    """One JSON document on standard output."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def rows(items: Iterable[Json], columns: Sequence[Column], *, machine: bool, empty: str) -> None:
    """The items as a table, or as JSON; ``empty`` says what would stand here, and how it comes."""
    found = list(items)
    if machine:
        as_json(found)
        return
    if not found:
        out.print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, _value in columns:
        table.add_column(title, overflow="fold")
    for item in found:
        table.add_row(*(_text(value(item)) for _title, value in columns))
    out.print(table)


def facts(item: Json, lines: Sequence[Column], *, machine: bool) -> None:
    """One thing, a line a fact."""
    if machine:
        as_json(item)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for title, value in lines:
        table.add_row(title, _text(value(item)))
    out.print(table)


def written(file: Path, content: bytes) -> None:
    """``content`` in ``file``. :raises Invalid: ``unwritable-file``."""
    try:
        file.write_bytes(content)
    except OSError as error:
        raise Invalid(
            f"{file} cannot be written: {error.strerror}", code="unwritable-file"
        ) from None
    out.print(f"written: {file}", markup=False)


def _text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    # Square brackets are markup to rich; what people wrote is not.
    return str(value).replace("[", r"\[")
