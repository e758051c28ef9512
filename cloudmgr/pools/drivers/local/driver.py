"""The driver of a local pool: a face to its files, and a thread that supervises when it may."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import uuid
from enum import Enum, auto
from typing import TYPE_CHECKING, Self

from cloudmgr.errors import NotFound, Permanent
from cloudmgr.pools.drivers.admission import is_name, require_host, require_valid
from cloudmgr.pools.drivers.driver import ObservedWorkload, Workload
from cloudmgr.pools.drivers.local import logs
from cloudmgr.pools.drivers.local.bells import Bell, Notifier, ring, ring_all
from cloudmgr.pools.drivers.local.files import PoolFiles, is_locked, lock, reaching
from cloudmgr.pools.drivers.local.records import State, UnreadableError, Wanted
from cloudmgr.pools.drivers.local.settings import LocalSettings, Timing
from cloudmgr.pools.drivers.local.supervisor import BELL, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from cloudmgr.clock import Clock
    from cloudmgr.pools.capacity import Capacity
    from cloudmgr.pools.drivers.driver import Allocation
    from cloudmgr.pools.pool import Pool

_log = logging.getLogger(__name__)
_UNSUPERVISED = "nobody supervises this pool just now: what is shown may be out of date"


class _Role(Enum):
    APART = auto()  # not started, or between two roles
    FOLLOWING = auto()  # another process supervises
    SUPERVISING = auto()


class LocalDriver:
    """A pool of processes on this machine.

    Business time (``clock.now()``) dates starts and ends; elapsed time is the machine's own. The
    end of a replica that died while nobody supervised is the moment at which that was noticed.
    Making one touches nothing; :meth:`apply` and :meth:`start` make the directory.

    :param name: the pool's, for messages.
    :param directory: this pool's own, on a local POSIX file system. It is the pool's identity:
        two drivers on one directory are one pool.
    """

    kind = "local"

    def __init__(
        self,
        name: str,
        directory: Path,
        clock: Clock,
        settings: LocalSettings | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._name = name
        self._files = PoolFiles(directory)
        self._clock = clock
        self._settings = settings or LocalSettings()
        self._timing = timing or Timing()
        self._role = _Role.APART
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._notifier: Notifier | None = None
        self._bell_name = uuid.uuid4().hex

    @classmethod
    def for_pool(cls, pool: Pool, directory: Path, clock: Clock) -> Self:
        """The driver of ``pool``. :raises Invalid: ``invalid-pool-settings``."""
        return cls(pool.name, directory, clock, LocalSettings.parse(pool.settings))

    @property
    def supervising(self) -> bool:
        """Whether this driver is the one that converges the pool."""
        return self._role is _Role.SUPERVISING

    def start(self, changed: Callable[[str], None]) -> None:
        """As :meth:`Driver.start`. ``changed`` is called on a thread that belongs to the driver.

        :raises Permanent: ``unsupported-platform`` where there is no Linux.
        """
        if not sys.platform.startswith("linux"):
            raise Permanent("a local pool needs Linux", code="unsupported-platform")
        if self._thread is not None:
            return
        with reaching(self._name):
            self._files.prepare()
        self._notifier = Notifier(changed, self._listener_failed)
        started = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)),
            name=f"local-pool-{self._name}",
            daemon=True,
        )
        self._thread.start()
        started.wait()

    def close(self) -> None:
        thread, loop, stop = self._thread, self._loop, self._stop
        if thread is None or loop is None or stop is None:
            return
        self._thread = None
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        if self._notifier is not None:
            self._notifier.close()
        self._role = _Role.APART

    def capacity(self) -> Capacity:
        with reaching(self._name):
            return self._settings.capacity(self._files.directory)

    def apply(self, workload: Workload) -> None:
        """As :meth:`Driver.apply`; any process may call it, supervising or not.

        :raises Permanent: ``invalid-workload`` for what no pool of processes could run, too.
        :raises Temporary: ``disk-full``, ``pool-busy`` or ``pool-unreachable``.
        """
        require_valid(workload)
        _require_commands(workload)
        require_host(workload, self.capacity())
        wanted = Wanted(workload, workload.digest)
        with reaching(self._name):
            self._files.prepare()
            old = self._wanted(workload.environment_id)
            if old is None or old.removed or old.digest != wanted.digest:
                self._files.write_wanted(workload.environment_id, wanted, self._clock)
            ring(self._files.bells / BELL, workload.environment_id)

    def remove(self, environment_id: str) -> None:
        if not is_name(environment_id):
            return
        with reaching(self._name):
            if not self._files.home(environment_id).is_dir():
                return
            old = self._wanted(environment_id)
            if old is None or not old.removed:
                workload = old.workload if old else Workload(environment_id, "", "", "", "", ())
                gone = Wanted(workload, old.digest if old else "", removed=True)
                self._files.write_wanted(environment_id, gone, self._clock)
            ring(self._files.bells / BELL, environment_id)

    def observe(self, environment_id: str) -> ObservedWorkload | None:
        if not is_name(environment_id):
            return None
        with reaching(self._name):
            return self._observe(environment_id, self._apart())

    def observe_all(self) -> Iterable[ObservedWorkload]:
        with reaching(self._name):
            apart = self._apart()
            found = [self._observe(name, apart) for name in self._files.environments()]
        return [observed for observed in found if observed is not None]

    def allocations(self) -> Iterable[Allocation]:
        found: dict[str, Allocation] = {}
        with reaching(self._name):
            for environment_id in self._files.environments():
                try:
                    state = self._files.read_state(environment_id)
                except UnreadableError:
                    continue  # set aside by the next supervisor, which says so
                if state is not None:
                    found |= {allocation.id: allocation for allocation in state.allocations()}
            # Second: an allocation moves from there to here, and must not be missed in between.
            found |= {allocation.id: allocation for allocation in self._files.read_ended()}
        return list(found.values())

    def forget(self, allocation_ids: Iterable[str]) -> None:
        with reaching(self._name):
            for allocation_id in allocation_ids:
                self._files.forget_ended(allocation_id)

    def log(self, environment_id: str, component: str, slot: int, lines: int) -> Sequence[str]:
        if is_name(environment_id) and is_name(component):
            with reaching(self._name):
                try:
                    return logs.tail(self._files.log(environment_id, component, slot), lines)
                except FileNotFoundError:
                    pass
        raise NotFound(f"there is no log of slot {slot} of this component", code="no-such-log")

    # ---------------------------------------------------------------------------------- observing

    def _observe(self, environment_id: str, apart: tuple[str, ...]) -> ObservedWorkload | None:
        try:
            wanted = self._files.read_wanted(environment_id)
        except UnreadableError:
            wanted = None  # the supervisor says so in its problems
        try:
            state = self._files.read_state(environment_id)
        except UnreadableError as error:
            state = State(environment_id, problems=(f"its state file is damaged: {error}",))
        if state is None:
            if wanted is None or wanted.removed:
                return None
            state = State(environment_id)
        return ObservedWorkload(
            environment_id,
            "" if wanted is None else wanted.digest,
            tuple(replica.observed() for replica in state.replicas),
            (*apart, *state.problems),
            (*state.limitations, *_not_elastic(wanted)),
        )

    def _wanted(self, environment_id: str) -> Wanted | None:
        """What was last applied; a damaged file is as good as none: it is about to be replaced."""
        try:
            return self._files.read_wanted(environment_id)
        except UnreadableError:
            return None

    def _apart(self) -> tuple[str, ...]:
        """A problem to report when nobody converges the pool."""
        if self._role is not _Role.APART or is_locked(self._files.supervisor_lock):
            return ()
        return (_UNSUPERVISED,)

    # -------------------------------------------------------------------------------- supervising

    async def _serve(self, started: threading.Event) -> None:
        """Supervise whenever the lock can be had; until then pass on what the supervisor says."""
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        started.set()
        while not self._stop.is_set():
            try:
                with Bell(self._files.bells / self._bell_name) as bell:
                    self._loop.add_reader(bell.fileno(), self._heard, bell)
                    try:
                        await self._take_turns(self._stop)
                    finally:
                        self._loop.remove_reader(bell.fileno())
                        bell.path.unlink(missing_ok=True)
            except Exception:  # noqa: BLE001
                # Whatever it was: what runs goes on running, and is adopted at the next try.
                _log.exception("the supervision of pool %s failed and begins again", self._name)
                await self._pause(1.0)

    async def _take_turns(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            descriptor = lock(self._files.supervisor_lock)
            if descriptor is None:
                self._role = _Role.FOLLOWING
                await self._pause(self._timing.takeover)
                continue
            try:
                await self._supervise(stop)
            finally:
                self._role = _Role.APART
                # A child between fork and exec still holds it too: a successor finds it marked.
                os.close(descriptor)

    async def _supervise(self, stop: asyncio.Event) -> None:
        supervisor = Supervisor(
            self._files, self._clock, self._settings, self._timing, self._changed
        )
        self._role = _Role.SUPERVISING
        running = asyncio.create_task(supervisor.run())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        running.cancel()
        await asyncio.wait({running, stopping})
        if not running.cancelled():
            running.result()

    async def _pause(self, seconds: float) -> None:
        if self._stop is not None:
            try:
                await asyncio.wait_for(self._stop.wait(), seconds)
            except TimeoutError:
                return

    def _changed(self, environment_id: str) -> None:
        if self._notifier is not None:
            self._notifier.notify(environment_id)
        try:
            mine = frozenset({BELL, self._bell_name})
            ring_all(self._files.bells, environment_id, but=mine)
        except OSError as error:
            _log.warning("the other drivers of pool %s were not told: %s", self._name, error)

    def _heard(self, bell: Bell) -> None:
        for environment_id in bell.heard():
            if self._notifier is not None:
                self._notifier.notify(environment_id)

    def _listener_failed(self, environment_id: str) -> None:
        _log.exception("what listens to pool %s failed on %s", self._name, environment_id)


def _require_commands(workload: Workload) -> None:
    """:raises Permanent: ``unsupported``."""
    for index, component in enumerate(workload.components):
        if component.image or not component.command:
            raise Permanent(
                f"{component.name} is a container image, and this pool runs processes",
                code="unsupported",
                hint="give the component a command, or place it on a Kubernetes pool",
                path=f"components[{index}].image",
            )
        if any(name.startswith("/") for name in component.files):
            raise Permanent(
                f"{component.name} wants files at the root, and this pool runs processes",
                code="unsupported",
                hint="give them paths without the first /, and look for them in CONFIG_DIR",
                path=f"components[{index}].files",
            )
        hosted = [service.name for service in component.services if service.environment_id]
        if hosted:
            raise Permanent(
                f"{component.name} is bound to {', '.join(hosted)}, which an environment offers, "
                "and this pool leads from none to another",
                code="unsupported",
                hint="place both on a Kubernetes pool, or have the service by its address",
                path=f"components[{index}].services",
            )


def _not_elastic(wanted: Wanted | None) -> tuple[str, ...]:
    """What a class that leaves scaling to the pool does not get here."""
    if wanted is None or not any(c.elastic for c in wanted.workload.components):
        return ()
    return ("this pool has no autoscaler of its own: only windows and orders change the scale",)
