"""A calendar of peaks asked for as one request: what of it would fit, and what nothing comes of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StrictBool

from cloudmgr.api.expected import ExpectedEntry, ExpectedView
from cloudmgr.api.values import Code, Entry, Id, Remark, View, example
from cloudmgr.errors import Invalid
from cloudmgr.hosting.assessment import Draft
from cloudmgr.hosting.expected import Expected, Unit
from cloudmgr.hosting.requests import RequestKind, SeriesAsk, WindowAsk
from cloudmgr.interval import Interval
from cloudmgr.scaling import icalendars
from cloudmgr.scaling.recurrence_words import described
from cloudmgr.scaling.series_dates import read, written
from cloudmgr.scaling.sheets import Refused, Row, sheet
from cloudmgr.scaling.windows import LONGEST_NOTE, checked

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.api.gate import Caller
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.planning.promise_words import Told

# As long ahead as a window may begin.
_ONCE = timedelta(days=5 * 366)
MOST_WINDOWS, MOST_SERIES = 100, 20
_CALENDAR = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//city//\r\nBEGIN:VEVENT\r\nUID:a@city\r\n"
    "DTSTART:20270630T160000\r\nDTEND:20270630T190000\r\nSUMMARY:志愿填报截止\r\nEND:VEVENT\r\n"
    "END:VCALENDAR\r\n"
)
_ASKED: dict[str, Any] = {
    "environment_id": "env_0123456789abcdef",
    "calendar": _CALENDAR,
    "replicas": 6,
    "reason": "全年日程",
}
_ROW: dict[str, Any] = {
    "line": 4,
    "uid": "a@city",
    "summary": "志愿填报截止",
    "kind": "window",
    "starts_at": "2027-06-30T08:00:00Z",
    "ends_at": "2027-06-30T11:00:00Z",
    "zh": "",
    "en": "",
    "component": "web",
    "replicas": 6,
    "expected": None,
    "fits": True,
    "why_zh": "",
    "why_en": "",
}
_REFUSED: dict[str, Any] = {
    "line": 10,
    "uid": "b@city",
    "summary": "报名",
    "message": "the event has no end",
}


class CalendarPeaks(Entry):
    """The events of an iCalendar document as peaks of an environment.

    What an event does not say itself (`X-CLOUDMGR-COMPONENT`, `-REPLICAS`, `-EXPECTED-RPS`) is as
    it is said here.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_ASKED]})

    environment_id: Id
    calendar: Annotated[str, Field(min_length=1, max_length=icalendars.LARGEST)]
    component: Code = "web"
    replicas: Annotated[int, Field(strict=True, ge=1, le=1000)] | None = None
    expected: ExpectedEntry | None = None
    leave_out: StrictBool = Field(
        default=False, description="Ask for the others where an event is refused or does not fit."
    )
    reason: Remark = ""


class RowView(View):
    """One peak: a `window`, or a `series` (in words, with its first time), and whether it fits."""

    model_config = example(**_ROW)

    line: int
    uid: str
    summary: str
    kind: Literal["window", "series"]
    starts_at: datetime
    ends_at: datetime
    zh: str
    en: str
    component: str
    replicas: int
    expected: ExpectedView | None
    fits: bool
    why_zh: str
    why_en: str

    @classmethod
    def of(cls, one: Peak) -> Self:
        ask, said = one.ask, one.row.announced
        series = isinstance(ask, SeriesAsk)
        return cls(
            line=one.row.line,
            uid=said.uid,
            summary=said.summary,
            kind="series" if series else "window",
            starts_at=said.interval.start,
            ends_at=said.interval.end,
            zh=described(read(ask.rule), "zh") if isinstance(ask, SeriesAsk) else "",
            en=described(read(ask.rule), "en") if isinstance(ask, SeriesAsk) else "",
            component=ask.component,
            replicas=ask.replicas,
            expected=ExpectedView.of(ask),
            fits=not one.against,
            why_zh=one.against[0].reason.zh if one.against else "",
            why_en=one.against[0].reason.en if one.against else "",
        )


class RefusedView(View):
    """An event that nothing comes of: the line on which it begins, its UID, and why."""

    model_config = example(**_REFUSED)

    line: int
    uid: str
    summary: str
    message: str

    @classmethod
    def of(cls, one: Refused) -> Self:
        return cls(line=one.line, uid=one.uid, summary=one.summary, message=one.sentence)


class SheetView(View):
    """Every event of a calendar: what would be asked for, and what is refused."""

    model_config = example(items=[_ROW], refused=[_REFUSED])

    items: list[RowView]
    refused: list[RefusedView]

    @classmethod
    def of(cls, found: Announcement) -> Self:
        return cls(
            items=[RowView.of(one) for one in found.peaks],
            refused=[RefusedView.of(one) for one in found.refused],
        )


@dataclass(frozen=True, slots=True)
class Peak:
    """A row as it is asked for; ``against`` are the answers to its dates that do not fit."""

    row: Row
    ask: WindowAsk | SeriesAsk
    against: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class Announcement:
    """What comes of a calendar for one environment."""

    environment: Environment
    peaks: tuple[Peak, ...]
    refused: tuple[Refused, ...]

    def draft(self, *, leave_out: bool, reason: str) -> tuple[Draft, tuple[Refused, ...]]:
        """All of it as one request, and what is left out.

        :raises Invalid: ``calendar-has-faults``, by line, unless they are left out;
            ``nothing-to-ask``; ``too-many``.
        """
        # Of a series what does not fit is kept as unmet: only windows would be refused for it.
        unfit = [one for one in self.peaks if one.against and isinstance(one.ask, WindowAsk)]
        left = (
            *self.refused,
            *(
                Refused(
                    one.row.line,
                    one.row.announced.uid,
                    one.row.announced.summary,
                    one.against[0].reason.en,
                )
                for one in unfit
            ),
        )
        if left and not leave_out:
            raise Invalid(
                f"of {len(left):,} events nothing comes: {left[0].sentence}",
                code="calendar-has-faults",
                path=f"calendar.line-{left[0].line}",
                hint="put them right, or have them left out",
                problems=tuple((f"calendar.line-{one.line}", one.sentence) for one in left),
            )
        kept = [one.ask for one in self.peaks if one not in unfit]
        windows = tuple(one for one in kept if isinstance(one, WindowAsk))
        series = tuple(one for one in kept if isinstance(one, SeriesAsk))
        if not kept:
            raise Invalid("nothing is left to ask for", code="nothing-to-ask", path="calendar")
        if len(windows) > MOST_WINDOWS or len(series) > MOST_SERIES:
            raise Invalid(
                f"it announces {len(windows):,} windows and {len(series):,} series; a request has "
                f"{MOST_WINDOWS} and {MOST_SERIES} at most",
                code="too-many",
                path="calendar",
                hint="split the calendar",
            )
        draft = Draft(
            kind=RequestKind.PEAK,
            system_id=self.environment.system_id,
            environment_id=self.environment.id,
            windows=windows,
            series=series,
            reason=reason,
        )
        return draft, left


def announced(caller: Caller, tx: Connection, body: CalendarPeaks) -> Announcement:
    """What would come of it. Reads only.

    :raises Invalid: ``invalid-calendar``. :raises NotFound: no such environment.
    :raises Temporary: ``pool-unreachable``.
    """
    services, now = caller.services, caller.services.clock.now()
    environment = services.environments.get(tx, body.environment_id)
    caller.require(environment.department_id)
    policy = services.policies.current
    found = sheet(
        body.calendar,
        Interval(now, now + _ONCE),
        Interval(now, now + policy.book_ahead),
        services.time_zone,
        policy.holidays,
    )
    peaks: list[Peak] = []
    refused = list(found.refused)
    for row in found.rows:
        try:
            peaks.append(_peak(caller, tx, environment, body, row))
        except Invalid as error:
            said = row.announced
            refused.append(Refused(row.line, said.uid, said.summary, error.message))
    windows = [one for one in peaks if isinstance(one.ask, WindowAsk)]
    asks = [one.ask for one in windows if isinstance(one.ask, WindowAsk)]
    told = services.promises.ask(tx, environment, asks)
    unfit = {id(one): answer for one, answer in zip(windows, told, strict=True) if not answer.fits}
    return Announcement(
        environment,
        tuple(replace(p, against=(unfit[id(p)],)) if id(p) in unfit else p for p in peaks),
        tuple(sorted(refused, key=lambda one: one.line)),
    )


def _peak(
    caller: Caller, tx: Connection, environment: Environment, body: CalendarPeaks, row: Row
) -> Peak:
    """:raises Invalid: what is wrong with this one."""
    services, said = caller.services, row.announced
    if said.environment_id not in {None, environment.id}:
        raise Invalid("it is of another environment", code="other-environment")
    replicas, expected = _needed(body, row)
    component = said.component or body.component
    note = "\n".join(text for text in (said.summary, said.note) if text)[:LONGEST_NOTE]
    if row.recurrence is not None:
        ask = SeriesAsk(
            component, written(row.recurrence), replicas, said.expected_rps, note, expected
        )
        sized, _, told = services.series_drafts.tried(tx, environment, ask)
        return Peak(row, sized, tuple(one for one in told if not one.fits))
    start, end = said.interval.start, said.interval.end
    (window,) = services.sizing.of(
        tx,
        environment,
        [WindowAsk(component, start, end, replicas, said.expected_rps, note, expected)],
    )
    checked(window, environment.components, services.clock.now())
    return Peak(row, window)


def _needed(body: CalendarPeaks, row: Row) -> tuple[int, Expected | None]:
    """What the event says itself, or else what is said of all."""
    if row.announced.replicas is not None:
        return row.announced.replicas, None
    if body.replicas is not None:
        return body.replicas, None
    rate = row.announced.expected_rps
    if rate is not None:
        seconds = body.expected.seconds_per_request if body.expected else None
        return 0, Expected(Unit.REQUESTS, rate, rate, rate, seconds)
    if body.expected is not None:
        return 0, body.expected.expected()
    raise Invalid(
        "it does not say how many replicas it needs, and nothing is said of all", code="no-demand"
    )
