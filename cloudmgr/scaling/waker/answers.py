"""What the waker says when it does not pass a request on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import Response

from cloudmgr.scaling.waker.sleepers import State

if TYPE_CHECKING:
    from cloudmgr.errors import CloudmgrError
    from cloudmgr.scaling.waker.sleepers import Sleeper

STATE_HEADER = "cloudmgr-state"
# Seconds: a crawler keeps what it knows of a system, and a monitor has no reason to hurry.
_RETRY_NOT_WOKEN = 3600
_TITLES = {
    404: "There is no such system",
    502: "The system broke off",
    503: "Not now",
    504: "The system did not come up in time",
}


class Refusal(Exception):
    """A request that is answered with a problem (RFC 9457) instead of being passed on."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        hint: str = "",
        retry_after: int | None = None,
        state: State = State.UNAVAILABLE,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.hint = hint
        self.retry_after = retry_after
        self.state = state

    @classmethod
    def of(cls, error: CloudmgrError) -> Refusal:
        """What ``error``, of the control plane, means to whoever calls a system."""
        return cls(503, error.code, error.message, hint=error.hint, retry_after=5)

    def headers(self) -> dict[str, str]:
        retry = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        return {"cache-control": "no-store", STATE_HEADER: self.state.value, **retry}

    def content(self) -> bytes:
        problem = {
            "type": f"urn:cloudmgr:problem:{self.code}",
            "title": _TITLES[self.status],
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "hint": self.hint,
        }
        return json.dumps(problem, ensure_ascii=False).encode()

    def response(self) -> Response:
        return Response(
            self.content(), self.status, self.headers(), media_type="application/problem+json"
        )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a replica listens."""

    address: str
    port: int


def not_woken(sleeper: Sleeper) -> Refusal:
    """To a monitor or crawler of which policy says that it wakes nobody."""
    return Refusal(
        503,
        "not-woken",
        f"{sleeper.name_en} is not up, and this request does not wake it",
        hint="a request of a person, or of a program that uses it, does",
        retry_after=_RETRY_NOT_WOKEN,
        state=sleeper.state,
    )


def probe_answer(sleeper: Sleeper) -> Response:
    """To a health probe: that an environment sleeps or starts is as it should be.

    Monitoring that only looks at the status stays quiet; monitoring that wants to know reads the
    header. One that ought to serve and does not come up is a 503.
    """
    failing = sleeper.state is State.UNAVAILABLE
    return Response(
        json.dumps({"state": sleeper.state.value}),
        503 if failing else 200,
        {"cache-control": "no-store", STATE_HEADER: sleeper.state.value},
        media_type="application/json",
    )
