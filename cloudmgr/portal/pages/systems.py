"""Business systems: list, register, one of them with its environments."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.systems import NewSystem
from cloudmgr.errors import Conflict, Invalid
from cloudmgr.hosting.environments import Criticality, System
from cloudmgr.hosting.workload import word
from cloudmgr.identity.access import Action, confine
from cloudmgr.portal import words
from cloudmgr.portal.forms import Form, Posted, entry, once
from cloudmgr.portal.listing import Choice, Column, Empty, Filter, Listing, choices
from cloudmgr.portal.names import Names
from cloudmgr.portal.view import View

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Query(max_length=200)]


def departments(view: View, tx: Connection, action: Action) -> tuple[Choice, ...]:
    """The departments that the reader may do ``action`` for, to choose from."""
    names = Names(view, tx)
    assert view.caller is not None  # noqa: S101 - asked on pages behind the gate
    held_to = confine(view.caller.principal, action)
    found = view.services.departments.list(tx, department_id=held_to)
    return tuple(Choice(d.id, names.of_department(d)) for d in found)


def _listing(view: View, tx: Connection, department: str, zone: str, text: str) -> Listing[System]:
    assert view.caller is not None  # noqa: S101
    names = Names(view, tx)
    rows = view.services.systems.list(tx, department_id=view.caller.confine(department or None))
    rows = [
        s
        for s in rows
        if (not zone or s.zone.value == zone)
        and (not text or text.casefold() in f"{s.code} {s.name_zh} {s.name_en}".casefold())
    ]
    return Listing(
        view,
        view._("Systems"),
        [
            Column(
                "name",
                view._("System"),
                lambda s: view.link(f"/systems/{s.id}", view.pick(s.name_zh, s.name_en)),
            ),
            Column("code", view._("Code"), lambda s: s.code),
            Column("department", view._("Department"), lambda s: names.department(s.department_id)),
            Column("zone", view._("Zone"), lambda s: view.word(words.ZONES, s.zone.value)),
            Column("level", view._("Protection level"), lambda s: s.protection_level, numeric=True),
            Column(
                "criticality",
                view._("Criticality"),
                lambda s: view.word(words.CRITICALITIES, str(int(s.criticality))),
                lambda s: int(s.criticality),
            ),
        ],
        rows,
        Empty(
            view._("No system is registered yet"),
            view._(
                "A system says what a department runs: its zone, its protection level, what "
                "it is for. Environments are asked for it."
            ),
            "/systems/new" if view.can("system.write") else "",
            view._("Register a system"),
        ),
        filters=[
            Filter("q", view._("Name or code"), value=text, kind="search"),
            *_department_filter(view, tx, department),
            Filter("zone", view._("Zone"), choices(words.ZONES, view), zone),
        ],
        sort="code",
        csv_address="/systems.csv",
    )


def _department_filter(view: View, tx: Connection, chosen: str) -> list[Filter]:
    assert view.caller is not None  # noqa: S101
    found = departments(view, tx, view.caller.action)
    if len(found) < 2:
        return []
    return [Filter("department", view._("Department"), found, chosen)]


department_filter = _department_filter


@router.get("/systems")
def show_systems(
    request: Request,
    caller: Annotated[Caller, Access(Action.SYSTEM_READ)],
    department: Text = "",
    zone: Text = "",
    q: Text = "",
) -> Response:
    """The list."""
    view = View(request, caller)
    with caller.services.database.read() as tx:
        listing = _listing(view, tx, department, zone, q)
        verbs = [("/systems/new", view._("Register a system"))] if view.can("system.write") else []
        return view.page(
            "list.html",
            title=view._("Systems"),
            listing=listing,
            verbs=verbs,
            lead=view._("What departments run. Environments host them."),
        )


@router.get("/systems.csv")
def export_systems(
    request: Request,
    caller: Annotated[Caller, Access(Action.SYSTEM_READ)],
    department: Text = "",
    zone: Text = "",
    q: Text = "",
) -> Response:
    """The list as CSV."""
    with caller.services.database.read() as tx:
        return _listing(View(request, caller), tx, department, zone, q).csv("systems")


@router.get("/systems/new")
def show_new_system(
    request: Request, caller: Annotated[Caller, Access(Action.SYSTEM_WRITE)]
) -> Response:
    """The form."""
    form = Form.of(
        department_id=caller.principal.department_id,
        zone="extranet",
        protection_level=2,
        criticality=2,
    )
    return _form(View(request, caller), form)


def _form(view: View, form: Form, status: int = 200) -> Response:
    with view.services.database.read() as tx:
        options: dict[str, Any] = {
            "departments": departments(view, tx, Action.SYSTEM_WRITE),
            "zones": choices(words.ZONES, view),
            "levels": [Choice(str(n), view._("Level %(n)s", n=n)) for n in range(1, 6)],
            "criticalities": choices(words.CRITICALITIES, view),
        }
    return view.page("system_new.html", status, form=form, **options)


@router.post("/systems/new")
def register_system(
    request: Request, caller: Annotated[Caller, Access(Action.SYSTEM_WRITE)], form: Posted
) -> Response:
    """Register it, and show it."""
    view = View(request, caller)
    services = caller.services
    try:
        body = entry(NewSystem, form.nested(services.time_zone, *NewSystem.model_fields))

        def work(tx: Connection) -> str:
            caller.require(body.department_id)
            services.departments.get(tx, body.department_id)
            system = System(
                id=f"sys_{uuid.uuid4().hex[:16]}",
                **body.model_dump(exclude={"criticality"}),
                criticality=Criticality(body.criticality),
                created_at=services.clock.now(),
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
            return f"/systems/{system.id}?said=system-registered"

        return once(caller, form, work)
    except Invalid as error:
        return _form(view, form.blame(error), 422)
    except Conflict as error:
        if error.code != "code-taken":
            raise
        return _form(view, form.blame(error), 409)


@router.get("/systems/{system_id}")
def show_system(
    request: Request, caller: Annotated[Caller, Access(Action.SYSTEM_READ)], system_id: str
) -> Response:
    """One system, and where it is hosted."""
    view = View(request, caller)
    services = caller.services
    with services.database.read() as tx:
        system = services.systems.get(tx, system_id)
        caller.require(system.department_id)
        found = services.environments.list(tx, system_id=system.id)
        names = Names(view, tx)
        return view.page(
            "system.html",
            system=system,
            names=names,
            environments=[(environment, word(environment)) for environment in found],
            requests=services.requests.list(tx, system_id=system.id, limit=10),
        )
