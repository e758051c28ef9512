"""What surrounds every request: its id, its size, its count, and an answer whatever happens."""

from __future__ import annotations

import logging
import re
import uuid
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException

from cloudmgr.api.problems import as_json, problem
from cloudmgr.audit.event import request_id as audited_request_id

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from cloudmgr.api.metrics import HttpMetrics
    from cloudmgr.api.problems import Problem
    from cloudmgr.clock import Clock

MAX_BODY_BYTES = 1024 * 1024
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_log = logging.getLogger(__name__)


class Frame:
    """ASGI middleware, the outermost of ours.

    Takes ``X-Request-Id`` over, or makes one, and gives it back; refuses bodies over 1 MiB and NUL
    in an address, which no database can look for; counts and times by route; turns what nobody
    foresaw into a 500 that tells nothing but where to look in the log.
    """

    def __init__(self, app: ASGIApp, clock: Clock, metrics: HttpMetrics) -> None:
        self._app = app
        self._clock = clock
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        identity = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex[:16]
        scope.setdefault("state", {})["request_id"] = identity
        status = 0
        started = self._clock.monotonic()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                outgoing = MutableHeaders(scope=message)
                outgoing["X-Request-Id"] = identity
                outgoing["X-Content-Type-Options"] = "nosniff"
                # What one may see is one's own: no cache between may keep it.
                outgoing.setdefault("Cache-Control", "private, no-cache")
            await send(message)

        mark = audited_request_id.set(identity)
        try:
            refusal = _refusal(scope, headers, identity)
            if refusal is not None:
                await as_json(refusal)(scope, receive, answer)
            else:
                await self._app(scope, _limited(receive), answer)
        except Exception:
            _log.exception("request %s: %s %s failed", identity, scope["method"], scope["path"])
            if status:
                raise
            await as_json(
                problem(
                    500,
                    "internal",
                    "something went wrong here that nobody foresaw",
                    hint=f"tell an operator the request id {identity}",
                    request_id=identity,
                )
            )(scope, receive, answer)
        finally:
            audited_request_id.reset(mark)
            template = getattr(scope.get("route"), "path_format", None) or "unmatched"
            self._metrics.observe(
                scope["method"], template, status, self._clock.monotonic() - started
            )


def _refusal(scope: Scope, headers: Headers, identity: str) -> Problem | None:
    """Why this request gets no further, judged by its first lines alone."""
    if "\x00" in scope["path"]:
        return problem(404, "not-found", "there is nothing at this address", request_id=identity)
    query: bytes = scope["query_string"]
    if b"%00" in query or b"\x00" in query:
        return problem(
            422,
            "invalid",
            "the query must not hold NUL",
            request_id=identity,
            errors=[("", "must not hold NUL")],
        )
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > MAX_BODY_BYTES:
        return problem(
            413,
            "too-large",
            "the body is larger than 1 MiB",
            hint="send at most 1 MiB",
            request_id=identity,
        )
    return None


def _limited(receive: Receive) -> Receive:
    """``receive``, which refuses more than 1 MiB from whoever did not say the length."""
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        if message["type"] == "http.request":
            total += len(message.get("body", b""))
            if total > MAX_BODY_BYTES:
                raise HTTPException(413)
        return message

    return counted
