"""Which days people work: by the statutory table of each year."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

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


class Statutory(Protocol):
    """What is known of a country without a table of ours."""

    def covers(self, year: int) -> bool:
        """Whether the holidays of ``year``, and what is worked for them, are published."""
        ...

    def holiday_on(self, day: date) -> Holiday | None: ...

    def is_workday(self, day: date) -> bool: ...


@dataclass(frozen=True, slots=True)
class Holidays:
    """Our own tables, and for years without one what is known of the country.

    What is worked in exchange is published only late in the year before. Until then the days off
    are those that follow from sun and moon: ask :meth:`covers`, and say so to whoever relies on
    the answer.
    """

    years: frozenset[int]
    holidays: tuple[Holiday, ...]
    country: Statutory
    _working: frozenset[date] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        working = frozenset(day for holiday in self.holidays for day in holiday.working)
        object.__setattr__(self, "_working", working)

    def covers(self, year: int) -> bool:
        """Whether the statutory table of ``year`` is known."""
        return year in self.years or self.country.covers(year)

    def holiday_on(self, day: date) -> Holiday | None:
        """The holiday that ``day`` belongs to, if any."""
        ours = next((holiday for holiday in self.holidays if day in holiday), None)
        if ours is not None or day.year in self.years:
            return ours
        return self.country.holiday_on(day)

    def is_workday(self, day: date) -> bool:
        """Whether offices work on ``day``: make-up days do, holidays do not, else Monday to Friday.

        In a year that is not covered no make-up day is known.
        """
        if day in self._working:
            return True
        if day.year in self.years:
            return self.holiday_on(day) is None and day.weekday() < SATURDAY
        return self.holiday_on(day) is None and self.country.is_workday(day)
