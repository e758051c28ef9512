"""The loop: a queue of keys without doubles, workers, back-off and a periodic resync."""

from __future__ import annotations

import heapq
import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cloudmgr.errors import Conflict, NotFound, Permanent, Temporary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock

log = logging.getLogger(__name__)

# Elapsed seconds until a list that could not be had is asked for again.
_LIST_AGAIN = 5.0


@dataclass(frozen=True, slots=True)
class Result:
    """Look again after ``requeue_after`` elapsed seconds, or at the next event or resync."""

    requeue_after: float | None = None


class Fence(Protocol):
    """The right to act on a key, and the proof of it."""

    def check(self, tx: Connection) -> None:
        """Within the transaction that writes: still ours. :raises Conflict: ``lease-lost``."""
        ...


class Reconciler(Protocol):
    """Brings one key from what is to what ought to be."""

    name: str

    def keys(self) -> Iterable[str]:
        """Every key there is: what the resync walks."""
        ...

    def reconcile(self, key: str, fence: Fence) -> Result:
        """One level-triggered step; repeating it is harmless. A key that is gone is done."""
        ...


class Loop:
    """Runs one reconciler on ``workers`` threads.

    A key is worked on by one thread at a time; woken meanwhile, it runs once more afterwards.

    :param fence: the right to act on a key, or None when another control plane has it.
    :param resync_seconds: elapsed seconds between two walks over all keys.
    :param outcome: told ``(reconciler name, kind, elapsed seconds)`` after each step; kind is "ok",
        "conflict", "temporary", "permanent" or "error".
    """

    def __init__(
        self,
        reconciler: Reconciler,
        fence: Callable[[str], Fence | None],
        clock: Clock,
        *,
        workers: int = 4,
        resync_seconds: float = 60.0,
        outcome: Callable[[str, str, float], None] = lambda _name, _kind, _seconds: None,
    ) -> None:
        self._reconciler = reconciler
        self._fence = fence
        self._clock = clock
        self._resync_seconds = resync_seconds
        self._outcome = outcome
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._running: set[str] = set()
        self._again: set[str] = set()
        self._failures: dict[str, int] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"{reconciler.name}-{n}", daemon=True)
            for n in range(workers)
        ]
        self._threads.append(
            threading.Thread(target=self._resync, name=f"{reconciler.name}-resync", daemon=True)
        )

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each worker finish the key that it is at."""
        self._stopped.set()
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=30)

    def wake(self, key: str, after: float = 0.0) -> None:
        """Look at ``key`` in ``after`` elapsed seconds, or sooner if it is due sooner."""
        with self._changed:
            if key in self._running and after <= 0:
                self._again.add(key)
                return
            self._put(key, self._clock.monotonic() + after)

    def _put(self, key: str, due: float) -> None:
        known = self._due.get(key)
        if known is not None and known <= due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))
        self._changed.notify()

    def _take(self) -> str | None:
        """The next key that is due, waited for; None when stopping."""
        with self._changed:
            while not self._stopping:
                delay: float | None = None
                while self._heap:
                    due, key = self._heap[0]
                    if self._due.get(key) != due:
                        heapq.heappop(self._heap)  # superseded by an earlier wake
                        continue
                    delay = due - self._clock.monotonic()
                    if delay > 0:
                        break
                    heapq.heappop(self._heap)
                    del self._due[key]
                    if key in self._running:
                        self._again.add(key)
                        delay = None
                        continue
                    self._running.add(key)
                    return key
                self._changed.wait(delay)
            return None

    def _work(self) -> None:
        while (key := self._take()) is not None:
            requeue = self._step(key)
            with self._changed:
                self._running.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    requeue = 0.0
                if requeue is not None:
                    self._put(key, self._clock.monotonic() + requeue)

    def _step(self, key: str) -> float | None:  # noqa: PLR0911 - one answer for each kind of error
        fence = self._fence(key)
        if fence is None:
            self._failures.pop(key, None)
            return None
        started = self._clock.monotonic()
        kind = "ok"
        try:
            result = self._reconciler.reconcile(key, fence)
        except NotFound:
            self._failures.pop(key, None)
            return None
        except Conflict:
            # Someone else wrote first: read again at once, but never spin.
            kind = "conflict"
            return self._back_off(key, first=0.02)
        except Temporary as error:
            kind = "temporary"
            log.warning("%s %s: %s", self._reconciler.name, key, error)
            return self._back_off(key, first=0.5)
        except Permanent as error:
            kind = "permanent"
            self._failures.pop(key, None)
            log.warning("%s %s: %s", self._reconciler.name, key, error)
            return None
        except Exception:
            kind = "error"
            log.exception("%s %s: a fault of ours", self._reconciler.name, key)
            return self._back_off(key, first=1.0)
        else:
            self._failures.pop(key, None)
            return result.requeue_after
        finally:
            self._outcome(self._reconciler.name, kind, self._clock.monotonic() - started)

    def _back_off(self, key: str, first: float) -> float:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        return min(first * 2.0 ** min(failures, 10), 60.0)

    def _resync(self) -> None:
        while True:
            try:
                for key in self._reconciler.keys():  # noqa: SIM118 - not a mapping
                    self.wake(key)
                pause = self._resync_seconds
            except Exception as error:
                pause = min(self._resync_seconds, _LIST_AGAIN)
                log.log(
                    logging.WARNING if isinstance(error, Temporary) else logging.ERROR,
                    "%s: cannot list what there is: %s",
                    self._reconciler.name,
                    error,
                    exc_info=not isinstance(error, Temporary),
                )
            if self._stopped.wait(pause):
                return
