"""The loop: one thread at a key at a time, back-off, resync, no lost wake-up."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloudmgr.clock import SystemClock
from cloudmgr.errors import Conflict, NotFound, Permanent, Temporary
from cloudmgr.reconcile.loop import Fence, Loop, Result
from tests.fakes import Unfenced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Recorder:
    """A reconciler that does what a test says and remembers it."""

    name = "recorder"

    def __init__(self, step: Callable[[str, int], Result], keys: Iterable[str] = ()) -> None:
        self._step = step
        self._keys = list(keys)
        self.steps: Counter[str] = Counter()
        self.done = threading.Condition()
        self.inside: Counter[str] = Counter()
        self.doubled = False

    def keys(self) -> Iterable[str]:
        return self._keys

    def reconcile(self, key: str, _fence: Fence) -> Result:
        with self.done:
            self.inside[key] += 1
            self.doubled |= self.inside[key] > 1
            number = self.steps[key] + 1
        try:
            return self._step(key, number)
        finally:
            with self.done:
                self.inside[key] -= 1
                self.steps[key] = number
                self.done.notify_all()

    def wait(self, key: str, count: int) -> None:
        with self.done:
            assert self.done.wait_for(lambda: self.steps[key] >= count, timeout=10), self.steps


@contextmanager
def running(recorder: Recorder, *, resync: float = 3600, owned: bool = True) -> Iterator[Loop]:
    loop = Loop(
        recorder,
        lambda _key: Unfenced() if owned else None,
        SystemClock(),
        workers=3,
        resync_seconds=resync,
    )
    loop.start()
    try:
        yield loop
    finally:
        loop.stop()


def test_every_key_is_looked_at_when_the_loop_starts() -> None:
    recorder = Recorder(lambda _key, _n: Result(), keys=["a", "b"])
    with running(recorder):
        recorder.wait("a", 1)
        recorder.wait("b", 1)


def test_the_resync_looks_again_without_any_event() -> None:
    recorder = Recorder(lambda _key, _n: Result(), keys=["a"])
    with running(recorder, resync=0.02):
        recorder.wait("a", 3)


def test_a_wake_during_a_step_is_not_lost_and_the_key_is_never_in_two_hands() -> None:
    inside, go = threading.Event(), threading.Event()

    def step(_key: str, number: int) -> Result:
        if number == 1:
            inside.set()
            assert go.wait(10)
        return Result()

    recorder = Recorder(step)
    with running(recorder) as loop:
        loop.wake("a")
        assert inside.wait(10)
        for _ in range(50):
            loop.wake("a")
        go.set()
        recorder.wait("a", 2)
    assert not recorder.doubled


def test_a_temporary_error_is_tried_again_and_a_permanent_one_is_not() -> None:
    def step(key: str, number: int) -> Result:
        if key == "permanent":
            raise Permanent("no")
        if number == 1:
            raise Temporary("not now")
        return Result()

    recorder = Recorder(step)
    with running(recorder) as loop:
        loop.wake("permanent")
        loop.wake("temporary")
        recorder.wait("temporary", 2)
        recorder.wait("permanent", 1)
    assert recorder.steps["permanent"] == 1


def test_a_conflict_is_repeated_and_a_fault_of_ours_does_not_end_the_worker() -> None:
    def step(_key: str, number: int) -> Result:
        if number == 1:
            raise Conflict("someone else wrote first")
        if number == 2:
            raise RuntimeError("a fault")
        return Result()

    recorder = Recorder(step)
    with running(recorder) as loop:
        loop.wake("a")
        recorder.wait("a", 3)


def test_a_key_that_is_gone_is_done() -> None:
    def step(_key: str, _number: int) -> Result:
        raise NotFound("gone")

    recorder = Recorder(step)
    with running(recorder) as loop:
        loop.wake("a")
        recorder.wait("a", 1)
        loop.wake("b")
        recorder.wait("b", 1)
    assert recorder.steps["a"] == 1


def test_a_key_of_another_control_plane_is_left_alone() -> None:
    recorder = Recorder(lambda _key, _n: Result(), keys=["a"])
    with running(recorder, resync=0.02, owned=False) as loop:
        loop.wake("a")
    assert not recorder.steps


def test_a_step_that_asks_for_it_is_repeated_soon() -> None:
    recorder = Recorder(lambda _key, number: Result(0.01 if number < 4 else None))
    with running(recorder) as loop:
        loop.wake("a")
        recorder.wait("a", 4)


def test_steps_of_another_control_plane_are_not_counted_and_a_failed_list_is_asked_again() -> None:
    told: list[str] = []
    listed = threading.Semaphore(0)

    class Stubborn(Recorder):
        def keys(self) -> Iterable[str]:
            listed.release()
            raise Temporary("the database is away")

    recorder = Stubborn(lambda _key, _n: Result())
    loop = Loop(
        recorder,
        lambda key: Unfenced() if key == "ours" else None,
        SystemClock(),
        workers=1,
        resync_seconds=0.01,
        outcome=lambda _name, kind, _seconds: told.append(kind),
    )
    loop.start()
    try:
        loop.wake("theirs")
        loop.wake("ours")
        recorder.wait("ours", 1)
        for _ in range(3):
            assert listed.acquire(timeout=10)
    finally:
        loop.stop()
    assert told == ["ok"]
