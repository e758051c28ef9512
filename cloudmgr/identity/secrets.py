"""Secrets: a token is random and kept as a digest; a password is chosen, its digest slow."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from cloudmgr.errors import Invalid

TOKEN_PREFIX = "cmt_"  # noqa: S105 - so that a leaked token can be recognised as one
PASSWORD_LENGTHS = range(12, 201)


def new_token() -> str:
    """A fresh token of 256 random bits: ``cmt_`` and 43 characters of base64url."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """What is kept of a token: SHA-256, hexadecimal.

    A fast digest is enough: nobody guesses 256 random bits.
    """
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Effort:
    """What one password check costs: 128 × r × n bytes of memory, times p of work (RFC 7914)."""

    n: int = 2**15
    r: int = 8
    p: int = 3


# 32 MiB and about 0.2 s. Source: OWASP Password Storage Cheat Sheet, scrypt.
STANDARD_EFFORT = Effort()


def hash_password(password: str, effort: Effort = STANDARD_EFFORT) -> str:
    """``scrypt$n$r$p$salt$digest``: all that a later check needs.

    :raises Invalid: ``weak-password`` outside 12 to 200 characters.
    """
    if len(password) not in PASSWORD_LENGTHS:
        raise Invalid(
            "a password has 12 to 200 characters",
            code="weak-password",
            path="password",
            hint="a short sentence is easy to remember and hard to guess",
        )
    salt = secrets.token_bytes(16)
    return "$".join(
        (
            "scrypt",
            str(effort.n),
            str(effort.r),
            str(effort.p),
            _text(salt),
            _text(_scrypt(password, salt, effort)),
        )
    )


def check_password(password: str, kept: str) -> bool:
    """Whether ``password`` is the one that was kept; takes as long for a wrong one."""
    _, n, r, p, salt, digest = kept.split("$")
    found = _scrypt(password, base64.b64decode(salt), Effort(int(n), int(r), int(p)))
    return hmac.compare_digest(found, base64.b64decode(digest))


def _scrypt(password: str, salt: bytes, effort: Effort) -> bytes:
    return hashlib.scrypt(
        # Long input costs nothing more: scrypt begins with one HMAC of it.
        password.encode("utf-8", "surrogatepass"),
        salt=salt,
        n=effort.n,
        r=effort.r,
        p=effort.p,
        maxmem=256 * effort.n * effort.r,
        dklen=32,
    )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
