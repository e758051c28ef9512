"""What was asked of an environment, step by step, and what its history tells of what comes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import Field

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.values import Moment, View, example
from cloudmgr.errors import Invalid
from cloudmgr.identity.access import Action
from cloudmgr.interval import Interval
from cloudmgr.scaling.demand import STEP

if TYPE_CHECKING:
    from cloudmgr.scaling.demand import Slot
    from cloudmgr.scaling.foretold import Foretold, Lesson

router = APIRouter(prefix="/api/v1/environments", tags=["environments"])

MOST = timedelta(days=31)
_DAY = timedelta(days=1)


class StepView(View):
    """Five minutes in which anything was asked."""

    model_config = example(
        starts_at="2026-06-01T01:00:00Z", requests=5400, in_flight=3.6, highest=9.1
    )

    starts_at: datetime
    requests: int = Field(description="That ended in it.")
    in_flight: float = Field(description="The mean number in flight.")
    highest: float = Field(description="The highest mean between two readings of the gateway.")

    @classmethod
    def of(cls, slot: Slot) -> Self:
        return cls(
            starts_at=slot.starts_at,
            requests=slot.requests,
            in_flight=round(slot.in_flight, 6),
            highest=slot.highest,
        )


class GapView(View):
    """Nobody counted what was asked."""

    model_config = example(starts_at="2026-06-01T02:00:00Z", ends_at="2026-06-01T02:10:00Z")

    starts_at: datetime
    ends_at: datetime


class DemandView(View):
    """What was asked of one environment. A step that is not here was quiet, unless in a gap."""

    model_config = example(
        starts_at="2026-06-01T01:00:00Z",
        ends_at="2026-06-02T01:00:00Z",
        step_minutes=5,
        steps=[
            {
                "starts_at": "2026-06-01T01:00:00Z",
                "requests": 5400,
                "in_flight": 3.6,
                "highest": 9.1,
            }
        ],
        gaps=[{"starts_at": "2026-06-01T02:00:00Z", "ends_at": "2026-06-01T02:10:00Z"}],
    )

    starts_at: datetime
    ends_at: datetime
    step_minutes: float
    steps: list[StepView]
    gaps: list[GapView]


_LESSON: dict[str, Any] = {
    "learned_at": "2026-06-01T01:00:00Z",
    "way": "forecast",
    "days": 28,
    "cost_to_oracle": 1.18,
    "unmet": 0.0006,
    "startup_minutes": 10,
}
_TOLD: dict[str, Any] = {
    "in_flight": 42.5,
    "at": "2026-06-01T01:00:00Z",
    "until": "2026-06-01T01:10:00Z",
    "way": "forecast",
}


class LessonView(View):
    """What did best on its own history, and is followed for a day."""

    model_config = example(**_LESSON)

    learned_at: datetime
    way: str = Field(
        description="forecast (learned), seasonal (the days before), or reaction (its margins)."
    )
    days: float = Field(description="Of history.")
    cost_to_oracle: float = Field(
        description="Capacity paid on the second half of it, relative to one who knows what comes."
    )
    unmet: float = Field(description="The share of demand there that found no capacity, 0 to 1.")
    startup_minutes: float = Field(description="From a decision until a replica serves.")

    @classmethod
    def of(cls, lesson: Lesson) -> Self:
        return cls(
            learned_at=lesson.learned_at,
            way=lesson.family,
            days=lesson.figures.days,
            cost_to_oracle=lesson.figures.cost,
            unmet=lesson.figures.unmet,
            startup_minutes=lesson.startup.total_seconds() / 60,
        )


class ToldView(View):
    """What it asks capacity for now."""

    model_config = example(**_TOLD)

    in_flight: float = Field(description="Requests in flight that capacity is to be there for.")
    at: datetime
    until: datetime = Field(description="Out of date then: it is told anew every five minutes.")
    way: str

    @classmethod
    def of(cls, told: Foretold) -> Self:
        last = told.recent[-1] if told.recent else None
        return cls(
            in_flight=last.in_flight if last else 0.0,
            at=last.at if last else told.until - 2 * STEP,
            until=told.until,
            way=told.family,
        )


class ForecastView(View):
    """What is known, if anything: without trust in a forecast, traffic and windows decide alone."""

    model_config = example(learned=_LESSON, told=_TOLD)

    learned: LessonView | None = Field(description="Null with less than three days of demand.")
    told: ToldView | None = Field(description="Null while it sleeps, and with nothing learned.")


@router.get(
    "/{environment_id}/demand",
    response_model=DemandView,
    summary="What was asked, by steps of five minutes",
)
def get_demand(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_READ)],
    environment_id: str,
    starts_at: Annotated[
        Moment | None, Query(description="A day before the end, if left out.")
    ] = None,
    ends_at: Annotated[Moment | None, Query(description="Now, if left out.")] = None,
) -> DemandView:
    """Of at most 31 days; kept for 400."""
    services = caller.services
    end = ends_at or services.clock.now()
    start = starts_at or end - _DAY
    if not start < end:
        raise Invalid("it must be before ends_at", code="bad-span", path="starts_at")
    if end - start > MOST:
        raise Invalid(f"at most {MOST.days} days at once", code="bad-span", path="starts_at")
    over = Interval(start, end)
    with services.database.read() as tx:
        environment = services.environments.get(tx, environment_id)
        caller.require(environment.department_id)
        slots = services.demand.of(tx, environment.id, over)
        gaps = services.demand.gaps(tx, environment.zone.value, over)
    return DemandView(
        starts_at=over.start,
        ends_at=over.end,
        step_minutes=STEP.total_seconds() / 60,
        steps=[StepView.of(slot) for slot in slots],
        gaps=[
            GapView(starts_at=max(g.start, over.start), ends_at=min(g.end, over.end)) for g in gaps
        ],
    )


@router.get(
    "/{environment_id}/forecast",
    response_model=ForecastView,
    summary="What its history tells of what comes",
)
def get_forecast(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_READ)],
    environment_id: str,
) -> ForecastView:
    """Learned once a day, told every five minutes while it is awake."""
    services = caller.services
    now = services.clock.now()
    with services.database.read() as tx:
        caller.require(services.environments.get(tx, environment_id).department_id)
        lesson = services.forecasts.lesson(tx, environment_id)
        told = services.forecasts.told(tx, environment_id)
    return ForecastView(
        learned=None if lesson is None else LessonView.of(lesson),
        told=None if told is None or now >= told.until else ToldView.of(told),
    )
