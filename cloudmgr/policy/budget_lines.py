"""At how much of a budget somebody is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BudgetLines:
    """In percent of a budget, each told once: of what is ``used``, and of what the year will be."""

    used: tuple[int, ...] = (80, 100)
    projected: tuple[int, ...] = (100,)
