"""Whoever asks: who one is, one's password, and one's own tokens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BeforeValidator, Field
from starlette.responses import Response

from cloudmgr.api.etag import Answer
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.routes.users import UserView, user_view
from cloudmgr.api.values import Entry, Name, Password, View, distinct, example
from cloudmgr.errors import Forbidden, NotFound, Unauthenticated
from cloudmgr.identity.access import Action
from cloudmgr.identity.user import ApiToken, Scope

if TYPE_CHECKING:
    from cloudmgr.identity.user import User

router = APIRouter(prefix="/api/v1/me", tags=["me"])

_USER = {
    "id": "usr_0123456789abcdef",
    "login": "li.wei",
    "name": "李伟",
    "roles": ["department-officer"],
    "department_id": "dep_0123456789abcdef",
    "locale": "zh-CN",
    "email": "li.wei@example.gov.cn",
    "active": True,
    "version": 1,
    "created_at": "2026-01-01T00:00:00Z",
}
_TOKEN: dict[str, Any] = {
    "id": "tok_0123456789abcdef",
    "name": "nightly report",
    "scopes": ["read"],
    "created_at": "2026-06-01T00:00:00Z",
    "expires_at": "2026-08-30T00:00:00Z",
    "last_used_at": None,
    "revoked_at": None,
}
TokenScope = Literal[Scope.READ, Scope.WRITE, Scope.BILLING, Scope.ADMIN, Scope.METRICS]


class MeView(View):
    """Whoever asks, and with which token."""

    model_config = example(user=_USER, scopes=["read"], token_id="tok_0123456789abcdef")  # noqa: S106

    user: UserView
    scopes: tuple[Scope, ...]
    token_id: str


class NewPassword(Entry):
    """One's own password, changed."""

    model_config = example(current="the one until now, long", new="a short sentence is easy")

    current: str = Field(max_length=200)
    new: Password


class NewToken(Entry):
    """A token to be made."""

    model_config = example(name="nightly report", scopes=["read"], days=90)

    name: Name
    scopes: Annotated[frozenset[TokenScope], BeforeValidator(distinct)] = Field(
        min_length=1,
        max_length=len(Scope),
        description=(
            "`read`: look; `write`: ask, approve, scale; `billing`: accounts, closing a month; "
            "`admin`: departments, users, pools, policy; `metrics`: the control plane's metrics. "
            "None implies another."
        ),
    )
    days: int = Field(default=90, ge=1, le=366, strict=True, description="How long it lives.")


class TokenView(View):
    """A token, without its secret."""

    model_config = example(**_TOKEN)

    id: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class MadeTokenView(TokenView):
    """A token that was just made, with its secret: it is not shown again, and not kept."""

    model_config = example(**_TOKEN, secret="cmt_FourDozenLettersThatNobodyGuesses")  # noqa: S106

    secret: str


@router.get("", response_model=MeView, summary="Who am I")
def get_me(caller: Annotated[Caller, Access(Action.SELF_READ)]) -> MeView:
    """The user behind the token, and what the token is for."""
    with caller.services.database.read() as tx:
        user = caller.services.users.get(tx, caller.principal.user_id)
    return MeView(
        user=user_view(user),
        scopes=tuple(sorted(caller.principal.scopes)),
        token_id=caller.principal.token_id,
    )


@router.put("/password", status_code=204, summary="Change my password")
def change_my_password(
    caller: Annotated[Caller, Access(Action.SELF_WRITE)], body: NewPassword
) -> Response:
    """Ends all sessions, this one too: sign in anew."""
    services = caller.services
    with services.database.read() as tx:
        try:
            user: User = services.authenticator.check(tx, caller.principal.login, body.current)
        except Unauthenticated as error:
            # Not 401: the caller is known, and should not be sent to sign in.
            raise Forbidden(
                "that is not your password until now", code="wrong-password", path="current"
            ) from error
    kept = services.authenticator.hashed(body.new)
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
    return Answer(204).response()


@router.get("/tokens", response_model=Page[TokenView], summary="List my tokens")
def list_my_tokens(
    caller: Annotated[Caller, Access(Action.SELF_READ)], paging: Paged
) -> Page[TokenView]:
    """By id; revoked and expired ones as well, and the portal's sessions."""
    services = caller.services
    with services.database.read() as tx:
        rows = services.tokens.list(
            tx, user_id=caller.principal.user_id, after=paging.after("tokens"), limit=paging.fetch
        )
    return paging.page("tokens", rows, lambda t: t.id, _view)


@router.post(
    "/tokens", status_code=201, response_model=MadeTokenView, summary="Make a token for myself"
)
def create_my_token(
    caller: Annotated[Caller, Access(Action.SELF_WRITE)], body: NewToken
) -> Response:
    """The secret is in this answer and nowhere else, so this takes no Idempotency-Key.

    With a token, one makes none that allows more or lives longer than it; signed in, any.
    """
    services = caller.services
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
    made = MadeTokenView(**_view(token).model_dump(), secret=secret)
    return Answer(
        201, made, {"Location": f"{router.prefix}/tokens", "Cache-Control": "no-store"}
    ).response()


@router.delete("/tokens/{token_id}", status_code=204, summary="Revoke a token of mine")
def revoke_my_token(
    caller: Annotated[Caller, Access(Action.SELF_WRITE)], token_id: str
) -> Response:
    """At once and for ever; doing it again changes nothing."""
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
    return Answer(204).response()


def _view(token: ApiToken) -> TokenView:
    return TokenView(
        id=token.id,
        name=token.name,
        scopes=tuple(sorted(token.scopes)),
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
        revoked_at=token.revoked_at,
    )
