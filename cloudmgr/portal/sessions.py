"""The cookie that a signed-in browser carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.api.gate import SESSION_COOKIE
from cloudmgr.identity.authentication import SESSION_LIFE

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["SESSION_COOKIE", "inward", "keep", "secure"]


def secure(request: Request) -> bool:
    """Whether cookies are for encrypted connections alone, by the setting or the connection."""
    return request.url.scheme == "https" or bool(
        getattr(request.app.state, "secure_cookies", False)
    )


def keep(request: Request, answer: Response, secret: str) -> None:
    """Have the browser keep the session: not for scripts, not sent from other sites."""
    answer.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=int(SESSION_LIFE.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=secure(request),
    )


def inward(address: str) -> str:
    """``address`` if it lies within this portal, else the home: nobody is led elsewhere."""
    fine = (
        address.startswith("/")
        and not address.startswith(("//", "/\\"))
        and not any(ord(letter) < 32 or letter == "\\" for letter in address)
        and len(address) < 2000
    )
    return address if fine else "/"
