"""The hours of the day in which an environment may not sleep, by its class and calendar. Pure.

Hours are those of the city's clock. Where that is put forward, a time that does not exist is as
much later; where it is put back, ``latest_wake`` is the first and ``earliest_sleep`` the second of
two equal times: whoever relies on the hours has all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date, tzinfo

    from cloudmgr.policy.scaling_class import ScalingClass

# The longest run of days without hours that a calendar is searched through.
_AHEAD = 60


@dataclass(frozen=True, slots=True)
class Standing:
    """What the hours say at one moment.

    :param held_until: nobody falls asleep before; None when anybody may now.
    :param called_since: since when, the time that a wake takes included, it ought to be awake;
        None when nothing calls for it.
    :param promised_by: the latest wake that :attr:`called_since` is for.
    :param calls_at: when it will be called next; None for not within two months.
    """

    held_until: datetime | None = None
    called_since: datetime | None = None
    promised_by: datetime | None = None
    calls_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Span:
    """From ``begins``, by which it is called, or held only, to the earliest sleep."""

    begins: datetime
    ends: datetime
    wake: datetime | None


def standing(
    scaling_class: ScalingClass,
    now: datetime,
    zone: tzinfo,
    is_workday: Callable[[date], bool],
) -> Standing:
    """How an environment of ``scaling_class`` stands at ``now``.

    :param is_workday: whether offices work on a day of the city.
    """
    if scaling_class.workdays is None and scaling_class.other_days is None:
        return Standing()
    held = called = promised = None
    for span in _spans(scaling_class, now.astimezone(zone).date(), zone, is_workday):
        if span.begins > now:
            if span.wake is not None:
                return Standing(held, called, promised, span.begins)
        elif now < span.ends:
            held = max(held or span.ends, span.ends)
            if span.wake is not None:
                called, promised = span.begins, span.wake
    return Standing(held, called, promised)


def _spans(
    scaling_class: ScalingClass, today: date, zone: tzinfo, is_workday: Callable[[date], bool]
) -> Iterator[_Span]:
    """Those of ``today`` and the days after it; tomorrow's may have begun before midnight."""
    for ahead in range(_AHEAD):
        day = today + timedelta(days=ahead)
        hours = scaling_class.hours(workday=is_workday(day))
        if hours is None:
            continue
        ends = _instant(day, hours.earliest_sleep.replace(fold=1), zone)
        if hours.latest_wake is None:
            yield _Span(_instant(day, time.min, zone), ends, None)
        else:
            wake = _instant(day, hours.latest_wake, zone)
            yield _Span(wake - scaling_class.wake_within, ends, wake)


def _instant(day: date, at: time, zone: tzinfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)
