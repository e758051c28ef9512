"""What pages show of notices: where they lead, their tones, how many are unread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.errors import Temporary
from cloudmgr.identity.access import Action, confine
from cloudmgr.notices.notice import Tone
from cloudmgr.notices.store import NoticeFilter

if TYPE_CHECKING:
    from markupsafe import Markup
    from sqlalchemy import Connection

    from cloudmgr.notices.notice import Notice
    from cloudmgr.portal.view import View

MOST = 99
_TONES = {Tone.GOOD: "good", Tone.PLAIN: "quiet", Tone.WARNING: "busy", Tone.BAD: "bad"}
_PLACES = {
    "request": "/requests/{}",
    "environment": "/environments/{}",
    "window": "/windows",
    "series": "/series/{}",
}


def about(notice: Notice) -> str:
    """The address of what a notice is about."""
    return _PLACES.get(notice.about_kind, "/notices").format(notice.about_id)


def state(view: View, notice: Notice) -> Markup:
    """What happened, with its tone."""
    title = view.pick(notice.title_zh, notice.title_en)
    return view.state({notice.kind: (title, _TONES[notice.meaning.tone])}, notice.kind)


def unread(view: View) -> int | None:
    """How many the reader has not read, up to one more than :data:`MOST`; None: has none at all."""
    if view.caller is None or not view.can(Action.NOTICE_READ):
        return None
    me, services = view.caller.principal, view.services
    try:
        with services.database.read() as tx:
            held_to = confine(me, Action.NOTICE_READ)
            return services.notices.unread(tx, me.user_id, held_to, most=MOST + 1)
    except Temporary:
        # A page that says what is wrong must not fail for a number.
        return None


def newest(view: View, tx: Connection) -> list[Notice]:
    """The few that the reader has not read, the newest first, for the home."""
    assert view.caller is not None  # noqa: S101
    me = view.caller.principal
    wanted = NoticeFilter(department_id=confine(me, Action.NOTICE_READ), unread_by=me.user_id)
    return [notice for _, notice in view.services.notices.list(tx, wanted, limit=5)]
