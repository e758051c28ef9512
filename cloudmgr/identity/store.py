"""Users and tokens at rest. Of a password and a token only digests are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    bindparam,
    insert,
    select,
    update,
)

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.errors import Conflict, NotFound
from cloudmgr.identity.user import ApiToken, Locale, Role, Scope, User

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

users = Table(
    "user_account",  # "user" is a reserved word of PostgreSQL
    metadata,
    Column("id", String(40), primary_key=True),
    Column("login", String(64), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("department_id", String(40), index=True),
    Column("locale", String(10), nullable=False),
    Column("email", String(254), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
    Column("password_hash", String(200)),
)

tokens = Table(
    "api_token",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("user_id", String(40), ForeignKey("user_account.id"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
)

# Made once: every request that anybody makes asks for them.
_BY_DIGEST = select(tokens).where(tokens.c.digest == bindparam("wanted"))
_USER = select(users).where(users.c.id == bindparam("wanted"))


class UserStore:
    """Users. Every change is a compare-and-set on ``version``."""

    def create(self, tx: Connection, user: User, password_hash: str | None = None) -> None:
        """:raises Conflict: ``login-taken``."""
        if tx.execute(select(users.c.id).where(users.c.login == user.login)).first():
            raise Conflict(
                f"there is a user {user.login} already",
                code="login-taken",
                path="login",
                hint="choose another login",
            )
        tx.execute(
            insert(users).values(
                id=user.id,
                login=user.login,
                created_at=user.created_at,
                password_hash=password_hash,
                version=user.version,
                **_changeable(user),
            )
        )

    def get(self, tx: Connection, user_id: str) -> User:
        """:raises NotFound: ``no-such-user``."""
        return _user(self._row(tx, users.c.id == user_id, user_id))

    def by_login(self, tx: Connection, login: str) -> User:
        """:raises NotFound: ``no-such-user``."""
        return _user(self._row(tx, users.c.login == login, login))

    def with_mail(self, tx: Connection) -> list[User]:
        """The active ones of departments who can be mailed, by login."""
        query = select(users).where(
            users.c.email != "", users.c.active.is_(True), users.c.department_id.is_not(None)
        )
        return [_user(row) for row in tx.execute(query.order_by(users.c.login))]

    def list(
        self,
        tx: Connection,
        *,
        department_id: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[User]:
        """By login, after the login ``after``; with ``department_id``, those of that department."""
        query = select(users).order_by(users.c.login).limit(limit)
        if department_id is not None:
            query = query.where(users.c.department_id == department_id)
        if after is not None:
            query = query.where(users.c.login > after)
        return [_user(row) for row in tx.execute(query)]

    def change(self, tx: Connection, before: User, after: User) -> User:
        """Write ``after`` if the row is still ``before``; gives it back with its new version.

        The login stays what it was.

        :raises Conflict: ``stale-version``.
        """
        after = replace(after, login=before.login, version=before.version + 1)
        changed = tx.execute(
            update(users)
            .where(users.c.id == before.id, users.c.version == before.version)
            .values(version=after.version, **_changeable(after))
        )
        if changed.rowcount != 1:
            raise Conflict(
                f"the user {before.login} was changed meanwhile",
                code="stale-version",
                hint="read it again and repeat the change",
            )
        return after

    def password_hash(self, tx: Connection, user_id: str) -> str | None:
        """What is kept of the password, or None for a user who cannot sign in with one.

        :raises NotFound: ``no-such-user``.
        """
        kept: str | None = self._row(tx, users.c.id == user_id, user_id).password_hash
        return kept

    def set_password_hash(self, tx: Connection, user_id: str, password_hash: str) -> None:
        """:raises NotFound: ``no-such-user``."""
        self._row(tx, users.c.id == user_id, user_id)
        tx.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))

    @staticmethod
    def _row(tx: Connection, condition: ColumnElement[bool], name: str) -> Row[Any]:
        row = tx.execute(select(users).where(condition)).one_or_none()
        if row is None:
            raise NotFound(f"there is no user {name}", code="no-such-user")
        return row


class TokenStore:
    """Tokens. Revoking is for ever; a row stays, so that the trail can be followed."""

    def create(self, tx: Connection, token: ApiToken, digest: str) -> None:
        """:raises Conflict: ``already-exists``."""
        tx.execute(
            insert(tokens).values(
                id=token.id,
                user_id=token.user_id,
                name=token.name,
                digest=digest,
                scopes=sorted(token.scopes),
                created_at=token.created_at,
                expires_at=token.expires_at,
                last_used_at=token.last_used_at,
                revoked_at=token.revoked_at,
            )
        )

    def get(self, tx: Connection, token_id: str) -> ApiToken:
        """:raises NotFound: ``no-such-token``."""
        row = tx.execute(select(tokens).where(tokens.c.id == token_id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no token {token_id}", code="no-such-token")
        return _token(row)

    def by_digest(self, tx: Connection, digest: str) -> tuple[ApiToken, User, str] | None:
        """The token whose secret has this digest, its user and the digest as it is kept."""
        row = tx.execute(_BY_DIGEST, {"wanted": digest}).one_or_none()
        if row is None:
            return None
        user = tx.execute(_USER, {"wanted": row.user_id}).one()
        return _token(row), _user(user), row.digest

    def list(
        self, tx: Connection, *, user_id: str, after: str | None = None, limit: int | None = None
    ) -> list[ApiToken]:
        """Those of one user by id, after the id ``after``; revoked and expired ones as well."""
        query = select(tokens).where(tokens.c.user_id == user_id).order_by(tokens.c.id).limit(limit)
        if after is not None:
            query = query.where(tokens.c.id > after)
        return [_token(row) for row in tx.execute(query)]

    def touch(self, tx: Connection, token_id: str, at: datetime) -> None:
        """Note that the token was used at ``at``."""
        tx.execute(update(tokens).where(tokens.c.id == token_id).values(last_used_at=at))

    def revoke(self, tx: Connection, token_id: str, at: datetime) -> None:
        """From now on it is worth nothing. Revoking twice keeps the first time."""
        tx.execute(
            update(tokens)
            .where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
            .values(revoked_at=at)
        )

    def revoke_sessions(self, tx: Connection, user_id: str, at: datetime) -> int:
        """Sign the user out everywhere; gives the number of sessions that ended."""
        living = select(tokens).where(
            tokens.c.user_id == user_id, tokens.c.revoked_at.is_(None), tokens.c.expires_at > at
        )
        sessions = [
            token.id for token in map(_token, tx.execute(living)) if Scope.PORTAL in token.scopes
        ]
        tx.execute(update(tokens).where(tokens.c.id.in_(sessions)).values(revoked_at=at))
        return len(sessions)


def _changeable(user: User) -> dict[str, object]:
    return {
        "name": user.name,
        "roles": sorted(user.roles),
        "department_id": user.department_id,
        "locale": user.locale.value,
        "email": user.email,
        "active": user.active,
    }


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        login=row.login,
        name=row.name,
        roles=frozenset(map(Role, row.roles)),
        department_id=row.department_id,
        locale=Locale(row.locale),
        email=row.email,
        created_at=row.created_at,
        active=row.active,
        version=row.version,
    )


def _token(row: Row[Any]) -> ApiToken:
    return ApiToken(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        scopes=frozenset(map(Scope, row.scopes)),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
