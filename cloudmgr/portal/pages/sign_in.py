"""In and out, and the switch of languages: open to everybody."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cloudmgr.api.gate import Public, same_origin
from cloudmgr.errors import Temporary, Unauthenticated
from cloudmgr.identity.user import Locale
from cloudmgr.portal.forms import Form, Posted
from cloudmgr.portal.language import LANGUAGE_COOKIE
from cloudmgr.portal.sessions import SESSION_COOKIE, inward, keep, secure
from cloudmgr.portal.view import View, redirect

router = APIRouter(include_in_schema=False)

_YEAR = 366 * 24 * 3600


@router.get("/sign-in", dependencies=[Public])
def show_sign_in(
    request: Request, address: Annotated[str, Query(alias="next", max_length=2000)] = "/"
) -> Response:
    """The door."""
    return View(request).page("sign_in.html", form=Form(), next=inward(address))


@router.post("/sign-in", dependencies=[Public])
def sign_in(request: Request, form: Posted) -> Response:
    """Begin a session and go where one was going."""
    same_origin(request)
    view = View(request)
    services = view.services
    address = inward(form.get("next", "/"))
    try:
        with services.database.read() as tx:
            user = services.authenticator.check(
                tx, form.get("login")[:200], form.values.get("password", [""])[0][:200]
            )
    except Unauthenticated as error:
        shown = Form.of(login=form.get("login")[:200])
        return view.page("sign_in.html", 422, form=shown.blame(error), next=address)
    with services.database.write() as tx:
        _, secret = services.authenticator.open_session(tx, user)
    answer = redirect(address)
    keep(request, answer, secret)
    return answer


@router.post("/sign-out", dependencies=[Public])
def sign_out(request: Request) -> Response:
    """End the session, here and for whoever copied its cookie."""
    same_origin(request)
    services = View(request).services
    secret = request.cookies.get(SESSION_COOKIE)
    if secret:
        try:
            with services.database.write() as tx:
                _, token = services.authenticator.principal(tx, secret)
                services.tokens.revoke(tx, token.id, services.clock.now())
        except (Unauthenticated, Temporary):
            pass  # it was over already, or cannot be ended now: the browser forgets it either way
    answer = redirect("/sign-in?said=signed-out")
    answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer


@router.post("/language", dependencies=[Public])
def choose_language(request: Request, form: Posted) -> Response:
    """Kept in this browser."""
    answer = redirect(inward(form.get("next", "/")))
    wanted = form.get("language")
    if wanted in {locale.value for locale in Locale}:
        answer.set_cookie(
            LANGUAGE_COOKIE,
            wanted,
            max_age=_YEAR,
            path="/",
            httponly=True,
            samesite="lax",
            secure=secure(request),
        )
    return answer
