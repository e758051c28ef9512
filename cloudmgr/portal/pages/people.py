"""Users: list, create, change, give a new password."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.users import NewUser, UserChange
from cloudmgr.errors import CloudmgrError, Conflict, Forbidden, Invalid, NotFound
from cloudmgr.identity.access import Action
from cloudmgr.identity.user import User
from cloudmgr.portal import words
from cloudmgr.portal.forms import Form, Posted, entry, once, seen
from cloudmgr.portal.listing import Choice, Column, Empty, Filter, Listing, choices
from cloudmgr.portal.names import Names
from cloudmgr.portal.pages.systems import Text, department_filter
from cloudmgr.portal.view import View

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(include_in_schema=False)

Reading = Annotated[Caller, Access(Action.USER_READ)]
Writing = Annotated[Caller, Access(Action.USER_WRITE)]

_LANGUAGES = (Choice("zh-CN", "中文"), Choice("en", "English"))


def _listing(
    view: View, tx: Connection, caller: Caller, department: str, role: str, q: str
) -> Listing[User]:
    names = Names(view, tx)
    rows = caller.services.users.list(tx, department_id=caller.confine(department or None))
    rows = [
        u
        for u in rows
        if (not role or role in u.roles)
        and (not q or q.casefold() in f"{u.login} {u.name}".casefold())
    ]

    def active(user: User) -> str:
        return "yes" if user.active else "no"

    columns: list[Column[User]] = [
        Column("login", view._("Login"), lambda u: view.link(f"/users/{u.id}", u.login)),
        Column("name", view._("Name"), lambda u: u.name),
        Column(
            "roles",
            view._("Roles"),
            lambda u: view._(", ").join(view.word(words.ROLES, r) for r in sorted(u.roles)),
        ),
        Column("department", view._("Department"), lambda u: names.department(u.department_id)),
        Column(
            "state",
            view._("State"),
            lambda u: view.state(words.ACTIVE, active(u)),
            lambda u: view._(words.ACTIVE[active(u)][0]),
        ),
    ]
    return Listing(
        view,
        view._("Users"),
        columns,
        rows,
        Empty(
            view._("No users yet"), view._("Users appear here once an administrator makes them.")
        ),
        filters=[
            Filter("q", view._("Name or login"), value=q, kind="search"),
            *department_filter(view, tx, department),
            Filter("role", view._("Role"), choices(words.ROLES, view), role),
        ],
        sort="login",
        csv_address="/users.csv",
    )


@router.get("/users")
def show_users(
    request: Request, caller: Reading, department: Text = "", role: Text = "", q: Text = ""
) -> Response:
    """The list."""
    view = View(request, caller)
    with caller.services.database.read() as tx:
        listing = _listing(view, tx, caller, department, role, q)
        verbs = [("/users/new", view._("Create a user"))] if view.can("user.write") else []
        return view.page(
            "list.html",
            title=view._("Users"),
            listing=listing,
            verbs=verbs,
            lead=view._("Who may do what, and for whom."),
        )


@router.get("/users.csv")
def export_users(
    request: Request, caller: Reading, department: Text = "", role: Text = "", q: Text = ""
) -> Response:
    """The list as CSV."""
    with caller.services.database.read() as tx:
        return _listing(View(request, caller), tx, caller, department, role, q).csv("users")


def _options(view: View) -> dict[str, Any]:
    with view.services.database.read() as tx:
        names = Names(view, tx)
        found = view.services.departments.list(tx)
        departments = [Choice("", view._("None: the city's own staff"))]
        departments += [Choice(d.id, names.of_department(d)) for d in found]
    return {
        "departments": departments,
        "roles": choices(words.ROLES, view),
        "languages": _LANGUAGES,
    }


@router.get("/users/new")
def show_new_user(request: Request, caller: Writing) -> Response:
    """The form."""
    view = View(request, caller)
    form = Form.of(locale="zh-CN", department_id="")
    return view.page("user_new.html", form=form, **_options(view))


@router.post("/users/new")
def create_user_from_page(request: Request, caller: Writing, form: Posted) -> Response:
    """Make the user."""
    view = View(request, caller)
    services = caller.services
    try:
        data = form.nested(services.time_zone, "login", "name", "department_id", "locale")
        data["email"] = form.get("email").strip()
        data["roles"] = form.all("roles")
        data["password"] = form.values.get("password", [""])[0] or None
        body = entry(NewUser, data)
        kept = services.authenticator.hashed(body.password) if body.password else None

        def work(tx: Connection) -> str:
            _check_department(caller, tx, body.department_id)
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
            return f"/users/{user.id}?said=user-created"

        return once(caller, form, work)
    except (Invalid, Conflict) as error:
        if isinstance(error, Conflict) and error.code != "login-taken":
            raise
        form.fields = frozenset({"roles"})
        return view.page("user_new.html", 422, form=form.blame(error), **_options(view))


@router.get("/users/{user_id}")
def show_user(request: Request, caller: Reading, user_id: str) -> Response:
    """One user."""
    view = View(request, caller)
    with caller.services.database.read() as tx:
        user = caller.services.users.get(tx, user_id)
        caller.require(user.department_id)
    return _user_page(view, user, _form_of(user))


def _form_of(user: User) -> Form:
    return Form.of(
        name=user.name,
        roles=sorted(user.roles),
        department_id=user.department_id or "",
        locale=user.locale.value,
        email=user.email,
        active="yes" if user.active else None,
    )


def _user_page(view: View, user: User, form: Form, status: int = 200) -> Response:
    with view.services.database.read() as tx:
        department = Names(view, tx).department(user.department_id)
    return view.page(
        "user.html", status, user=user, form=form, department=department, **_options(view)
    )


@router.post("/users/{user_id}")
def change_user_from_page(
    request: Request, caller: Writing, user_id: str, form: Posted
) -> Response:
    """Roles, department, name, language, password, or whether one may come in at all."""
    view = View(request, caller)
    services = caller.services
    with services.database.read() as tx:
        user = services.users.get(tx, user_id)
        caller.require(user.department_id)
    try:
        data = form.nested(services.time_zone, "name", "locale")
        data["email"] = form.get("email").strip()
        data["roles"] = form.all("roles")
        data["department_id"] = form.get("department_id") or None
        data["active"] = form.get("active") == "yes"
        data["password"] = form.values.get("password", [""])[0] or None
        body = entry(UserChange, data)
        kept = services.authenticator.hashed(body.password) if body.password else None
        return once(caller, form, lambda tx: _change(tx, caller, user_id, form, body, kept))
    except (Invalid, Forbidden) as error:
        form.fields = frozenset({"roles"})
        return _user_page(view, user, form.blame(error), _status(error))


def _change(
    tx: Connection, caller: Caller, user_id: str, form: Form, body: UserChange, kept: str | None
) -> str:
    services = caller.services
    before = services.users.get(tx, user_id)
    caller.require(before.department_id)
    seen(form, before.version)
    wanted = replace(
        before,
        name=body.name or before.name,
        roles=body.roles or before.roles,
        department_id=body.department_id,
        locale=body.locale or before.locale,
        email=body.email or "",
        active=bool(body.active),
    )
    if before.id == caller.principal.user_id and _rights(wanted) != _rights(before):
        raise Forbidden(
            "nobody changes one's own roles, department or activity",
            code="own-rights",
            hint="ask another administrator",
        )
    _check_department(caller, tx, wanted.department_id)
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
        detail=_difference(before, after, kept),
    )
    return f"/users/{user_id}?said=user-changed"


def _status(error: CloudmgrError) -> int:
    return 403 if isinstance(error, Forbidden) else 422


def _rights(user: User) -> tuple[object, ...]:
    return user.roles, user.department_id, user.active


def _difference(before: User, after: User, kept: str | None) -> dict[str, object]:
    changed: dict[str, object] = {}
    for name in ("name", "roles", "department_id", "locale", "email", "active"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            changed[name] = {"from": _plain(old), "to": _plain(new)}
    if kept is not None:
        changed["password"] = {"changed": True}
    return changed


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else value


def _check_department(caller: Caller, tx: Connection, department_id: str | None) -> None:
    if department_id is None:
        return
    try:
        caller.services.departments.get(tx, department_id)
    except NotFound as error:
        raise Invalid(error.message, code=error.code, path="department_id") from error
