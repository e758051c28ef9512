"""Shared services: what components may be bound to, and who is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.shared_services import Standing, standings
from cloudmgr.hosting.bindings import label
from cloudmgr.identity.access import Action
from cloudmgr.portal import words
from cloudmgr.portal.listing import Column, Empty, Filter, Listing, choices
from cloudmgr.portal.names import Names
from cloudmgr.portal.pages.systems import Text
from cloudmgr.portal.view import View

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(include_in_schema=False)

Reading = Annotated[Caller, Access(Action.ENVIRONMENT_READ)]


def _listing(view: View, tx: Connection, caller: Caller, zone: str, q: str) -> Listing[Standing]:
    names = Names(view, tx)
    text = q.casefold()
    rows = [
        one
        for one in standings(caller, tx)
        if zone in {"", one.service.zone}
        and text in f"{one.service.name} {one.service.zh} {one.service.en}".casefold()
    ]

    def where(one: Standing) -> str:
        service = one.service
        if service.environment:
            return view._(
                "hosted here: %(component)s of %(environment)s",
                component=service.component,
                environment=service.environment,
            )
        return f"{service.host}:{service.port}"

    def bound(one: Standing) -> Markup:
        return Markup("<br>").join(
            view.link(f"/environments/{e.id}", names.environment(e.id)) for e in one.bound
        )

    columns: list[Column[Standing]] = [
        Column("title", view._("Service"), lambda s: view.pick(s.service.zh, s.service.en)),
        Column("name", view._("Called"), lambda s: s.service.name),
        Column("zone", view._("Zone"), lambda s: view.word(words.ZONES, s.service.zone)),
        Column(
            "departments",
            view._("For"),
            lambda s: (
                view._("every department")
                if s.departments is None
                else view._(", ").join(s.departments)
            ),
        ),
        Column("where", view._("Where it is"), where),
        Column(
            "state",
            view._("State"),
            lambda s: view.sentence(s.absent) if s.absent else view._("can be used"),
        ),
        Column(
            "bound",
            view._("Used by"),
            bound,
            lambda s: " ".join(label(e) for e in s.bound),
            sortable=False,
        ),
    ]
    return Listing(
        view,
        view._("Shared services"),
        columns,
        rows,
        Empty(
            view._("There is no shared service yet"),
            view._("Those that the policies name, and your department may use, appear here."),
        ),
        filters=[
            Filter("q", view._("Called"), value=q, kind="search"),
            Filter("zone", view._("Zone"), choices(words.ZONES, view), zone),
        ],
        sort="title",
        csv_address="/services.csv",
    )


@router.get("/services")
def show_shared_services(
    request: Request, caller: Reading, zone: Text = "", q: Text = ""
) -> Response:
    """The list."""
    view = View(request, caller)
    with caller.services.database.read() as tx:
        return view.page(
            "list.html",
            title=view._("Shared services"),
            listing=_listing(view, tx, caller, zone, q),
            verbs=[],
            lead=view._(
                "What components may be bound to. They are told where it is, and a closed network "
                "opens to it and to nothing else."
            ),
        )


@router.get("/services.csv")
def export_shared_services(
    request: Request, caller: Reading, zone: Text = "", q: Text = ""
) -> Response:
    """The list as CSV."""
    with caller.services.database.read() as tx:
        return _listing(View(request, caller), tx, caller, zone, q).csv("services")
