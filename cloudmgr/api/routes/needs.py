"""What an environment needs: woken with it, and awake as long as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter
from pydantic import AfterValidator, ConfigDict, Field
from starlette.responses import Response

from cloudmgr.api.etag import Answer
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.idempotency import Once
from cloudmgr.api.values import Entry, Id, Reason, View, distinct, example
from cloudmgr.identity.access import Action, may

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.scaling.dependence import Around

router = APIRouter(prefix="/api/v1/environments", tags=["environments"])

_OTHER: dict[str, Any] = {
    "environment_id": "env_0123456789abcdef",
    "host": "registry-prod.extranet.localhost",
    "asleep": True,
}


class OtherView(View):
    """An environment that it needs, or that needs it."""

    model_config = example(**_OTHER)

    environment_id: str
    host: str
    asleep: bool


class NeedsView(View):
    """Who wakes with whom."""

    model_config = example(needs=[_OTHER], needed_by=[], unseen=0)

    needs: list[OtherView] = Field(description="Woken with it, and awake as long as it is.")
    needed_by: list[OtherView]
    unseen: int = Field(description="How many more there are, of departments you may not see.")

    @classmethod
    def of(cls, caller: Caller, around: Around) -> Self:
        needs, needed_by = _views(caller, around.needs), _views(caller, around.needed_by)
        shown = len(needs) + len(needed_by)
        unseen = len(around.needs) + len(around.needed_by) - shown
        return cls(needs=needs, needed_by=needed_by, unseen=unseen)


class NeedsEntry(Entry):
    """All that it needs; an empty list for nothing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"needs": ["env_0123456789abcdef"], "reason": "年报要查登记库"}]
        }
    )

    needs: Annotated[list[Id], AfterValidator(distinct), Field(max_length=100)]
    reason: Reason


@router.get("/{environment_id}/needs", response_model=NeedsView, summary="What it needs")
def get_needs(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_READ)],
    environment_id: str,
) -> NeedsView:
    """What it needs wakes with it; what needs it keeps it awake."""
    services = caller.services
    with services.database.read() as tx:
        caller.require(services.environments.get(tx, environment_id).department_id)
        return seen_around(caller, tx, environment_id)


@router.put("/{environment_id}/needs", response_model=NeedsView, summary="Say what it needs")
def set_needs(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_SCALE)],
    environment_id: str,
    body: NeedsEntry,
    repeatable: Once,
) -> Response:
    """In its own zone, and of departments that you may act for; in no circle."""

    def work(tx: Connection) -> Answer:
        put(caller, tx, environment_id, body.needs, body.reason)
        return Answer(200, seen_around(caller, tx, environment_id))

    return repeatable.once(caller, work)


def put(
    caller: Caller, tx: Connection, environment_id: str, needs: Iterable[str], reason: str
) -> Environment:
    """It needs these, of which what the caller may not see stays as it was.

    :raises NotFound, Forbidden, Invalid, Conflict: as :meth:`Dependence.need`; nothing changes.
    """
    services, wanted = caller.services, set(needs)
    environment = services.environments.get(tx, environment_id)
    caller.require(environment.department_id)
    before = services.dependence.around(tx, environment_id).needs
    needed = [one for one in before if one.id in wanted or not _seen(caller, one)]
    for key in sorted(wanted - {one.id for one in before}):
        other = services.environments.get(tx, key)
        # Whoever may not scale it may not have it kept awake either: it costs its department.
        caller.require(other.department_id, Action.ENVIRONMENT_SCALE)
        needed.append(other)
    services.dependence.need(tx, environment, needed, caller.principal.user_id)
    caller.record(
        tx,
        "environment.needs",
        object_kind="environment",
        object_id=environment_id,
        department_id=environment.department_id,
        detail={
            "before": sorted(one.id for one in before),
            "after": sorted(one.id for one in needed),
            "reason": reason,
        },
    )
    return environment


def seen_around(caller: Caller, tx: Connection, environment_id: str) -> NeedsView:
    """What of it the caller may see."""
    return NeedsView.of(caller, caller.services.dependence.around(tx, environment_id))


def _views(caller: Caller, found: Iterable[Environment]) -> list[OtherView]:
    return [
        OtherView(environment_id=one.id, host=one.host, asleep=one.hibernated)
        for one in found
        if _seen(caller, one)
    ]


def _seen(caller: Caller, environment: Environment) -> bool:
    return may(caller.principal, Action.ENVIRONMENT_READ, environment.department_id)
