"""Notices: what one was told, what of it one has read, and what one does not want to be mailed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from pydantic import BeforeValidator, Field

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.values import Email, Entry, Id, View, distinct, example
from cloudmgr.identity.access import Action
from cloudmgr.notices.notice import Kind
from cloudmgr.notices.store import NoticeFilter

if TYPE_CHECKING:
    from cloudmgr.notices.notice import Notice

router = APIRouter(prefix="/api/v1/notices", tags=["notices"])

_MOST_IDS = 200


class NoticeView(View):
    """Something that one was told."""

    model_config = example(
        id="ntc_0123456789abcdef",
        kind="at-risk",
        at="2026-06-01T00:00:00Z",
        about_kind="window",
        about_id="win_0123456789abcdef",
        department_id="dep_0123456789abcdef",
        title_zh="高峰期有风险",
        title_en="Peak at risk",
        zh="中考报名（production）：已承诺的高峰期有风险。",
        en="Exam enrolment (production): a peak that was promised is at risk.",
        read=False,
    )

    id: str
    kind: Kind
    at: datetime
    about_kind: str = Field(description="`request`, `window`, `environment`, `series` or `budget`.")
    about_id: str
    department_id: str | None = Field(description="Whose thing it is; null for the city's.")
    title_zh: str
    title_en: str
    zh: str
    en: str
    read: bool = Field(description="Whether you have read it.")


class Read(Entry):
    """What one has read."""

    model_config = example(ids=["ntc_0123456789abcdef"])

    ids: Annotated[frozenset[Id], BeforeValidator(distinct)] | None = Field(
        default=None, max_length=_MOST_IDS, description="Null for all that you see."
    )


class UnreadView(View):
    """How much is left to read."""

    model_config = example(unread=3)

    unread: int = Field(description="Counted up to 100.")


class Wishes(Entry):
    """What of it one wants to be mailed."""

    model_config = example(muted=["booked"])

    muted: Annotated[frozenset[Kind], BeforeValidator(distinct)] = Field(
        max_length=len(Kind),
        description="Kinds that are not mailed to you. In the pages they are always.",
    )


class WishesView(View):
    """What one is mailed, and where."""

    model_config = example(muted=["booked"], email="li.wei@example.gov.cn")

    muted: tuple[Kind, ...]
    email: Email = Field(description="An administrator changes it; empty for nowhere.")


@router.get("", response_model=Page[NoticeView], summary="List what I was told")
def list_notices(
    caller: Annotated[Caller, Access(Action.NOTICE_READ)],
    paging: Paged,
    kind: Annotated[Kind | None, Query(description="Of this kind.")] = None,
    department_id: Annotated[Id | None, Query(description="Of this department.")] = None,
    about_id: Annotated[Id | None, Query(description="About this thing.")] = None,
    *,
    unread: Annotated[bool, Query(description="Only what I have not read.")] = False,
) -> Page[NoticeView]:
    """The newest first: of one's own department, or of all for those who run the city."""
    services, reader = caller.services, caller.principal.user_id
    wanted = NoticeFilter(
        department_id=caller.confine(department_id),
        kind=kind,
        unread_by=reader if unread else None,
        about_id=about_id,
    )
    with services.database.read() as tx:
        rows = services.notices.list(
            tx, wanted, before=paging.after_number("notices"), limit=paging.fetch
        )
        read = services.notices.read_of(tx, reader, [notice.id for _, notice in rows])
    return paging.page(
        "notices", rows, lambda row: row[0], lambda row: notice_view(row[1], read=row[1].id in read)
    )


@router.get("/unread", response_model=UnreadView, summary="Count what I have not read")
def count_unread_notices(
    caller: Annotated[Caller, Access(Action.NOTICE_READ)],
) -> UnreadView:
    """Of all that one sees."""
    services = caller.services
    with services.database.read() as tx:
        unread = services.notices.unread(tx, caller.principal.user_id, caller.confine())
    return UnreadView(unread=unread)


@router.post("/read", response_model=UnreadView, summary="Say what I have read")
def read_notices(caller: Annotated[Caller, Access(Action.NOTICE_MARK)], body: Read) -> UnreadView:
    """What is named twice, or is not for you, changes nothing; nor does saying it again."""
    services, reader, held_to = caller.services, caller.principal.user_id, caller.confine()
    with services.database.write() as tx:
        services.notices.read(tx, reader, services.clock.now(), department_id=held_to, ids=body.ids)
        unread = services.notices.unread(tx, reader, held_to)
    return UnreadView(unread=unread)


@router.get("/wishes", response_model=WishesView, summary="What I am mailed")
def get_my_notice_wishes(
    caller: Annotated[Caller, Access(Action.SELF_READ)],
) -> WishesView:
    """And where to."""
    return _wishes(caller)


@router.put("/wishes", response_model=WishesView, summary="Say what I want to be mailed")
def put_my_notice_wishes(
    caller: Annotated[Caller, Access(Action.SELF_WRITE)], body: Wishes
) -> WishesView:
    """All kinds that are muted from now on."""
    services = caller.services
    with services.database.write() as tx:
        services.notices.mute(tx, caller.principal.user_id, body.muted)
    return _wishes(caller)


def notice_view(notice: Notice, *, read: bool) -> NoticeView:
    """What is shown of a notice."""
    return NoticeView(
        id=notice.id,
        kind=notice.kind,
        at=notice.at,
        about_kind=notice.about_kind,
        about_id=notice.about_id,
        department_id=notice.department_id,
        title_zh=notice.title_zh,
        title_en=notice.title_en,
        zh=notice.zh,
        en=notice.en,
        read=read,
    )


def _wishes(caller: Caller) -> WishesView:
    services, me = caller.services, caller.principal.user_id
    with services.database.read() as tx:
        user = services.users.get(tx, me)
        muted = services.notices.muted(tx, [me]).get(me, frozenset())
    return WishesView(muted=tuple(sorted(muted)), email=user.email)
