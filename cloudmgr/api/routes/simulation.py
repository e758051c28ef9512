"""What if: a pool's calendar of promises over a span, with other hosts and more systems."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter
from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.calendar import SpanEntry
from cloudmgr.api.routes.promises import PeakAsked
from cloudmgr.api.values import Code, Entry, Id, View, example
from cloudmgr.api.workloads import COMPONENT_EXAMPLE, WINDOW_EXAMPLE, ComponentEntry, WindowEntry
from cloudmgr.errors import Invalid
from cloudmgr.hosting.environments import Criticality
from cloudmgr.hosting.requests import WindowAsk
from cloudmgr.identity.access import Action
from cloudmgr.interval import Interval
from cloudmgr.planning.additions import Additions, More, Newcomer
from cloudmgr.planning.hosts import Failure
from cloudmgr.planning.scenario import Scenario, drawn_at_most
from cloudmgr.planning.scenario_words import Supposed
from cloudmgr.scaling import icalendars

if TYPE_CHECKING:
    from cloudmgr.planning.scenario import Broken, Foreseen, Stretch
    from cloudmgr.pools.capacity import Resources

router = APIRouter(prefix="/api/v1/pools", tags=["pools"])

MOST_POINTS = 600
MOST_BROKEN = 200
_SPAN: dict[str, Any] = {"from": "2027-06-01T00:00:00+08:00", "to": "2027-07-01T00:00:00+08:00"}
_FAILURE: dict[str, Any] = {
    "hosts": 2,
    "from": "2027-06-20T09:00:00+08:00",
    "to": "2027-06-20T18:00:00+08:00",
}
_TIMES: dict[str, Any] = {"starts_at": "2027-06-20T01:00:00Z", "ends_at": "2027-06-20T10:00:00Z"}
_AMOUNT: dict[str, Any] = {"cpu_millis": 96_000, "memory_mib": 196_608}
_POINT: dict[str, Any] = {
    "at": "2027-06-20T01:00:00Z",
    "asked": _AMOUNT,
    "room": _AMOUNT,
    "away": 2,
}
_BROKEN: dict[str, Any] = {
    "window_id": "win_0123456789abcdef",
    "environment_id": "env_0123456789abcdef",
    "department_id": "dep_0123456789abcdef",
    "criticality": 2,
    "system_code": "gaokao",
    "system_zh": "高考志愿填报",
    "system_en": "Exam enrolment",
    "component": "web",
    "replicas": 6,
    **_TIMES,
    "missing": {"cpu_millis": 4000, "memory_mib": 0},
}


class FailureEntry(SpanEntry):
    """Hosts that are away."""

    model_config = ConfigDict(json_schema_extra={"examples": [_FAILURE]})

    hosts: Annotated[int, Field(strict=True, ge=1, le=100_000)]

    def failure(self) -> Failure:
        return Failure(self.interval(), self.hosts)


class NewcomerEntry(Entry):
    """A system that is like none that there is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"components": [COMPONENT_EXAMPLE], "criticality": 2}]}
    )

    components: Annotated[tuple[ComponentEntry, ...], Field(min_length=1, max_length=20)]
    criticality: Criticality = Criticality.NORMAL
    scaling_class: Annotated[
        Code | None, Field(description="The policy's default if it is left out.")
    ] = None

    def newcomer(self) -> Newcomer:
        components = tuple(entry.component() for entry in self.components)
        return Newcomer(components, self.criticality, self.scaling_class or "")


class MoreEntry(Entry):
    """`copies` environments more: `like` one that there is, with its peaks, or `new`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"copies": 30, "like": "env_0123456789abcdef"}]}
    )

    copies: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 1
    like: Id | None = None
    new: NewcomerEntry | None = None
    windows: Annotated[
        tuple[WindowEntry, ...],
        Field(max_length=50, description="Peaks of each of them, beside those of `like`."),
    ] = ()

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.like is None) is (self.new is None):
            raise PydanticCustomError("like", "give one of like and new")
        return self

    def more(self) -> More:
        like = self.new.newcomer() if self.new is not None else self.like or ""
        return More(self.copies, like, tuple(window.ask() for window in self.windows))


class SimulationAsked(SpanEntry):
    """What if. All but the span may be left out: then it is as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_SPAN,
                    "more_hosts": -2,
                    "failures": [_FAILURE],
                    "windows": [{"environment_id": "env_0123456789abcdef", **WINDOW_EXAMPLE}],
                    "more": [{"copies": 30, "like": "env_0123456789abcdef"}],
                }
            ]
        }
    )

    more_hosts: Annotated[
        int,
        Field(strict=True, ge=-100_000, le=100_000, description="Below 0 for fewer than there are"),
    ] = 0
    failures: Annotated[tuple[FailureEntry, ...], Field(max_length=50)] = ()
    windows: Annotated[tuple[PeakAsked, ...], Field(max_length=200)] = ()
    calendar: Annotated[
        str,
        Field(
            max_length=icalendars.LARGEST,
            description=(
                "More windows as iCalendar. An event tells X-CLOUDMGR-REPLICAS and, if it is not "
                "web, X-CLOUDMGR-COMPONENT; and X-CLOUDMGR-ENVIRONMENT, without which it is one of "
                "each environment of `more`."
            ),
        ),
    ] = ""
    more: Annotated[tuple[MoreEntry, ...], Field(max_length=20)] = ()


class ResourcesView(View):
    """CPU in thousandths of a core, memory in MiB."""

    model_config = example(**_AMOUNT)

    cpu_millis: int
    memory_mib: int


class BrokenView(View):
    """A promise that could not be kept, and the most that it lacks at once.

    Where nothing is known of the window or the system, it is one that was added: its ids begin
    with `added-` or `more-`.
    """

    model_config = example(**_BROKEN)

    window_id: str
    environment_id: str
    department_id: str
    criticality: int
    system_code: str
    system_zh: str
    system_en: str
    component: str
    replicas: int
    starts_at: datetime = Field(description="When its room is needed, which is before the peak.")
    ends_at: datetime
    missing: ResourcesView

    @classmethod
    def of(cls, found: Foreseen, broken: Broken) -> Self:
        promise = broken.promise
        holder = found.holders[promise.environment_id]
        return cls(
            window_id=promise.id,
            environment_id=promise.environment_id,
            department_id=holder.department_id,
            criticality=int(holder.criticality),
            system_code=holder.system_code,
            system_zh=holder.system_zh,
            system_en=holder.system_en,
            component=promise.component,
            replicas=promise.replicas,
            starts_at=promise.interval.start,
            ends_at=promise.interval.end,
            missing=_amount(broken.missing),
        )


class LackView(View):
    """When all together would take more than there is, and the most that is missing then."""

    model_config = example(**_TIMES, missing={"cpu_millis": 4000, "memory_mib": 0})

    starts_at: datetime
    ends_at: datetime
    missing: ResourcesView


class PointView(View):
    """From this moment on: what all would take, what there is, and hosts that are away."""

    model_config = example(**_POINT)

    at: datetime
    asked: ResourcesView
    room: ResourcesView
    away: int

    @classmethod
    def of(cls, one: Stretch) -> Self:
        return cls(
            at=one.interval.start, asked=_amount(one.asked), room=_amount(one.room), away=one.away
        )


class SimulationView(View):
    """What would come of it.

    `hosts` could be used; `least_hosts` is the least number that carries the span, with what is
    kept back for hosts that may fail; `hosts_to_buy` are missing for all to fit. Both are null if
    no number of hosts would do. `held` is what environments take outside their peaks.
    """

    model_config = example(
        pool_id="pool_local-extranet",
        pool_name="local-extranet",
        **_TIMES,
        fits=False,
        zh=(
            "放不下：1 项预留无法兑现，2027-06-20 09:00 起最多缺 4 核。现有 40 台主机，"
            "需要 41 台（含 1 台冗余），还差 1 台。"
        ),
        en=(
            "It does not fit: 1 promise would be broken, and from 2027-06-20 09:00 on 4 cores "
            "would be missing. It would take 41 hosts with 1 that may fail, 1 more than the 40"
        ),
        hosts=40,
        spare_hosts=1,
        least_hosts=41,
        hosts_to_buy=1,
        held={"cpu_millis": 12_000, "memory_mib": 24_576},
        held_fits=True,
        tightest=_POINT,
        broken_count=1,
        broken=[_BROKEN],
        shortages=[{**_TIMES, "missing": {"cpu_millis": 4000, "memory_mib": 0}}],
        points=[_POINT],
    )

    pool_id: str
    pool_name: str
    starts_at: datetime
    ends_at: datetime
    fits: bool
    zh: str
    en: str
    hosts: int
    spare_hosts: int
    least_hosts: int | None
    hosts_to_buy: int | None
    held: ResourcesView
    held_fits: bool = Field(description="Whether there is room for what is held, without peaks.")
    tightest: PointView = Field(description="When the largest share of what there is is taken.")
    broken_count: int
    broken: list[BrokenView] = Field(
        description=f"The least critical first; {MOST_BROKEN} at most."
    )
    shortages: list[LackView]
    points: list[PointView] = Field(
        description=f"In equal parts if there were more than {MOST_POINTS}: the most, the least."
    )

    @classmethod
    def of(cls, supposed: Supposed) -> Self:
        found, pool = supposed.found, supposed.pool
        return cls(
            pool_id=pool.id,
            pool_name=pool.name,
            starts_at=found.scenario.span.start,
            ends_at=found.scenario.span.end,
            fits=found.fits,
            zh=supposed.zh,
            en=supposed.en,
            hosts=found.hosts,
            spare_hosts=found.spare,
            least_hosts=found.least,
            hosts_to_buy=found.to_buy,
            held=_amount(found.held),
            held_fits=found.held_fits,
            tightest=PointView.of(found.tightest),
            broken_count=len(found.broken),
            broken=[BrokenView.of(found, one) for one in found.broken[:MOST_BROKEN]],
            shortages=[
                LackView(
                    starts_at=one.interval.start,
                    ends_at=one.interval.end,
                    missing=_amount(one.missing),
                )
                for one in found.shortages
            ],
            points=[PointView.of(one) for one in drawn_at_most(found.stretches, MOST_POINTS)],
        )


@router.post("/{pool_id}/simulate", response_model=SimulationView, summary="Would a span fit")
def simulate_pool(
    caller: Annotated[Caller, Access(Action.POOL_READ)], pool_id: str, body: SimulationAsked
) -> SimulationView:
    """What the pool has, what it has promised and what environments hold outside of that, with
    hosts that fail, with more or fewer of them, with more systems and windows. Nothing is written.
    """
    return SimulationView.of(simulated(caller, pool_id, body))


def simulated(caller: Caller, pool_id: str, body: SimulationAsked) -> Supposed:
    """:raises NotFound: ``no-such-pool``, or no such environment. :raises Temporary:
    ``pool-unreachable``. :raises Invalid: ``invalid-scenario``, ``invalid-calendar``.
    """
    services = caller.services
    span = body.interval()
    asked = (*body.windows, *(window for one in body.more for window in one.windows))
    if any(window.expected for window in asked):
        raise Invalid(
            "say how many replicas a supposed peak takes",
            code="invalid-scenario",
            hint="checking the peak works them out from what is expected",
            path="windows",
        )
    events = _events(body, span, caller)
    own = tuple((one.environment_id, one.ask()) for one in body.windows)
    own += tuple((to, ask) for to, ask in events if to is not None)
    of_more = tuple(ask for to, ask in events if to is None)
    if of_more and not body.more:
        raise Invalid(
            f"{len(of_more):,} events of the calendar name no environment, and there are no more",
            code="invalid-scenario",
            hint="write X-CLOUDMGR-ENVIRONMENT into them, or say what more there would be",
            path="calendar",
        )
    more = tuple(one.more() for one in body.more)
    added = Additions(
        windows=own,
        more=tuple(More(one.copies, one.like, (*one.windows, *of_more)) for one in more),
    )
    scenario = Scenario(span, body.more_hosts, tuple(one.failure() for one in body.failures))
    with services.database.read() as tx:
        pool = services.pools.get(tx, pool_id)
        caller.require(None)
        found = services.promises.foresee(tx, pool, scenario, added)
    return Supposed(pool, found, services.time_zone)


def _events(
    body: SimulationAsked, span: Interval, caller: Caller
) -> list[tuple[str | None, WindowAsk]]:
    if not body.calendar.strip():
        return []
    found: list[tuple[str | None, WindowAsk]] = []
    for one in icalendars.read(body.calendar, span, caller.services.time_zone):
        if one.replicas is None:
            raise Invalid(
                f"the event {one.summary or one.uid} does not say how many replicas it needs",
                code="invalid-scenario",
                hint="write X-CLOUDMGR-REPLICAS into it",
                path="calendar",
            )
        ask = WindowAsk(one.component or "web", one.interval.start, one.interval.end, one.replicas)
        found.append((one.environment_id, ask))
    return found


def _amount(amount: Resources) -> ResourcesView:
    return ResourcesView(cpu_millis=amount.cpu_millis, memory_mib=amount.memory_mib)
