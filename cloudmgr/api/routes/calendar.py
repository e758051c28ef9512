"""Peaks as people write them down: worked out from a rule, read from a calendar, saved as one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.rules import RULE_EXAMPLE, RuleEntry
from cloudmgr.api.values import Entry, Id, Moment, View
from cloudmgr.errors import Invalid
from cloudmgr.identity.access import Action
from cloudmgr.interval import Interval
from cloudmgr.scaling import icalendars
from cloudmgr.scaling.icalendars import Announced
from cloudmgr.scaling.recurrence_words import described

if TYPE_CHECKING:
    from cloudmgr.scaling.recurrence import Occurrence

router = APIRouter(prefix="/api/v1/calendar", tags=["windows"])

_FURTHEST = timedelta(days=5 * 366)
_BACK = timedelta(days=366)
_ICS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/calendar": {"schema": {"type": "string"}}}}
}
_SPAN: dict[str, Any] = {"from": "2027-01-01T00:00:00+08:00", "to": "2028-01-01T00:00:00+08:00"}
_CALENDAR = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//city//\r\nBEGIN:VEVENT\r\nUID:a@city\r\n"
    "DTSTART:20270630T160000\r\nDTEND:20270630T190000\r\nSUMMARY:志愿填报截止\r\nEND:VEVENT\r\n"
    "END:VCALENDAR\r\n"
)
_TIME: dict[str, Any] = {
    "starts_at": "2027-06-30T08:00:00Z",
    "ends_at": "2027-06-30T11:00:00Z",
}


class SpanEntry(Entry):
    """The time that is asked about: at most five years."""

    starts_at: Annotated[Moment, Field(alias="from")]
    ends_at: Annotated[Moment, Field(alias="to")]

    def interval(self) -> Interval:
        """:raises Invalid: ``empty-interval`` or ``too-far``."""
        if self.ends_at <= self.starts_at:
            raise Invalid("it ends before it begins", code="empty-interval", path="to")
        if self.ends_at - self.starts_at > _FURTHEST:
            raise Invalid("ask about five years at most", code="too-far", path="to")
        return Interval(self.starts_at, self.ends_at)


class RuleAsked(SpanEntry):
    """When a peak comes round."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"peak": RULE_EXAMPLE, **_SPAN}]})

    peak: RuleEntry


class CalendarAsked(SpanEntry):
    """An iCalendar document."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"calendar": _CALENDAR, **_SPAN}]})

    calendar: Annotated[str, Field(min_length=1, max_length=icalendars.LARGEST)]


class TimeView(View):
    """One time that it comes round. `uncertain` are years whose working days are not published
    yet, and which it depends on.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{**_TIME, "uncertain": []}]})

    starts_at: datetime
    ends_at: datetime
    uncertain: list[int]

    @classmethod
    def of(cls, found: Occurrence) -> Self:
        return cls(
            starts_at=found.interval.start,
            ends_at=found.interval.end,
            uncertain=list(found.uncertain),
        )


class TimesView(View):
    """In words, and when."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "zh": "每年6月30日前5个工作日（不含当日），每天 09:00–17:00",
                    "en": (
                        "the 5 working days before 30 June of each year, 09:00 to 17:00 each day"
                    ),
                    "items": [{**_TIME, "uncertain": [2027]}],
                }
            ]
        }
    )

    zh: str
    en: str
    items: list[TimeView]


class EventView(View):
    """One time of an event of a calendar; what it does not say is left out."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_TIME,
                    "summary": "志愿填报截止",
                    "note": "",
                    "component": "web",
                    "replicas": 6,
                    "expected_rps": "120",
                }
            ]
        }
    )

    starts_at: datetime
    ends_at: datetime
    summary: str
    note: str
    component: str | None
    replicas: int | None
    expected_rps: str | None

    @classmethod
    def of(cls, one: Announced) -> Self:
        return cls(
            starts_at=one.interval.start,
            ends_at=one.interval.end,
            summary=one.summary,
            note=one.note,
            component=one.component,
            replicas=one.replicas,
            expected_rps=None if one.expected_rps is None else format(one.expected_rps, "f"),
        )


class EventsView(View):
    """In the order in which they begin."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": []}]})

    items: list[EventView]


@router.post("/expand", response_model=TimesView, summary="When a peak comes round")
def expand_rule(
    caller: Annotated[Caller, Access(Action.WINDOW_READ)], body: RuleAsked
) -> TimesView:
    """By the city's calendar, with its holidays and make-up days. Nothing is written."""
    services = caller.services
    recurrence = body.peak.recurrence()
    found = recurrence.occurrences(
        body.interval(), services.time_zone, services.policies.current.holidays
    )
    return TimesView(
        zh=described(recurrence, "zh"),
        en=described(recurrence, "en"),
        items=[TimeView.of(one) for one in found],
    )


@router.post("/read", response_model=EventsView, summary="What a calendar announces")
def read_calendar(
    caller: Annotated[Caller, Access(Action.WINDOW_READ)], body: CalendarAsked
) -> EventsView:
    """The events of an iCalendar document, each time that they come round. Nothing is written."""
    found = icalendars.read(body.calendar, body.interval(), caller.services.time_zone)
    return EventsView(items=[EventView.of(one) for one in found])


@router.get(
    "/peaks", response_class=Response, summary="Announced peaks as a calendar", responses=_ICS
)
def save_calendar(
    caller: Annotated[Caller, Access(Action.WINDOW_READ)],
    department_id: Annotated[Id | None, Query(description="Only this department's.")] = None,
    environment_id: Annotated[Id | None, Query(description="Only of this environment.")] = None,
) -> Response:
    """iCalendar: those of the last year and of all to come that are not cancelled."""
    return calendar_of(caller, department_id, environment_id)


def calendar_of(caller: Caller, department_id: str | None, environment_id: str | None) -> Response:
    """As :func:`save_calendar`. :raises Invalid: ``too-many``."""
    services = caller.services
    now = services.clock.now()
    held_to = caller.confine(department_id)
    with services.database.read() as tx:
        found = services.windows.list(
            tx,
            environment_ids=None if environment_id is None else [environment_id],
            hosted=True,
            department_id=held_to,
            during=Interval(now - _BACK, now + 2 * _FURTHEST),
            cancelled=False,
            limit=icalendars.MOST_EVENTS + 1,
        )
        hosts = {e.id: e.host for e in services.environments.list(tx, department_id=held_to)}
    if len(found) > icalendars.MOST_EVENTS:
        raise Invalid(
            f"there are more than {icalendars.MOST_EVENTS:,} peaks",
            code="too-many",
            hint="ask for those of a department, or of an environment",
        )
    announced = [
        Announced(
            uid=f"{one.id}@cloudmgr",
            interval=one.interval,
            summary=one.note.partition("\n")[0] or hosts.get(one.environment_id, ""),
            note=one.note,
            environment_id=one.environment_id,
            component=one.component,
            replicas=one.replicas,
            expected_rps=one.expected_rps,
        )
        for one in found
    ]
    return Response(
        icalendars.write(announced, name="cloudmgr", now=now),
        media_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="peaks.ics"'},
    )
