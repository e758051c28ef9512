"""Departments with all that they were and will be, and the billing accounts behind them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.accounts import NewBillingAccount
from cloudmgr.api.routes.departments import NewDepartment, NewDepartmentVersion
from cloudmgr.departments.department import BillingAccount, Department, DepartmentVersion
from cloudmgr.errors import Conflict, Invalid
from cloudmgr.identity.access import Action
from cloudmgr.portal import words
from cloudmgr.portal.forms import Form, Posted, entry, once, seen
from cloudmgr.portal.listing import Choice, Column, Empty, Listing
from cloudmgr.portal.view import View

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(include_in_schema=False)

Reading = Annotated[Caller, Access(Action.DEPARTMENT_READ)]
Writing = Annotated[Caller, Access(Action.DEPARTMENT_WRITE)]
ReadingAccounts = Annotated[Caller, Access(Action.ACCOUNT_READ)]
WritingAccounts = Annotated[Caller, Access(Action.ACCOUNT_WRITE)]


def _now(view: View, department: Department) -> DepartmentVersion:
    return department.in_force(view.formats.now) or department.versions[-1]


def _listing(view: View, tx: Connection, caller: Caller) -> Listing[Department]:
    def active(department: Department) -> str:
        return "yes" if _now(view, department).active else "no"

    columns: list[Column[Department]] = [
        Column(
            "name",
            view._("Department"),
            lambda d: view.link(
                f"/departments/{d.id}", view.pick(_now(view, d).name_zh, _now(view, d).name_en)
            ),
        ),
        Column("code", view._("Code"), lambda d: d.code),
        Column(
            "state",
            view._("State"),
            lambda d: view.state(words.ACTIVE, active(d)),
            lambda d: view._(words.ACTIVE[active(d)][0]),
        ),
        Column(
            "since",
            view._("As it is now since"),
            lambda d: view.formats.at(_now(view, d).valid_from),
            lambda d: _now(view, d).valid_from,
        ),
    ]
    return Listing(
        view,
        view._("Departments"),
        columns,
        caller.services.departments.list(tx, department_id=caller.confine()),
        Empty(
            view._("No department yet"),
            view._(
                "Departments ask, use and pay. Make a billing account first, then the department."
            ),
            "/departments/new" if view.can("department.write") else "",
            view._("Create a department"),
        ),
        sort="code",
        csv_address="/departments.csv",
    )


@router.get("/departments")
def show_departments(request: Request, caller: Reading) -> Response:
    """The list."""
    view = View(request, caller)
    with caller.services.database.read() as tx:
        verbs = (
            [("/departments/new", view._("Create a department"))]
            if view.can("department.write")
            else []
        )
        return view.page(
            "list.html",
            title=view._("Departments"),
            listing=_listing(view, tx, caller),
            verbs=verbs,
            lead=view._("Who asks, uses and pays."),
        )


@router.get("/departments.csv")
def export_departments(request: Request, caller: Reading) -> Response:
    """The list as CSV."""
    with caller.services.database.read() as tx:
        return _listing(View(request, caller), tx, caller).csv("departments")


def _accounts(view: View, tx: Connection) -> list[Choice]:
    found = view.services.billing_accounts.list(tx)
    return [Choice(a.id, f"{view.pick(a.name_zh, a.name_en)} ({a.currency})") for a in found]


def _new_page(view: View, form: Form, status: int = 200) -> Response:
    with view.services.database.read() as tx:
        accounts = _accounts(view, tx)
    return view.page("department_new.html", status, form=form, accounts=accounts)


@router.get("/departments/new")
def show_new_department(request: Request, caller: Writing) -> Response:
    """The form."""
    return _new_page(View(request, caller), Form())


@router.post("/departments/new")
def create_department_from_page(request: Request, caller: Writing, form: Posted) -> Response:
    """Make it."""
    view = View(request, caller)
    services = caller.services
    try:
        body = entry(NewDepartment, form.nested(services.time_zone, *NewDepartment.model_fields))

        def work(tx: Connection) -> str:
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
            return f"/departments/{department.id}?said=department-created"

        return once(caller, form, work)
    except Invalid as error:
        return _new_page(view, form.blame(error), 422)
    except Conflict as error:
        if error.code != "code-taken":
            raise
        return _new_page(view, form.blame(error), 409)


@router.get("/departments/{department_id}")
def show_department(request: Request, caller: Reading, department_id: str) -> Response:
    """One department, dated."""
    return _page(View(request, caller), caller, department_id, None)


def _page(
    view: View, caller: Caller, department_id: str, form: Form | None, status: int = 200
) -> Response:
    with caller.services.database.read() as tx:
        department = caller.services.departments.get(tx, department_id)
        caller.require(department.id, Action.DEPARTMENT_READ)
        behind = caller.services.billing_accounts.list(tx, department_id=department.id)
        accounts = _accounts(view, tx) if view.can("department.write") else []
    now = _now(view, department)
    filled = form or Form.of(
        name_zh=now.name_zh,
        name_en=now.name_en,
        billing_account_id=now.billing_account_id,
        valid_from="",
        active="yes" if now.active else None,
    )
    return view.page(
        "department.html",
        status,
        department=department,
        now=now,
        form=filled,
        accounts=accounts,
        payers={a.id: view.pick(a.name_zh, a.name_en) for a in behind},
    )


@router.post("/departments/{department_id}")
def revise_department_from_page(
    request: Request, caller: Writing, department_id: str, form: Posted
) -> Response:
    """What it will be from a moment on."""
    view = View(request, caller)
    services = caller.services
    try:
        names = ("name_zh", "name_en", "billing_account_id", "valid_from")
        data = form.nested(services.time_zone, *names)
        data["active"] = form.get("active") == "yes"
        body = entry(NewDepartmentVersion, data)

        def work(tx: Connection) -> str:
            now = services.clock.now()
            department = services.departments.get(tx, department_id)
            caller.require(department.id)
            seen(form, department.version)
            version = DepartmentVersion(
                body.valid_from or now,
                body.name_zh,
                body.name_en,
                body.billing_account_id,
                body.active,
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
            return f"/departments/{department_id}?said=department-changed"

        return once(caller, form, work)
    except Invalid as error:
        return _page(view, caller, department_id, form.blame(error), 422)
    except Conflict as error:
        if error.code != "not-the-latest":
            raise
        form.errors["valid_from"] = [error.message]
        return _page(view, caller, department_id, form, 409)


# --------------------------------------------------------------------------------------- accounts


def _account_listing(view: View, tx: Connection, caller: Caller) -> Listing[BillingAccount]:
    columns: list[Column[BillingAccount]] = [
        Column("name", view._("Billing account"), lambda a: view.pick(a.name_zh, a.name_en)),
        Column("currency", view._("Currency"), lambda a: a.currency),
        Column("id", view._("Id"), lambda a: a.id),
    ]
    return Listing(
        view,
        view._("Billing accounts"),
        columns,
        caller.services.billing_accounts.list(tx, department_id=caller.confine()),
        Empty(
            view._("No billing account yet"),
            view._("A billing account pays for one department or several."),
            "/accounts/new" if view.can("billing-account.write") else "",
            view._("Create a billing account"),
        ),
        sort="name",
        csv_address="/accounts.csv",
    )


@router.get("/accounts")
def show_accounts(request: Request, caller: ReadingAccounts) -> Response:
    """The list."""
    view = View(request, caller)
    with caller.services.database.read() as tx:
        verbs = (
            [("/accounts/new", view._("Create a billing account"))]
            if view.can("billing-account.write")
            else []
        )
        return view.page(
            "list.html",
            title=view._("Billing accounts"),
            listing=_account_listing(view, tx, caller),
            verbs=verbs,
            lead=view._("Who pays, and in which currency."),
        )


@router.get("/accounts.csv")
def export_accounts(request: Request, caller: ReadingAccounts) -> Response:
    """The list as CSV."""
    with caller.services.database.read() as tx:
        return _account_listing(View(request, caller), tx, caller).csv("billing-accounts")


@router.get("/accounts/new")
def show_new_account(request: Request, caller: WritingAccounts) -> Response:
    """The form."""
    return View(request, caller).page("account_new.html", form=Form.of(currency="CNY"))


@router.post("/accounts/new")
def create_account_from_page(request: Request, caller: WritingAccounts, form: Posted) -> Response:
    """Make it."""
    services = caller.services
    try:
        body = entry(
            NewBillingAccount, form.nested(services.time_zone, *NewBillingAccount.model_fields)
        )

        def work(tx: Connection) -> str:
            account = BillingAccount(id=f"acc_{uuid.uuid4().hex[:16]}", **body.model_dump())
            services.billing_accounts.create(tx, account)
            caller.record(
                tx,
                "billing-account.create",
                object_kind="billing-account",
                object_id=account.id,
                department_id=None,
                detail=body.model_dump(),
            )
            return "/accounts?said=account-created"

        return once(caller, form, work)
    except Invalid as error:
        return View(request, caller).page("account_new.html", 422, form=form.blame(error))
