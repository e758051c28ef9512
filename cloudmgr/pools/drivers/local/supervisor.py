"""The one process that converges a pool: adopts, listens, keeps account of room."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.admission import is_name
from cloudmgr.pools.drivers.health import Checker
from cloudmgr.pools.drivers.local import limits, logs, process
from cloudmgr.pools.drivers.local.bells import Bell
from cloudmgr.pools.drivers.local.floor import Floor
from cloudmgr.pools.drivers.local.hosted import Hosted, over_memory
from cloudmgr.pools.drivers.local.ports import Ports
from cloudmgr.pools.drivers.local.records import State, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from cloudmgr.clock import Clock
    from cloudmgr.pools.drivers.local.files import PoolFiles
    from cloudmgr.pools.drivers.local.settings import LocalSettings, Timing

_log = logging.getLogger(__name__)
_MIB = 2**20
BELL = "supervisor"


class Supervisor:
    """To be run by whoever holds the pool's lock, on an event loop of its own.

    Crash-only: what goes wrong in it ends :meth:`run`, and the next run adopts what there is.

    :param changed: told, on the loop, of each environment whose published state has changed.
    """

    def __init__(
        self,
        files: PoolFiles,
        clock: Clock,
        settings: LocalSettings,
        timing: Timing,
        changed: Callable[[str], None],
    ) -> None:
        self._files = files
        self._timing = timing
        self._log_limit = settings.log_mib * _MIB
        self._allocatable = settings.capacity(files.directory).allocatable
        self._hosted: dict[str, Hosted] = {}
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._busy = asyncio.Event()
        self._trash = asyncio.Event()
        self._group = asyncio.TaskGroup()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._checker = Checker()
        identity = files.identity
        self._floor = Floor(
            files=files,
            clock=clock,
            timing=timing,
            limits=limits.find(settings.cgroup, identity),
            ports=Ports(
                settings.first_port, settings.last_port, int.from_bytes(os.urandom(4), "big")
            ),
            checker=self._checker,
            pool=identity,
            spawn=self._spawn,
            used_ports=self._used_ports,
            lack=self._lack,
            freed=self._freed,
            changed=changed,
            left=self._left,
        )

    async def run(self) -> None:
        """Supervise until cancelled.

        :raises ExceptionGroup: or any other exception, on a fault of its own.
        """
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._callback_failed)
        # The bell first: what is applied from here on is heard, what was applied before is read.
        with Bell(self._files.bells / BELL) as bell:
            async with self._group:
                try:
                    loop.add_reader(bell.fileno(), self._rung, bell)
                    self._adopt()
                    self._spawn(self._resync())
                    self._spawn(self._watch())
                    self._spawn(self._empty_trash())
                    await self._failure
                finally:
                    # Before the first await: from here on nothing may start a process.
                    loop.remove_reader(bell.fileno())
                    for hosted in self._hosted.values():
                        hosted.release()
                    self._checker.close()
                    loop.set_exception_handler(None)

    # ---------------------------------------------------------------------------------- adopting

    def _adopt(self) -> None:
        self._files.clear_new()
        marked = list(process.marked(self._floor.pool))
        leaders = {name: e for e, name in marked if e.session == e.pid}
        for environment_id in self._files.environments():
            hosted = self._add(environment_id)
            try:
                state = self._files.read_state(environment_id)
            except UnreadableError as error:
                _log.error("%s: its damaged state is set aside: %s", environment_id, error)
                path = self._files.state(environment_id)
                path.replace(path.with_suffix(".damaged"))
                state = None
            hosted.adopt(state or State(environment_id), leaders)
        self._end_orphans(marked)
        self._floor.limits.keep_only(self._living())
        for environment_id in list(self._hosted):
            self._look(environment_id)
        # A predecessor that died between fork and exec leaves a child that is not marked yet.
        self._spawn(self._end_late_orphans())
        self._trash.set()

    def _living(self) -> frozenset[str]:
        return frozenset(life for hosted in self._hosted.values() for life in hosted.lives)

    def _end_orphans(self, marked: list[tuple[process.Entry, str]]) -> None:
        """End what bears this pool's mark and belongs to no replica that is known."""
        known = self._living()
        for entry, replica_id in marked:
            if replica_id not in known and process.kill_exactly(entry):
                _log.warning("process %d of unknown replica %s ended", entry.pid, replica_id)

    async def _end_late_orphans(self) -> None:
        await asyncio.sleep(2)
        self._end_orphans(list(process.marked(self._floor.pool)))

    # ----------------------------------------------------------------------------------- looking

    def _add(self, environment_id: str) -> Hosted:
        hosted = self._hosted.get(environment_id)
        if hosted is None:
            hosted = self._hosted[environment_id] = Hosted(environment_id, self._floor)
        return hosted

    def _rung(self, bell: Bell) -> None:
        for environment_id in bell.heard():
            if is_name(environment_id) and self._files.home(environment_id).is_dir():
                self._look(environment_id)

    def _look(self, environment_id: str) -> None:
        self._seen[environment_id] = self._files.stamp(environment_id)
        self._add(environment_id).look()

    async def _resync(self) -> None:
        """Look at what changed unheard: a bell that overflowed, a file that a person wrote."""
        while True:
            await asyncio.sleep(self._timing.resync)
            try:
                there = self._files.environments()
            except OSError as error:
                _log.warning("the pool's directory cannot be read: %s", error)
                continue
            for environment_id in {*there, *self._hosted}:
                if self._seen.get(environment_id) != self._files.stamp(environment_id):
                    self._look(environment_id)
            self._trash.set()

    async def _watch(self) -> None:
        """Memory and logs, for as long as anything runs; idle, it sleeps for good."""
        while True:
            await self._busy.wait()
            await asyncio.sleep(self._timing.watch)
            running = [
                (hosted, hosted.replicas[life])
                for hosted in self._hosted.values()
                for life in hosted.lives
            ]
            if not running:
                self._busy.clear()
                continue
            over = set(self._floor.limits.over(replica for _, replica in running))
            for hosted, replica in running:
                if replica.id in over:
                    hosted.lives[replica.id].kill(over_memory(replica))
                path = self._files.log(hosted.id, replica.component.name, replica.slot)
                logs.rotate(path, self._log_limit)

    async def _empty_trash(self) -> None:
        while True:
            await self._trash.wait()
            self._trash.clear()
            await asyncio.to_thread(self._files.empty_trash)

    # ------------------------------------------------------------------------- for environments

    def _spawn(self, what: Coroutine[None, None, None]) -> asyncio.Task[None]:
        self._busy.set()
        return self._group.create_task(what)

    def _used_ports(self) -> frozenset[int]:
        return frozenset(
            replica.port
            for hosted in self._hosted.values()
            for replica in hosted.replicas.values()
            if replica.port is not None
        )

    def _lack(self, more: Resources) -> str:
        held = sum((hosted.held() for hosted in self._hosted.values()), start=Resources())
        free = self._allocatable - held
        if more.fits(free):
            return ""
        lacking = [
            f"{need} {unit} needed, {max(0, have)} free"
            for need, have, unit in (
                (more.cpu_millis, free.cpu_millis, "thousandths of a core"),
                (more.memory_mib, free.memory_mib, "MiB of memory"),
                (more.storage_gib, free.storage_gib, "GiB of storage"),
            )
            if need > have
        ]
        return "; ".join(lacking)

    def _freed(self) -> None:
        loop = asyncio.get_running_loop()
        for hosted in self._hosted.values():
            if hosted.waiting:
                loop.call_soon(hosted.converge)

    def _left(self, environment_id: str) -> None:
        self._hosted.pop(environment_id, None)
        self._seen.pop(environment_id, None)
        self._floor.changed(environment_id)
        self._trash.set()

    def _callback_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A fault in one of our callbacks is a fault of the supervisor, as one in a task is."""
        loop.default_exception_handler(context)
        error = context.get("exception")
        if "handle" in context and error is not None and not self._failure.done():
            self._failure.set_exception(error)
