"""How every bench says what it measured."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def show(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]], *notes: str) -> None:
    """Print a table: its first column is words, the others are figures."""
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(head, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console = Console(highlight=False, width=160)
    console.print()
    console.print(table)
    for note in notes:
        console.print(note, markup=False)


def machine() -> str:
    """What it was measured on, and how busy that was already."""
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}; "
        f"load when it began {load:.1f}"
    )


def verdict(*, held: bool) -> str:
    return "held" if held else "MISSED"


def ratio(ours: float, theirs: float) -> str:
    """``ours`` over ``theirs``; a dash where theirs is too small to be told from nothing."""
    return f"{ours / theirs:.2f}" if theirs >= 0.01 else "-"


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; ``share`` is between 0 and 1."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
