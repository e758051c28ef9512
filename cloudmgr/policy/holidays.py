"""Which days people work, from the statutory table of each year."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Holiday:
    """Days off from ``first`` to ``last``, both included; weekend days worked in exchange."""

    zh: str
    en: str
    first: date
    last: date
    working: tuple[date, ...] = ()

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Holidays:
    """The tables that are known. Each year's is published only late in the year before.

    For a year that is not covered, weekends are all that can be known: ask :meth:`covers` and say
    so to whoever relies on the answer.
    """

    years: frozenset[int]
    holidays: tuple[Holiday, ...]
    _working: frozenset[date] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        working = frozenset(day for holiday in self.holidays for day in holiday.working)
        object.__setattr__(self, "_working", working)

    def covers(self, year: int) -> bool:
        """Whether the statutory table of ``year`` is in the bundle."""
        return year in self.years

    def holiday_on(self, day: date) -> Holiday | None:
        """The holiday that ``day`` belongs to, if any."""
        return next((holiday for holiday in self.holidays if day in holiday), None)

    def is_workday(self, day: date) -> bool:
        """Whether offices work on ``day``: make-up days do, holidays do not, else Monday to Friday.

        In a year that is not covered this knows of weekends alone.
        """
        if day in self._working:
            return True
        return self.holiday_on(day) is None and day.weekday() < SATURDAY
