"""When a peak comes round: a day of each year, or of a rule, and the hours about it. Pure.

People announce deadlines as they think of them: "the last five working days before 30 June, 9:00
to 17:00", "two days about the Lantern Festival", "the first of each quarter". Each is an anchor,
the days about it, and the hours of those; what comes of it are half-open intervals of UTC.
"""

from __future__ import annotations

import re
from calendar import isleap
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from dateutil import rrule
from lunar_python import Lunar, LunarYear

from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
# What is about an anchor lies at most so far from it: a year's working days, and then some.
_REACH = timedelta(days=400)
MOST_DAYS = 260
_LONGEST_RULE = 300
FREQUENCIES = {"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}
# With these a daily rule may never come, and each day until the year 9999 is looked at for it.
NOT_DAILY = {"BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS", "BYEASTER"}
# Hours are told apart from days here, and a rule of seconds takes for ever.
_REFUSED = {"BYHOUR", "BYMINUTE", "BYSECOND", "DTSTART", "RDATE", "EXDATE", "EXRULE"}
_COMPACT = re.compile(r"[0-9]{8}")
_DAYS_OF_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Workdays(Protocol):
    """Which days are worked, and of which years that is known for certain."""

    def is_workday(self, day: date) -> bool: ...

    def covers(self, year: int) -> bool: ...


@dataclass(frozen=True, slots=True)
class Once:
    """These days and no others.

    :raises Invalid: ``invalid-recurrence``: none, or too many.
    """

    days: tuple[date, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.days) <= MOST_DAYS:
            raise _invalid("days", f"give 1 to {MOST_DAYS} days")

    def between(self, first: date, last: date) -> Iterable[date]:
        return (day for day in sorted(set(self.days)) if first <= day <= last)


@dataclass(frozen=True, slots=True)
class Yearly:
    """The same day of each year; 29 February is the 28th where there is none.

    :raises Invalid: ``invalid-recurrence``: there is no such day.
    """

    month: int
    day: int

    def __post_init__(self) -> None:
        if not 1 <= self.month <= 12:
            raise _invalid("month", f"there is no month {self.month}")
        if not 1 <= self.day <= _DAYS_OF_MONTH[self.month - 1]:
            raise _invalid("day", f"month {self.month} has no day {self.day}")

    def between(self, first: date, last: date) -> Iterable[date]:
        days = (self._in(year) for year in range(first.year, last.year + 1))
        return (day for day in days if first <= day <= last)

    def _in(self, year: int) -> date:
        if (self.month, self.day) == (2, 29) and not isleap(year):
            return date(year, 2, 28)
        return date(year, self.month, self.day)


@dataclass(frozen=True, slots=True)
class Moon:
    """The same day of each lunar year; the 30th is the 29th where a month has no more.

    A leap month is passed over: festivals are of the month before it.

    :raises Invalid: ``invalid-recurrence``: there is no such day.
    """

    month: int
    day: int

    def __post_init__(self) -> None:
        if not 1 <= self.month <= 12:
            raise _invalid("month", f"there is no lunar month {self.month}")
        if not 1 <= self.day <= 30:
            raise _invalid("day", f"a lunar month has no day {self.day}")

    def between(self, first: date, last: date) -> Iterable[date]:
        # The last month of a lunar year lies in the next of the sun's.
        days = (self._in(year) for year in range(first.year - 1, last.year + 1))
        return (day for day in days if first <= day <= last)

    def _in(self, year: int) -> date:
        month = LunarYear.fromYear(year).getMonth(self.month)
        sun = Lunar.fromYmd(year, self.month, min(self.day, month.getDayCount())).getSolar()
        return date(sun.getYear(), sun.getMonth(), sun.getDay())


@dataclass(frozen=True, slots=True)
class Every:
    """The days of a recurrence rule of RFC 5545 from ``since`` on: ``FREQ=MONTHLY;BYMONTHDAY=15``.

    :raises Invalid: ``invalid-recurrence`` for a rule that cannot be read, that counts in hours or
        less, or that names hours: those stand beside it.
    """

    rule: str
    since: date

    def __post_init__(self) -> None:
        said = self.rule.strip().upper().removeprefix("RRULE:")
        object.__setattr__(self, "rule", said)
        if len(said) > _LONGEST_RULE or "\n" in said:
            raise _invalid("rule", f"it is one line of at most {_LONGEST_RULE} letters")
        parts = self._parts()
        if parts.get("FREQ") not in FREQUENCIES:
            raise _invalid("rule", "FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY")
        if refused := sorted(_REFUSED & parts.keys()):
            raise _invalid("rule", f"{refused[0]} has no place here: give hours beside the rule")
        if parts["FREQ"] == "DAILY" and (rare := sorted(NOT_DAILY & parts.keys())):
            raise _invalid("rule", f"say what has {rare[0]} as MONTHLY or YEARLY")
        try:
            self._until(parts)
            count = int(parts.get("COUNT", "1"))
        except ValueError as error:
            raise _invalid("rule", "UNTIL is a day, as 20301231, and COUNT a number") from error
        if count < 1:
            raise _invalid("rule", "COUNT must be at least 1")
        try:
            self._days(self.since)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            raise _invalid("rule", f"it cannot be read: {error}") from error

    def between(self, first: date, last: date) -> Iterable[date]:
        count = self._parts().get("COUNT")
        found = islice(self._days(last), int(count) if count else None)
        return (moment.date() for moment in found if moment.date() >= first)

    def _days(self, last: date) -> rrule.rrule:
        """Those until ``last``."""
        parts = self._parts()
        until = min(last, self._until(parts) or last)
        rule = ";".join(f"{k}={v}" for k, v in parts.items() if k not in {"COUNT", "UNTIL"})
        found = rrule.rrulestr(rule, dtstart=datetime.combine(self.since, time()))
        if not isinstance(found, rrule.rrule):
            raise TypeError("it is more than one rule")
        return found.replace(until=datetime.combine(until, time()))

    def _parts(self) -> dict[str, str]:
        return dict(part.partition("=")[::2] for part in self.rule.split(";"))

    def _until(self, parts: dict[str, str]) -> date | None:
        said = parts.get("UNTIL")
        if said is None:
            return None
        if not _COMPACT.fullmatch(said):
            raise ValueError(said)
        return date.fromisoformat(said)


Anchor = Once | Yearly | Moon | Every


@dataclass(frozen=True, slots=True)
class About:
    """The days about an anchor: so many ``before`` it and ``after`` it.

    :param workdays: only days that are worked are counted; else all.
    :param itself: whether the anchor is one of them (if it counts).
    :raises Invalid: ``invalid-recurrence``: no day at all, or too many.
    """

    before: int = 0
    after: int = 0
    workdays: bool = False
    itself: bool = True

    def __post_init__(self) -> None:
        for name, count in (("before", self.before), ("after", self.after)):
            if not 0 <= count <= MOST_DAYS:
                raise _invalid(name, f"it must be 0 to {MOST_DAYS} days")
        if not (self.before or self.after or self.itself):
            raise _invalid("itself", "that is no day at all")

    def days(self, anchor: date, worked: Workdays) -> list[date]:
        """In order."""
        before = list(islice(self._away(anchor, -_DAY, worked), self.before))[::-1]
        after = list(islice(self._away(anchor, _DAY, worked), self.after))
        itself = [anchor] if self.itself and self._counts(anchor, worked) else []
        return before + itself + after

    def _away(self, anchor: date, step: timedelta, worked: Workdays) -> Iterator[date]:
        day = anchor + step
        while abs(day - anchor) <= _REACH:
            if self._counts(day, worked):
                yield day
            day += step

    def _counts(self, day: date, worked: Workdays) -> bool:
        return not self.workdays or worked.is_workday(day)


@dataclass(frozen=True, slots=True)
class Hours:
    """From ``opens`` to ``closes`` in the city's time; on the next day if that is no later.

    :param each_day: an interval for each day; else one from the first day's opening to the last
        one's close, nights and what lies between included.
    """

    opens: time = time()
    closes: time = time()
    each_day: bool = True

    def intervals(self, days: Sequence[date], zone: ZoneInfo) -> Iterator[Interval]:
        spans = [(day, day) for day in days] if self.each_day else [(days[0], days[-1])]
        for first, last in spans:
            closing = last if self.closes > self.opens else last + _DAY
            yield Interval(
                min(_readings(first, self.opens, zone)), max(_readings(closing, self.closes, zone))
            )


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a peak comes round.

    :param uncertain: the years whose working days are not published yet, which it depends on.
    """

    interval: Interval
    anchor: date
    uncertain: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Recurrence:
    """See above."""

    anchor: Anchor
    about: About = About()
    hours: Hours = Hours()

    def occurrences(
        self, within: Interval, zone: ZoneInfo, worked: Workdays
    ) -> tuple[Occurrence, ...]:
        """All that overlap ``within``, by their beginning; each interval once.

        :param zone: the city's.
        """
        first = within.start.astimezone(zone).date() - _REACH
        last = within.end.astimezone(zone).date() + _REACH
        found: dict[Interval, Occurrence] = {}
        for anchor in self.anchor.between(first, last):
            days = self.about.days(anchor, worked)
            if not days:
                continue
            uncertain = self._uncertain({anchor, *days}, worked)
            for interval in self.hours.intervals(days, zone):
                if interval.overlaps(within):
                    found.setdefault(interval, Occurrence(interval, anchor, uncertain))
        return tuple(found[interval] for interval in sorted(found))

    def _uncertain(self, days: Iterable[date], worked: Workdays) -> tuple[int, ...]:
        if not self.about.workdays:
            return ()
        return tuple(sorted({day.year for day in days if not worked.covers(day.year)}))


def _readings(day: date, at: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """What a clock's reading may mean: two moments where clocks are put back, or forward over it.

    A peak has its capacity from the earlier to the later.
    """
    wall = datetime.combine(day, at, zone)
    return wall.replace(fold=0).astimezone(UTC), wall.replace(fold=1).astimezone(UTC)


def _invalid(path: str, sentence: str) -> Invalid:
    return Invalid(sentence, code="invalid-recurrence", path=path)
