"""What others changed of an environment in its pool: seen beforehand, and put right on demand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter
from pydantic import ConfigDict
from starlette.responses import Response

from cloudmgr.api.etag import Answer, etag
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.idempotency import Once
from cloudmgr.api.routes.environments import EnvironmentView
from cloudmgr.api.values import Entry, Reason, View
from cloudmgr.errors import Conflict, NotFound
from cloudmgr.hosting.environments import without_value
from cloudmgr.hosting.workload import workload
from cloudmgr.identity.access import Action
from cloudmgr.pools.drivers.besides import Previewing

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.pools.drivers.besides import Change
    from cloudmgr.pools.drivers.driver import Driver

router = APIRouter(prefix="/api/v1/environments", tags=["environments"])


_EXAMPLE: dict[str, Any] = {
    "what": "Deployment web",
    "path": "spec.template.spec.containers[name=web].image",
    "before": '"registry.gov/tax:latest"',
    "after": '"registry.gov/tax:2.4.1"',
}


class ChangeView(View):
    """One field; `path` is empty where the thing itself comes or goes. JSON, empty for nothing."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    what: str
    path: str
    before: str
    after: str

    @classmethod
    def of(cls, change: Change) -> Self:
        return cls(what=change.what, path=change.path, before=change.before, after=change.after)


class ChangesView(View):
    """What would change."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"changes": [_EXAMPLE]}]})

    changes: list[ChangeView]


class CorrectEntry(Entry):
    """Put right what others changed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "恢复批准的配置"}]})

    reason: Reason


@router.get(
    "/{environment_id}/changes", response_model=ChangesView, summary="See what would be put right"
)
def list_changes(
    caller: Annotated[Caller, Access(Action.POOL_WRITE)], environment_id: str
) -> ChangesView:
    """What its pool would change if it were told again what ought to run. Nothing is written."""
    environment, driver = _place(caller, environment_id)
    if not isinstance(driver, Previewing):
        raise Conflict(
            "its pool cannot tell beforehand what would change",
            code="no-preview",
            hint="a pool of processes keeps what it was told by itself: nobody else changes it",
        )
    wanted = replace(workload(environment), corrects_drift=True)
    return ChangesView(changes=[ChangeView.of(change) for change in driver.preview(wanted)])


@router.post(
    "/{environment_id}/correct", response_model=EnvironmentView, summary="Put right what drifted"
)
def correct_environment(
    caller: Annotated[Caller, Access(Action.POOL_WRITE)],
    environment_id: str,
    body: CorrectEntry,
    repeatable: Once,
) -> Response:
    """Once, also where policy leaves what others change. A success if nothing drifted."""
    put_right(caller, environment_id)

    def work(tx: Connection) -> Answer:
        after = keep(caller, tx, environment_id, body)
        return Answer(200, EnvironmentView.of(after), {"ETag": etag(after.version)})

    return repeatable.once(caller, work)


def put_right(caller: Caller, environment_id: str) -> None:
    """Tell its pool again, outside of any transaction: that must not wait for a cluster.

    Told twice it changes nothing. :raises NotFound, Conflict, Permanent, Temporary: it cannot be
        told.
    """
    environment, driver = _place(caller, environment_id)
    lacking = without_value(environment)
    if lacking:
        raise Conflict(
            f"secrets without a value: {', '.join(lacking)}",
            code="secrets-missing",
            hint="its department sets them first",
        )
    with caller.services.database.read() as tx:
        told = caller.services.secrets.told(tx, environment, workload(environment))
    driver.apply(replace(told, corrects_drift=True))


def keep(caller: Caller, tx: Connection, environment_id: str, body: CorrectEntry) -> Environment:
    """Keep on record who had it put right, and why."""
    after = caller.services.environments.get(tx, environment_id)
    caller.record(
        tx,
        "environment.correct",
        object_kind="environment",
        object_id=environment_id,
        department_id=after.department_id,
        detail={"reason": body.reason},
    )
    return after


def _place(caller: Caller, environment_id: str) -> tuple[Environment, Driver]:
    """The environment and its pool's driver.

    :raises Conflict: ``retiring``. :raises NotFound: ``no-such-environment``, ``no-driver``.
    """
    services = caller.services
    with services.database.read() as tx:
        environment = services.environments.get(tx, environment_id)
    caller.require(environment.department_id)
    if environment.retiring:
        raise Conflict("the environment is being retired", code="retiring")
    driver = services.drivers.get(environment.pool_id)
    if driver is None:
        raise NotFound("the pool of this environment has no driver here", code="no-driver")
    return environment, driver
