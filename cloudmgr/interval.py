"""Half-open intervals of UTC time: the shape of windows, usage, prices and promises."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Self

from cloudmgr.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """``[start, end)``, aware, UTC, never empty.

    :raises Invalid: ``naive-time``, ``time-out-of-range`` or ``empty-interval``.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", _utc(self.start, "start"))
        object.__setattr__(self, "end", _utc(self.end, "end"))
        if self.end <= self.start:
            raise Invalid(
                f"it starts at {self.start.isoformat()} and ends at {self.end.isoformat()},"
                " which is no later",
                code="empty-interval",
                hint="give an end that is later than the start",
                path="end",
            )

    @property
    def duration(self) -> timedelta:
        return self.end - self.start

    @property
    def seconds(self) -> Decimal:
        """Exact length in seconds, to the microsecond."""
        return Decimal(self.duration // _MICROSECOND) / Decimal(1_000_000)

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def overlaps(self, other: Self) -> bool:
        return self.start < other.end and other.start < self.end

    def intersect(self, other: Self) -> Self | None:
        start, end = max(self.start, other.start), min(self.end, other.end)
        return type(self)(start, end) if start < end else None

    def split(self, cuts: Iterable[datetime]) -> Iterator[Self]:
        """This interval cut at every moment of ``cuts`` that lies inside it, in order.

        :raises Invalid: ``naive-time`` or ``time-out-of-range`` for a cut.
        """
        start = self.start
        for cut in sorted({_utc(cut, "cut") for cut in cuts}):
            if start < cut < self.end:
                yield type(self)(start, cut)
                start = cut
        yield type(self)(start, self.end)


def _utc(moment: datetime, path: str) -> datetime:
    if moment.utcoffset() is None:
        raise Invalid(f"{path} has no time zone", code="naive-time", path=path)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Invalid(
            f"{path} lies outside the years 1 to 9999", code="time-out-of-range", path=path
        ) from None


def hours_between(interval: Interval) -> Iterator[datetime]:
    """Every full UTC hour strictly inside ``interval``.

    Cutting usage at UTC hours also cuts it at local midnight and month ends in every zone whose
    offset is whole hours; :func:`month` gives the cuts for the others.
    """
    hour = timedelta(hours=1)
    cut = interval.start.replace(minute=0, second=0, microsecond=0) + hour
    while cut < interval.end:
        yield cut
        cut += hour


def month(year: int, number: int, zone: tzinfo) -> Interval:
    """The calendar month ``number`` (1 to 12) of ``year`` as people in ``zone`` live it.

    :raises Invalid: ``no-such-month``.
    """
    if not (1 <= number <= 12 and 1970 <= year <= 9998):
        raise Invalid(f"there is no month {year}-{number:02}", code="no-such-month", path="month")
    following = (year + 1, 1) if number == 12 else (year, number + 1)
    return Interval(
        datetime(year, number, 1, tzinfo=zone).astimezone(UTC),
        datetime(*following, 1, tzinfo=zone).astimezone(UTC),
    )
