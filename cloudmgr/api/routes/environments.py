"""Environments: list, get, log, and what scaling decided."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from cloudmgr.api.etag import IfNoneMatch, etag, seen
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.values import Code, Id, View, example
from cloudmgr.api.workloads import COMPONENT_EXAMPLE
from cloudmgr.conditions import Condition
from cloudmgr.errors import NotFound
from cloudmgr.hosting.environments import Component, Environment, Purpose
from cloudmgr.hosting.workload import readiness, word
from cloudmgr.identity.access import Action
from cloudmgr.pools.drivers.driver import SharedService
from cloudmgr.pools.pool import Zone
from cloudmgr.scaling.orders import ScalingDecision

router = APIRouter(prefix="/api/v1/environments", tags=["environments"])


_READY: dict[str, Any] = {
    "type": "Ready",
    "status": "True",
    "reason": "AllTrue",
    "message": "",
    "observed_generation": 3,
    "since": "2026-06-30T08:00:05Z",
}
KNOWN: dict[str, Any] = {
    "id": "env_0123456789abcdef",
    "system_id": "sys_0123456789abcdef",
    "department_id": "dep_0123456789abcdef",
    "name": "prod",
    "host": "gaokao-prod.extranet.localhost",
    "zone": "extranet",
    "pool_id": "pool_local-extranet",
    "purpose": "production",
    "scaling_class": "standard",
    "components": [COMPONENT_EXAMPLE],
    "target": {"web": 1},
    "reserved": {"web": 6},
    "elastic": False,
    "services": [{"name": "sso", "host": "sso.example.gov.cn", "port": 443, "hosted": False}],
    "offers": {},
    "state": "ready",
    "ready": _READY,
    "status": {
        "observed_generation": 3,
        "conditions": [{**_READY, "type": "Available", "reason": "EnoughReady"}],
        "endpoints": [{"component": "web", "address": "127.0.0.1", "port": 20001}],
        "replicas": {"web": 1},
        "ready": {"web": 1},
    },
    "created_at": "2026-06-01T00:00:00Z",
    "generation": 3,
    "version": 9,
    "retiring": False,
}


class ConditionView(View):
    """A typed statement: True, False or Unknown since when, and why."""

    model_config = example(**_READY)

    type: str
    status: str
    reason: str
    message: str
    observed_generation: int
    since: datetime

    @classmethod
    def of(cls, condition: Condition) -> Self:
        return cls(
            type=condition.type,
            status=condition.status.value,
            reason=condition.reason,
            message=condition.message,
            observed_generation=condition.observed_generation,
            since=condition.since,
        )


class BoundServiceView(View):
    """A shared service that components are led to; of one hosted here only the pool knows where.

    A component that is bound to `x-y` is told `X_Y_HOST` and `X_Y_PORT`.
    """

    name: str
    host: str
    port: int
    hosted: bool

    @classmethod
    def of(cls, service: SharedService) -> Self:
        return cls(
            name=service.name,
            host=service.host,
            port=service.port,
            hosted=bool(service.environment_id),
        )


class StatusView(View):
    """What was seen at the last reconcile."""

    observed_generation: int
    conditions: list[ConditionView]
    endpoints: list[dict[str, str | int]]
    replicas: dict[str, int]
    ready: dict[str, int]


class EnvironmentView(View):
    """One hosted environment: what was approved, what ought to run, what is seen."""

    model_config = example(**KNOWN)

    id: str
    system_id: str
    department_id: str
    name: str
    host: str
    zone: Zone
    pool_id: str
    purpose: Purpose
    scaling_class: str
    components: list[Component]
    target: dict[str, int]
    reserved: dict[str, int]
    elastic: bool
    services: list[BoundServiceView]
    offers: dict[str, str] = Field(
        description="Shared services that it is itself, each with the component."
    )
    state: str = Field(
        description=(
            "ready, hibernated, starting, scaling, degraded, waiting (for a secret), refused "
            "or retiring"
        )
    )
    ready: ConditionView
    status: StatusView
    created_at: datetime
    generation: int
    version: int
    retiring: bool

    @classmethod
    def of(cls, environment: Environment) -> Self:
        status = environment.status
        return cls(
            id=environment.id,
            system_id=environment.system_id,
            department_id=environment.department_id,
            name=environment.name,
            host=environment.host,
            zone=environment.zone,
            pool_id=environment.pool_id,
            purpose=environment.purpose,
            scaling_class=environment.scaling_class,
            components=list(environment.components),
            target=dict(environment.target),
            reserved=dict(environment.reserved),
            elastic=environment.elastic,
            services=[BoundServiceView.of(service) for service in environment.services],
            offers=dict(environment.offers),
            state=word(environment),
            ready=ConditionView.of(readiness(environment)),
            status=StatusView(
                observed_generation=status.observed_generation,
                conditions=[ConditionView.of(c) for c in status.conditions],
                endpoints=[
                    {"component": e.component, "address": e.address, "port": e.port}
                    for e in status.endpoints
                ],
                replicas=dict(status.replicas),
                ready=dict(status.ready),
            ),
            created_at=environment.created_at,
            generation=environment.generation,
            version=environment.version,
            retiring=environment.retiring,
        )


class ScalingDecisionView(View):
    """One decision, with its explanation and the numbers that it was made of."""

    model_config = example(
        id="sdn_0123456789abcdef",
        environment_id="env_0123456789abcdef",
        component="web",
        at="2026-06-30T07:55:00Z",
        before=1,
        after=6,
        zh="6 = max(高峰期 6, 实时 3), 上限 8",
        en="6 = max(window 6, reactive 3), ceiling 8",
        terms={"window": 6, "reactive": 3, "ceiling": 8},
        actor=None,
        reason=None,
    )

    id: str
    environment_id: str
    component: str
    at: datetime
    before: int
    after: int
    zh: str
    en: str
    terms: dict[str, Any]
    actor: str | None
    reason: str | None

    @classmethod
    def of(cls, decision: ScalingDecision) -> Self:
        return cls(
            id=decision.id,
            environment_id=decision.environment_id,
            component=decision.component,
            at=decision.at,
            before=decision.before,
            after=decision.after,
            zh=decision.zh,
            en=decision.en,
            terms=dict(decision.terms),
            actor=decision.actor,
            reason=decision.reason,
        )


class LogView(View):
    """The last lines that a replica slot wrote, the oldest first."""

    model_config = example(lines=["started on 20001"])

    lines: list[str]


@router.get("", response_model=Page[EnvironmentView], summary="List environments")
def list_environments(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_READ)],
    paging: Paged,
    department_id: Annotated[Id | None, Query(description="Only this department's.")] = None,
    system_id: Annotated[Id | None, Query(description="Only of this system.")] = None,
    pool_id: Annotated[Id | None, Query(description="Only on this pool.")] = None,
    zone: Annotated[Zone | None, Query(description="Only in this zone.")] = None,
    awake: Annotated[bool | None, Query(description="Only awake, or only hibernated.")] = None,
) -> Page[EnvironmentView]:
    """By id."""
    services = caller.services
    held_to = caller.confine(department_id)
    with services.database.read() as tx:
        found = services.environments.list(
            tx,
            department_id=held_to,
            system_id=system_id,
            pool_id=pool_id,
            zone=zone,
            awake=awake,
            after=paging.after("environments"),
            limit=paging.fetch,
        )
    return paging.page("environments", found, lambda e: e.id, EnvironmentView.of)


@router.get("/{environment_id}", response_model=EnvironmentView, summary="Get an environment")
def get_environment(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_READ)],
    environment_id: str,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """What was approved, what ought to run, and what is seen."""
    with caller.services.database.read() as tx:
        environment = caller.services.environments.get(tx, environment_id)
    caller.require(environment.department_id)
    return seen(EnvironmentView.of(environment), etag(environment.version), if_none_match)


@router.get(
    "/{environment_id}/decisions",
    response_model=Page[ScalingDecisionView],
    summary="What scaling decided, and why",
)
def list_scaling_decisions(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_READ)],
    environment_id: str,
    paging: Paged,
) -> Page[ScalingDecisionView]:
    """The newest first."""
    services = caller.services
    with services.database.read() as tx:
        caller.require(services.environments.get(tx, environment_id).department_id)
        found = services.scaling_store.decisions(
            tx,
            environment_ids=[environment_id],
            after=paging.after("decisions"),
            limit=paging.fetch,
        )
    return paging.page("decisions", found, lambda d: d.id, ScalingDecisionView.of)


@router.get("/{environment_id}/log", response_model=LogView, summary="Read a replica's log")
def get_environment_log(
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_LOG)],
    environment_id: str,
    component: Annotated[Code, Query(description="Which component.")],
    slot: Annotated[int, Query(ge=0, le=999, description="Which replica.")] = 0,
    lines: Annotated[int, Query(ge=1, le=5000, description="How many at most.")] = 100,
) -> LogView:
    """The last lines, over restarts."""
    services = caller.services
    with services.database.read() as tx:
        environment = services.environments.get(tx, environment_id)
    caller.require(environment.department_id)
    driver = services.drivers.get(environment.pool_id)
    if driver is None:
        raise NotFound("the pool of this environment has no driver here", code="no-driver")
    return LogView(lines=list(driver.log(environment_id, component, slot, lines)))
