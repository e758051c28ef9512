"""When a peak comes round, as it comes in."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from cloudmgr.api.values import Entry
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

RULE_EXAMPLE: dict[str, Any] = {
    "yearly": {"month": 6, "day": 30},
    "before": 5,
    "workdays": True,
    "itself": False,
    "opens": "09:00:00",
    "closes": "17:00:00",
}


class DayOfYear(Entry):
    """A day of each year."""

    month: Annotated[int, Field(strict=True, ge=1, le=12)]
    day: Annotated[int, Field(strict=True, ge=1, le=31)]


class RuleEntry(Entry):
    """One of `days`, `yearly`, `lunar` or `rule` (RFC 5545, with `since`), the days about it, and
    hours in the city's time.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [RULE_EXAMPLE]})

    days: Annotated[list[date], Field(min_length=1, max_length=260)] | None = None
    yearly: DayOfYear | None = None
    lunar: DayOfYear | None = None
    rule: Annotated[str, Field(min_length=1, max_length=300)] | None = None
    since: date | None = None
    before: Annotated[int, Field(strict=True, ge=0, le=260)] = 0
    after: Annotated[int, Field(strict=True, ge=0, le=260)] = 0
    workdays: bool = False
    itself: bool = True
    opens: time = time()
    closes: time = time()
    each_day: bool = True

    @model_validator(mode="after")
    def _one_anchor(self) -> Self:
        given = [a for a in (self.days, self.yearly, self.lunar, self.rule) if a is not None]
        if len(given) != 1:
            raise PydanticCustomError("anchor", "give one of days, yearly, lunar or rule")
        if (self.rule is None) is not (self.since is None):
            raise PydanticCustomError("since", "a rule needs the day since when it holds")
        if self.opens.tzinfo or self.closes.tzinfo:
            raise PydanticCustomError("hours", "hours are the city's, and have no zone")
        return self

    def recurrence(self) -> Recurrence:
        """:raises Invalid: ``invalid-recurrence``."""
        return Recurrence(
            self._anchor(),
            About(self.before, self.after, self.workdays, self.itself),
            Hours(self.opens, self.closes, self.each_day),
        )

    def _anchor(self) -> Anchor:
        if self.days is not None:
            return Once(tuple(self.days))
        if self.yearly is not None:
            return Yearly(self.yearly.month, self.yearly.day)
        if self.lunar is not None:
            return Moon(self.lunar.month, self.lunar.day)
        assert self.rule is not None  # noqa: S101 - as validated
        assert self.since is not None  # noqa: S101
        return Every(self.rule, self.since)
