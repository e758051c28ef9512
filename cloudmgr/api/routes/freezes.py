"""The change freeze near a peak: whether it holds, and letting changes through."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter
from pydantic import ConfigDict, Field
from starlette.responses import Response

from cloudmgr.api.etag import Answer
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.idempotency import Once
from cloudmgr.api.values import Entry, Moment, Reason, View, example
from cloudmgr.identity.access import Action

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.scaling.freeze import Freeze, Lift

router = APIRouter(prefix="/api/v1/environments", tags=["environments"])

_LIFT: dict[str, Any] = {
    "until": "2027-06-30T06:00:00Z",
    "actor": "usr_0123456789abcdef",
    "reason": "登录密钥泄露，须立即更换",
    "at": "2027-06-30T02:00:00Z",
}


class LiftView(View):
    """Changes are let through."""

    model_config = example(**_LIFT)

    until: datetime
    actor: str
    reason: str
    at: datetime


class FreezeView(View):
    """Another size, retirement and secrets are refused while it is frozen; scaling goes on."""

    model_config = example(
        frozen=False,
        since="2027-06-29T20:00:00Z",
        until="2027-06-30T11:00:00Z",
        window_id="win_0123456789abcdef",
        lift=_LIFT,
    )

    frozen: bool = Field(description="Whether changes are refused now.")
    since: datetime | None = Field(description="Null where no peak is near.")
    until: datetime | None
    window_id: str | None
    lift: LiftView | None

    @classmethod
    def of(cls, found: Freeze | None, lift: Lift | None) -> Self:
        return cls(
            frozen=found is not None and lift is None,
            since=found.since if found else None,
            until=found.until if found else None,
            window_id=found.window_id if found else None,
            lift=LiftView(until=lift.until, actor=lift.actor, reason=lift.why, at=lift.at)
            if lift
            else None,
        )


class LiftEntry(Entry):
    """Let changes through."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "登录密钥泄露，须立即更换", "until": None}]}
    )

    reason: Reason
    until: Moment | None = Field(default=None, description="The freeze's end, if left out.")


class RestoreEntry(Entry):
    """Let the freeze hold again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "已更换"}]})

    reason: Reason


@router.get(
    "/{environment_id}/freeze", response_model=FreezeView, summary="Whether changes are frozen"
)
def get_freeze(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_READ)], environment_id: str
) -> FreezeView:
    """Near a peak, as its class says, until that is over."""
    services = caller.services
    with services.database.read() as tx:
        environment = services.environments.get(tx, environment_id)
        caller.require(environment.department_id)
        return FreezeView.of(*services.freezing.of(tx, environment))


@router.post(
    "/{environment_id}/freeze/lift", response_model=FreezeView, summary="Let changes through"
)
def lift_freeze(
    caller: Annotated[Caller, Access(Action.POOL_WRITE)],
    environment_id: str,
    body: LiftEntry,
    repeatable: Once,
) -> Response:
    """By those who run the pools, with a reason, until then or until the freeze is over."""
    return repeatable.once(
        caller, lambda tx: Answer(200, lifted_by(caller, tx, environment_id, body))
    )


@router.post(
    "/{environment_id}/freeze/restore", response_model=FreezeView, summary="Freeze changes again"
)
def restore_freeze(
    caller: Annotated[Caller, Access(Action.POOL_WRITE)],
    environment_id: str,
    body: RestoreEntry,
    repeatable: Once,
) -> Response:
    """Takes back what let them through."""
    return repeatable.once(
        caller, lambda tx: Answer(200, restored_by(caller, tx, environment_id, body))
    )


def lifted_by(caller: Caller, tx: Connection, environment_id: str, body: LiftEntry) -> FreezeView:
    """:raises Conflict: ``not-frozen``. :raises Invalid: ``in-the-past``."""
    services = caller.services
    environment = services.environments.get(tx, environment_id, lock=True)
    caller.require(environment.department_id)
    made = services.freezing.lift(
        tx, environment, actor=caller.principal.user_id, why=body.reason, until=body.until
    )
    caller.record(
        tx,
        "environment.freeze-lift",
        object_kind="environment",
        object_id=environment_id,
        department_id=environment.department_id,
        detail={"reason": body.reason, "until": made.until.isoformat()},
    )
    return FreezeView.of(*services.freezing.of(tx, environment))


def restored_by(
    caller: Caller, tx: Connection, environment_id: str, body: RestoreEntry
) -> FreezeView:
    """:raises Conflict: ``not-lifted``."""
    services = caller.services
    environment = services.environments.get(tx, environment_id, lock=True)
    caller.require(environment.department_id)
    services.freezing.restore(tx, environment)
    caller.record(
        tx,
        "environment.freeze-restore",
        object_kind="environment",
        object_id=environment_id,
        department_id=environment.department_id,
        detail={"reason": body.reason},
    )
    return FreezeView.of(*services.freezing.of(tx, environment))
