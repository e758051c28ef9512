"""Follows all objects of one kind: one list, then one watch for as long as it lasts.

The client's own informer is not used: it keeps whole objects, does not wait between two tries
while the apiserver is away, and cannot be stopped while nothing happens.
"""

from __future__ import annotations

import logging
import random
import threading
from typing import TYPE_CHECKING, Any

from cloudmgr.errors import CloudmgrError
from cloudmgr.pools.drivers.kubernetes.cluster import GoneError
from cloudmgr.pools.drivers.kubernetes.kinds import BARE, Kind, collection

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmgr.clock import Clock
    from cloudmgr.pools.drivers.kubernetes.cluster import Cluster, Watch
    from cloudmgr.pools.drivers.kubernetes.mirror import Mirror
    from cloudmgr.pools.drivers.kubernetes.seen import Seen
    from cloudmgr.pools.drivers.kubernetes.settings import Timing

_log = logging.getLogger(__name__)
_PAGE = 500
_HASTY = 1.0


class Reflector:
    """Keeps ``mirror`` equal to what the apiserver has of ``kind``, on a thread of its own.

    A watch that ends is taken up where it was; only what the server cannot go on from is listed
    again, and every half hour, should an event have been lost. Between tries that fail it waits
    ever longer, and not as long as others do.

    :param reduced: what is kept of an object; None for one that is none of ours.
    """

    def __init__(
        self,
        kind: Kind,
        cluster: Cluster,
        mirror: Mirror,
        *,
        selectors: dict[str, str],
        reduced: Callable[[dict[str, Any]], Seen | None],
        clock: Clock,
        timing: Timing,
    ) -> None:
        self.kind = kind
        self._selectors = selectors
        self._bare = kind in BARE
        self._cluster = cluster
        self._mirror = mirror
        self._reduced = reduced
        self._clock = clock
        self._timing = timing
        self._stop = threading.Event()
        self._synced = threading.Event()
        self._tried = threading.Event()
        self._watch: Watch | None = None
        self._failing_since: float | None = None
        self._trouble = ""
        self.hint = ""  # what to do about it
        self._thread = threading.Thread(
            target=self._run, name=f"watch-{collection(kind).rsplit('/', 1)[-1]}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Begin to end: the others need not wait for this one."""
        self._stop.set()

    def close(self) -> None:
        """End it; what it asks just now is broken off."""
        self._stop.set()
        watch = self._watch
        if watch is not None:
            watch.close()
        self._thread.join(timeout=5)

    def wait(self, seconds: float) -> bool:
        """Until everything was listed once, or could not be; whether it was."""
        self._tried.wait(seconds)
        return self._synced.is_set()

    @property
    def trouble(self) -> str:
        """Why what is known may be old: nothing was heard for long. Empty while all is well."""
        since = self._failing_since
        if not self._synced.is_set():
            return self._trouble or "it has not been listed yet"
        if since is not None and self._clock.monotonic() - since > self._timing.stale:
            return self._trouble
        return ""

    # --------------------------------------------------------------------------------- inside

    def _run(self) -> None:
        version, listed_at, failures = "", 0.0, 0
        while not self._stop.is_set():
            try:
                if not version or self._clock.monotonic() - listed_at > self._timing.resync:
                    version, listed_at = self._list(), self._clock.monotonic()
                    self._well()
                began = self._clock.monotonic()
                for seen_version in self._events(version):
                    version = seen_version
                    failures = 0
                    self._well()
                if self._clock.monotonic() - began < _HASTY:
                    # It is ended as soon as it begins: do not ask for it as fast as can be.
                    failures += 1
                    self._stop.wait(self._pause(failures))
            except GoneError:
                version = ""
            except CloudmgrError as error:
                failures += 1
                self._ill(error.message, error.hint)
                self._stop.wait(self._pause(failures))
            except Exception as error:  # noqa: BLE001
                # Whatever it was, to begin anew is right, and to end would leave what is seen old.
                _log.exception("the watch on %s of a pool broke", self.kind)
                version, failures = "", failures + 1
                self._ill(f"{type(error).__name__}: {error}")
                self._stop.wait(self._pause(failures))

    def _list(self) -> str:
        found: list[Seen] = []
        query: dict[str, object] = {**self._selectors, "limit": _PAGE}
        while True:
            page = self._cluster.list(collection(self.kind), bare=self._bare, **query)
            for item in page["items"] or ():
                seen = self._reduced(item)
                if seen is not None:
                    found.append(seen)
            more = page["metadata"].get("continue")
            if not more:
                break
            query["continue"] = more
        version = str(page["metadata"]["resourceVersion"])
        self._mirror.replace(self.kind, found, int(version))
        self._synced.set()
        self._tried.set()
        return version

    def _events(self, version: str) -> Any:
        """The version after each event."""
        self._watch = self._cluster.watch(
            collection(self.kind),
            bare=self._bare,
            resourceVersion=version,
            **self._selectors,
        )
        if self._stop.is_set():
            self._watch.close()
        self._well()
        for event in self._watch:
            item = event["object"]
            version = item["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                seen = self._reduced(item)
                if seen is None:
                    self._mirror.lose(self.kind, item["metadata"]["uid"], int(version))
                elif event["type"] == "DELETED":
                    self._mirror.drop(self.kind, seen)
                else:
                    self._mirror.put(self.kind, seen)
            yield version

    def _well(self) -> None:
        self._failing_since = None

    def _ill(self, trouble: str, hint: str = "") -> None:
        if self._stop.is_set():
            return
        self._trouble, self.hint = trouble, hint
        self._tried.set()
        if self._failing_since is None:
            self._failing_since = self._clock.monotonic()

    def _pause(self, failures: int) -> float:
        longest = min(
            self._timing.first_retry * 2.0 ** min(failures - 1, 16), self._timing.slowest_retry
        )
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - so that not all come at once
