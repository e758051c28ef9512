"""The sockets that a control plane listens on."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing

import pytest
import uvicorn

from cloudmgr.cli.serving import _bound
from cloudmgr.errors import Permanent
from tests.ports import free_port


def server(port: int, host: str = "127.0.0.1") -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config("none:app", host=host, port=port))


class Greeted(asyncio.Protocol):
    """Says how the first connection was accepted."""

    def __init__(self, nodelay: asyncio.Future[int]) -> None:
        self._nodelay = nodelay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        accepted = transport.get_extra_info("socket")
        self._nodelay.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        transport.close()


def test_small_answers_are_sent_at_once() -> None:
    async def accepted() -> int:
        loop = asyncio.get_running_loop()
        nodelay: asyncio.Future[int] = loop.create_future()
        bound = _bound(server(free_port()))
        listening = await loop.create_server(lambda: Greeted(nodelay), sock=bound)
        _, writer = await asyncio.open_connection(*bound.getsockname())
        try:
            return await nodelay
        finally:
            writer.close()
            listening.close()

    assert asyncio.run(accepted()) != 0


def test_a_replica_that_is_started_does_not_inherit_the_port() -> None:
    with closing(_bound(server(free_port()))) as bound:
        assert not bound.get_inheritable()


def test_a_port_that_is_taken_is_named() -> None:
    port = free_port()
    with closing(_bound(server(port))) as bound:
        bound.listen()
        with pytest.raises(Permanent) as refused:
            _bound(server(port))
    assert refused.value.code == "port-taken"
    assert str(port) in refused.value.message
