"""A real waker on a port, before a system that sleeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.clock import SystemClock
from cloudmgr.scaling.waker.app import Limits, Waker
from cloudmgr.scaling.waker.server import config
from tests.conftest import free_port
from tests.scaling.serving import Server, request
from tests.scaling.waker.dormitory import HOST, Dormitory

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx


class Served:
    """The waker as its clients reach it."""

    def __init__(self, sleepers: Dormitory, limits: Limits) -> None:
        self.sleepers = sleepers
        self.waker = Waker(sleepers, SystemClock(), limits)
        self._server = Server.of(config(self.waker, "127.0.0.1", free_port())).start()
        self.url, self.port = self._server.url, self._server.port

    def ask(self, path: str = "/", *, host: str = HOST, **options: Any) -> httpx.Response:
        return request(self.url + path, host, **options)

    def visit(self, path: str = "/", language: str = "zh-CN") -> httpx.Response:
        """As a browser does when a person goes there."""
        accept = "text/html,application/xhtml+xml,*/*;q=0.8"
        return self.ask(path, headers={"accept": accept, "accept-language": language})

    def close(self) -> None:
        self._server.end()
        self.sleepers.close()
        self._server.stop()


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served(Dormitory(), Limits(margin=5.0))
    yield served
    served.close()


@pytest.fixture
def impatient() -> Iterator[Served]:
    """Takes on two requests at once, holds them for a second at most, and nothing ever starts."""
    served = Served(
        Dormitory(startup=None, startup_seconds=1), Limits(held=2, per_environment=2, margin=0.0)
    )
    yield served
    served.close()
