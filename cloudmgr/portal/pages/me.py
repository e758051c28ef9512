"""Oneself: who one is, one's password, one's tokens; and the script that brings charts to life."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.me import NewPassword, NewToken
from cloudmgr.errors import Forbidden, Invalid, NotFound, Unauthenticated
from cloudmgr.identity.access import Action
from cloudmgr.identity.user import ApiToken, Scope, User
from cloudmgr.portal import words
from cloudmgr.portal.charts import bundle
from cloudmgr.portal.forms import Form, Posted, entry
from cloudmgr.portal.listing import Choice
from cloudmgr.portal.names import Names
from cloudmgr.portal.sessions import SESSION_COOKIE
from cloudmgr.portal.view import View, redirect

router = APIRouter(include_in_schema=False)

Reading = Annotated[Caller, Access(Action.SELF_READ)]
Writing = Annotated[Caller, Access(Action.SELF_WRITE)]


@router.get("/charts.js")
def get_chart_script(caller: Reading) -> Response:
    """Vega-Embed, from here and nowhere else."""
    caller.confine()
    return Response(
        bundle(),
        media_type="text/javascript; charset=utf-8",
        headers={"Cache-Control": "private, max-age=86400"},
    )


@router.get("/me")
def show_me(request: Request, caller: Reading) -> Response:
    """Who one is, and one's tokens."""
    return _page(View(request, caller), Form(), Form.of(days=90))


def _page(view: View, password: Form, token: Form, status: int = 200, secret: str = "") -> Response:
    assert view.caller is not None  # noqa: S101
    me = view.caller.principal
    services = view.services
    # Sessions and tokens live by the machine's clock, which the authenticator alone knows.
    with services.database.read() as tx:
        tokens = services.tokens.list(tx, user_id=me.user_id)
        department = Names(view, tx).department(me.department_id)
    return view.page(
        "me.html",
        status,
        headers={"Cache-Control": "no-store"} if secret else None,
        password=password,
        token=token,
        secret=secret,
        department=department,
        tokens=sorted(tokens, key=lambda t: t.created_at, reverse=True)[:50],
        state=_state,
        scopes=[
            Choice(s.value, view.word(words.SCOPES, s.value)) for s in Scope if s != Scope.PORTAL
        ],
    )


def _state(token: ApiToken) -> str:
    return "revoked" if token.revoked_at else "alive"


@router.post("/me/password")
def change_password_from_page(request: Request, caller: Writing, form: Posted) -> Response:
    """A new password; all sessions end."""
    view = View(request, caller)
    services = caller.services
    try:
        body, user = _checked(caller, form)
        kept = services.authenticator.hashed(body.new)
    except Invalid as error:
        return _page(view, form.blame(error), Form.of(days=90), 422)
    with services.database.write() as tx:
        services.users.set_password_hash(tx, user.id, kept)
        ended = services.tokens.revoke_sessions(tx, user.id, services.clock.now())
        caller.record(
            tx,
            "user.change-password",
            object_kind="user",
            object_id=user.id,
            department_id=user.department_id,
            detail={"sessions_ended": ended},
        )
    answer = redirect("/sign-in?said=password-changed")
    answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer


def _checked(caller: Caller, form: Form) -> tuple[NewPassword, User]:
    """:raises Invalid: with each fault by its field."""
    typed = {name: form.values.get(name, [""])[0] for name in ("current", "new", "again")}
    body = entry(NewPassword, {"current": typed["current"], "new": typed["new"]})
    if typed["again"] != body.new:
        raise Invalid("the two passwords differ", code="invalid", path="again")
    with caller.services.database.read() as tx:
        try:
            return body, caller.services.authenticator.check(
                tx, caller.principal.login, body.current
            )
        except Unauthenticated:
            raise Invalid(
                "that is not your password until now", code="wrong-password", path="current"
            ) from None


@router.post("/me/tokens")
def create_token_from_page(request: Request, caller: Writing, form: Posted) -> Response:
    """Make one; its secret is on this page and nowhere else, so it is not led away from."""
    view = View(request, caller)
    services = caller.services
    try:
        data = form.nested(services.time_zone, "name", "days")
        data["scopes"] = form.all("scopes")
        body = entry(NewToken, data)
        with services.database.write() as tx:
            token, secret = services.authenticator.delegate(
                tx, caller.principal, body.name, frozenset(body.scopes), timedelta(days=body.days)
            )
            caller.record(
                tx,
                "token.create",
                object_kind="token",
                object_id=token.id,
                department_id=caller.principal.department_id,
                detail={"name": token.name, "scopes": sorted(token.scopes)},
            )
    except (Invalid, Forbidden) as error:
        form.fields = frozenset({"scopes"})
        return _page(view, Form(), form.blame(error), 422)
    return _page(view, Form(), Form.of(days=90), secret=secret)


@router.post("/me/tokens/{token_id}/revoke")
def revoke_token_from_page(caller: Writing, token_id: str) -> Response:
    """At once and for ever."""
    services = caller.services
    with services.database.write() as tx:
        token = services.tokens.get(tx, token_id)
        if token.user_id != caller.principal.user_id:
            # Word for word what the store says when there is none.
            raise NotFound(f"there is no token {token_id}", code="no-such-token")
        if token.revoked_at is None:
            services.tokens.revoke(tx, token.id, services.clock.now())
            caller.record(
                tx,
                "token.revoke",
                object_kind="token",
                object_id=token.id,
                department_id=caller.principal.department_id,
                detail={"name": token.name},
            )
    return redirect("/me?said=token-revoked")
