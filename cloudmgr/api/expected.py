"""Expected demand in a person's terms, as it comes in and goes out."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from cloudmgr.api.values import Entry, View, example
from cloudmgr.hosting.expected import Expected, Unit
from cloudmgr.scaling.expected_words import explained

if TYPE_CHECKING:
    from cloudmgr.hosting.requests import SeriesAsk, WindowAsk
    from cloudmgr.scaling.series import PeakSeries
    from cloudmgr.scaling.windows import PeakWindow

EXPECTED_EXAMPLE: dict[str, Any] = {
    "unit": "users",
    "low": "2000",
    "high": "4000",
    "seconds_per_request": "0.4",
    "requests_per_user_minute": "1",
}
SIZED_EXAMPLE: dict[str, Any] = {
    "unit": "users",
    "low": "2000",
    "likely": "3000",
    "high": "4000",
    "replicas_low": 4,
    "replicas_likely": 5,
    "replicas_high": 7,
    "zh": "同时在线 2,000 至 4,000 人，每人每分钟约 1 次请求，每次 0.4 秒（自报）："
    "26.667 个并发请求，每个副本 4 个，需 7 个副本；很可能 5 个，至少 4 个",
    "en": "2,000 to 4,000 users at once, about 1 request per user and minute, 0.4 s each (as "
    "stated): 26.667 in flight, 4 to a replica: 7 replicas; likely 5, at least 4",
}
Amount = Annotated[Decimal, Field(gt=0, lt=10**9, max_digits=15)]


class ExpectedEntry(Entry):
    """What is expected: `requests` a second, `users` at once, or `times` what is normal.

    Capacity is promised for `high`. `low` and `likely` tell how sure that is; left out, they are
    the next higher one. What a request takes is measured unless it is said here.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EXPECTED_EXAMPLE]})

    unit: Unit
    low: Amount | None = None
    likely: Amount | None = None
    high: Amount
    seconds_per_request: Amount | None = None
    requests_per_user_minute: Amount | None = None

    def expected(self) -> Expected:
        """Not sized yet."""
        likely = self.high if self.likely is None else self.likely
        return Expected(
            unit=self.unit,
            low=likely if self.low is None else self.low,
            likely=likely,
            high=self.high,
            seconds_per_request=self.seconds_per_request,
            requests_per_user_minute=self.requests_per_user_minute,
        )


class WithExpectation(Entry):
    """What says either how many replicas it needs, or what is expected."""

    replicas: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = None
    expected: ExpectedEntry | None = Field(
        default=None, description="In place of `replicas`, which are then worked out."
    )

    @model_validator(mode="after")
    def _says_one(self) -> Self:
        if (self.replicas is None) is (self.expected is None):
            raise PydanticCustomError("replicas", "give either replicas or what is expected")
        return self


class ExpectedView(View):
    """What was expected, and what was made of it in words and numbers."""

    model_config = example(**SIZED_EXAMPLE)

    unit: Unit
    low: str
    likely: str
    high: str
    replicas_low: int
    replicas_likely: int
    replicas_high: int
    zh: str
    en: str

    @classmethod
    def of(cls, one: WindowAsk | SeriesAsk | PeakWindow | PeakSeries) -> Self | None:
        """None where replicas were asked for as such."""
        expected = one.expected
        if expected is None or expected.sized is None:
            return None
        low, likely, high = expected.sized.replicas
        return cls(
            unit=expected.unit,
            low=format(expected.low, "f"),
            likely=format(expected.likely, "f"),
            high=format(expected.high, "f"),
            replicas_low=low,
            replicas_likely=likely,
            replicas_high=high,
            zh=explained(expected, "zh"),
            en=explained(expected, "en"),
        )
