"""Departments: list, get, create, and add a dated version."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field, StrictBool
from starlette.responses import Response

from cloudmgr.api.etag import Answer, IfMatch, IfNoneMatch, etag, expect, seen
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.idempotency import Once
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.values import Code, Entry, Id, Moment, Name, View, example
from cloudmgr.departments.department import Department, DepartmentVersion
from cloudmgr.identity.access import Action

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(prefix="/api/v1/departments", tags=["departments"])

_VERSION: dict[str, Any] = {
    "valid_from": "2026-01-01T00:00:00+08:00",
    "name_zh": "教育委员会",
    "name_en": "Education Commission",
    "billing_account_id": "acc_5f0c1d2e3a4b5c6d",
    "active": True,
}
_KNOWN: dict[str, Any] = {
    "id": "dep_0123456789abcdef",
    "code": "education",
    "created_at": "2026-01-01T00:00:00Z",
    "version": 1,
    "current": {**_VERSION, "valid_from": "2025-12-31T16:00:00Z"},
    "versions": [{**_VERSION, "valid_from": "2025-12-31T16:00:00Z"}],
}


class NewDepartmentVersion(Entry):
    """What a department is to be from a moment on."""

    model_config = example(**_VERSION)

    valid_from: Moment | None = Field(
        default=None, description="From when on; now or later; now if it is left out."
    )
    name_zh: Name
    name_en: Name
    billing_account_id: Id
    active: StrictBool = True


class NewDepartment(Entry):
    """A department to be made, with its first version, which may begin in the past."""

    model_config = example(
        code="education",
        name_zh="教育委员会",
        name_en="Education Commission",
        billing_account_id="acc_5f0c1d2e3a4b5c6d",
    )

    code: Code
    name_zh: Name
    name_en: Name
    billing_account_id: Id
    valid_from: Moment | None = Field(
        default=None, description="From when on it exists; now if it is left out."
    )


class DepartmentVersionView(View):
    """What a department is from `valid_from` until the next version begins."""

    model_config = example(**_VERSION)

    valid_from: datetime
    name_zh: str
    name_en: str
    billing_account_id: str
    active: bool


class DepartmentView(View):
    """A department and all that it was and will be."""

    model_config = example(**_KNOWN)

    id: str
    code: str
    created_at: datetime
    version: int
    current: DepartmentVersionView | None = Field(
        description="The version in force now; null before the first begins."
    )
    versions: tuple[DepartmentVersionView, ...]


@router.get("", response_model=Page[DepartmentView], summary="List departments")
def list_departments(
    caller: Annotated[Caller, Access(Action.DEPARTMENT_READ)],
    paging: Paged,
    code: Annotated[Code | None, Query(description="The one with this code.")] = None,
) -> Page[DepartmentView]:
    """By code. A department sees itself."""
    services = caller.services
    held_to = caller.confine()
    with services.database.read() as tx:
        rows = services.departments.list(
            tx,
            department_id=held_to,
            code=code,
            after=paging.after("departments"),
            limit=paging.fetch,
        )
    now = services.clock.now()
    return paging.page("departments", rows, lambda d: d.code, lambda d: _view(d, now))


@router.get("/{department_id}", response_model=DepartmentView, summary="Get a department")
def get_department(
    caller: Annotated[Caller, Access(Action.DEPARTMENT_READ)],
    department_id: str,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """With every version of it."""
    services = caller.services
    with services.database.read() as tx:
        department = services.departments.get(tx, department_id)
    caller.require(department.id)
    now = services.clock.now()
    return seen(_view(department, now), _etag(department, now), if_none_match)


@router.post("", status_code=201, response_model=DepartmentView, summary="Create a department")
def create_department(
    caller: Annotated[Caller, Access(Action.DEPARTMENT_WRITE)],
    body: NewDepartment,
    repeatable: Once,
) -> Response:
    """Its code is for ever; all else can change from some day on."""

    def work(tx: Connection) -> Answer:
        services = caller.services
        now = services.clock.now()
        department = Department(
            id=f"dep_{uuid.uuid4().hex[:16]}",
            code=body.code,
            created_at=now,
            versions=(
                DepartmentVersion(
                    body.valid_from or now, body.name_zh, body.name_en, body.billing_account_id
                ),
            ),
        )
        services.departments.create(tx, department)
        caller.record(
            tx,
            "department.create",
            object_kind="department",
            object_id=department.id,
            department_id=department.id,
            detail={"code": department.code},
        )
        return Answer(
            201,
            _view(department, now),
            {"Location": f"{router.prefix}/{department.id}", "ETag": _etag(department, now)},
        )

    return repeatable.once(caller, work)


@router.post(
    "/{department_id}/versions",
    status_code=201,
    response_model=DepartmentView,
    summary="Say what a department will be",
)
def add_department_version(
    caller: Annotated[Caller, Access(Action.DEPARTMENT_WRITE)],
    department_id: str,
    body: NewDepartmentVersion,
    repeatable: Once,
    if_match: IfMatch = None,
) -> Response:
    """A new name, another payer, or the end (`active: false`), from a moment on."""

    def work(tx: Connection) -> Answer:
        services = caller.services
        now = services.clock.now()
        department = services.departments.get(tx, department_id)
        caller.require(department.id)
        expect(if_match, _etag(department, now))
        version = DepartmentVersion(
            body.valid_from or now, body.name_zh, body.name_en, body.billing_account_id, body.active
        )
        after = services.departments.add_version(tx, department, version, now)
        caller.record(
            tx,
            "department.revise",
            object_kind="department",
            object_id=after.id,
            department_id=after.id,
            detail={
                "valid_from": version.valid_from.isoformat(),
                "name_zh": version.name_zh,
                "name_en": version.name_en,
                "billing_account_id": version.billing_account_id,
                "active": version.active,
            },
        )
        return Answer(
            201,
            _view(after, now),
            {"Location": f"{router.prefix}/{after.id}", "ETag": _etag(after, now)},
        )

    return repeatable.once(caller, work)


def _etag(department: Department, now: datetime) -> str:
    # Which version holds changes with time alone, and with it what is shown.
    current = department.in_force(now)
    return etag(department.version, department.versions.index(current) if current else "none")


def _view(department: Department, now: datetime) -> DepartmentView:
    current = department.in_force(now)
    return DepartmentView(
        id=department.id,
        code=department.code,
        created_at=department.created_at,
        version=department.version,
        current=_version_view(current) if current else None,
        versions=tuple(map(_version_view, department.versions)),
    )


def _version_view(version: DepartmentVersion) -> DepartmentVersionView:
    return DepartmentVersionView(
        valid_from=version.valid_from,
        name_zh=version.name_zh,
        name_en=version.name_en,
        billing_account_id=version.billing_account_id,
        active=version.active,
    )
