"""Peaks that come round, as they come in and go out."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field

from cloudmgr.api.expected import SIZED_EXAMPLE, ExpectedView, WithExpectation
from cloudmgr.api.promised import PROMISE_EXAMPLE, InsteadView, PromiseView
from cloudmgr.api.rules import RULE_EXAMPLE, RuleEntry
from cloudmgr.api.values import Code, Id, Remark, View, example
from cloudmgr.hosting.requests import SeriesAsk
from cloudmgr.scaling.recurrence_words import described
from cloudmgr.scaling.series_dates import read, written

if TYPE_CHECKING:
    from cloudmgr.hosting.assessment import Assessment
    from cloudmgr.hosting.requests import Coming
    from cloudmgr.interval import Interval
    from cloudmgr.scaling.series import PeakSeries, Unmet
    from cloudmgr.scaling.series_control import Looked

SERIES_EXAMPLE: dict[str, Any] = {
    "component": "web",
    "peak": RULE_EXAMPLE,
    "replicas": 6,
    "note": "企业年报截止",
}
_TIMES: dict[str, Any] = {"starts_at": "2027-06-23T01:00:00Z", "ends_at": "2027-06-23T09:00:00Z"}
_ASKED: dict[str, Any] = {
    **SERIES_EXAMPLE,
    "zh": "每年6月30日前5个工作日（不含当日），每天 09:00–17:00",
    "en": "the 5 working days before 30 June of each year, 09:00 to 17:00 each day",
    "expected": None,
    "expected_rps": None,
}
_COMING: dict[str, Any] = {**_ASKED, "dates": [_TIMES], "waits_for": [2028]}
_UNMET: dict[str, Any] = {
    "day": "2027-06-23",
    **_TIMES,
    "zh": PROMISE_EXAMPLE["zh"],
    "en": PROMISE_EXAMPLE["en"],
    "since": "2027-01-10T02:00:00Z",
    "earlier": None,
    "later": _TIMES,
    "replicas": 4,
}
_KNOWN: dict[str, Any] = {
    **_ASKED,
    "id": "ser_0123456789abcdef",
    "environment_id": "env_0123456789abcdef",
    "created_by": "usr_0123456789abcdef",
    "created_at": "2027-01-10T02:00:00Z",
    "request_id": "req_0123456789abcdef",
    "ended_at": None,
    "expected": SIZED_EXAMPLE,
    "changes": [
        {"day": "2027-06-24", "by": "usr_0123456789abcdef", "at": "2027-01-10T02:00:00Z",
         "reason": "停电检修", "starts_at": None, "ends_at": None}
    ],
    "unmet": [_UNMET],
    "version": 1,
}  # fmt: skip
_DATE: dict[str, Any] = {"day": "2027-06-23", **_TIMES, "state": "booked", "waits_for": []}


class SeriesEntry(WithExpectation):
    """A peak that comes round: either so many `replicas` each time, or what is `expected`.

    With `replaces` it takes the place of another series from now on.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [SERIES_EXAMPLE]})

    component: Code
    peak: RuleEntry
    expected_rps: Annotated[Decimal, Field(gt=0, lt=10**7, max_digits=13)] | None = None
    note: Annotated[Remark, Field(max_length=500)] = ""
    replaces: Id | None = None

    def ask(self) -> SeriesAsk:
        """:raises Invalid: ``invalid-recurrence``."""
        return SeriesAsk(
            self.component,
            written(self.peak.recurrence()),
            0 if self.replicas is None else self.replicas,
            self.expected_rps,
            self.note,
            self.expected.expected() if self.expected else None,
            self.replaces,
        )


class AskedSeriesView(View):
    """A peak that comes round, as it is asked for, with its replicas."""

    model_config = example(**_ASKED)

    component: str
    peak: dict[str, Any] = Field(description="As it is asked for: see the request's schema.")
    zh: str
    en: str
    replicas: int
    expected: ExpectedView | None
    expected_rps: str | None
    note: str

    @classmethod
    def members(cls, one: SeriesAsk | PeakSeries) -> dict[str, Any]:
        recurrence = read(one.rule)
        return {
            "component": one.component,
            "peak": json.loads(one.rule),
            "zh": described(recurrence, "zh"),
            "en": described(recurrence, "en"),
            "replicas": one.replicas,
            "expected": ExpectedView.of(one),
            "expected_rps": None if one.expected_rps is None else format(one.expected_rps, "f"),
            "note": one.note,
        }

    @classmethod
    def asked(cls, one: SeriesAsk) -> AskedSeriesView:
        return AskedSeriesView(**cls.members(one))


class ComingView(AskedSeriesView):
    """A series and when it comes round within the time that is booked ahead.

    `waits_for` are years whose working days are not published: their dates are booked once they
    are.
    """

    model_config = example(**_COMING)

    dates: list[InsteadView]
    waits_for: list[int]

    @classmethod
    def of(cls, one: SeriesAsk, coming: Coming) -> Self:
        return cls(
            **cls.members(one),
            dates=[InsteadView(starts_at=w.starts_at, ends_at=w.ends_at) for w in coming.windows],
            waits_for=list(coming.waits_for),
        )

    @classmethod
    def each(cls, assessment: Assessment) -> list[Self]:
        """Of all series of a request."""
        return [
            cls.of(ask, coming)
            for ask, coming in zip(assessment.series, assessment.coming, strict=True)
        ]


class TriedView(ComingView):
    """The same, and what its pool answers to each of the dates."""

    model_config = example(**_COMING, promises=[PROMISE_EXAMPLE])

    promises: list[PromiseView]


class ChangeView(View):
    """What was decided on one date: another time, or none at all."""

    day: date
    by: str
    at: datetime
    reason: str
    starts_at: datetime | None
    ends_at: datetime | None


class UnmetView(View):
    """A date that its pool cannot promise, and what would fit."""

    day: date
    starts_at: datetime
    ends_at: datetime
    zh: str
    en: str
    since: datetime
    earlier: InsteadView | None
    later: InsteadView | None
    replicas: int | None

    @classmethod
    def of(cls, one: Unmet) -> Self:
        return cls(
            day=one.day,
            starts_at=one.interval.start,
            ends_at=one.interval.end,
            zh=one.zh,
            en=one.en,
            since=one.since,
            earlier=_instead(one.earlier),
            later=_instead(one.later),
            replicas=one.replicas,
        )


class SeriesView(AskedSeriesView):
    """One series of peaks. Its windows have its id."""

    model_config = example(**_KNOWN)

    id: str
    environment_id: str
    created_by: str
    created_at: datetime
    request_id: str | None
    ended_at: datetime | None
    changes: list[ChangeView]
    unmet: list[UnmetView]
    version: int

    @classmethod
    def known(cls, series: PeakSeries) -> dict[str, Any]:
        return {
            **cls.members(series),
            "id": series.id,
            "environment_id": series.environment_id,
            "created_by": series.created_by,
            "created_at": series.created_at,
            "request_id": series.request_id,
            "ended_at": series.ended_at,
            "changes": [
                ChangeView(
                    day=one.day,
                    by=one.by,
                    at=one.at,
                    reason=one.reason,
                    starts_at=one.instead.start if one.instead else None,
                    ends_at=one.instead.end if one.instead else None,
                )
                for one in series.changes
            ],
            "unmet": [UnmetView.of(one) for one in series.unmet],
            "version": series.version,
        }

    @classmethod
    def of(cls, series: PeakSeries) -> SeriesView:
        return SeriesView(**cls.known(series))


class SeriesDateView(View):
    """One date ahead: `booked`, `unmet`, `waiting` for working days, `skipped`, or `due`: soon
    looked at.
    """

    model_config = example(**_DATE)

    day: date
    starts_at: datetime
    ends_at: datetime
    state: Literal["booked", "unmet", "waiting", "skipped", "due"]
    waits_for: list[int]


class SeriesWholeView(SeriesView):
    """The same with its dates within the time that is booked ahead."""

    model_config = example(**_KNOWN, dates=[_DATE])

    dates: list[SeriesDateView]

    @classmethod
    def whole(cls, looked: Looked) -> Self:
        return cls(**cls.known(looked.series), dates=dated(looked))


def dated(looked: Looked) -> list[SeriesDateView]:
    """The dates of a series, each with its state."""
    booked = {window.interval for window in looked.windows}
    unmet = {one.interval for one in looked.series.unmet}
    found = []
    for one in looked.dates:
        state: Literal["booked", "unmet", "waiting", "skipped", "due"] = "due"
        if one.skipped:
            state = "skipped"
        elif one.interval in booked:
            state = "booked"
        elif one.waits_for:
            state = "waiting"
        elif one.interval in unmet:
            state = "unmet"
        found.append(
            SeriesDateView(
                day=one.day,
                starts_at=one.interval.start,
                ends_at=one.interval.end,
                state=state,
                waits_for=list(one.waits_for),
            )
        )
    return found


def _instead(interval: Interval | None) -> InsteadView | None:
    if interval is None:
        return None
    return InsteadView(starts_at=interval.start, ends_at=interval.end)
