"""The process: started, adopted, restarted, told; with a real Traefik."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from cloudmgr.clock import SystemClock
from cloudmgr.errors import Invalid, Permanent, Temporary
from cloudmgr.pools.pool import Zone
from cloudmgr.scaling.gateway import process
from cloudmgr.scaling.gateway.routes import document
from cloudmgr.scaling.gateway.traefik import Gateway
from tests.conftest import free_port
from tests.fakes import ManualClock
from tests.scaling.gateway.conftest import HOST, ask, lead, route
from tests.scaling.serving import ROOT, Replica, serving, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.scaling.serving import Server


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that is not started yet and that a test may maltreat."""
    gateway = Gateway(Zone.INTRANET, tmp_path / "of its own", free_port(), SystemClock())
    try:
        yield gateway
    finally:
        gateway.stop()


def _again(gateway: Gateway, **changes: object) -> Gateway:
    """The same gateway, as a control plane that was started anew sees it."""
    settings = {"port": gateway.port, **changes}
    return Gateway(gateway.zone, gateway._directory, clock=SystemClock(), **settings)  # type: ignore[arg-type]


def _pid(gateway: Gateway) -> int:
    pid: int = json.loads(gateway._run.read_bytes())["pid"]
    return pid


def test_an_address_without_a_route_is_not_found(gateway: Gateway, waker_server: Server) -> None:
    lead(gateway, waker_server, route())
    assert ask(gateway, host="nobody.extranet.localhost").status_code == 404


def test_what_is_in_force_is_not_written_again(gateway: Gateway, waker_server: Server) -> None:
    digest = lead(gateway, waker_server, route(9001))
    before = gateway._routes.stat()
    assert gateway.publish(document([route(9001)], (waker_server.url,))) == digest
    _again(gateway).publish(document([route(9001)], (waker_server.url,)))
    assert gateway._routes.stat().st_mtime_ns == before.st_mtime_ns
    assert not gateway.applied("0" * 32)


def test_garbage_cannot_be_published(gateway: Gateway, waker_server: Server) -> None:
    digest = lead(gateway, waker_server, route())
    garbages: list[dict[str, Any]] = [{}, {"http": {}}, {"http": {"routers": {}, "unknown": 1}}]
    for garbage in garbages:
        with pytest.raises(Invalid):
            gateway.publish(garbage)
    changed = document([route()], (waker_server.url,))
    changed["http"]["surprise"] = {}
    with pytest.raises(Invalid):
        gateway.publish(changed)
    assert gateway.applied(digest)
    assert ask(gateway).json()["name"] == "waker"


def test_routes_overwritten_by_someone_else_are_put_right(
    gateway: Gateway, waker_server: Server
) -> None:
    digest = lead(gateway, waker_server, route())
    _again(gateway).publish(document([], (waker_server.url,)))
    assert gateway.publish(document([route()], (waker_server.url,))) == digest
    gateway.wait(digest)


def test_it_outlives_whoever_started_it_and_is_adopted_with_its_counters(
    own: Gateway, waker_server: Server
) -> None:
    program = f"""
import os, signal
from pathlib import Path
from cloudmgr.clock import SystemClock
from cloudmgr.pools.pool import Zone
from cloudmgr.scaling.gateway.traefik import Gateway
Gateway(Zone.INTRANET, Path({str(own._directory)!r}), {own.port}, SystemClock()).ensure()
os.kill(os.getpid(), signal.SIGKILL)
"""
    starter = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert starter.returncode == -signal.SIGKILL
    pid = _pid(own)
    assert own.ensure() is False
    lead(own, waker_server, route())
    ask(own)
    epoch = own.read().epoch
    later = _again(own)
    assert later.ensure() is False
    ask(later)
    assert _pid(later) == pid
    assert later.read().epoch == epoch
    assert later.read().counters["env_exam"].requests == 2


def test_one_that_was_never_written_down_is_adopted(own: Gateway) -> None:
    own.ensure()
    epoch = own.epoch
    own._run.unlink()
    with pytest.raises(Temporary, match="does not run"):
        _ = own.epoch
    later = _again(own)
    assert later.ensure() is False
    assert later.epoch == epoch


def test_a_dead_one_is_started_again_and_serves_what_it_served(
    own: Gateway, waker_server: Server
) -> None:
    own.ensure()
    lead(own, waker_server, route())
    epoch, admin = own.epoch, own.metrics_url
    os.kill(_pid(own), signal.SIGKILL)
    until(lambda: not process.Process(*_identity(own)).alive())
    with pytest.raises(Temporary, match="does not run"):
        own.read()
    assert own.ensure() is True
    assert ask(own).json()["name"] == "waker"
    assert own.epoch != epoch
    assert own.metrics_url == admin


def _identity(gateway: Gateway) -> tuple[int, int, str]:
    said = json.loads(gateway._run.read_bytes())
    return said["pid"], said["ticks"], said["boot"]


def test_two_control_planes_on_one_machine_start_it_once(own: Gateway) -> None:
    started: list[bool] = []
    both = [_again(own), _again(own)]

    def ensure(gateway: Gateway) -> None:
        started.append(gateway.ensure())

    threads = [threading.Thread(target=ensure, args=(gateway,)) for gateway in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(started) == [False, True]
    assert both[0].epoch == both[1].epoch
    config = f"--configfile={own._static}"
    assert sum(config in (p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])) == 1


def test_other_settings_start_it_anew(own: Gateway) -> None:
    own.ensure()
    moved = _again(own, port=free_port())
    assert moved.ensure() is True
    assert moved.ensure() is False
    with socket.create_connection(("127.0.0.1", moved.port)):
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", own.port))


def test_a_port_that_is_taken_is_named_and_nothing_is_started(own: Gateway) -> None:
    with socket.create_server(("127.0.0.1", own.port)), pytest.raises(Permanent) as refused:
        own.ensure()
    assert refused.value.code == "port-taken"
    assert str(own.port) in refused.value.message
    assert own.ensure() is True


def test_it_knows_nothing_of_our_environment(own: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDMGR_DATABASE_URL", "postgresql://secret@db/cloudmgr")
    own.ensure()
    assert set(psutil.Process(_pid(own)).environ()) == {"PATH", "HOME"}


def test_a_traefik_that_ends_at_once_is_said_so_in_its_own_words(tmp_path: Path) -> None:
    program = tmp_path / "traefik"
    program.write_text("#!/bin/sh\necho 'an error of mine' >&2\nexit 3\n")
    program.chmod(0o700)
    gateway = Gateway(Zone.INTRANET, tmp_path / "g", free_port(), SystemClock(), binary=program)
    with pytest.raises(Temporary, match="an error of mine"):
        gateway.ensure()
    gateway = Gateway(Zone.INTRANET, tmp_path / "g", free_port(), ManualClock(), binary=tmp_path)
    with pytest.raises(Permanent) as refused:
        gateway.ensure()
    assert refused.value.code == "no-traefik"


def test_stopping_it_lets_requests_in_flight_finish(own: Gateway, waker_server: Server) -> None:
    own.ensure()
    with serving(Replica("slow")) as slow:
        lead(own, waker_server, route(slow.port))
        codes: list[int] = []
        asking = threading.Thread(
            target=lambda: codes.append(ask(own, "/?seconds=0.5").status_code)
        )
        asking.start()
        until(lambda: _busy(slow.port))
        own.stop()
        asking.join()
    assert codes == [200]
    with pytest.raises(Temporary, match="does not run"):
        own.read()
    own.stop()


def _busy(port: int) -> bool:
    return any(
        c.status == psutil.CONN_ESTABLISHED and c.laddr.port == port
        for c in psutil.Process().net_connections("tcp")
    )


def test_headers_that_pass_for_those_of_the_gateway_are_taken_out(
    gateway: Gateway, waker_server: Server
) -> None:
    with serving(Replica("one")) as one:
        lead(gateway, waker_server, route(one.port))
        answer = ask(gateway, headers={"X_Forwarded_For": "9.9.9.9", "X-Real-Ip": "9.9.9.9"})
    headers = {name.lower(): value for name, value in answer.json()["headers"]}
    assert headers["host"] == HOST
    assert headers["x-forwarded-for"] == headers["x-real-ip"] == "127.0.0.1"
    assert "x_forwarded_for" not in headers
