"""Asleep, called, up, called again: with a real Traefik between the clients and the waker."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from cloudmgr.policy.not_counted import NotCounted
from tests.scaling.gateway.conftest import ask, gateway, lead, route
from tests.scaling.serving import until

if TYPE_CHECKING:
    from cloudmgr.scaling.gateway.traefik import Gateway
    from tests.scaling.waker.conftest import Served

__all__ = ["gateway"]  # a fixture


def test_a_crowd_at_the_door_of_a_sleeping_system_is_let_in_without_an_error(
    gateway: Gateway,
    served: Served,
) -> None:
    lead(gateway, served.url, route())
    assert ask(gateway, "/healthz").headers["cloudmgr-state"] == "hibernated"
    page = ask(gateway, headers={"accept": "text/html"})
    assert page.status_code == 202
    before = gateway.read().counters["env_exam"].requests
    with ThreadPoolExecutor(50) as pool:
        posting = [
            pool.submit(ask, gateway, f"/api/{n}", method="POST", content=str(n).encode() * 1000)
            for n in range(100)
        ]
        until(lambda: served.sleepers.address is not None)
        assert served.sleepers.address is not None
        lead(gateway, served.url, route(served.sleepers.address[1]))
        answers = [p.result() for p in posting]
    assert [a.status_code for a in answers] == [200] * 100
    assert [a.json()["body"] for a in answers] == [str(n) * 1000 for n in range(100)]
    assert len(served.sleepers.replica.paths) == 100
    assert len(served.sleepers.woken) == 1
    until(lambda: gateway.read().counters["env_exam"].requests == before + 100)
    assert ask(gateway, headers={"accept": "text/html"}).json()["name"] == "exam"


def test_a_websocket_reaches_a_system_that_slept(
    gateway: Gateway,
    served: Served,
) -> None:
    served.sleepers.startup = None  # what it wakes to is here
    lead(gateway, served.url, route())
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client,
    ):
        client.sendall(
            b"GET /chat HTTP/1.1\r\nHost: exam.extranet.localhost\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        until(lambda: served.sleepers.woken)
        served.sleepers.address = ("127.0.0.1", listening.getsockname()[1])
        listening.settimeout(20)
        connection, _ = listening.accept()
        connection.settimeout(20)
        with connection:
            assert b"GET /chat" in connection.recv(4000)
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                b"Upgrade: websocket\r\n\r\n"
            )
            assert client.recv(4000).startswith(b"HTTP/1.1 101 ")
            client.sendall(b"frame")
            assert connection.recv(4000) == b"frame"
            connection.sendall(b"emarf")
            assert client.recv(4000) == b"emarf"


def test_a_crawler_at_the_door_of_a_sleeping_system_wakes_nobody_and_is_told_so(
    gateway: Gateway,
    served: Served,
) -> None:
    names = NotCounted(("Googlebot",))
    served.sleepers.not_woken_by("Googlebot")
    crawler = {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)", "accept": "text/html"}
    lead(gateway, served.url, route(), not_counted=names)
    counted = gateway.read().counters.get("env_exam")
    refused = ask(gateway, headers=crawler)
    assert (refused.status_code, refused.json()["code"]) == (503, "not-woken")
    assert refused.headers["cloudmgr-state"] == "hibernated"
    assert int(refused.headers["retry-after"]) > 0
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    key = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert ask(gateway, headers={**crawler, **upgrade, **key}).status_code == 503
    assert served.sleepers.woken == []
    assert gateway.read().counters.get("env_exam") == counted
    assert ask(gateway, "/api").status_code == 200
    assert len(served.sleepers.woken) == 1
    assert ask(gateway, headers=crawler).json()["name"] == "exam"
