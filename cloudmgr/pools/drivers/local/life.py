"""One running replica, watched on the event loop from its start to its end."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Protocol

from cloudmgr.pools.drivers.driver import ReplicaState
from cloudmgr.pools.drivers.local import ports, process

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from cloudmgr.pools.drivers.health import Checker
    from cloudmgr.pools.drivers.local.process import Exit, Process
    from cloudmgr.pools.drivers.local.records import Replica
    from cloudmgr.pools.drivers.local.settings import Timing


class Keeper(Protocol):
    """Who keeps the record of a life and is told how it goes, always on the event loop."""

    def record(self, replica_id: str) -> Replica: ...

    def moved(self, replica_id: str, state: ReplicaState, message: str) -> None: ...

    def gone(self, life: Life, how: Exit) -> None: ...


class Life:
    """Watches one process: is it alive, is it healthy; and ends it when told to.

    Elapsed time is the event loop's. Its end is noticed through the pidfd, not by asking.
    """

    def __init__(
        self,
        replica_id: str,
        leader: Process,
        keeper: Keeper,
        *,
        pool: str,
        timing: Timing,
        checker: Checker,
        spawn: Callable[[Coroutine[None, None, None]], asyncio.Task[None]],
    ) -> None:
        self.id = replica_id
        self.leader = leader
        self.verdict = ""  # why we ended it, if we did
        self.asked = False  # it has been sent SIGTERM or SIGKILL
        self.stranger = False  # another program listens on its port
        self._keeper = keeper
        self._pool = pool
        self._timing = timing
        self._checker = checker
        self._spawn = spawn
        self._loop = asyncio.get_running_loop()
        ready = keeper.record(replica_id).state is ReplicaState.READY
        self._ready_since = self._loop.time() if ready else None
        self._task: asyncio.Task[None] | None = None

    @property
    def stable(self) -> bool:
        """Whether it was Ready for so long that earlier failures do not count any more."""
        since = self._ready_since
        return since is not None and self._loop.time() - since >= self._timing.stable

    def watch(self) -> None:
        """Begin."""
        self._loop.add_reader(self.leader.fileno(), self._ended)
        self._become(self._keep())

    def drain(self, settle: float, seconds: float) -> None:
        """End it: SIGTERM after ``settle`` seconds, SIGKILL ``seconds`` later."""
        self._become(self._end(settle, seconds))

    def revive(self) -> None:
        """Undo :meth:`drain`, if it has not been asked to end yet."""
        self._become(self._keep())

    def kill(self, verdict: str) -> None:
        """End it at once, because of ``verdict``."""
        self.verdict = self.verdict or verdict
        self._become(self._end(0, 0))

    def release(self) -> None:
        """Stop watching; it goes on."""
        self._loop.remove_reader(self.leader.fileno())
        self._become(None)
        self.leader.close()

    # ------------------------------------------------------------------------------------------

    def _become(self, what: Coroutine[None, None, None] | None) -> None:
        old, self._task = self._task, None
        if old is not None and old is not _current_task():
            old.cancel()
        if what is not None:
            self._task = self._spawn(what)

    async def _keep(self) -> None:
        replica = self._keeper.record(self.id)
        if replica.state is ReplicaState.STARTING and not await self._until_ready(replica):
            return
        if replica.port is not None:
            await self._while_ready(replica, replica.port)

    async def _until_ready(self, replica: Replica) -> bool:
        began = self._loop.time()
        limit = replica.component.startup_seconds
        while True:
            fault = await self._first_fault(replica)
            if not fault:
                self._ready_since = self._loop.time()
                self._keeper.moved(self.id, ReplicaState.READY, replica.note)
                return True
            age = self._loop.time() - began
            if self.stranger or age >= limit:
                self.verdict = (
                    fault if self.stranger else f"was not healthy within {limit} s: {fault}"
                )
                self._become(self._end(0, self._timing.grace))
                return False
            await asyncio.sleep(min(self._timing.starting_probe(age), limit - age))

    async def _first_fault(self, replica: Replica) -> str:
        """As a health check, and that the answer came from this replica, not from a stranger."""
        if replica.port is None:
            return ""
        fault = await self._check(replica, replica.port)
        if not fault and not ports.listens(replica.port, self._family()):
            self.stranger = True
            return f"port {replica.port} is taken by another program"
        return fault

    def _family(self) -> Iterator[int]:
        """Pids that may listen in its name, the likeliest first, the costliest to find last."""
        yield self.leader.pid
        yield from (e.pid for e in process.family(self.leader.pid, process.table()))
        for found, name in process.marked(self._pool, since=self.leader.ticks):
            if name == self.id:
                yield found.pid

    async def _while_ready(self, replica: Replica, port: int) -> None:
        timing = self._timing
        state = self._keeper.record(self.id).state
        failed = timing.unhealthy_after if state is ReplicaState.UNHEALTHY else 0
        # Not all at the same moment, or a pool of hundreds would beat like a drum.
        await asyncio.sleep(timing.probe * random.random())  # noqa: S311
        while True:
            fault = await self._check(replica, port)
            failed = failed + 1 if fault else 0
            state = self._keeper.record(self.id).state
            if not fault and state is ReplicaState.UNHEALTHY:
                self._ready_since = self._loop.time()
                self._keeper.moved(self.id, ReplicaState.READY, replica.note)
            elif failed >= timing.restart_after:
                self.verdict = f"failed {failed} health checks in a row: {fault}"
                self._become(self._end(0, timing.grace))
                return
            elif failed >= timing.unhealthy_after and state is ReplicaState.READY:
                self._ready_since = None
                self._keeper.moved(self.id, ReplicaState.UNHEALTHY, fault)
            await asyncio.sleep(timing.probe)

    async def _check(self, replica: Replica, port: int) -> str:
        return await self._checker.check(
            port, replica.component.health_path, self._timing.probe_timeout
        )

    async def _end(self, settle: float, seconds: float) -> None:
        await asyncio.sleep(settle)
        self.asked = True
        if seconds > 0:
            self.leader.ask_to_end()
            await asyncio.sleep(seconds)
        self.leader.kill()

    def _ended(self) -> None:
        self._loop.remove_reader(self.leader.fileno())
        self._become(None)
        # Before it is reaped: as long as it is a zombie, its number names its session.
        process.end_rest(self.leader.pid, self.leader.ticks, self._pool, self.id)
        how = self.leader.reap()
        self.leader.close()
        self._keeper.gone(self, how)


def _current_task() -> asyncio.Task[None] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
