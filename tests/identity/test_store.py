from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import Conflict, Invalid, NotFound
from cloudmgr.identity.store import TokenStore, UserStore
from cloudmgr.identity.user import ApiToken, Locale, Role, Scope
from tests.builders import CREATED, a_user

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database

users, tokens = UserStore(), TokenStore()


def a_token(number: int, *scopes: Scope) -> ApiToken:
    return ApiToken(
        f"tok_{number}",
        "usr_li",
        "名",
        frozenset(scopes or {Scope.READ}),
        CREATED,
        CREATED + timedelta(days=1),
    )


def test_a_user_comes_back_as_it_went_in(database: Database) -> None:
    user = a_user(roles=frozenset({Role.APPROVER, Role.DEPARTMENT_OFFICER}), locale=Locale.EN)
    with database.write() as tx:
        users.create(tx, user, "a digest")
    with database.read() as tx:
        assert users.get(tx, user.id) == user
        assert users.by_login(tx, user.login) == user
        assert users.password_hash(tx, user.id) == "a digest"


def test_an_officer_without_a_department_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        a_user(department_id=None)
    assert refused.value.path == "department_id"


def test_a_login_is_taken_once(database: Database) -> None:
    with database.write() as tx:
        users.create(tx, a_user())
    with pytest.raises(Conflict) as refused, database.write() as tx:
        users.create(tx, a_user(id="usr_other"))
    assert refused.value.code == "login-taken"


def test_of_two_who_change_one_user_the_second_is_refused(database: Database) -> None:
    with database.write() as tx:
        users.create(tx, a_user())
        after = users.change(tx, a_user(), a_user(name="新", login="ignored"))
    assert (after.version, after.login) == (2, "li.wei")
    with pytest.raises(Conflict) as refused, database.write() as tx:
        users.change(tx, a_user(), a_user(name="旧"))
    assert refused.value.code == "stale-version"
    with database.read() as tx:
        assert users.get(tx, "usr_li") == after


def test_lists_of_users_go_by_login_and_keep_to_a_department(database: Database) -> None:
    with database.write() as tx:
        for login, home in (("b", "dep_exam"), ("a", "dep_tax"), ("c", "dep_exam")):
            users.create(tx, a_user(id=f"usr_{login}", login=login, department_id=home))
    with database.read() as tx:
        assert [u.login for u in users.list(tx, limit=2)] == ["a", "b"]
        assert [u.login for u in users.list(tx, after="b")] == ["c"]
        assert [u.login for u in users.list(tx, department_id="dep_exam")] == ["b", "c"]


def test_a_token_is_found_by_its_digest_with_its_user(database: Database) -> None:
    with database.write() as tx:
        users.create(tx, a_user())
        tokens.create(tx, a_token(1), "d1")
    with database.read() as tx:
        assert tokens.by_digest(tx, "d1") == (a_token(1), a_user(), "d1")
        assert tokens.by_digest(tx, "d2") is None


def test_revoking_twice_keeps_the_first_time(database: Database) -> None:
    with database.write() as tx:
        users.create(tx, a_user())
        tokens.create(tx, a_token(1), "d1")
        tokens.revoke(tx, "tok_1", CREATED)
        tokens.revoke(tx, "tok_1", CREATED + timedelta(hours=1))
        assert tokens.get(tx, "tok_1").revoked_at == CREATED


def test_only_living_sessions_are_ended(database: Database) -> None:
    with database.write() as tx:
        users.create(tx, a_user())
        tokens.create(tx, a_token(1, Scope.PORTAL), "d1")
        tokens.create(tx, a_token(2, Scope.READ), "d2")
        assert tokens.revoke_sessions(tx, "usr_li", CREATED) == 1
        assert tokens.revoke_sessions(tx, "usr_li", CREATED) == 0
        listed = tokens.list(tx, user_id="usr_li")
        assert [(t.id, t.revoked_at) for t in listed] == [("tok_1", CREATED), ("tok_2", None)]
        after = tokens.list(tx, user_id="usr_li", after="tok_1", limit=5)
        assert [t.id for t in after] == ["tok_2"]


def test_what_is_not_there_is_not_found(database: Database) -> None:
    with database.read() as tx:
        for look in (
            lambda: users.get(tx, "usr_none"),
            lambda: users.by_login(tx, "none"),
            lambda: users.password_hash(tx, "usr_none"),
            lambda: tokens.get(tx, "tok_none"),
        ):
            with pytest.raises(NotFound):
                look()
