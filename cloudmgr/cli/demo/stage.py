"""The processes of a demo: started, killed on purpose, and none left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil

from cloudmgr.clock import SystemClock
from cloudmgr.errors import Permanent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudmgr.cli.demo.timeline import Timeline

_UP_WITHIN = 60.0
_DOWN_WITHIN = 15.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the demo listens, on the loopback address alone."""

    plane: int
    waker: int
    extranet: int
    intranet: int

    @classmethod
    def choose(cls) -> Ports:
        """The usual ports where they are free, else any."""
        return cls(*(_free(port) for port in (8080, 8081, 8090, 8091)))

    def gateway(self, zone: str) -> str:
        port = self.extranet if zone == "extranet" else self.intranet
        return f"http://127.0.0.1:{port}"


class Stage:
    """One control plane in a state directory of its own, and all that it starts.

    Everything it starts names that directory in its command or its environment; that, and nothing
    else, is how :meth:`clear` finds what to end.
    """

    def __init__(self, state: Path, ports: Ports, timeline: Timeline) -> None:
        self.state = state.resolve()
        self.ports = ports
        self.timeline = timeline
        self.address = f"http://127.0.0.1:{ports.plane}"
        self.log = self.state / "control-plane.log"
        self._clock = SystemClock()
        self._process: subprocess.Popen[bytes] | None = None

    def variables(self) -> dict[str, str]:
        """The settings of the control plane, beside what this process was given."""
        ports = self.ports
        # Replicas of the demo wait more than they compute, so the machine's cores are promised
        # eight times; a pool that serves in earnest promises them once or twice.
        pools = [
            {
                "name": f"local-{zone}",
                "kind": "local",
                "zone": zone,
                "protection_level": 3,
                "settings": {
                    "cpu_overcommit": 8,
                    "first_port": first,
                    "last_port": first + 4_999,
                },
            }
            for zone, first in (("extranet", 20_000), ("intranet", 25_000))
        ]
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("CLOUDMGR_")}
        return inherited | {
            "CLOUDMGR_STATE_DIR": str(self.state),
            "CLOUDMGR_HOST": "127.0.0.1",
            "CLOUDMGR_PORT": str(ports.plane),
            "CLOUDMGR_WAKER_PORT": str(ports.waker),
            "CLOUDMGR_GATEWAY_PORTS": json.dumps(
                {"extranet": ports.extranet, "intranet": ports.intranet}
            ),
            "CLOUDMGR_CLOCK": json.dumps(self.timeline.setting()),
            "CLOUDMGR_POOLS": json.dumps(pools),
            "CLOUDMGR_TIME_ZONE": "Asia/Shanghai",
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "cloudmgr.cli.main", *arguments]

    def initialise(self, password: str) -> str:
        """Make the tables and the administrator ``admin``; the token.

        :raises Permanent: ``demo-failed`` with what the command said.
        """
        done = subprocess.run(  # noqa: S603 - our own command
            self.command("init", "--admin-login", "admin", "--password", password),
            env=self.variables(),
            capture_output=True,
            text=True,
            check=False,
        )
        for line in done.stdout.splitlines():
            if line.startswith("token: "):
                return line.removeprefix("token: ").strip()
        last = done.stderr.strip().splitlines()[-1:]
        raise Permanent(f"`cloudmgr init` failed: {''.join(last)}", code="demo-failed")

    def start(self) -> None:
        """Start the control plane and wait until it answers.

        :raises Permanent: ``demo-failed`` with the end of its log.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                self.command("serve"),
                env=self.variables(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the demo, which ends things in order.
                start_new_session=True,
            )
        end = self._clock.monotonic() + _UP_WITHIN
        with httpx.Client(timeout=5) as client:
            while True:
                with suppress(httpx.TransportError):
                    if client.get(f"{self.address}/readyz").is_success:
                        return
                if self._process.poll() is not None or self._clock.monotonic() > end:
                    raise Permanent(
                        f"the control plane does not come up: {self.last_words()}",
                        code="demo-failed",
                    )
                self._clock.sleep(0.05)

    def last_words(self) -> str:
        """The end of the control plane's log."""
        if not self.log.exists():
            return "it said nothing"
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-12:])

    def kill(self) -> None:
        """``kill -9`` of the control plane."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End the control plane in order."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_DOWN_WITHIN)
            self.kill()

    def clear(self) -> int:
        """End everything that is left of this stage; how many processes that were."""
        self.stop()
        ended = 0
        for sign in (signal.SIGTERM, signal.SIGKILL):
            # Gateways and replicas are processes of their own; looked for until none is left.
            for _ in range(3):
                left = list(self.processes())
                for process in left:
                    with suppress(psutil.NoSuchProcess):
                        process.send_signal(sign)
                        ended += sign is signal.SIGTERM
                psutil.wait_procs(left, timeout=_DOWN_WITHIN / 3)
                if not left:
                    return ended
        return ended

    def processes(self) -> Iterator[psutil.Process]:
        """What runs for this stage: it names the state directory. Never this process itself."""
        # As a whole name: another demo's directory may begin with the same letters.
        mark = re.compile(re.escape(str(self.state)) + r"(?=/|$)")
        own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
        for process in psutil.process_iter():
            if process.pid in own:
                continue
            with suppress(psutil.Error):
                named = [*process.cmdline(), *process.environ().values()]
                if process.status() != psutil.STATUS_ZOMBIE and any(map(mark.search, named)):
                    yield process


def _free(port: int) -> int:
    """``port`` if nobody listens there, else one that is free."""
    for wanted in (port, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", wanted))
            found: int = probe.getsockname()[1]
            return found
    raise Permanent("no port is free", code="port-taken")
