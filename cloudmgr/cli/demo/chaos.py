"""What is broken on purpose, in the middle of a peak."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import psutil

from cloudmgr.cli.demo.promises import Killed
from cloudmgr.errors import Permanent

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmgr.cli.demo.founding import Hosted
    from cloudmgr.cli.demo.stage import Stage

# Machine seconds for which nobody restarts the control plane.
DOWN_SECONDS = 3.0
# A process that was killed ends within milliseconds; this is for a machine that hangs.
_ENDING_SECONDS = 10.0


@dataclass(slots=True)
class Chaos:
    """What was killed, and when. :meth:`plane` and :meth:`replica` are called by the demo."""

    stage: Stage
    tell: Callable[[float, str], None]
    now: Callable[[], float]
    sleep: Callable[[float], None]
    visits: int = 0
    """Requests that the demo itself sent through the gateway."""
    replicas: list[Killed] = field(default_factory=list)
    outages: list[tuple[float, float]] = field(default_factory=list)

    def plane(self) -> None:
        """``kill -9`` of the control plane; it is started again a few seconds later."""
        began = self.now()
        self.tell(began, "kill -9 of the control plane")
        self.stage.kill()
        self.sleep(DOWN_SECONDS)
        self.stage.start()
        ended = self.now()
        self.outages.append((began, ended))
        self.tell(ended, f"the control plane is back after {ended - began:.1f} s")

    def replica(self, hosted: Hosted) -> None:
        """``kill -9`` of one replica of ``hosted``, whichever the gateway leads to.

        :raises Permanent: ``demo-failed`` if it is not one of this demo's own processes.
        """
        address = self.stage.ports.gateway(hosted.plan.zone)
        about = httpx.get(f"{address}/api/about", headers={"Host": hosted.host}, timeout=10).json()
        self.visits += 1
        pid = int(about["pid"])
        ours = {process.pid for process in self.stage.processes()}
        if pid not in ours or "cloudmgr.cli.demo.apps" not in psutil.Process(pid).cmdline():
            raise Permanent(f"process {pid} is none of this demo's replicas", code="demo-failed")
        self.tell(self.now(), f"kill -9 of a replica of {hosted.plan.name_zh} (process {pid})")
        at = self.now()
        os.kill(pid, signal.SIGKILL)
        self.replicas.append(Killed(hosted.plan.code, at, self._ended(pid), pid))

    def _ended(self, pid: int) -> float:
        """When ``pid`` was seen to have ended: its sockets are closed, it may be a zombie."""
        latest = self.now() + _ENDING_SECONDS
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            while process.status() != psutil.STATUS_ZOMBIE and self.now() < latest:
                self.sleep(0.001)
        return self.now()
