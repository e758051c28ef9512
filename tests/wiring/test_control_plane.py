"""One control plane, put together from real parts: it starts, hosts, is measured, and stops."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client import generate_latest

from cloudmgr.errors import Invalid, Permanent
from cloudmgr.pools.pool import Zone
from cloudmgr.wiring.control_plane import ControlPlane
from cloudmgr.wiring.settings import PoolSettings, Settings
from tests.conftest import free_port
from tests.fakes import InstantPool
from tests.scaling.serving import request
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROOM = {"cpu_millis": 1000, "memory_mib": 512, "storage_gib": 1}
SERVE = [sys.executable, "-m", "cloudmgr.cli.main", "serve"]


def settings(directory: Path, **changes: object) -> Settings:
    pools = (PoolSettings(name="outer", zone=Zone.EXTRANET, settings=ROOM),)
    ports = {Zone.EXTRANET: free_port()}
    return Settings(
        **{"state_dir": directory, "pools": pools, "gateway_ports": ports, **changes}  # type: ignore[arg-type]
    )


def test_it_starts_with_a_real_pool_and_gateway_is_measured_and_stops(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    plane = ControlPlane(chosen)
    plane.start()
    try:
        assert plane.drivers["pool_outer"].capacity().allocatable.cpu_millis > 0
        assert plane.leases.fence("env_any") is not None
        address = f"http://127.0.0.1:{chosen.gateway_ports[Zone.EXTRANET]}/"
        until(lambda: answers(address))
        assert "cloudmgr_leases_held 20.0" in generate_latest(plane.registry).decode()
        steps = 'cloudmgr_reconcile_steps_total{outcome="ok",reconciler="gateway"}'
        until(lambda: steps in generate_latest(plane.registry).decode())
    finally:
        plane.stop()
        plane.gateways[Zone.EXTRANET].stop()
    again = ControlPlane(chosen)
    with again.database.read() as tx:
        assert {row.holder for row in again.stores.leases.all(tx)} == {""}, "all is given back"
        assert again.stores.leases.members(tx) == {}
    again.database.close()


def answers(address: str) -> bool:
    try:
        return request(address, "127.0.0.1").status_code == httpx.codes.NOT_FOUND
    except httpx.TransportError:
        return False


def test_a_driver_that_does_not_exist_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    pools = (
        PoolSettings(name="outer", zone=Zone.EXTRANET, settings=ROOM),
        PoolSettings(name="mainframe", zone=Zone.EXTRANET, kind="abacus"),
    )
    plane = ControlPlane(settings(tmp_path, pools=pools))
    with pytest.raises(Invalid) as refused:
        plane.start()
    plane.database.close()
    assert refused.value.code == "no-such-driver"
    assert "abacus" in refused.value.message
    assert "local" in refused.value.hint
    assert plane.leases.fence("env_any") is None


def test_what_starts_before_a_part_that_cannot_is_let_go_again(tmp_path: Path) -> None:
    plane = ControlPlane(settings(tmp_path))
    broken = Unstartable()
    plane.drivers["pool_broken"] = broken
    with pytest.raises(Permanent):
        plane.start()
    plane.database.close()
    assert broken.closed


class Unstartable(InstantPool):
    """One that cannot begin."""

    closed = False

    def start(self, _changed: Callable[[str], None]) -> None:
        raise Permanent("it cannot begin")

    def close(self) -> None:
        self.closed = True


def served(directory: Path, **more: str) -> tuple[int, list[str]]:
    """The exit status of ``cloudmgr serve``, which must end by itself, and what it said."""
    environment = {
        **os.environ,
        "CLOUDMGR_STATE_DIR": str(directory / "state"),
        "CLOUDMGR_PORT": str(free_port()),
        "CLOUDMGR_WAKER_PORT": str(free_port()),
        "CLOUDMGR_GATEWAY_PORTS": json.dumps({"extranet": free_port()}),
        **more,
    }
    done = subprocess.run(
        SERVE, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_a_port_that_is_taken_is_one_line_and_a_status(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, lines = served(tmp_path, CLOUDMGR_PORT=str(port))
    assert (status, len(lines)) == (1, 1), lines
    assert str(port) in lines[0]
    assert "CLOUDMGR_PORT" in lines[0]


def test_broken_policies_at_the_start_are_one_line_and_a_status(tmp_path: Path) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "admission.yaml").write_text("rules: 5\n")
    status, lines = served(tmp_path, CLOUDMGR_POLICY_DIR=str(policies))
    assert (status, len(lines)) == (2, 1), lines
    assert "admission.yaml" in lines[0]


def test_a_state_directory_that_cannot_be_is_one_line_and_a_status(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    status, lines = served(tmp_path)
    assert (status, len(lines)) == (1, 1), lines
    assert "CLOUDMGR_STATE_DIR" in lines[0]
