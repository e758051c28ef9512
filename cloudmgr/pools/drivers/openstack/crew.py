"""Who does what is to be done: some threads, each thing once at a time, and again if it failed."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from cloudmgr.errors import CloudmgrError, Temporary

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from cloudmgr.clock import Clock
    from cloudmgr.pools.drivers.openstack.settings import Timing

_log = logging.getLogger(__name__)
# It passes by itself, and soon: no news for a person.
_SILENT = {"still-ending", "pool-conflict"}
_FORGOTTEN = 3600.0  # seconds after a rest


class Crew:
    """Any thread may call.

    :param name: the pool's, for messages.
    :param may: whether it is still we who may act; asked before each thing that is done.
    :param done: called with the environment after each.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        timing: Timing,
        *,
        may: Callable[[], bool],
        done: Callable[[str], None],
    ) -> None:
        self._name = name
        self._clock = clock
        self._timing = timing
        self._may = may
        self._done = done
        self._lock = threading.Lock()
        self._workers: ThreadPoolExecutor | None = None
        self._flying: set[Hashable] = set()
        self._rests: dict[Hashable, tuple[float, float]] = {}  # until, and how long it was
        self._troubles: dict[str, dict[Hashable, str]] = {}

    def start(self, parallel: int) -> None:
        self._workers = ThreadPoolExecutor(parallel, thread_name_prefix=f"openstack-{self._name}")

    def close(self) -> None:
        """What is under way is finished; nothing new is begun."""
        with self._lock:
            workers, self._workers = self._workers, None
        if workers is not None:
            workers.shutdown(wait=True, cancel_futures=True)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        with self._lock:
            return not self._flying

    def under_way(self, key: Hashable) -> bool:
        with self._lock:
            return key in self._flying

    def takes(self, key: Hashable) -> bool:
        """Whether ``key`` would be done now: not if it is under way, or has just failed."""
        with self._lock:
            return self._takes(key)

    def do(self, environment_id: str, key: Hashable, work: Callable[[], None]) -> None:
        """Do ``work``, unless it is under way already or has failed a moment ago.

        :param key: names it; what has gone wrong with it stands in the way of the environment.
        """
        with self._lock:
            if not self._takes(key) or self._workers is None:
                return
            self._flying.add(key)
            self._workers.submit(self._run, environment_id, key, work)

    def tell(self, environment_id: str, kind: str, said: Mapping[str, str]) -> None:
        """What stands in the way besides: all that there is of this ``kind``."""
        with self._lock:
            troubles = self._troubles.setdefault(environment_id, {})
            for key in [k for k in troubles if isinstance(k, tuple) and k[0] == kind]:
                del troubles[key]
            troubles.update({(kind, what): sentence for what, sentence in said.items()})

    def troubles(self, environment_id: str) -> tuple[str, ...]:
        """What stands in the way of an environment, in sentences."""
        with self._lock:
            return tuple(sorted(set(self._troubles.get(environment_id, {}).values())))

    def forget(self, environment_id: str) -> None:
        """It is gone; and so are rests that nothing has come back to for long."""
        now = self._clock.monotonic()
        with self._lock:
            self._troubles.pop(environment_id, None)
            old = [k for k, (until, _) in self._rests.items() if until + _FORGOTTEN < now]
            for key in old:
                del self._rests[key]

    def _takes(self, key: Hashable) -> bool:
        until, _ = self._rests.get(key, (0.0, 0.0))
        return key not in self._flying and self._clock.monotonic() >= until

    def _run(self, environment_id: str, key: Hashable, work: Callable[[], None]) -> None:
        try:
            if self._may():
                work()
            with self._lock:
                self._rests.pop(key, None)
                self._troubles.get(environment_id, {}).pop(key, None)
        except CloudmgrError as error:
            self._went_wrong(environment_id, key, error)
        except Exception:  # noqa: BLE001 - what fails must be tried again, and be told
            _log.exception("pool %s: %s failed", self._name, key)
            fault = Temporary("a fault of cloudmgr itself: see its log", code="internal")
            self._went_wrong(environment_id, key, fault)
        finally:
            with self._lock:
                self._flying.discard(key)
            self._done(environment_id)

    def _went_wrong(self, environment_id: str, key: Hashable, error: CloudmgrError) -> None:
        with self._lock:
            _, last = self._rests.get(key, (0.0, 0.0))
            pause = min(2 * last or self._timing.retry, self._timing.longest_retry)
            self._rests[key] = self._clock.monotonic() + pause, pause
            if error.code not in _SILENT:
                said = f"{error.message}: {error.hint}" if error.hint else error.message
                self._troubles.setdefault(environment_id, {})[key] = " ".join(said.split())
        _log.info("pool %s: %s: %s", self._name, key, error.message)
