"""Promises of capacity: would a peak fit, booking one without a request, and those at risk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from cloudmgr.api.etag import Answer, etag
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.idempotency import Once
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.promised import PROMISE_EXAMPLE, PromiseView
from cloudmgr.api.routes.windows import WindowView
from cloudmgr.api.values import Id, Remark, View, example
from cloudmgr.api.workloads import WINDOW_EXAMPLE, WindowEntry
from cloudmgr.errors import CloudmgrError, Invalid
from cloudmgr.hosting.environments import Criticality
from cloudmgr.identity.access import Action
from cloudmgr.planning.placement import UNREACHABLE
from cloudmgr.planning.promise_words import DOES_NOT_FIT
from cloudmgr.scaling.windows import checked

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.hosting.requests import WindowAsk
    from cloudmgr.planning.holders import Promise
    from cloudmgr.planning.promise_words import PoolRisk

router = APIRouter(prefix="/api/v1/windows", tags=["windows"])

_ASKED: dict[str, Any] = {"environment_id": "env_0123456789abcdef", **WINDOW_EXAMPLE}


class PeakAsked(WindowEntry):
    """A peak of an environment."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ASKED]})

    environment_id: Id


class Booking(PeakAsked):
    """A peak that is promised without a request."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_ASKED, "reason": "应急演练，市政府要求"}]}
    )

    force: StrictBool = Field(default=False, description="Though it does not fit; with a reason.")
    reason: Remark = ""

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.force and not self.reason:
            raise PydanticCustomError("reason", "say why it is promised though it may not fit")
        return self


class AtRiskView(View):
    """A promise that cannot be kept with what its pool has now, and what would do instead."""

    model_config = example(
        window_id="win_0123456789abcdef",
        environment_id="env_0123456789abcdef",
        department_id="dep_0123456789abcdef",
        criticality=2,
        system_code="gaokao",
        system_zh="高考志愿填报",
        system_en="Exam enrolment",
        promise=PROMISE_EXAMPLE,
    )

    window_id: str
    environment_id: str
    department_id: str
    criticality: int
    system_code: str
    system_zh: str
    system_en: str
    promise: PromiseView

    @classmethod
    def of(cls, pool: PoolRisk, promise: Promise, now: datetime) -> Self:
        holder = pool.holder(promise)
        return cls(
            window_id=promise.id,
            environment_id=promise.environment_id,
            department_id=holder.department_id,
            criticality=int(holder.criticality),
            system_code=holder.system_code,
            system_zh=holder.system_zh,
            system_en=holder.system_en,
            promise=PromiseView.of(pool.told(promise, now)),
        )


def at_risk(
    caller: Caller, tx: Connection, department_id: str | None, pool_id: str | None = None
) -> list[tuple[PoolRisk, Promise]]:
    """The least critical first, over pools by their name; only of ``department_id`` if given.

    :raises NotFound: ``no-such-pool``.
    """
    services = caller.services
    pools = services.pools.list(tx) if pool_id is None else [services.pools.get(tx, pool_id)]
    found = [
        (risk, promise)
        for risk in (services.promises.at_risk(tx, pool) for pool in pools)
        for promise in risk.lost
        if department_id in {None, risk.holder(promise).department_id}
    ]
    return sorted(found, key=lambda one: one[0].holder(one[1]).criticality)


@router.get("/at-risk", response_model=Page[AtRiskView], summary="List promises at risk")
def list_windows_at_risk(
    caller: Annotated[Caller, Access(Action.WINDOW_READ)],
    paging: Paged,
    department_id: Annotated[Id | None, Query(description="Only this department's.")] = None,
    pool_id: Annotated[Id | None, Query(description="Only of this pool.")] = None,
    criticality: Annotated[
        int | None, Query(ge=1, le=4, description="Only of systems this critical.")
    ] = None,
) -> Page[AtRiskView]:
    """Peaks ahead that their pool has lost the hosts for. The least critical are at risk first.

    A pool that does not answer is left out: nobody can tell.
    """
    services = caller.services
    now = services.clock.now()
    held_to = caller.confine(department_id)
    after = paging.after("windows-at-risk")
    with services.database.read() as tx:
        found = at_risk(caller, tx, held_to, pool_id)
    if criticality is not None:
        wanted = Criticality(criticality)
        found = [one for one in found if one[0].holder(one[1]).criticality is wanted]
    ids = [promise.id for _, promise in found]
    start = ids.index(after) + 1 if after in ids else 0
    return paging.page(
        "windows-at-risk",
        found[start : start + paging.fetch],
        lambda one: one[1].id,
        lambda one: AtRiskView.of(*one, now),
    )


@router.post("/check", response_model=PromiseView, summary="Would a peak fit")
def check_window(
    caller: Annotated[Caller, Access(Action.WINDOW_READ)], body: PeakAsked
) -> PromiseView:
    """Whether its pool can promise it, beside all that it has promised. Nothing is written."""
    services = caller.services
    with services.database.read() as tx:
        environment = services.environments.get(tx, body.environment_id)
        caller.require(environment.department_id)
        ask = sized(caller, tx, environment, body)
        (told,) = services.promises.ask(tx, environment, [ask])
    return PromiseView.of(told, ask)


@router.post("", status_code=201, response_model=WindowView, summary="Book a peak")
def book_window(
    caller: Annotated[Caller, Access(Action.WINDOW_BOOK)], body: Booking, repeatable: Once
) -> Response:
    """Without a request, by those who run the pools. `force` promises what does not fit."""

    def work(tx: Connection) -> Answer:
        window_id = book(caller, tx, body)
        window = caller.services.windows.get(tx, window_id)
        return Answer(
            201,
            WindowView.of(window),
            {"Location": f"{router.prefix}/{window.id}", "ETag": etag(window.version)},
        )

    return repeatable.once(caller, work)


def book(caller: Caller, tx: Connection, body: Booking) -> str:
    """Promise it, and keep who did and why; gives the window's id.

    :raises Conflict: ``promise-does-not-fit``, ``retiring``. :raises Temporary:
        ``pool-unreachable``. :raises Invalid: ``invalid-window``.
    """
    services = caller.services
    environment = services.environments.get(tx, body.environment_id)
    caller.require(environment.department_id)
    ask = sized(caller, tx, environment, body)
    # In this order, which scaling keeps too.
    services.scaling.hold(tx, environment.id)
    against = _against(caller, tx, environment, body, ask)
    window = services.scaling.book(tx, environment.id, ask, actor=caller.principal.user_id)
    caller.record(
        tx,
        "window.book",
        object_kind="window",
        object_id=window.id,
        department_id=environment.department_id,
        detail={"reason": body.reason, "force": body.force, "against": against},
    )
    return window.id


def sized(caller: Caller, tx: Connection, environment: Environment, body: PeakAsked) -> WindowAsk:
    """What is asked for, with its replicas, and sound.

    :raises Invalid: ``invalid-window``, ``invalid-expectation``, ``nothing-measured``,
        ``above-the-ceiling``.
    """
    try:
        (ask,) = caller.services.sizing.of(tx, environment, [body.ask()])
    except Invalid as error:
        raise Invalid(
            error.message,
            code=error.code,
            path=error.path.removeprefix("windows[0]."),
            hint=error.hint,
            problems=tuple((p.removeprefix("windows[0]."), s) for p, s in error.problems),
        ) from None
    checked(ask, environment.components, caller.services.clock.now())
    return ask


def _against(
    caller: Caller, tx: Connection, environment: Environment, body: Booking, ask: WindowAsk
) -> str:
    """What speaks against it and was overruled; empty if nothing does."""
    try:
        caller.services.promises.check(tx, environment, [ask])
    except CloudmgrError as error:
        if body.force and error.code in {DOES_NOT_FIT, UNREACHABLE}:
            return error.message
        raise
    return ""
