"""Looks at the city over the API, a few times a second, and tells what happens."""

from __future__ import annotations

import threading
from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING

from cloudmgr.cli.demo.figures import Sample
from cloudmgr.cli.demo.founding import COMPONENT
from cloudmgr.clock import SystemClock
from cloudmgr.errors import CloudmgrError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudmgr.cli.demo.founding import Hosted
    from cloudmgr.cli.demo.timeline import Timeline
    from cloudmgr.cli.remote import Json, Remote

_EVERY = 0.25
# A system that falls asleep and is woken between two looks shows no change of its target.
_ALL_EVERY = 4.0


class Watch:
    """Samples and decisions of each system, gathered by a thread until :meth:`stop`.

    :param tell: told of what happened: the machine's time, and a sentence.
    """

    def __init__(
        self,
        remote: Remote,
        hosted: Mapping[str, Hosted],
        timeline: Timeline,
        tell: Callable[[float, str], None],
    ) -> None:
        self._remote = remote
        self._by_id = {one.environment_id: one for one in hosted.values()}
        self._timeline = timeline
        self._tell = tell
        self._clock = SystemClock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._seen: set[str] = set()
        self._latest: list[tuple[Hosted, Json]] = []
        self._rising: dict[str, tuple[datetime, int]] = {}
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
                if self._clock.monotonic() - read_at >= _ALL_EVERY:
                    self._unread.update(self._by_id)
                    read_at = self._clock.monotonic()
                self._read_decisions()
                for one, environment in self._latest:
                    self._risen(one, environment)
            except CloudmgrError:
                self._miss(began, self._clock.now().timestamp())

    def _miss(self, start: float, end: float) -> None:
        if self.blind and start - self.blind[-1][1] < 2 * _EVERY:
            start = self.blind.pop()[0]
        self.blind.append((start, end))

    def _look(self, now: float) -> None:
        environments: list[tuple[Hosted, Json]] = []
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
            environments.append((one, environment))
        self._latest = environments

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
                if quiet or decision["before"] == decision["after"]:
                    continue
                at = datetime.fromisoformat(decision["at"])
                self._tell(self._timeline.machine(at), _sentence(one, decision))
                self._rising.pop(one.plan.code, None)
                if decision["after"] > decision["before"]:
                    self._rising[one.plan.code] = (at, decision["after"])

    def _risen(self, one: Hosted, environment: Json) -> None:
        """Tell when all replicas that were decided on are Ready."""
        decided, wanted = self._rising.get(one.plan.code, (None, 0))
        scaled = next(
            (c for c in environment["status"]["conditions"] if c["type"] == "Scaled"), None
        )
        if decided is None or scaled is None or scaled["status"] != "True":
            return
        since = datetime.fromisoformat(scaled["since"])
        if since > decided and environment["target"].get(COMPONENT) == wanted:
            del self._rising[one.plan.code]
            took = (since - decided).total_seconds() / self._timeline.speed
            self._tell(
                self._timeline.machine(since), f"{one.plan.name_zh}: {wanted} Ready in {took:.2f} s"
            )


def _sentence(one: Hosted, decision: Json) -> str:
    name, why = one.plan.name_zh, str(decision["en"])
    if decision["after"] == 0:
        return f"{name} falls asleep: {why.removeprefix('0: ')}"
    if decision["before"] == 0 and decision["reason"]:
        return f"{name} is woken: {decision['reason']}"
    return f"{name} {decision['before']} → {decision['after']}: {why}"
