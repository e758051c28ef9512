"""The two tables of a bundle, prices and holidays, checked as a whole."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cloudmgr.policy.facts import ZONES
from cloudmgr.policy.holidays import SATURDAY, Holiday, Holidays
from cloudmgr.policy.idle import IdlePolicy, IdleRule, Statement
from cloudmgr.policy.prices import Price, PriceList
from cloudmgr.policy.statutory import Country, countries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudmgr.policy.documents import Document
    from cloudmgr.policy.problem import Path, Problem
    from cloudmgr.policy.schema import (
        GenerationText,
        HolidaysFile,
        HolidayText,
        IdleText,
        PricesFile,
        YearText,
    )

# What must have a price; what was really used may have one.
METERS = ("vcpu", "memory", "storage", "requests")
_LONGEST_HOLIDAY = timedelta(days=31)


def price_list(document: Document, file: PricesFile) -> tuple[PriceList | None, list[Problem]]:
    """The prices in force at any instant, or None and why there are none."""
    problems: list[Problem] = []

    def note(path: Path, message: str) -> None:
        problems.append(document.problem(path, message))

    try:
        zone = ZoneInfo(file.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        note(("time_zone",), f"there is no time zone {file.time_zone[:60]!r}")
        return None, problems
    prices: list[Price] = []
    previous: datetime | None = None
    for index, generation in enumerate(file.generations):
        path: Path = ("generations", index)
        try:
            start = _instant(generation.valid_from, zone)
        except ValueError as error:
            note((*path, "valid_from"), str(error))
            continue
        if previous is not None and start <= previous:
            note((*path, "valid_from"), "it must be later than that of the generation before")
        previous = start
        problems.extend(_twice(document, path, generation))
        prices.extend(
            Price(rate.meter, rate.zone, start, rate.unit_price) for rate in generation.rates
        )
    problems.extend(_gaps(document, file))
    return (
        (None, problems) if problems else (PriceList(file.currency, tuple(prices), file.gaps), [])
    )


def idle(document: Document, text: IdleText) -> tuple[IdlePolicy, list[Problem]]:
    """Who bears idle cost, and what is wrong with it."""
    problems = []
    if not any(text.weights.values()):
        # Nobody would ever count for anything, and all would stay with the centre unsaid.
        problems.append(
            document.problem(("idle", "weights"), "one of them must be more than nothing")
        )
    pools = {name: IdleRule(rule) for name, rule in text.pools.items()}
    weights = {str(name): weight for name, weight in text.weights.items()}
    return (
        IdlePolicy(Statement(text.statement), IdleRule(text.by), pools, weights),
        problems,
    )


def _instant(text: str, zone: ZoneInfo) -> datetime:
    """:raises ValueError: with a sentence for the person who wrote ``text``."""
    try:
        if len(text) == 10:
            found = datetime.combine(date.fromisoformat(text), time.min, zone)
        else:
            found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not 2000 <= found.year <= 2200:
        raise ValueError(
            f"{text[:40]!r} is neither a day such as 2026-01-31 nor an instant with an offset "
            "such as 2026-01-31T08:00:00+08:00"
        )
    return found.astimezone(UTC)


def _twice(document: Document, path: Path, generation: GenerationText) -> Iterator[Problem]:
    seen: set[tuple[str, str | None]] = set()
    for index, rate in enumerate(generation.rates):
        key = (rate.meter, rate.zone)
        if key in seen:
            where = f" in {rate.zone}" if rate.zone else ""
            yield document.problem(
                (*path, "rates", index), f"{rate.meter}{where} has two prices from the same instant"
            )
        seen.add(key)


def _gaps(document: Document, file: PricesFile) -> Iterator[Problem]:
    """Usage that would have no price, and prices that would not hold where one thinks they do.

    A price for a zone beats one for every zone, from the moment it begins, for ever.
    """
    own: set[tuple[str, str]] = set()
    for number, generation in enumerate(file.generations):
        here = {(rate.meter, rate.zone) for rate in generation.rates}
        for index, rate in enumerate(generation.rates):
            for zone in ZONES if rate.zone is None else ():
                if (rate.meter, zone) in own and (rate.meter, zone) not in here:
                    yield document.problem(
                        ("generations", number, "rates", index),
                        f"{rate.meter} in {zone} has a price of its own, which this one would not "
                        f"change: state one for {zone} too",
                    )
        own |= {(meter, zone) for meter, zone in here if zone is not None}
    first = {(rate.meter, rate.zone) for rate in file.generations[0].rates}
    for meter in METERS:
        for zone in ZONES:
            if (meter, zone) not in first and (meter, None) not in first:
                yield document.problem(
                    ("generations", 0, "rates"),
                    f"{meter} in {zone} has no price in the first generation: its usage could not "
                    "be billed",
                )


def holidays(document: Document, file: HolidaysFile) -> tuple[Holidays | None, list[Problem]]:
    """The statutory tables, or None and what contradicts itself in them."""
    problems: list[Problem] = []
    found: list[Holiday] = []
    years: set[int] = set()
    for index, year in enumerate(file.years):
        path: Path = ("years", index)
        if year.year in years:
            problems.append(document.problem((*path, "year"), f"{year.year} stands here twice"))
        years.add(year.year)
        for number, text in enumerate(year.holidays):
            inner: Path = (*path, "holidays", number)
            problems.extend(_holiday_problems(document, inner, year, text))
            holiday = Holiday(text.zh, text.en, text.first, text.last, tuple(text.working))
            if any(holiday.first <= other.last and other.first <= holiday.last for other in found):
                problems.append(document.problem(inner, "it overlaps another holiday"))
            found.append(holiday)
    off = {day for holiday in found for day in holiday.working if any(day in h for h in found)}
    problems.extend(
        document.problem(("years",), f"{day} is a holiday and a working day") for day in sorted(off)
    )
    if file.country not in countries():
        problems.append(
            document.problem(("country",), f"no holidays are known of {file.country}: as CN")
        )
    if problems:
        return None, problems
    return Holidays(frozenset(years), tuple(found), Country(file.country)), []


def _holiday_problems(
    document: Document, path: Path, year: YearText, text: HolidayText
) -> Iterator[Problem]:
    if text.last < text.first:
        yield document.problem((*path, "last"), "it ends before it begins")
    elif text.last - text.first > _LONGEST_HOLIDAY:
        yield document.problem((*path, "last"), "a holiday of more than a month")
    for day in (text.first, text.last, *text.working):
        # The notice for a year may begin with the last days of December.
        if not date(year.year - 1, 12, 1) <= day <= date(year.year, 12, 31):
            yield document.problem(path, f"{day} does not belong to the table of {year.year}")
    for index, day in enumerate(text.working):
        if day.weekday() < SATURDAY:
            yield document.problem(
                (*path, "working", index), f"{day} is no weekend day: it is worked anyway"
            )
