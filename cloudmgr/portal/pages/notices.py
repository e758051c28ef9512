"""What the reader was told: the list, read or not, and what of it is mailed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.identity.access import Action
from cloudmgr.notices.notice import MEANINGS, Kind, Notice
from cloudmgr.notices.store import NoticeFilter
from cloudmgr.portal.forms import Form, Posted
from cloudmgr.portal.listing import MOST, Choice, Column, Empty, Filter, Listing
from cloudmgr.portal.names import Names
from cloudmgr.portal.notices import about, state
from cloudmgr.portal.pages.systems import Text, department_filter
from cloudmgr.portal.view import View, redirect

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(include_in_schema=False)

Reading = Annotated[Caller, Access(Action.NOTICE_READ)]
Marking = Annotated[Caller, Access(Action.NOTICE_MARK)]


def _kind(text: str) -> Kind | None:
    return Kind(text) if text in {kind.value for kind in Kind} else None


def _listing(view: View, tx: Connection, caller: Caller, query: dict[str, str]) -> Listing[Notice]:
    services, me, f = caller.services, caller.principal.user_id, view.formats
    names = Names(view, tx)
    wanted = NoticeFilter(
        department_id=caller.confine(query["department"] or None),
        kind=_kind(query["kind"]),
        unread_by=me if query["read"] == "no" else None,
    )
    rows = [notice for _, notice in services.notices.list(tx, wanted, limit=MOST)]
    read = services.notices.read_of(tx, me, [notice.id for notice in rows])
    unread = view._("unread")
    columns: list[Column[Notice]] = [
        Column("at", view._("When"), lambda n: f.at(n.at), lambda n: n.at),
        Column(
            "kind",
            view._("What"),
            lambda n: state(view, n),
            lambda n: view.pick(n.title_zh, n.title_en),
        ),
        Column(
            "words",
            view._("In words"),
            lambda n: view.link(about(n), view.pick(n.zh, n.en)),
            lambda n: view.pick(n.zh, n.en),
            sortable=False,
        ),
        Column("department", view._("Department"), lambda n: names.department(n.department_id)),
        Column("read", view._("Read"), lambda n: "" if n.id in read else unread),
    ]
    return Listing(
        view,
        view._("Notices"),
        columns,
        rows,
        Empty(
            view._("You were told nothing yet"),
            view._(
                "What is refused or approved, at risk, booked, late, missed or not ready "
                "appears here by itself."
            ),
        ),
        filters=[
            Filter(
                "kind",
                view._("What"),
                tuple(
                    Choice(kind.value, view.pick(said.zh, said.en))
                    for kind, said in MEANINGS.items()
                ),
                query["kind"],
            ),
            Filter("read", view._("Read"), (Choice("no", unread),), query["read"]),
            *department_filter(view, tx, query["department"]),
        ],
        sort="",
        csv_address="/notices.csv",
        live=True,
        truncated=len(rows) == MOST,
    )


@router.get("/notices")
def show_notices(
    request: Request, caller: Reading, kind: Text = "", read: Text = "", department: Text = ""
) -> Response:
    """The newest first."""
    view = View(request, caller)
    query = {"kind": kind, "read": read, "department": department}
    with caller.services.database.read() as tx:
        me = caller.principal.user_id
        user = caller.services.users.get(tx, me)
        muted = caller.services.notices.muted(tx, [me]).get(me, frozenset())
        return view.page(
            "notices.html",
            listing=_listing(view, tx, caller, query),
            email=user.email,
            form=Form.of(muted=sorted(kind.value for kind in muted)),
            kinds=[
                Choice(kind.value, view.pick(said.zh, said.en)) for kind, said in MEANINGS.items()
            ],
        )


@router.get("/notices.csv")
def export_notices(
    request: Request, caller: Reading, kind: Text = "", read: Text = "", department: Text = ""
) -> Response:
    """The list as CSV."""
    query = {"kind": kind, "read": read, "department": department}
    with caller.services.database.read() as tx:
        return _listing(View(request, caller), tx, caller, query).csv("notices")


@router.post("/notices/read")
def read_notices_from_page(caller: Marking) -> Response:
    """All that the reader sees."""
    services = caller.services
    with services.database.write() as tx:
        services.notices.read(
            tx, caller.principal.user_id, services.clock.now(), department_id=caller.confine()
        )
    return redirect("/notices?said=notices-read")


@router.post("/notices/mail")
def choose_mail_from_page(
    caller: Annotated[Caller, Access(Action.SELF_WRITE)], form: Posted
) -> Response:
    """What the reader is mailed from now on; what is not known as a kind is left out."""
    muted = [kind for text in form.all("muted") if (kind := _kind(text)) is not None]
    with caller.services.database.write() as tx:
        caller.services.notices.mute(tx, caller.principal.user_id, muted)
    return redirect("/notices?said=notices-mail")
