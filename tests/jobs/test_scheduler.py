"""It wakes, and nothing that it wakes can stop it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from cloudmgr.clock import AcceleratedClock, SystemClock
from cloudmgr.errors import Invalid, Temporary
from cloudmgr.jobs.scheduler import Scheduler

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 20


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler(SystemClock())
    scheduler.start()
    yield scheduler
    scheduler.stop()


class Counted:
    """Counts its calls and lets a test wait for them."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls = 0
        self.error = error
        self.changed = threading.Condition()

    def __call__(self) -> None:
        with self.changed:
            self.calls += 1
            self.changed.notify_all()
        if self.error is not None:
            raise self.error

    def reaches(self, calls: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.calls >= calls, PATIENCE)


def test_a_job_runs_again_and_again(scheduler: Scheduler) -> None:
    job = Counted()
    scheduler.every(0.02, "job", job)
    assert job.reaches(3)
    assert scheduler.counts["job"].runs >= 2
    assert scheduler.counts["job"].failures == 0


@pytest.mark.parametrize("error", [Temporary("not now"), RuntimeError("broken")])
def test_an_error_is_counted_and_the_job_goes_on(
    scheduler: Scheduler, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    job, other = Counted(error), Counted()
    scheduler.every(0.02, "broken", job)
    scheduler.every(0.02, "sound", other)
    assert job.reaches(3)
    assert other.reaches(3)
    assert scheduler.counts["broken"].failures >= 2
    assert str(error) in scheduler.counts["broken"].last_error
    assert "broken" in caplog.text


def test_a_job_never_runs_beside_itself_and_a_slow_one_delays_nobody(
    scheduler: Scheduler,
) -> None:
    free, inside, most = threading.Event(), 0, 0
    lock = threading.Lock()

    def slow() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        free.wait(PATIENCE)
        with lock:
            inside -= 1

    other = Counted()
    scheduler.every(0.01, "slow", slow)
    scheduler.every(0.01, "other", other)
    assert other.reaches(10)
    free.set()
    assert most == 1


def test_a_moment_is_met_at_the_pace_of_the_clock() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    clock = AcceleratedClock(start, SystemClock().now(), 36_000)
    scheduler, job = Scheduler(clock), Counted()
    scheduler.start()
    try:
        moment = clock.now() + timedelta(hours=2)
        scheduler.at(moment, "boundary", job)
        assert job.reaches(1)
        assert clock.now() >= moment
    finally:
        scheduler.stop()


def test_a_moment_that_is_over_is_met_at_once(scheduler: Scheduler) -> None:
    job = Counted()
    scheduler.at(SystemClock().now() - timedelta(days=400), "late", job)
    assert job.reaches(1)


def test_a_name_stands_for_one_job(scheduler: Scheduler) -> None:
    first, second = Counted(), Counted()
    scheduler.every(3600, "job", first, at_once=False)
    scheduler.every(0.02, "job", second)
    assert second.reaches(2)
    assert first.calls == 0


def test_stopping_waits_for_what_runs_even_if_it_plans_something() -> None:
    scheduler = Scheduler(SystemClock())
    scheduler.start()
    running, ended = threading.Event(), threading.Event()
    stopping = threading.Event()

    def last() -> None:
        running.set()
        stopping.wait(PATIENCE)
        scheduler.at(SystemClock().now(), "next", lambda: None)
        ended.set()

    scheduler.every(3600, "last", last)
    assert running.wait(PATIENCE)
    threading.Timer(0.05, stopping.set).start()
    scheduler.stop()
    assert ended.is_set()
    assert "next" not in scheduler.counts


def test_a_scheduler_that_never_began_can_be_stopped() -> None:
    Scheduler(SystemClock()).stop()


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_an_interval_that_is_none_is_refused(scheduler: Scheduler, seconds: float) -> None:
    with pytest.raises(Invalid):
        scheduler.every(seconds, "job", lambda: None)
