"""What the library ``holidays`` knows of a country's statutory days."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import holidays as library

from cloudmgr.policy.holidays import Holiday

if TYPE_CHECKING:
    from datetime import date

_CHINESE, _ENGLISH = ("zh_CN",), ("en_US", "en_GB")


def countries() -> frozenset[str]:
    """Their codes of ISO 3166-1."""
    return frozenset(library.list_supported_countries())


class Country:
    """Any thread may ask.

    :param code: of ISO 3166-1, as ``CN``; one of :func:`countries`.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self._known = library.country_holidays(code)
        languages = self._known.supported_languages or ()
        self._zh = _language(languages, _CHINESE)
        self._en = _language(languages, _ENGLISH)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Country) and other.code == self.code

    def __hash__(self) -> int:
        return hash(self.code)

    def covers(self, year: int) -> bool:
        """Always, where nothing is worked in exchange; else once that is published."""
        return not _exchanges(self.code) or bool(_worked(self.code, year))

    def holiday_on(self, day: date) -> Holiday | None:
        zh = _names(self.code, self._zh, day.year).get(day)
        if zh is None:
            return None
        return Holiday(zh, _names(self.code, self._en, day.year).get(day, zh), day, day)

    def is_workday(self, day: date) -> bool:
        if day in _worked(self.code, day.year):
            return True
        resting = day.weekday() in self._known.weekend
        return not resting and day not in _names(self.code, self._zh, day.year)


@lru_cache(maxsize=256)
def _names(code: str, language: str | None, year: int) -> dict[date, str]:
    return dict(library.country_holidays(code, years=year, language=language))


@lru_cache(maxsize=256)
def _worked(code: str, year: int) -> frozenset[date]:
    """Days of a weekend that are worked."""
    found = library.country_holidays(code, years=year).weekend_workdays
    return frozenset(day for day in found if day.year == year)


@lru_cache(maxsize=8)
def _exchanges(code: str) -> bool:
    """Whether days of a weekend are worked there in some years."""
    return any(_worked(code, year) for year in range(2018, 2027))


def _language(supported: tuple[str, ...], wanted: tuple[str, ...]) -> str | None:
    """The first of ``wanted`` that there is; None for the country's own."""
    return next((language for language in wanted if language in supported), None)
