"""Passes one request on to one replica, and its answer back, both as they flow."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import httpx

from cloudmgr.scaling.waker.answers import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Message, Receive, Scope, Send

    from cloudmgr.scaling.waker.answers import Endpoint

# RFC 9110, 7.6.1: about one connection, not about the message. `expect` was answered by our server.
_HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate",
    b"proxy-authorization", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect",
})  # fmt: skip
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
_CONNECT_SECONDS = 2.0
_AHEAD = 64 * 1024

Headers = list[tuple[bytes, bytes]]


class Unreachable(Exception):
    """Nothing was done: the request may be passed to another replica."""


class GoneError(Exception):
    """The client went away."""


class Inbound:
    """The client's side of a request: its body, read a little ahead, and whether it is still there.

    Reading ahead is what tells that a client went away while its request is held. At most
    64 KiB of a body are kept here; beyond, the client has to wait.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._chunks: deque[bytes] = deque()
        self._ahead = 0
        self._moved = asyncio.Event()
        self._ended = False
        self.begun = False
        self.gone = asyncio.Event()

    async def pump(self) -> None:
        """Read until the client is gone."""
        while True:
            while self._ahead >= _AHEAD:
                self._moved.clear()
                await self._moved.wait()
            message: Message = await self._receive()
            if message["type"] == "http.disconnect":
                self.gone.set()
                self._moved.set()
                return
            chunk: bytes = message.get("body", b"")
            if chunk:
                self._chunks.append(chunk)
                self._ahead += len(chunk)
            if not message.get("more_body", False):
                self._ended = True
            self._moved.set()

    async def body(self) -> AsyncIterator[bytes]:
        """:raises GoneError: the client went away before the end of it."""
        self.begun = True
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._ahead -= len(chunk)
                self._moved.set()
                yield chunk
            if self._ended:
                return
            if self.gone.is_set():
                raise GoneError
            self._moved.clear()
            await self._moved.wait()


class _Body(httpx.AsyncByteStream):
    def __init__(self, inbound: Inbound) -> None:
        self._inbound = inbound

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._inbound.body()


class Forwarder:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        # A transport and not a client: no cookies, redirects, or proxies of the environment. No
        # connection is used twice, so that none can be closed while a request is written to it.
        self._transport = httpx.AsyncHTTPTransport(
            verify=False,  # replicas speak plain HTTP: no certificates need be loaded
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )

    async def forward(self, scope: Scope, inbound: Inbound, endpoint: Endpoint, send: Send) -> None:
        """Host and path as the client gave them; ``X-Forwarded-*`` of the gateway are kept.

        :raises Unreachable: nothing was done. :raises Refusal: ``replica-lost``, the replica broke
            off before it answered. :raises httpx.HTTPError: it broke off in its answer.
        """
        request = _request(scope, inbound, endpoint)
        try:
            response = await self._transport.handle_async_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unreachable from error
        except (httpx.NetworkError, httpx.ProtocolError) as error:
            if scope["method"] in _REPEATABLE and not _has_body(scope):
                raise Unreachable from error
            raise Refusal(
                502,
                "replica-lost",
                "the system broke off while it worked on this request",
                hint="it may have been carried out: look before you send it again",
            ) from error
        try:
            await send({
                "type": "http.response.start",
                "status": response.status_code,
                "headers": _passed_on(response.headers.raw),
            })  # fmt: skip
            assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - for mypy
            async for chunk in response.stream:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await response.aclose()

    async def close(self) -> None:
        await self._transport.aclose()


def _request(scope: Scope, inbound: Inbound, endpoint: Endpoint) -> httpx.Request:
    headers = _passed_on(scope["headers"])
    if _chunked(scope):
        headers.append((b"transfer-encoding", b"chunked"))
    given = {name for name, _ in headers}
    client = scope.get("client")
    host = next((value for name, value in headers if name == b"host"), b"")
    for name, value in (
        (b"x-forwarded-for", client[0].encode() if client else b""),
        (b"x-forwarded-proto", scope["scheme"].encode()),
        (b"x-forwarded-host", host),
    ):
        if value and name not in given:
            headers.append((name, value))
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return httpx.Request(
        scope["method"],
        httpx.URL(scheme="http", host=endpoint.address, port=endpoint.port, path="/"),
        headers=headers,
        stream=_Body(inbound),
        extensions={
            # As it came: httpx would write some of it in another way.
            "target": path + (b"?" + query if query else b""),
            "timeout": {"connect": _CONNECT_SECONDS, "read": None, "write": None, "pool": None},
        },
    )


def _passed_on(headers: Headers) -> Headers:
    named = {
        token.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for token in value.split(b",")
    }
    drop = _HOP_BY_HOP | named
    return [(name, value) for name, value in headers if name.lower() not in drop]


def _chunked(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" and b"chunked" in value.lower()
        for name, value in scope["headers"]
    )


def _has_body(scope: Scope) -> bool:
    return _chunked(scope) or any(
        name == b"content-length" and value != b"0" for name, value in scope["headers"]
    )
