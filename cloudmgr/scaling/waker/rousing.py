"""Wakes each environment once, however many ask, and tells all of them when it is up."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

from cloudmgr.errors import CloudmgrError
from cloudmgr.scaling.waker.answers import Endpoint, Refusal
from cloudmgr.scaling.waker.sleepers import Sleeper, State

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from cloudmgr.clock import Clock
    from cloudmgr.scaling.waker.sleepers import Sleepers

log = logging.getLogger(__name__)
T = TypeVar("T")

_THREADS = 8
# Between two looks at one that starts: a twentieth of the time waited so far, within these.
_SOONEST, _LATEST = 0.05, 0.5
_LOOK_AT_STATE = 1.0
# One that could not be woken is not tried again at every request of a crowd.
_REST_AFTER_FAILURE = 2.0


class Rousing:
    """Belongs to one event loop.

    :param margin: elapsed seconds that may pass beyond the environment's own ``startup_seconds``.
    """

    def __init__(self, sleepers: Sleepers, clock: Clock, margin: float) -> None:
        self._sleepers = sleepers
        self._clock = clock
        self._margin = margin
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="waker")
        self._finding = _Flights[Sleeper | None]()
        self._looking = _Flights[Endpoint | None]()
        self._rousing = _Flights[Endpoint]()
        self._bells: dict[str, asyncio.Event] = {}
        self._failed: dict[str, tuple[float, Refusal]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def find(self, host: str) -> Sleeper | None:
        """:raises Refusal: the control plane cannot say now."""
        return await self._finding.join(host, lambda: self._call(self._sleepers.find, host))

    async def endpoint(self, environment_id: str) -> Endpoint | None:
        """:raises Refusal: the control plane cannot say now."""

        async def look() -> Endpoint | None:
            found = await self._call(self._sleepers.endpoint, environment_id)
            return None if found is None else Endpoint(*found)

        return await self._looking.join(environment_id, look)

    def limit(self, sleeper: Sleeper) -> float:
        """How long, in elapsed seconds, a request is held for ``sleeper``."""
        return sleeper.startup_seconds + self._margin

    async def up(self, host: str, sleeper: Sleeper, why: str, seconds: float) -> Endpoint:
        """Wake it if it sleeps, wait until it is up, and say where.

        :raises Refusal: it cannot be woken, or took longer than ``seconds``.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._join(host, sleeper, why)
        except TimeoutError:
            raise _late(sleeper, seconds) from None

    def begin(self, host: str, sleeper: Sleeper, why: str) -> Refusal | None:
        """Wake it without waiting; why it could not be woken a moment ago, if so."""
        failure = self._failure(sleeper)
        if failure is None:
            self._rousing.start(sleeper.environment_id, lambda: self._rouse(host, sleeper, why))
        return failure

    def changed(self, environment_id: str) -> None:
        """It may be up: look at once. From any thread; a hint, not needed."""
        loop = self._loop
        if loop is not None and environment_id in self._bells:
            try:
                loop.call_soon_threadsafe(self._ring, environment_id)
            except RuntimeError:  # the loop is closed
                self._loop = None

    async def close(self) -> None:
        for flights in (self._rousing, self._finding, self._looking):
            await flights.cancel()
        self._threads.shutdown(wait=False)

    # --------------------------------------------------------------------------------- inside

    async def _join(self, host: str, sleeper: Sleeper, why: str) -> Endpoint:
        failure = self._failure(sleeper)
        if failure is not None:
            raise failure
        return await self._rousing.join(
            sleeper.environment_id, lambda: self._rouse(host, sleeper, why)
        )

    async def _rouse(self, host: str, sleeper: Sleeper, why: str) -> Endpoint:
        key = sleeper.environment_id
        self._loop = asyncio.get_running_loop()
        self._bells[key] = asyncio.Event()
        try:
            return await self._watch(host, sleeper, why)
        except Refusal as refusal:
            log.warning("environment %s is not up: %s", key, refusal)
            self._failed[key] = (self._clock.monotonic(), refusal)
            raise
        finally:
            del self._bells[key]

    async def _watch(self, host: str, sleeper: Sleeper, why: str) -> Endpoint:
        key, state = sleeper.environment_id, sleeper.state
        begun = looked = self._clock.monotonic()
        while True:
            if state is State.HIBERNATED:
                await self._call(self._sleepers.wake, key, why)
                state = State.STARTING
            self._bells[key].clear()
            found = await self.endpoint(key)
            if found is not None:
                return found
            now = self._clock.monotonic()
            if now - begun > self.limit(sleeper):
                raise _late(sleeper, now - begun)
            if now - looked > _LOOK_AT_STATE:
                looked = now
                state = await self._state(host)
            await self._pause(key, min(max((now - begun) / 20, _SOONEST), _LATEST))

    async def _state(self, host: str) -> State:
        """:raises Refusal: it is gone, or known not to come up."""
        sleeper = await self.find(host)
        if sleeper is None:
            raise Refusal(404, "no-such-system", "this system is not hosted any more")
        if sleeper.state is State.UNAVAILABLE:
            raise unavailable(sleeper)
        return sleeper.state

    async def _pause(self, key: str, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._bells[key].wait()
        except TimeoutError:
            pass

    def _ring(self, key: str) -> None:
        bell = self._bells.get(key)
        if bell is not None:
            bell.set()

    def _failure(self, sleeper: Sleeper) -> Refusal | None:
        known = self._failed.get(sleeper.environment_id)
        if known is None:
            return None
        if self._clock.monotonic() - known[0] < _REST_AFTER_FAILURE:
            return known[1]
        del self._failed[sleeper.environment_id]
        return None

    async def _call(self, function: Callable[..., T], *arguments: str) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, function, *arguments)
        except CloudmgrError as error:
            raise Refusal.of(error) from error


def unavailable(sleeper: Sleeper) -> Refusal:
    return Refusal(
        503,
        "system-unavailable",
        f"{sleeper.name_en} was started and does not become healthy",
        hint="its operators can see why in its log",
        retry_after=30,
    )


def _late(sleeper: Sleeper, seconds: float) -> Refusal:
    return Refusal(
        504,
        "wake-timeout",
        f"{sleeper.name_en} did not come up within {seconds:.0f} seconds",
        hint="it goes on starting: try again",
        retry_after=10,
    )


class _Flights(Generic[T]):
    """One piece of work for each key at a time; all who ask for it meanwhile share its result."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[T]] = {}

    def start(self, key: str, work: Callable[[], Coroutine[object, object, T]]) -> asyncio.Task[T]:
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(work())
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        return task

    async def join(self, key: str, work: Callable[[], Coroutine[object, object, T]]) -> T:
        # Shielded: that one of many goes away must not end the work for all.
        return await asyncio.shield(self.start(key, work))

    async def cancel(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _landed(self, key: str, task: asyncio.Task[T]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # seen, even if nobody waited for it
