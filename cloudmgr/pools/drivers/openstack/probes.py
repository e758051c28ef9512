"""Health checks of all replicas of a pool that serve, on one thread."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.pools.drivers.health import Checker
from cloudmgr.pools.drivers.openstack.reading import NOT_CHECKED, Health

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudmgr.pools.drivers.openstack.settings import Timing

_log = logging.getLogger(__name__)
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Target:
    """Where one replica is checked. ``eager`` is on until it has been Ready."""

    environment_id: str
    address: str
    port: int
    path: str
    eager: bool


class Prober:
    """Any thread may call; one that belongs to it checks.

    :param changed: called with the environment of a replica whose health is another now.
    """

    def __init__(self, timing: Timing, changed: Callable[[str], None]) -> None:
        self._timing = timing
        self._changed = changed
        self._targets: dict[str, Target] = {}
        self._health: dict[str, Health] = {}
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str) -> None:
        started = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name=f"probes-{name}", daemon=True
        )
        self._thread.start()
        started.wait()

    def close(self) -> None:
        thread, loop = self._thread, self._loop
        if thread is None or loop is None:
            return
        self._thread = None
        loop.call_soon_threadsafe(self._stop.set)
        thread.join()

    def watch(self, targets: Mapping[str, Target]) -> None:
        """From now on exactly these are checked."""
        if self._thread is None or self._loop is None:
            return
        if targets != self._targets:
            self._targets = dict(targets)
            self._loop.call_soon_threadsafe(self._follow)

    def health(self) -> dict[str, Health]:
        return dict(self._health)

    async def _serve(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._checker = Checker()
        started.set()
        await self._stop.wait()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._checker.close()

    def _follow(self) -> None:
        targets = self._targets
        for server_id in [s for s in self._tasks if s not in targets]:
            self._tasks.pop(server_id).cancel()
            self._health.pop(server_id, None)
        for server_id in targets.keys() - self._tasks.keys():
            self._tasks[server_id] = asyncio.ensure_future(self._check_on(server_id))

    async def _check_on(self, server_id: str) -> None:
        while True:
            target = self._targets.get(server_id)
            if target is None:
                return
            async with self._turn:
                fault = await self._checker.check(
                    target.port, target.path, self._timing.probe_timeout, target.address
                )
            before = self._health.get(server_id, NOT_CHECKED)
            after = Health(fault, before.failed + 1 if fault else 0, checked=True)
            self._health[server_id] = after
            if (before.fault, before.checked) != (after.fault, True) or fault:
                try:
                    self._changed(target.environment_id)
                except Exception:  # noqa: BLE001 - it must not end the checks
                    _log.exception("what listens to a health check failed")
            timing = self._timing
            await asyncio.sleep(timing.first_probe if target.eager else timing.probe)
