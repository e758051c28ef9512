"""A real control plane in a process of its own, and what it hosts, for tests of the whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import psutil

from cloudmgr.clock import SystemClock
from cloudmgr.errors import Temporary
from cloudmgr.pools.pool import Zone
from cloudmgr.scaling.gateway.routes import digest
from cloudmgr.scaling.gateway.traefik import Gateway
from tests.conftest import free_port
from tests.scaling.serving import request
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HERE = "127.0.0.1"
CLI = [sys.executable, "-m", "cloudmgr.cli.main"]
# A small real application: answers its pid, and sleeps as long as it is asked to.
APP = """
import http.server, os, time, urllib.parse
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        time.sleep(float(query.get("sleep", ["0"])[0]))
        body = str(os.getpid()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

LOCAL = {
    "name": "local-extranet",
    "zone": "extranet",
    "settings": {"cpu_millis": 8000, "memory_mib": 8000, "storage_gib": 10},
}


class Place:
    """What several control planes share: state directory, database, ports of the gateways."""

    def __init__(
        self, directory: Path, database_url: str = "", pools: list[dict[str, Any]] | None = None
    ) -> None:
        self.directory = directory
        self.state = directory / "state"
        pools = pools or [LOCAL]
        self.gateway_ports = {pool["zone"]: free_port() for pool in pools}
        self.environment = {
            **os.environ,
            "CLOUDMGR_STATE_DIR": str(self.state),
            "CLOUDMGR_DATABASE_URL": database_url,
            "CLOUDMGR_GATEWAY_PORTS": json.dumps(self.gateway_ports),
            "CLOUDMGR_POOLS": json.dumps(pools),
        }
        self.planes: list[Plane] = []
        self.token = ""

    def init(self) -> None:
        done = subprocess.run(
            [*CLI, "init", "--admin-login", "root", "--password", "a long password here"],
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        )
        self.token = done.stdout.split("token: ")[1].strip()

    def plane(self) -> Plane:
        made = Plane(self, len(self.planes))
        self.planes.append(made)
        return made

    def replicas(self) -> list[psutil.Process]:
        """Processes of this place's pool, by the variable that marks them."""
        found = []
        for process in psutil.process_iter():
            try:
                variables = process.environ()
            except (psutil.Error, OSError):
                continue
            if "CLOUDMGR_REPLICA" in variables and str(self.state) in variables.get("DATA_DIR", ""):
                found.append(process)
        return found

    def led_to(self, environment_id: str) -> int:
        """How many replicas the gateway leads to by the routes that it works by now.

        Until the first is among them, it is the waker, a part of the control plane, that answers.
        """
        directory = self.state / "gateway" / "extranet"
        gateway = Gateway(Zone.EXTRANET, directory, self.gateway_ports["extranet"], SystemClock())
        try:
            document = json.loads((directory / "routes" / "routes.yml").read_bytes())
            if not gateway.applied(digest(document)):
                return 0
            balancer = document["http"]["services"][environment_id]["loadBalancer"]
        except (OSError, KeyError, Temporary):
            return 0
        return sum(server["weight"] > 1 for server in balancer["servers"])

    def down(self) -> None:
        """End everything that was started here."""
        for plane in self.planes:
            plane.kill()
        for process in psutil.process_iter():
            try:
                ours = str(self.state) in " ".join(process.cmdline()) or (
                    str(self.state) in process.environ().get("HOME", "")
                )
                if ours or (
                    "CLOUDMGR_REPLICA" in process.environ()
                    and str(self.state) in json.dumps(process.environ())
                ):
                    process.kill()
            except (psutil.Error, OSError):
                continue


class Plane:
    """One ``cloudmgr serve``."""

    def __init__(self, place: Place, number: int) -> None:
        self.place = place
        self.port = free_port()
        self.waker_port = free_port()
        self.log = place.directory / f"serve-{number}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Plane:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*CLI, "serve"],
                env={
                    **self.place.environment,
                    "CLOUDMGR_PORT": str(self.port),
                    "CLOUDMGR_WAKER_PORT": str(self.waker_port),
                },
                stdout=log,
                stderr=log,
            )
        until(self.answers, seconds=90, what="the control plane")
        return self

    def answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()[-3000:]
        try:
            return request(f"http://127.0.0.1:{self.port}/readyz", _HERE).is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """As a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(timeout=30)
        self._process = None
        return code

    def api(self, token: str | None = None) -> Api:
        return Api(self.port, token or self.place.token)


class Api:
    """The HTTP API as a user of one token meets it."""

    def __init__(self, port: int, token: str) -> None:
        self._address = f"http://127.0.0.1:{port}/api/v1"
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **query: object) -> Any:
        return self._done("GET", path, params=query).json()

    def post(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        return self._done("POST", path, json=body, headers=headers).json()

    def act(self, path: str, verb: str, body: dict[str, Any]) -> Any:
        """Read a thing and change just what was read."""
        seen = self._done("GET", path)
        return self.post(f"{path}/{verb}", body, **{"If-Match": seen.headers["ETag"]})

    def items(self, path: str, **query: object) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            more: dict[str, object] = {"cursor": cursor} if cursor else {}
            page = self.get(path, limit=200, **query, **more)
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def _done(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**self._headers, **more.pop("headers", {})}
        answer = request(self._address + path, _HERE, method, headers=headers, **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer
