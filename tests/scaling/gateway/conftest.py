"""One real Traefik for all tests of a module; each test publishes what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.clock import SystemClock
from cloudmgr.policy.not_counted import NotCounted
from cloudmgr.pools.pool import Zone
from cloudmgr.scaling.gateway.routes import Route, document
from cloudmgr.scaling.gateway.traefik import Gateway
from tests.conftest import free_port
from tests.scaling.serving import Replica, Server, request, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

HOST = "exam.extranet.localhost"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("gateway")
    gateway = Gateway(Zone.EXTRANET, directory, free_port(), SystemClock())
    gateway.ensure()
    try:
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture(scope="module")
def waker_server() -> Iterator[Server]:
    """Stands where the waker stands."""
    with serving(Replica("waker")) as server:
        yield server


def route(*ports: int, environment_id: str = "env_exam", host: str = HOST) -> Route:
    return Route(environment_id, host, "/healthz", tuple(("127.0.0.1", port) for port in ports))


def lead(
    gateway: Gateway,
    waker: Server | str,
    *routes: Route,
    not_counted: NotCounted = NotCounted(),  # noqa: B008 - it is frozen
) -> str:
    """Publish and wait until it is so."""
    url = waker if isinstance(waker, str) else waker.url
    digest = gateway.publish(document(routes, (url,), not_counted))
    gateway.wait(digest)
    return digest


def ask(gateway: Gateway, path: str = "/", *, host: str = HOST, **options: Any) -> httpx.Response:
    return request(gateway.url + path, host, **options)
