"""Users: list, get, create, and change what they are."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BeforeValidator, Field, StrictBool
from starlette.responses import Response

from cloudmgr.api.etag import Answer, IfMatch, IfNoneMatch, etag, expect, seen
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.idempotency import Once
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.values import Email, Entry, Id, Login, Name, Password, View, distinct, example
from cloudmgr.errors import Forbidden, Invalid, NotFound
from cloudmgr.identity.access import Action
from cloudmgr.identity.user import Locale, Role, User

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.api.services import Services

router = APIRouter(prefix="/api/v1/users", tags=["users"])

_GIVEN: dict[str, Any] = {
    "login": "li.wei",
    "name": "李伟",
    "roles": ["department-officer"],
    "department_id": "dep_0123456789abcdef",
    "locale": "zh-CN",
    "email": "li.wei@example.gov.cn",
}
Roles = Annotated[
    frozenset[Role],
    BeforeValidator(distinct),
    Field(min_length=1, max_length=len(Role)),
]


class NewUser(Entry):
    """A person who is to use the control plane."""

    model_config = example(**_GIVEN)

    login: Login
    name: Name
    roles: Roles
    department_id: Id | None = Field(default=None, description="Null for the city's own staff.")
    locale: Locale = Locale.ZH_CN
    email: Email = Field(default="", description="Where notices are mailed to; empty for nowhere.")
    password: Password | None = Field(
        default=None, description="For the portal; without one, this user only has tokens."
    )


class UserChange(Entry):
    """What is to change; what is left out, or null, stays."""

    model_config = example(roles=["department-officer", "approver"])

    name: Name | None = None
    roles: Roles | None = None
    department_id: Id | None = Field(
        default=None, description="The one exception: null says that it is the city's own staff."
    )
    locale: Locale | None = None
    email: Email | None = Field(default=None, description="Empty for no mail from now on.")
    active: StrictBool | None = None
    password: Password | None = Field(default=None, description="Ends the user's sessions.")


class UserView(View):
    """A person."""

    model_config = example(
        id="usr_0123456789abcdef",
        active=True,
        version=1,
        created_at="2026-01-01T00:00:00Z",
        **_GIVEN,
    )

    id: str
    login: str
    name: str
    roles: tuple[Role, ...]
    department_id: str | None
    locale: Locale
    email: str
    active: bool
    created_at: datetime
    version: int


def user_view(user: User) -> UserView:
    """What is shown of a user."""
    return UserView(
        id=user.id,
        login=user.login,
        name=user.name,
        roles=tuple(sorted(user.roles)),
        department_id=user.department_id,
        locale=user.locale,
        email=user.email,
        active=user.active,
        created_at=user.created_at,
        version=user.version,
    )


@router.get("", response_model=Page[UserView], summary="List users")
def list_users(
    caller: Annotated[Caller, Access(Action.USER_READ)],
    paging: Paged,
    department_id: Annotated[Id | None, Query(description="Those of this department.")] = None,
) -> Page[UserView]:
    """By login."""
    services = caller.services
    held_to = caller.confine(department_id)
    with services.database.read() as tx:
        rows = services.users.list(
            tx, department_id=held_to, after=paging.after("users"), limit=paging.fetch
        )
    return paging.page("users", rows, lambda u: u.login, user_view)


@router.get("/{user_id}", response_model=UserView, summary="Get a user")
def get_user(
    caller: Annotated[Caller, Access(Action.USER_READ)],
    user_id: str,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Anybody who may see users; oneself is at `/me`."""
    with caller.services.database.read() as tx:
        user = caller.services.users.get(tx, user_id)
    caller.require(user.department_id)
    return seen(user_view(user), etag(user.version), if_none_match)


@router.post("", status_code=201, response_model=UserView, summary="Create a user")
def create_user(
    caller: Annotated[Caller, Access(Action.USER_WRITE)], body: NewUser, repeatable: Once
) -> Response:
    """The login is for ever."""
    services = caller.services
    # Slow on purpose, hence before the transaction.
    kept = services.authenticator.hashed(body.password) if body.password else None

    def work(tx: Connection) -> Answer:
        _check_department(services, tx, body.department_id)
        user = User(
            id=f"usr_{uuid.uuid4().hex[:16]}",
            login=body.login,
            name=body.name,
            roles=body.roles,
            department_id=body.department_id,
            locale=body.locale,
            email=body.email,
            created_at=services.clock.now(),
        )
        services.users.create(tx, user, kept)
        caller.record(
            tx,
            "user.create",
            object_kind="user",
            object_id=user.id,
            department_id=user.department_id,
            detail={"login": user.login, "roles": sorted(user.roles)},
        )
        return Answer(
            201,
            user_view(user),
            {"Location": f"{router.prefix}/{user.id}", "ETag": etag(user.version)},
        )

    return repeatable.once(caller, work)


@router.patch("/{user_id}", response_model=UserView, summary="Change a user")
def change_user(
    caller: Annotated[Caller, Access(Action.USER_WRITE)],
    user_id: str,
    body: UserChange,
    if_match: IfMatch = None,
) -> Response:
    """Roles, department, name, language, mail, password, or whether one may come in at all.

    Nobody changes one's own roles, department or activity: that takes a second administrator.
    """
    services = caller.services
    kept = services.authenticator.hashed(body.password) if body.password else None
    with services.database.write() as tx:
        before = services.users.get(tx, user_id)
        caller.require(before.department_id)
        expect(if_match, etag(before.version))
        wanted = _changed(before, body)
        if before.id == caller.principal.user_id and _rights(wanted) != _rights(before):
            raise Forbidden(
                "nobody changes one's own roles, department or activity",
                code="own-rights",
                hint="ask another administrator",
            )
        _check_department(services, tx, wanted.department_id)
        after = services.users.change(tx, before, wanted)
        if kept is not None:
            services.users.set_password_hash(tx, after.id, kept)
        if kept is not None or not after.active:
            services.tokens.revoke_sessions(tx, after.id, services.clock.now())
        caller.record(
            tx,
            "user.change",
            object_kind="user",
            object_id=after.id,
            department_id=after.department_id,
            detail=_difference(before, after, body),
        )
    return Answer(200, user_view(after), {"ETag": etag(after.version)}).response()


def _changed(user: User, body: UserChange) -> User:
    department_id = (
        body.department_id if "department_id" in body.model_fields_set else user.department_id
    )
    return replace(
        user,
        name=body.name or user.name,
        roles=body.roles or user.roles,
        department_id=department_id,
        locale=body.locale or user.locale,
        email=user.email if body.email is None else body.email,
        active=user.active if body.active is None else body.active,
    )


def _rights(user: User) -> tuple[object, ...]:
    return user.roles, user.department_id, user.active


def _difference(before: User, after: User, body: UserChange) -> dict[str, object]:
    """What became of what, for the trail; of a password only that there is a new one."""
    old, new = user_view(before).model_dump(mode="json"), user_view(after).model_dump(mode="json")
    changed: dict[str, object] = {
        name: {"from": old[name], "to": new[name]}
        for name in new
        if name != "version" and new[name] != old[name]
    }
    if body.password:
        changed["password"] = {"changed": True}
    return changed


def _check_department(services: Services, tx: Connection, department_id: str | None) -> None:
    if department_id is None:
        return
    try:
        services.departments.get(tx, department_id)
    except NotFound as error:
        raise Invalid(error.message, code=error.code, path="department_id") from error
