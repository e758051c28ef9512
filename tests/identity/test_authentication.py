from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import Forbidden, Invalid, Unauthenticated
from cloudmgr.identity.authentication import LONGEST_LIFE, SESSION_LIFE, Authenticator
from cloudmgr.identity.secrets import Effort
from cloudmgr.identity.store import TokenStore, UserStore, tokens, users
from cloudmgr.identity.user import ApiToken, Principal, Scope
from tests.builders import a_user

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.db.engine import Database
    from tests.fakes import ManualClock

DAY = timedelta(days=1)
PASSWORD = "correct horse battery"


class Door:
    """A user, a database and what checks the one against the other."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        self.clock = clock
        self.users, self.tokens = UserStore(), TokenStore()
        self.authenticator = Authenticator(self.users, self.tokens, clock, Effort(16, 8, 1))
        self.user = a_user(created_at=clock.now())
        with database.write() as tx:
            self.users.create(tx, self.user, self.authenticator.hashed(PASSWORD))

    def token(self, *scopes: Scope, days: int = 30) -> tuple[ApiToken, str]:
        with self.database.write() as tx:
            return self.authenticator.issue(
                tx, self.user, "a token", frozenset(scopes or {Scope.READ}), days * DAY
            )

    def principal(self, secret: str) -> Principal:
        with self.database.read() as tx:
            return self.authenticator.principal(tx, secret)[0]

    def refused(self, secret: str) -> str:
        with pytest.raises(Unauthenticated) as refused:
            self.principal(secret)
        return refused.value.code


@pytest.fixture
def door(sqlite: Database, clock: ManualClock) -> Door:
    return Door(sqlite, clock)


def test_a_token_leads_to_its_user(door: Door) -> None:
    token, secret = door.token(Scope.READ, Scope.WRITE)
    principal = door.principal(secret)
    assert principal.user_id == door.user.id
    assert principal.roles == door.user.roles
    assert principal.department_id == door.user.department_id
    assert principal.scopes == {Scope.READ, Scope.WRITE}
    assert principal.token_id == token.id


def test_the_secret_itself_is_kept_nowhere(database: Database, clock: ManualClock) -> None:
    door = Door(database, clock)
    _, secret = door.token()
    with database.read() as tx:
        rows = [*tx.execute(tokens.select()), *tx.execute(users.select())]
    assert secret not in str(rows)
    assert PASSWORD not in str(rows)


def test_a_token_that_was_never_made_is_refused(door: Door) -> None:
    _, secret = door.token()
    for wrong in ("", "cmt_", secret[:-1], secret + "x", secret.upper(), "用户"):
        assert door.refused(wrong) == "token-unknown"


def test_a_token_ends_at_the_very_instant_it_says(door: Door, clock: ManualClock) -> None:
    token, secret = door.token(days=1)
    clock.set(token.expires_at - timedelta(microseconds=1))
    door.principal(secret)
    clock.set(token.expires_at)
    assert door.refused(secret) == "token-expired"


def test_a_revoked_token_is_worth_nothing_at_once(door: Door, clock: ManualClock) -> None:
    token, secret = door.token()
    with door.database.write() as tx:
        door.tokens.revoke(tx, token.id, clock.now())
    assert door.refused(secret) == "token-revoked"


def test_an_inactive_users_tokens_are_worth_nothing(door: Door) -> None:
    _, secret = door.token()
    with door.database.write() as tx:
        door.users.change(tx, door.user, a_user(active=False))
    assert door.refused(secret) == "user-inactive"


def test_the_use_of_a_token_is_worth_a_note_once_a_minute(door: Door, clock: ManualClock) -> None:
    token, secret = door.token()

    def worth() -> bool:
        with door.database.read() as tx:
            used = door.authenticator.principal(tx, secret)[1]
        return door.authenticator.note_use(used) is not None

    assert worth()
    with door.database.write() as tx:
        door.tokens.touch(tx, token.id, clock.now())
    assert not worth()
    clock.advance(timedelta(minutes=1))
    assert worth()


def test_login_and_password_lead_to_the_user(door: Door) -> None:
    with door.database.read() as tx:
        assert door.authenticator.check(tx, "li.wei", PASSWORD) == door.user


@pytest.mark.parametrize(
    ("login", "password"),
    [("li.wei", "wrong horse battery"), ("nobody", PASSWORD), ("li.wei", ""), ("", "")],
)
def test_wrong_credentials_do_not_say_what_was_wrong(door: Door, login: str, password: str) -> None:
    with door.database.read() as tx, pytest.raises(Unauthenticated) as refused:
        door.authenticator.check(tx, login, password)
    assert refused.value.code == "wrong-credentials"


def test_without_a_password_or_activity_nobody_signs_in(door: Door) -> None:
    with door.database.write() as tx:
        door.users.create(tx, a_user(id="usr_2", login="robot"))
        door.users.create(
            tx,
            a_user(id="usr_3", login="gone", active=False),
            door.authenticator.hashed(PASSWORD),
        )
    with door.database.read() as tx:
        for login in ("robot", "gone"):
            with pytest.raises(Unauthenticated):
                door.authenticator.check(tx, login, PASSWORD)
        with pytest.raises(Unauthenticated):
            door.authenticator.check(tx, "robot", "nobody has this password")


def test_a_session_may_do_everything_for_a_short_time(door: Door) -> None:
    with door.database.write() as tx:
        token, secret = door.authenticator.open_session(tx, door.user)
    assert token.expires_at == door.clock.now() + SESSION_LIFE
    assert door.principal(secret).scopes == {Scope.PORTAL}


def test_a_new_password_ends_sessions_but_no_tokens(door: Door) -> None:
    _, robot = door.token()
    with door.database.write() as tx:
        _, session = door.authenticator.open_session(tx, door.user)
        assert door.authenticator.set_password(tx, door.user.id, "another horse battery") == 1
        door.authenticator.check(tx, "li.wei", "another horse battery")
    assert door.refused(session) == "token-revoked"
    door.principal(robot)


@pytest.mark.parametrize(
    ("scopes", "life", "code"),
    [
        ((), DAY, "no-scopes"),
        ((Scope.PORTAL,), DAY, "portal-scope"),
        ((Scope.READ,), LONGEST_LIFE + DAY, "bad-life"),
        ((Scope.READ,), -DAY, "bad-life"),
    ],
)
def test_a_token_that_is_too_much_or_nothing_is_refused(
    door: Door, scopes: tuple[Scope, ...], life: timedelta, code: str
) -> None:
    with pytest.raises(Invalid) as refused, door.database.write() as tx:
        door.authenticator.issue(tx, door.user, "a token", frozenset(scopes), life)
    assert refused.value.code == code


def delegate(door: Door, tx: Connection, secret: str, scope: Scope) -> ApiToken:
    principal, _ = door.authenticator.principal(tx, secret)
    return door.authenticator.delegate(tx, principal, "child", frozenset({scope}), 90 * DAY)[0]


def test_a_token_makes_none_that_can_do_more_or_lives_longer(door: Door) -> None:
    parent, secret = door.token(Scope.WRITE, Scope.READ, days=2)
    with door.database.write() as tx:
        with pytest.raises(Forbidden) as refused:
            delegate(door, tx, secret, Scope.ADMIN)
        assert refused.value.code == "more-than-own"
        assert delegate(door, tx, secret, Scope.READ).expires_at == parent.expires_at


def test_whoever_signed_in_makes_any_token(door: Door) -> None:
    with door.database.write() as tx:
        _, secret = door.authenticator.open_session(tx, door.user)
        child = delegate(door, tx, secret, Scope.ADMIN)
    assert child.expires_at == door.clock.now() + 90 * DAY
