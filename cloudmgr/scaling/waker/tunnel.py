"""WebSockets: held like any request, then joined to the replica, byte for byte.

No library for WebSockets is needed to pass one on: the handshake is sent to the replica as it came,
and what follows is nobody's business but the two ends'. Our server hands an upgrade over to a
protocol of its own choice, and this is it.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from cloudmgr.scaling.waker.answers import Refusal, not_woken
from cloudmgr.scaling.waker.app import host_of

if TYPE_CHECKING:
    from cloudmgr.scaling.waker.app import Waker
    from cloudmgr.scaling.waker.sleepers import Sleeper

log = logging.getLogger(__name__)
_CONNECT_SECONDS = 2.0
_AFTER_A_MISS = 0.05
_AHEAD = 64 * 1024


class _Side(asyncio.Protocol):
    """One end; what it says goes to the other, no faster than that one takes it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.other is None or self.other.transport is None:
            self._early.append(data)
        else:
            self.other.transport.write(data)

    def join(self, other: _Side) -> None:
        """Pass on what was said already, and from now on all that is."""
        assert other.transport is not None  # noqa: S101 - a side is joined once it is connected
        other.transport.writelines(self._early)
        self._early.clear()
        self.other = other

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()


class Tunnel(_Side):
    """The client's end; uvicorn makes one for each upgrade and hands it the handshake."""

    def __init__(self, waker: Waker, server_state: Any) -> None:
        super().__init__()
        self._waker = waker
        self._server = server_state
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._serve(data))
        elif self.transport is not None and sum(map(len, self._early)) > _AHEAD:
            self.transport.abort()  # it talks without waiting to be answered

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self)
        if self._task is not None:
            self._task.cancel()
        super().connection_lost(error)

    def shutdown(self) -> None:
        """Called by uvicorn when it ends."""
        if self.transport is not None:
            self.transport.close()

    async def _serve(self, handshake: bytes) -> None:
        """From the handshake to the end of the connection, which ends this task."""
        assert self.transport is not None  # noqa: S101 - for mypy
        head = handshake.decode("latin-1").split("\r\n")
        host = host_of(_header(head, "host"))
        path = head[0].split(" ")[1].partition("?")[0]
        why = f"first request: WebSocket {path[:150]}"
        try:
            sleeper = await self._waker.find(host)
            if sleeper.not_counted.covers("GET", path, _header(head, "user-agent")) and (
                await self._waker.endpoint(sleeper) is None
            ):
                raise not_woken(sleeper)
            with self._waker.room(sleeper):
                replica = await self._connect(host, sleeper, why)
                self.join(replica)
                replica.join(self)
                await asyncio.Event().wait()
        except Refusal as refusal:
            self.transport.write(_written(refusal))
            self.transport.close()

    async def _connect(self, host: str, sleeper: Sleeper, why: str) -> _Side:
        """:raises Refusal: it does not come up."""
        deadline = self._waker.deadline(sleeper)
        endpoint = await self._waker.endpoint(sleeper)
        while True:
            if endpoint is None:
                endpoint = await self._waker.up(host, sleeper, why, deadline)
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    _, side = await asyncio.get_running_loop().create_connection(
                        _Side, endpoint.address, endpoint.port
                    )
            except (OSError, TimeoutError):
                await asyncio.sleep(_AFTER_A_MISS)
                sleeper, endpoint = await self._waker.find(host), None
            else:
                return side


def tunnel(waker: Waker) -> type[asyncio.Protocol]:
    """The protocol to which uvicorn hands a WebSocket: its setting ``ws``."""

    class OfThisWaker(Tunnel):
        def __init__(self, config: object, server_state: Any, app_state: object) -> None:
            del config, app_state
            super().__init__(waker, server_state)

    return OfThisWaker


def _header(head: list[str], name: str) -> str:
    """The first of that name (small letters) in the lines of a handshake, or nothing."""
    start = len(name) + 1
    return next((line[start:] for line in head[1:] if line[:start].lower() == f"{name}:"), "")


def _written(refusal: Refusal) -> bytes:
    body = refusal.content()
    headers = {
        **refusal.headers(),
        "content-type": "application/problem+json",
        "content-length": str(len(body)),
        "connection": "close",
    }
    head = f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return head.encode("latin-1") + b"\r\n" + body
