"""One business day: visitors come, the city is watched, things are broken on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.cli.demo import city, founding
from cloudmgr.cli.demo.chaos import Chaos
from cloudmgr.cli.demo.figures import Span, Window, percentile
from cloudmgr.cli.demo.traces import DAY_SECONDS, read_matches
from cloudmgr.cli.demo.visitors import Visitors, schedule
from cloudmgr.cli.demo.watch import Watch
from cloudmgr.clock import SystemClock
from cloudmgr.errors import Permanent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloudmgr.cli.demo.founding import City, Hosted
    from cloudmgr.cli.demo.stage import Stage
    from cloudmgr.cli.demo.teller import Teller

# The load tool takes a moment to come up; who is due before would be late.
_TOOL_SECONDS = 2.0
# After the last visitor was due, in machine seconds.
_PATIENCE = 60.0
# What is broken in the first and in the last crowd, as shares of their time.
_PLANE_AT = 0.35
_REPLICA_AT = 0.75


class Day:
    """The ``number``-th day of the demo, from ``since`` to ``until`` (seconds of the day)."""

    def __init__(
        self,
        since: float,
        until: float,
        stage: Stage,
        found: City,
        out: Path,
        say: Teller,
        number: int = 0,
    ) -> None:
        self.since = since
        self.until = until
        self.stage = stage
        self.found = found
        self.out = out
        self.say = say
        self.number = number
        self._clock = SystemClock()
        self.watch = Watch(found.remote(city.OPERATOR), found.hosted, stage.timeline, say.at)
        self.chaos = Chaos(stage, say.at, self._now, self._clock.sleep)
        self.visitors: Visitors | None = None

    @property
    def span(self) -> Span:
        """The machine's time of the day, as far as it is played."""
        machine, base = self.stage.timeline.machine, self.number * DAY_SECONDS
        return Span(
            machine(city.moment(base + self.since)),
            machine(city.moment(base + self.until)),
            self.stage.timeline.speed,
        )

    @property
    def windows(self) -> list[Window]:
        """The declared peaks that open while the day is played."""
        machine, speed = self.stage.timeline.machine, self.stage.timeline.speed
        base = self.number * DAY_SECONDS
        return [
            Window(
                one.plan.code,
                f"{one.plan.name_zh} {match.starts // 3600:02}:{match.starts // 60 % 60:02}",
                Span(
                    machine(city.moment(base + match.starts)),
                    machine(city.moment(base + match.ends)),
                    speed,
                ),
                city.WINDOW_REPLICAS,
            )
            for one in self._crowded
            for match in read_matches()
            if self.since < match.starts < self.until
        ]

    def run(self, *, chaos: bool) -> None:
        """Play the day to its end.

        :raises Permanent: ``demo-failed`` when the visitors do not come to their end.
        """
        timeline = self.stage.timeline
        base = self.number * DAY_SECONDS
        begun = (timeline.business(self._now() + _TOOL_SECONDS) - city.DAY).total_seconds() - base
        late = begun - self.since
        if late > 0:
            self.say(f"setting up took longer: visitors come {late / 60:.0f} minutes later")
        planned = schedule(
            self.found.hosted.values(),
            timeline,
            self.stage.ports,
            max(begun, self.since),
            self.until,
            self.number,
        )
        self.watch.start()
        self.visitors = Visitors(planned, self.out, f"day-{self.number + 1}", self.stage.state)
        self.say(f"{len(planned):,} visits are on their way")
        todo = self._plan(chaos=chaos)
        end = self.span.end + _PATIENCE
        while self.visitors.running or self._now() < self.span.end:
            while todo and self._now() >= todo[0][0]:
                todo.pop(0)[1]()
            if self._now() > end:
                raise Permanent(
                    f"the visitors do not come to an end: {self.visitors.last_words()}",
                    code="demo-failed",
                )
            self._clock.sleep(0.1)
        self.watch.stop()

    def summary(self) -> str:
        """The day in one sentence."""
        outcomes = self.visitors.outcomes() if self.visitors else []
        slow = percentile((o.latency for o in outcomes), 0.95) or 0.0
        failed = sum(o.failed for o in outcomes)
        return f"{len(outcomes):,} visits, {failed} failed, 95 % answered in {slow * 1000:.0f} ms"

    def following(self) -> Day:
        """The next day, with its peaks declared."""
        after = Day(0, DAY_SECONDS, self.stage, self.found, self.out, self.say, self.number + 1)
        for one in self._crowded:
            founding.declare(self.found, one, after.number)
        return after

    def stop(self) -> None:
        """Send everybody home."""
        self.watch.stop()
        if self.visitors:
            self.visitors.stop()

    @property
    def _crowded(self) -> list[Hosted]:
        return [one for one in self.found.hosted.values() if one.plan.peaks]

    def _plan(self, *, chaos: bool) -> list[tuple[float, Callable[[], None]]]:
        """What is to be said and done at which moment of the machine's time."""
        todo: list[tuple[float, Callable[[], None]]] = []
        windows = self.windows
        todo += [(window.span.start, self._opens(window)) for window in windows]
        if chaos and windows:
            todo.append((self._within(windows[0], _PLANE_AT), self.chaos.plane))
            todo.append((self._within(windows[-1], _REPLICA_AT), self._kill_replica))
        return sorted(todo, key=lambda item: item[0])

    def _opens(self, window: Window) -> Callable[[], None]:
        def tell() -> None:
            ready = [s.ready for s in self.watch.samples(window.system)[-1:]]
            self.say(
                f"{window.name}: the announced crowd may come, {ready[0] if ready else 0} "
                f"of {window.replicas} replicas are Ready"
            )

        return tell

    def _within(self, window: Window, share: float) -> float:
        """The moment after this share of ``window``, as far as it is played."""
        start, end = window.span.start, min(window.span.end, self.span.end)
        return start + (end - start) * share

    def _kill_replica(self) -> None:
        self.chaos.replica(self._crowded[0])

    def _now(self) -> float:
        return self._clock.now().timestamp()
