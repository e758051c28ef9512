"""One fault of a bundle, and where a person finds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    # Keys and list positions from the top of a file: ("rules", 2, "when").
    Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """``file:line: path: message``; ``line`` counts from 1, 0 means the file as a whole."""

    file: str
    line: int
    path: str
    message: str

    @property
    def place(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.path}" if self.path else where

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


def dotted(path: Sequence[str | int]) -> str:
    """``("rules", 2, "when")`` as ``rules[2].when``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
