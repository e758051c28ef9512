"""What may be ordered of an environment: scale, release, hibernate, wake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter
from pydantic import ConfigDict, Field, StrictBool
from starlette.responses import Response

from cloudmgr.api.etag import Answer, IfMatch, etag, expect
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.idempotency import Once
from cloudmgr.api.routes.environments import KNOWN, EnvironmentView
from cloudmgr.api.values import Code, Entry, Moment, Reason, example
from cloudmgr.api.waits import WAIT, WaitView
from cloudmgr.identity.access import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from cloudmgr.scaling.scaler import Outcome

router = APIRouter(prefix="/api/v1/environments", tags=["environments"])


class ScaleEntry(Entry):
    """Hold a component at so many replicas until a moment, or until it is released."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"component": "web", "replicas": 4, "reason": "现场活动，人数多于预期"}]
        }
    )

    component: Code
    replicas: Annotated[int, Field(strict=True, ge=0, le=1000)]
    until: Moment | None = None
    reason: Reason


class ReleaseEntry(Entry):
    """Let windows and traffic decide again."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"component": "web", "reason": "活动结束"}]}
    )

    component: Code
    reason: Reason


class HibernateEntry(Entry):
    """Give all compute back; data, address and configuration stay."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "系统停用至明年"}]})

    until: Moment | None = None
    force: StrictBool = Field(default=False, description="Even inside a peak window.")
    reason: Reason


class WakeEntry(Entry):
    """Bring it back now, and keep it at least until a moment."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "领导演示"}]})

    until: Moment | None = None
    reason: Reason


@router.post("/{environment_id}/scale", response_model=EnvironmentView, summary="Scale by hand")
def scale_environment(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_SCALE)],
    environment_id: str,
    body: ScaleEntry,
    repeatable: Once,
    if_match: IfMatch = None,
) -> Response:
    """Within the approved ceiling; a peak window may ask for more. `If-Match` may be left out."""
    return _order(
        caller,
        environment_id,
        body.reason,
        repeatable,
        if_match,
        lambda tx: caller.services.scaling.scale(
            tx,
            environment_id,
            body.component,
            body.replicas,
            actor=caller.principal.user_id,
            why=body.reason,
            until=body.until,
        ),
    )


@router.post(
    "/{environment_id}/release", response_model=EnvironmentView, summary="Scale by itself again"
)
def release_environment(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_SCALE)],
    environment_id: str,
    body: ReleaseEntry,
    repeatable: Once,
    if_match: IfMatch = None,
) -> Response:
    """Takes a scaling by hand back. `If-Match` may be left out."""
    return _order(
        caller,
        environment_id,
        body.reason,
        repeatable,
        if_match,
        lambda tx: caller.services.scaling.release(
            tx,
            environment_id,
            body.component,
            actor=caller.principal.user_id,
            why=body.reason,
        ),
    )


@router.post("/{environment_id}/hibernate", response_model=EnvironmentView, summary="Hibernate")
def hibernate_environment(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_HIBERNATE)],
    environment_id: str,
    body: HibernateEntry,
    repeatable: Once,
    if_match: IfMatch = None,
) -> Response:
    """It wakes on the first request or for the next window. `If-Match` may be left out."""
    return _order(
        caller,
        environment_id,
        body.reason,
        repeatable,
        if_match,
        lambda tx: caller.services.scaling.hibernate(
            tx,
            environment_id,
            actor=caller.principal.user_id,
            why=body.reason,
            until=body.until,
            force=body.force,
        ),
    )


class WokenView(EnvironmentView):
    """The environment, and what its wake waits for."""

    model_config = example(**KNOWN, waits=WAIT)

    waits: WaitView | None


@router.post(
    "/{environment_id}/wake",
    response_model=WokenView,
    summary="Wake",
    responses={
        202: {"model": WokenView, "description": "It waits, and is woken as soon as can be"}
    },
)
def wake_environment(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_WAKE)],
    environment_id: str,
    body: WakeEntry,
    repeatable: Once,
    if_match: IfMatch = None,
) -> Response:
    """Waking one that is awake is a success. `If-Match` may be left out.

    Where its turn has not come, what it needs is not ready, or its pool is full, the call is kept:
    202, with what it waits for.
    """
    return _order(
        caller,
        environment_id,
        body.reason,
        repeatable,
        if_match,
        lambda tx: caller.services.scaling.wake(
            tx,
            environment_id,
            actor=caller.principal.user_id,
            why=body.reason,
            until=body.until,
        ),
    )


class TryEntry(Entry):
    """See now whether it wakes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "年报季前检查"}]})

    reason: Reason


@router.post(
    "/{environment_id}/test-wake",
    response_model=WokenView,
    summary="See whether it wakes",
    responses={
        202: {"model": WokenView, "description": "It waits, and is tried as soon as can be"}
    },
)
def try_waking_environment(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_WAKE)],
    environment_id: str,
    body: TryEntry,
    repeatable: Once,
    if_match: IfMatch = None,
) -> Response:
    """It is woken and falls asleep again; its wakes say how long it took. An order to sleep goes
    on. `If-Match` may be left out.
    """
    return _order(
        caller,
        environment_id,
        body.reason,
        repeatable,
        if_match,
        lambda tx: caller.services.trials.ask(
            tx, environment_id, actor=caller.principal.user_id, why=body.reason
        ),
    )


def _order(
    caller: Caller,
    environment_id: str,
    reason: str,
    repeatable: Once,
    if_match: str | None,
    give: Callable[[Connection], Outcome],
) -> Response:
    def work(tx: Connection) -> Answer:
        environment = caller.services.environments.get(tx, environment_id)
        caller.require(environment.department_id)
        if if_match is not None:
            expect(if_match, etag(environment.version))
        outcome = give(tx)
        after = outcome.environment
        caller.record(
            tx,
            caller.action,
            object_kind="environment",
            object_id=environment_id,
            department_id=environment.department_id,
            # Not every order leaves a decision: one to sleep on changes nothing, and is kept here.
            detail={
                "before": dict(environment.target),
                "after": dict(after.target),
                "reason": reason,
            },
        )
        tag = {"ETag": etag(after.version)}
        if caller.action is not Action.ENVIRONMENT_WAKE:
            return Answer(200, EnvironmentView.of(after), tag)
        waits = WaitView.of_turn(outcome.turn)
        view = WokenView(**dict(EnvironmentView.of(after)), waits=waits)
        return Answer(202 if waits else 200, view, tag)

    return repeatable.once(caller, work)
