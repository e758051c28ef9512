from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudmgr.errors import Invalid
from cloudmgr.identity.secrets import (
    STANDARD_EFFORT,
    TOKEN_PREFIX,
    Effort,
    check_password,
    hash_password,
    new_token,
    token_digest,
)

CHEAP = Effort(16, 8, 1)


def test_a_token_is_recognisable_long_and_never_the_same() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert all(t.startswith(TOKEN_PREFIX) and len(t) == len(TOKEN_PREFIX) + 43 for t in made)


def test_the_digest_of_a_token_does_not_hold_it() -> None:
    token = new_token()
    assert token_digest(token) == token_digest(token)
    assert token[4:] not in token_digest(token)


@settings(max_examples=25)
@given(st.text(min_size=12, max_size=40), st.text(min_size=12, max_size=40))
def test_only_the_same_password_passes(one: str, other: str) -> None:
    kept = hash_password(one, CHEAP)
    assert check_password(one, kept)
    assert check_password(other, kept) == (one == other)


def test_the_same_password_is_kept_differently_each_time() -> None:
    assert hash_password("correct horse", CHEAP) != hash_password("correct horse", CHEAP)


def test_the_effort_of_old_is_kept_with_the_password() -> None:
    assert check_password("correct horse", hash_password("correct horse", Effort(32, 4, 2)))


def test_the_standard_effort_works_on_this_machine() -> None:
    assert check_password("correct horse", hash_password("correct horse"))
    assert 128 * STANDARD_EFFORT.r * STANDARD_EFFORT.n >= 32 * 2**20


@pytest.mark.parametrize("password", ["", "short", "x" * 201])
def test_a_password_too_short_or_absurdly_long_is_refused(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        hash_password(password, CHEAP)
    assert refused.value.code == "weak-password"
