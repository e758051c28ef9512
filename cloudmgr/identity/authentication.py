"""From a secret to a principal: tokens, and the password with which the portal's session begins."""

from __future__ import annotations

import hmac
import threading
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.errors import Forbidden, Invalid, NotFound, Unauthenticated
from cloudmgr.identity.secrets import (
    STANDARD_EFFORT,
    check_password,
    hash_password,
    new_token,
    token_digest,
)
from cloudmgr.identity.user import ApiToken, Principal, Scope, User

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.identity.secrets import Effort
    from cloudmgr.identity.store import TokenStore, UserStore

SESSION_LIFE = timedelta(hours=12)
LONGEST_LIFE = timedelta(days=366)
# last_used_at is for people who clean up: one write a minute tells them enough.
_USE_GRAIN = timedelta(minutes=1)


class Authenticator:
    """Tokens and passwords. Each method works in the caller's transaction.

    :param effort: what a password check costs; tests take less.
    """

    def __init__(
        self, users: UserStore, tokens: TokenStore, clock: Clock, effort: Effort = STANDARD_EFFORT
    ) -> None:
        self._users = users
        self._tokens = tokens
        self._clock = clock
        self._effort = effort
        # Each check takes 32 MiB: a crowd at the door must not take the machine's memory.
        self._checking = threading.BoundedSemaphore(2)
        self._nobody = ""

    def principal(self, tx: Connection, secret: str) -> tuple[Principal, ApiToken]:
        """Who acts with the token ``secret``.

        :raises Unauthenticated: ``token-unknown``, ``token-expired``, ``token-revoked`` or
            ``user-inactive``.
        """
        digest = token_digest(secret)
        found = self._tokens.by_digest(tx, digest)
        if found is None or not hmac.compare_digest(found[2], digest):
            raise Unauthenticated(
                "this token is not known here",
                code="token-unknown",
                hint="send one that was made here: Authorization: Bearer cmt_…",
            )
        token, user, _ = found
        now = self._clock.now()
        if not token.alive(now):
            word = "revoked" if token.revoked_at else "expired"
            raise Unauthenticated(
                f"this token has been {word}" if token.revoked_at else "this token has expired",
                code=f"token-{word}",
                hint="sign in again, or make a new token",
            )
        if not user.active:
            raise Unauthenticated(
                f"the user {user.login} is not active",
                code="user-inactive",
                hint="an administrator can activate the user again",
            )
        return _principal(user, token), token

    def note_use(self, token: ApiToken) -> datetime | None:
        """The time to note as the token's last use, or None while the one noted is fresh enough."""
        now = self._clock.now()
        fresh = token.last_used_at is not None and now - token.last_used_at < _USE_GRAIN
        return None if fresh else now

    def check(self, tx: Connection, login: str, password: str) -> User:
        """The active user with this login and password. Takes as long when there is none.

        :raises Unauthenticated: ``wrong-credentials``, whatever was wrong.
        """
        try:
            user = self._users.by_login(tx, login)
            kept = self._users.password_hash(tx, user.id)
        except NotFound:
            user, kept = None, None
        with self._checking:
            if not self._nobody:
                self._nobody = hash_password("nobody has this password", self._effort)
            right = check_password(password, kept or self._nobody)
        if user is None or kept is None or not right or not user.active:
            raise Unauthenticated(
                "login or password is wrong",
                code="wrong-credentials",
                hint="try again, or ask an administrator for a new password",
            )
        return user

    def set_password(self, tx: Connection, user_id: str, password: str) -> int:
        """Set the password and end all sessions of the user; gives how many ended.

        :raises Invalid: ``weak-password``. :raises NotFound: ``no-such-user``.
        """
        self._users.set_password_hash(tx, user_id, self.hashed(password))
        return self._tokens.revoke_sessions(tx, user_id, self._clock.now())

    def hashed(self, password: str) -> str:
        """What may be kept of ``password``.

        :raises Invalid: ``weak-password``.
        """
        with self._checking:
            return hash_password(password, self._effort)

    def open_session(self, tx: Connection, user: User) -> tuple[ApiToken, str]:
        """A token for the portal, and its secret, for a user who has just been checked."""
        return self._issue(
            tx, user.id, "portal", frozenset({Scope.PORTAL}), self._clock.now() + SESSION_LIFE
        )

    def issue(
        self, tx: Connection, user: User, name: str, scopes: frozenset[Scope], life: timedelta
    ) -> tuple[ApiToken, str]:
        """A token for programs, and its secret, which is not kept.

        :raises Invalid: ``no-scopes``, ``bad-life`` beyond 366 days, ``portal-scope``.
        """
        if not scopes:
            raise Invalid("a token needs a scope", code="no-scopes", path="scopes")
        if Scope.PORTAL in scopes:
            raise Invalid(
                "only signing in gives the scope portal",
                code="portal-scope",
                path="scopes",
                hint="choose among read, write, billing, admin and metrics",
            )
        if not timedelta() < life <= LONGEST_LIFE:
            raise Invalid(
                "a token lives for a day at least and 366 at most", code="bad-life", path="days"
            )
        return self._issue(tx, user.id, name, scopes, self._clock.now() + life)

    def delegate(
        self,
        tx: Connection,
        principal: Principal,
        name: str,
        scopes: frozenset[Scope],
        life: timedelta,
    ) -> tuple[ApiToken, str]:
        """A token that ``principal`` makes for itself.

        Made with a token rather than by signing in, it allows no more and lives no longer than
        that one: whoever finds a token cannot make a better one of it.

        :raises Forbidden: ``more-than-own``. :raises Invalid: as :meth:`issue`.
        """
        own = self._tokens.get(tx, principal.token_id)
        if Scope.PORTAL not in own.scopes:
            if not scopes <= own.scopes:
                raise Forbidden(
                    "a token cannot make one with more scopes than its own",
                    code="more-than-own",
                    path="scopes",
                    hint="sign in and make it there",
                )
            life = min(life, own.expires_at - self._clock.now())
        return self.issue(tx, self._users.get(tx, principal.user_id), name, scopes, life)

    def _issue(
        self,
        tx: Connection,
        user_id: str,
        name: str,
        scopes: frozenset[Scope],
        expires_at: datetime,
    ) -> tuple[ApiToken, str]:
        secret = new_token()
        token = ApiToken(
            id=f"tok_{uuid.uuid4().hex[:16]}",
            user_id=user_id,
            name=name,
            scopes=scopes,
            created_at=self._clock.now(),
            expires_at=expires_at,
        )
        self._tokens.create(tx, token, token_digest(secret))
        return token, secret


def _principal(user: User, token: ApiToken) -> Principal:
    return Principal(
        user_id=user.id,
        login=user.login,
        name=user.name,
        roles=user.roles,
        department_id=user.department_id,
        scopes=token.scopes,
        locale=user.locale,
        token_id=token.id,
    )
