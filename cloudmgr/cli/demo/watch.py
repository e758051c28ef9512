"""Looks at the city over the API, a few times a second, and tells what happens."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING

from cloudmgr.cli.demo.figures import Sample
from cloudmgr.cli.demo.founding import COMPONENT
from cloudmgr.clock import SystemClock
from cloudmgr.errors import CloudmgrError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudmgr.cli.demo.founding import Hosted
    from cloudmgr.cli.remote import Json, Remote

_EVERY = 0.25
_DECISIONS_EVERY = 1.0


class Watch:
    """Samples and decisions of each system, gathered by a thread until :meth:`stop`.

    :param tell: told of what happened: the machine's time, and a sentence.
    """

    def __init__(
        self, remote: Remote, hosted: Mapping[str, Hosted], tell: Callable[[float, str], None]
    ) -> None:
        self._remote = remote
        self._by_id = {one.environment_id: one for one in hosted.values()}
        self._tell = tell
        self._clock = SystemClock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._seen: set[str] = set()
        self._unread: set[str] = set(self._by_id)
        self._lock = threading.Lock()
        self._samples: defaultdict[str, list[Sample]] = defaultdict(list)
        self.decisions: defaultdict[str, list[Json]] = defaultdict(list)
        self.blind: list[tuple[float, float]] = []
        """When the control plane could not be asked, from and to."""

    def start(self) -> None:
        self._read_decisions(quiet=True)
        self._thread.start()

    def stop(self) -> None:
        """Look once more, then no longer."""
        self._stop.set()
        self._thread.join()
        try:
            self._unread.update(self._by_id)
            self._read_decisions()
        except CloudmgrError:
            return

    def samples(self, system: str) -> list[Sample]:
        """What was seen of ``system`` so far, in order of time."""
        with self._lock:
            return list(self._samples[system])

    def _run(self) -> None:
        read_at = 0.0
        while not self._stop.wait(_EVERY):
            began = self._clock.now().timestamp()
            try:
                self._look(began)
                if self._clock.monotonic() - read_at >= _DECISIONS_EVERY:
                    self._read_decisions()
                    read_at = self._clock.monotonic()
            except CloudmgrError:
                self._miss(began, self._clock.now().timestamp())

    def _miss(self, start: float, end: float) -> None:
        if self.blind and start - self.blind[-1][1] < 2 * _EVERY:
            start = self.blind.pop()[0]
        self.blind.append((start, end))

    def _look(self, now: float) -> None:
        for environment in self._remote.all("/environments"):
            one = self._by_id.get(environment["id"])
            if one is None:
                continue
            sample = Sample(
                now,
                one.plan.code,
                environment["target"].get(COMPONENT, 0),
                environment["status"]["replicas"].get(COMPONENT, 0),
                environment["status"]["ready"].get(COMPONENT, 0),
            )
            with self._lock:
                before = self._samples[one.plan.code][-1:]
                self._samples[one.plan.code].append(sample)
            if not before or before[0].target != sample.target:
                self._unread.add(one.environment_id)

    def _read_decisions(self, *, quiet: bool = False) -> None:
        for key in list(self._unread):
            one = self._by_id[key]
            page = self._remote.get(f"/environments/{key}/decisions", limit=20)
            self._unread.discard(key)
            for decision in reversed(page["items"]):
                if decision["id"] in self._seen:
                    continue
                self._seen.add(decision["id"])
                self.decisions[one.plan.code].append(decision)
                if not quiet and decision["before"] != decision["after"]:
                    self._tell(self._clock.now().timestamp(), _sentence(one, decision))


def _sentence(one: Hosted, decision: Json) -> str:
    change = f"{decision['before']} → {decision['after']}"
    if decision["after"] == 0:
        change = f"{decision['before']} → asleep"
    elif decision["before"] == 0:
        change = f"woken → {decision['after']}"
    why = f", {decision['reason']}" if decision["reason"] else ""
    return f"{one.plan.name_zh} {change}: {decision['en']}{why}"
