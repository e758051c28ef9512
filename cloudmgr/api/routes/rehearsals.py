"""Rehearsals of peaks: tried, ordered, stopped, told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter
from pydantic import ConfigDict, Field
from starlette.responses import Response

from cloudmgr.api.etag import Answer
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.idempotency import Once
from cloudmgr.api.values import Entry, Reason, View, example
from cloudmgr.errors import NotFound
from cloudmgr.identity.access import Action
from cloudmgr.scaling.rehearsals import Ending, Load, Plan, Rehearsal, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from cloudmgr.scaling.windows import PeakWindow

router = APIRouter(prefix="/api/v1/windows", tags=["windows"])

_LOAD: dict[str, Any] = {"per_second": 20, "seconds": 120, "path": "/", "most_failures": 0.05}
_RESULT: dict[str, Any] = {
    "sent": 2400,
    "answered": 2398,
    "withheld": 0,
    "failed": 2,
    "failures": {"502": 2},
    "latency_seconds": {"p50": 0.021, "p90": 0.044, "p99": 0.31, "max": 1.2},
    "highest_in_flight": 14,
}
_ONE: dict[str, Any] = {
    "id": "rhs_0123456789abcdef",
    "window_id": "win_0123456789abcdef",
    "environment_id": "env_0123456789abcdef",
    "component": "web",
    "replicas": 6,
    "load": _LOAD,
    "ordered_by": "usr_0123456789abcdef",
    "reason": "正式考试前演练",
    "ordered_at": "2027-06-24T02:00:00Z",
    "until": "2027-06-24T02:15:00Z",
    "ready_at": "2027-06-24T02:00:40Z",
    "ready_after_seconds": 40.0,
    "load_from": "2027-06-24T02:00:40Z",
    "stopped_by": None,
    "ended_at": "2027-06-24T02:02:45Z",
    "ending": "done",
    "result": _RESULT,
}


class LoadEntry(Entry):
    """GET requests of one path on the environment's own address, through its gateway."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LOAD]})

    per_second: Annotated[int, Field(strict=True, ge=1, le=1000)]
    seconds: Annotated[int, Field(strict=True, ge=1, le=14_400)] = 60
    path: Annotated[str, Field(min_length=1, max_length=200)] = "/"
    most_failures: Annotated[
        float,
        Field(
            strict=True, ge=0, le=1, description="It stops when a larger share of answers fails."
        ),
    ] = 0.05


class RehearsalEntry(Entry):
    """For how long at most, and with which load, if any; policy has bounds of both."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"minutes": 15, "load": _LOAD, "reason": "正式考试前演练"}]}
    )

    minutes: Annotated[int, Field(strict=True, ge=1, le=240)] = 15
    load: LoadEntry | None = None
    reason: Reason

    def plan(self) -> Plan:
        load = self.load
        return Plan(
            timedelta(minutes=self.minutes),
            None
            if load is None
            else Load(load.per_second, load.seconds, load.path, load.most_failures),
        )


class LoadView(View):
    """What is sent."""

    model_config = example(**_LOAD)

    per_second: int
    seconds: int
    path: str
    most_failures: float


class ResultView(View):
    """What came of the load."""

    model_config = example(**_RESULT)

    sent: int
    answered: int
    withheld: int = Field(description="Due, and not sent: too many were on their way already.")
    failed: int
    failures: dict[str, int] = Field(description="By status, or by what went wrong.")
    latency_seconds: dict[str, float] = Field(description="From when a request was due.")
    highest_in_flight: int

    @classmethod
    def of(cls, result: Result) -> Self:
        return cls(
            sent=result.sent,
            answered=result.answered,
            withheld=result.withheld,
            failed=result.failed,
            failures=dict(result.failures),
            latency_seconds=dict(result.latency),
            highest_in_flight=result.highest_in_flight,
        )


class RehearsalView(View):
    """One rehearsal, under way or over."""

    model_config = example(**_ONE)

    id: str
    window_id: str
    environment_id: str
    component: str
    replicas: int
    load: LoadView | None
    ordered_by: str
    reason: str
    ordered_at: datetime
    until: datetime = Field(description="Nothing of it lasts longer.")
    ready_at: datetime | None
    ready_after_seconds: float | None
    load_from: datetime | None
    stopped_by: str | None
    ended_at: datetime | None
    ending: Ending | None = Field(
        description=(
            "done, stopped (by a person), failures (too many), not-ready, peak (one began on its "
            "pool), overruled (by another order), interrupted (who sent the load is gone), gone."
        )
    )
    result: ResultView | None

    @classmethod
    def of(cls, one: Rehearsal) -> Self:
        load, after = one.load, one.ready_after
        return cls(
            id=one.id,
            window_id=one.window_id,
            environment_id=one.environment_id,
            component=one.component,
            replicas=one.replicas,
            load=None
            if load is None
            else LoadView(
                per_second=load.per_second,
                seconds=load.seconds,
                path=load.path,
                most_failures=load.most_failures,
            ),
            ordered_by=one.ordered_by,
            reason=one.reason,
            ordered_at=one.ordered_at,
            until=one.until,
            ready_at=one.ready_at,
            ready_after_seconds=None if after is None else after.total_seconds(),
            load_from=one.load_from,
            stopped_by=one.stopped_by,
            ended_at=one.ended_at,
            ending=one.ending,
            result=None if one.result is None else ResultView.of(one.result),
        )


class RehearsalsView(View):
    """The last ones of a peak, the newest first."""

    model_config = example(rehearsals=[_ONE])

    rehearsals: list[RehearsalView]


class ObstacleView(View):
    """Something that speaks against it."""

    code: str
    message: str
    hint: str


class RehearsalTriedView(View):
    """Whether it could begin now."""

    model_config = example(
        may=False,
        replicas=6,
        against=[
            {
                "code": "no-room",
                "message": "its pool has no room for 6 replicas of web now",
                "hint": "try again when less runs there",
            }
        ],
    )

    may: bool
    replicas: int
    against: list[ObstacleView]


class StopEntry(Entry):
    """Why it is stopped."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "系统响应异常"}]})

    reason: Reason


@router.get("/{window_id}/rehearsals", response_model=RehearsalsView, summary="List its rehearsals")
def list_rehearsals(
    caller: Annotated[Caller, Access(Action.WINDOW_READ)], window_id: str
) -> RehearsalsView:
    """The last 20, the newest first."""
    services = caller.services
    with services.database.read() as tx:
        owned(caller, tx, window_id)
        found = services.rehearsals.of_window(tx, window_id)
    return RehearsalsView(rehearsals=[RehearsalView.of(one) for one in found])


@router.post(
    "/{window_id}/rehearsals/dry-run",
    response_model=RehearsalTriedView,
    summary="Whether a peak could be rehearsed now",
)
def try_rehearsal(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_SCALE)],
    window_id: str,
    body: RehearsalEntry,
) -> RehearsalTriedView:
    """All that speaks against it. Nothing is written."""
    with caller.services.database.read() as tx:
        window = owned(caller, tx, window_id)
        against = caller.services.rehearsing.try_out(tx, window, body.plan())
    return RehearsalTriedView(
        may=not against,
        replicas=window.replicas,
        against=[ObstacleView(code=e.code, message=e.message, hint=e.hint) for e in against],
    )


@router.post(
    "/{window_id}/rehearsals",
    status_code=201,
    response_model=RehearsalView,
    summary="Rehearse a peak",
)
def order_rehearsal(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_SCALE)],
    window_id: str,
    body: RehearsalEntry,
    repeatable: Once,
) -> Response:
    """Scales to what is promised, sends the load once all is Ready, and gives everything back."""

    def work(tx: Connection) -> Answer:
        return Answer(201, RehearsalView.of(order(caller, tx, window_id, body)))

    return repeatable.once(caller, work)


@router.post(
    "/{window_id}/rehearsals/stop", response_model=RehearsalView, summary="Stop its rehearsal"
)
def stop_rehearsal(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_SCALE)],
    window_id: str,
    body: StopEntry,
    repeatable: Once,
) -> Response:
    """The one that is under way; what came of it is kept, and replicas go as after any peak."""

    def work(tx: Connection) -> Answer:
        return Answer(200, RehearsalView.of(stop(caller, tx, window_id, body)))

    return repeatable.once(caller, work)


def order(caller: Caller, tx: Connection, window_id: str, body: RehearsalEntry) -> Rehearsal:
    """:raises Invalid, Conflict: as :meth:`Rehearsals.order`."""
    window = owned(caller, tx, window_id)
    made = caller.services.rehearsing.order(
        tx, window, body.plan(), actor=caller.principal.user_id, why=body.reason
    )
    detail = {"rehearsal": made.id, "until": made.until.isoformat(), "reason": body.reason}
    _record(caller, tx, "window.rehearse", window, detail)
    return made


def stop(caller: Caller, tx: Connection, window_id: str, body: StopEntry) -> Rehearsal:
    """:raises Conflict: ``no-rehearsal``."""
    window = owned(caller, tx, window_id)
    found = caller.services.rehearsing.stop(tx, window, actor=caller.principal.user_id)
    detail = {"rehearsal": found.id, "reason": body.reason}
    _record(caller, tx, "window.stop-rehearsal", window, detail)
    return found


def owned(
    caller: Caller, tx: Connection, window_id: str, action: Action | None = None
) -> PeakWindow:
    """A window that the caller may do this to."""
    window = caller.services.windows.get(tx, window_id)
    caller.require(_department(caller, tx, window), action)
    return window


def _department(caller: Caller, tx: Connection, window: PeakWindow) -> str | None:
    """Whose it is; None, the city's, once its environment is gone."""
    try:
        return caller.services.environments.get(tx, window.environment_id).department_id
    except NotFound:
        return None


def _record(
    caller: Caller, tx: Connection, action: str, window: PeakWindow, detail: Mapping[str, object]
) -> None:
    caller.record(
        tx,
        action,
        object_kind="window",
        object_id=window.id,
        department_id=_department(caller, tx, window),
        detail=detail,
    )
