"""Wakes things; decides nothing.

Whatever is woken computes the truth from what is stored and from the time, so that a tick that was
missed, came late or came twice, and a restart in the middle, change nothing. APScheduler keeps time
by the machine's clock: after it was put back by an hour, ticks pause for that hour, and the loops'
own resync, which counts elapsed time, goes on meanwhile.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.date import DateTrigger

from cloudmgr.clock import SystemClock
from cloudmgr.errors import CloudmgrError, Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from cloudmgr.clock import Clock

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobCount:
    """How a job has fared in this process. ``seconds`` is how long the last run took."""

    runs: int = 0
    failures: int = 0
    seconds: float = 0.0
    last_error: str = ""


class _Again(BaseTrigger):  # type: ignore[misc] # APScheduler ships no types
    """``seconds`` after now, not after the last time: a machine that slept does not catch up."""

    def __init__(self, seconds: float) -> None:
        self._span = timedelta(seconds=seconds)

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        return now + self._span


class Scheduler:
    """Calls functions every so often, or at a moment, on a few threads of its own.

    One run of a job at a time; runs that were missed become one. An error of a job is logged and
    counted, and the job goes on.

    :param clock: of business time; translates moments into waiting.
    """

    def __init__(self, clock: Clock, *, threads: int = 4) -> None:
        self._clock = clock
        self._machine = SystemClock()
        self._counts: dict[str, JobCount] = {}
        self._changed = threading.Condition()
        self._running = 0
        self._stopping = False
        # It would say each tick twice, and warn of each tick that a long run swallows.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(threads)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    @property
    def counts(self) -> Mapping[str, JobCount]:
        """By the names of jobs that have run."""
        with self._changed:
            return dict(self._counts)

    def every(
        self, seconds: float, name: str, function: Callable[[], object], *, at_once: bool = True
    ) -> None:
        """Call ``function`` every ``seconds`` of elapsed time; an earlier job of that name goes.

        :param at_once: whether the first call comes as soon as this scheduler runs.
        :raises Invalid: ``bad-interval`` unless ``seconds`` is above 0.
        """
        if not seconds > 0:
            raise Invalid(
                f"a job cannot run every {seconds} seconds", code="bad-interval", path="seconds"
            )
        first = {"next_run_time": self._machine.now()} if at_once else {}
        self._scheduler.add_job(
            self._run,
            _Again(seconds),
            args=(name, function),
            id=name,
            replace_existing=True,
            **first,
        )

    def at(self, moment: datetime, name: str, function: Callable[[], object]) -> None:
        """Call ``function`` once when business time reaches ``moment``, at once if it is over.

        Only a hint: it is forgotten with this process. An earlier job of that name goes.
        """
        wait = timedelta(seconds=max(self._clock.elapsed(moment - self._clock.now()), 0.0))
        # A microsecond lost in rounding may be a second of business time: rather late than early.
        wait += timedelta(milliseconds=1)
        self._scheduler.add_job(
            self._run,
            DateTrigger(self._machine.now() + wait),
            args=(name, function),
            id=name,
            replace_existing=True,
        )

    def start(self) -> None:
        self._scheduler.start()

    def stop(self, timeout: float = 30.0) -> None:
        """No further calls; those under way are waited for, ``timeout`` seconds at most."""
        with self._changed:
            self._stopping = True
        if self._scheduler.running:
            # APScheduler's own thread fails if it is stopped in the middle of a round. None begins
            # while it is paused, and listing the jobs waits for the one that has begun.
            self._scheduler.pause()
            self._scheduler.get_jobs()
            # Not wait=True: it would hold the lock that a job needs to call `at`.
            self._scheduler.shutdown(wait=False)
        with self._changed:
            if not self._changed.wait_for(lambda: self._running == 0, timeout):
                log.warning("%d jobs have not ended after %s seconds", self._running, timeout)

    def _run(self, name: str, function: Callable[[], object]) -> None:
        with self._changed:
            if self._stopping:
                return
            self._running += 1
        began = self._clock.monotonic()
        error = ""
        try:
            function()
        except CloudmgrError as problem:
            log.warning("job %s: %s", name, problem)
            error = problem.message
        except Exception as problem:
            log.exception("job %s: a fault of ours", name)
            error = repr(problem)
        finally:
            seconds = self._clock.monotonic() - began
            with self._changed:
                before = self._counts.get(name, JobCount())
                self._counts[name] = replace(
                    before,
                    runs=before.runs + 1,
                    failures=before.failures + bool(error),
                    seconds=seconds,
                    last_error=error or before.last_error,
                )
                self._running -= 1
                self._changed.notify_all()
