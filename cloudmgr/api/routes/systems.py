"""Business systems: list, get, register."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field
from starlette.responses import Response

from cloudmgr.api.etag import Answer, IfNoneMatch, etag, seen
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.idempotency import Once
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.values import Code, Entry, Id, Moment, Name, Reason, View
from cloudmgr.errors import Conflict
from cloudmgr.hosting.environments import Criticality, System
from cloudmgr.identity.access import Action
from cloudmgr.pools.pool import Zone

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(prefix="/api/v1/systems", tags=["systems"])

_NEW: dict[str, Any] = {
    "department_id": "dep_0123456789abcdef",
    "code": "gaokao",
    "name_zh": "高考志愿填报系统",
    "name_en": "College entrance enrolment",
    "zone": "extranet",
    "protection_level": 2,
    "criticality": 3,
    "purpose": "志愿填报，每年六月底",
}
_KNOWN = {
    **_NEW,
    "id": "sys_0123456789abcdef",
    "created_at": "2026-01-01T00:00:00Z",
    "version": 1,
}


class NewSystem(Entry):
    """A business system of a department; asks for nothing yet."""

    model_config = ConfigDict(json_schema_extra={"examples": [_NEW]})

    department_id: Id
    code: Code
    name_zh: Name
    name_en: Name
    zone: Zone
    protection_level: Annotated[int, Field(strict=True, ge=1, le=5)]
    criticality: Annotated[int, Field(strict=True, ge=1, le=4)] = 2
    purpose: Reason


class SystemView(View):
    """One business system."""

    model_config = ConfigDict(json_schema_extra={"examples": [_KNOWN]})

    id: str
    department_id: str
    code: str
    name_zh: str
    name_en: str
    zone: Zone
    protection_level: int
    criticality: int
    purpose: str
    created_at: Moment
    version: int

    @classmethod
    def of(cls, system: System) -> Self:
        return cls(
            id=system.id,
            department_id=system.department_id,
            code=system.code,
            name_zh=system.name_zh,
            name_en=system.name_en,
            zone=system.zone,
            protection_level=system.protection_level,
            criticality=int(system.criticality),
            purpose=system.purpose,
            created_at=system.created_at,
            version=system.version,
        )


@router.get("", response_model=Page[SystemView], summary="List systems")
def list_systems(
    caller: Annotated[Caller, Access(Action.SYSTEM_READ)],
    paging: Paged,
    department_id: Annotated[Id | None, Query(description="Only this department's.")] = None,
) -> Page[SystemView]:
    """By id."""
    services = caller.services
    held_to = caller.confine(department_id)
    with services.database.read() as tx:
        found = services.systems.list(
            tx, department_id=held_to, after=paging.after("systems"), limit=paging.fetch
        )
    return paging.page("systems", found, lambda s: s.id, SystemView.of)


@router.get("/{system_id}", response_model=SystemView, summary="Get a system")
def get_system(
    caller: Annotated[Caller, Access(Action.SYSTEM_READ)],
    system_id: str,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """With its zone and protection level."""
    with caller.services.database.read() as tx:
        system = caller.services.systems.get(tx, system_id)
    caller.require(system.department_id)
    return seen(SystemView.of(system), etag(system.version), if_none_match)


@router.post("", status_code=201, response_model=SystemView, summary="Register a system")
def create_system(
    caller: Annotated[Caller, Access(Action.SYSTEM_WRITE)],
    body: NewSystem,
    repeatable: Once,
) -> Response:
    """Says what the department runs; hosting it is asked for with a request."""

    def work(tx: Connection) -> Answer:
        services = caller.services
        caller.require(body.department_id)
        now = services.clock.now()
        version = services.departments.get(tx, body.department_id).in_force(now)
        if version is None or not version.active:
            raise Conflict("the department does not exist now", code="department-ended")
        system = System(
            id=f"sys_{uuid.uuid4().hex[:16]}",
            department_id=body.department_id,
            code=body.code,
            name_zh=body.name_zh,
            name_en=body.name_en,
            zone=body.zone,
            protection_level=body.protection_level,
            criticality=Criticality(body.criticality),
            purpose=body.purpose,
            created_at=now,
        )
        services.systems.add(tx, system)
        caller.record(
            tx,
            "system.create",
            object_kind="system",
            object_id=system.id,
            department_id=system.department_id,
            detail={"code": system.code, "zone": system.zone.value},
        )
        return Answer(
            201,
            SystemView.of(system),
            {"Location": f"{router.prefix}/{system.id}", "ETag": etag(system.version)},
        )

    return repeatable.once(caller, work)
