"""A recurrence as text that is kept, and the windows that come of it. Pure.

The text is JSON with the members of the API's schema of the same thing.
"""

from __future__ import annotations

import json
from datetime import date, time
from typing import TYPE_CHECKING, Any

from cloudmgr.errors import Invalid
from cloudmgr.hosting.requests import Coming, WindowAsk
from cloudmgr.scaling.recurrence import (
    About,
    Anchor,
    Every,
    Hours,
    Moon,
    Once,
    Recurrence,
    Yearly,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from cloudmgr.hosting.requests import SeriesAsk
    from cloudmgr.interval import Interval
    from cloudmgr.scaling.recurrence import Workdays

# A date a day for thirteen months.
MOST_DATES = 400


def written(recurrence: Recurrence) -> str:
    """What :func:`read` reads alike; the same for the same recurrence."""
    about, hours = recurrence.about, recurrence.hours
    content: dict[str, Any] = {
        **_anchor_written(recurrence.anchor),
        "before": about.before,
        "after": about.after,
        "workdays": about.workdays,
        "itself": about.itself,
        "opens": hours.opens.isoformat(),
        "closes": hours.closes.isoformat(),
        "each_day": hours.each_day,
    }
    return json.dumps(content, sort_keys=True)


def read(text: str) -> Recurrence:
    """:raises Invalid: ``invalid-recurrence``."""
    try:
        content = json.loads(text)
        return Recurrence(
            _anchor_read(content),
            About(content["before"], content["after"], content["workdays"], content["itself"]),
            Hours(
                time.fromisoformat(content["opens"]),
                time.fromisoformat(content["closes"]),
                content["each_day"],
            ),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Invalid(
            "the rule of the series cannot be read", code="invalid-recurrence", path="rule"
        ) from error


def coming(
    asks: Sequence[SeriesAsk], within: Interval, zone: ZoneInfo, worked: Workdays
) -> tuple[Coming, ...]:
    """What each of ``asks`` announces ``within``.

    :raises Invalid: ``invalid-recurrence``; ``too-many-dates``.
    """
    return tuple(_coming(ask, f"series[{n}]", within, zone, worked) for n, ask in enumerate(asks))


def _coming(
    ask: SeriesAsk, path: str, within: Interval, zone: ZoneInfo, worked: Workdays
) -> Coming:
    found = read(ask.rule).occurrences(within, zone, worked)
    if len(found) > MOST_DATES:
        raise Invalid(
            f"it comes round {len(found):,} times in the time that is booked ahead, and "
            f"{MOST_DATES} times at most",
            code="too-many-dates",
            path=f"{path}.peak",
            hint="announce it as longer windows",
        )
    return Coming(
        tuple(
            WindowAsk(
                ask.component,
                one.interval.start,
                one.interval.end,
                ask.replicas,
                ask.expected_rps,
                ask.note,
                ask.expected,
            )
            for one in found
            if not one.uncertain
        ),
        tuple(sorted({year for one in found for year in one.uncertain})),
    )


def _anchor_written(anchor: Anchor) -> dict[str, Any]:
    match anchor:
        case Once(days):
            return {"days": [day.isoformat() for day in sorted(set(days))]}
        case Yearly(month, day):
            return {"yearly": {"month": month, "day": day}}
        case Moon(month, day):
            return {"lunar": {"month": month, "day": day}}
        case Every(rule, since):
            return {"rule": rule, "since": since.isoformat()}


def _anchor_read(content: dict[str, Any]) -> Anchor:
    if "days" in content:
        return Once(tuple(date.fromisoformat(day) for day in content["days"]))
    if "yearly" in content:
        return Yearly(content["yearly"]["month"], content["yearly"]["day"])
    if "lunar" in content:
        return Moon(content["lunar"]["month"], content["lunar"]["day"])
    return Every(content["rule"], date.fromisoformat(content["since"]))
