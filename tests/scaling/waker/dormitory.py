"""Systems that sleep until the waker wakes them, and then really start: for the waker's tests."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudmgr.policy.not_counted import NotCounted
from cloudmgr.scaling.waker.sleepers import Sleeper, State
from tests.scaling.serving import Replica, Server

if TYPE_CHECKING:
    from cloudmgr.errors import CloudmgrError

HOST = "exam.extranet.localhost"


class Dormitory:
    """One system, as :class:`cloudmgr.scaling.waker.sleepers.Sleepers` has it.

    :param startup: elapsed seconds from the order to wake until it serves; None: never.
    """

    def __init__(self, startup: float | None = 0.05, startup_seconds: int = 20) -> None:
        self.replica = Replica("exam")
        self.startup = startup
        self.woken: list[str] = []
        self.refusing: CloudmgrError | None = None
        self.address: tuple[str, int] | None = None
        self._server: Server | None = None
        self._starting: threading.Thread | None = None
        self._opening = threading.Lock()
        self._closed = False
        self._sleeper = Sleeper(
            "env_exam", "高考志愿<填报>", "Enrolment", "/healthz", startup_seconds, State.HIBERNATED
        )

    def become(self, state: State) -> None:
        self._sleeper = replace(self._sleeper, state=state)

    def wait(self, zh: str, en: str) -> None:
        self._sleeper = replace(self._sleeper, waits=(zh, en))

    def not_woken_by(self, user_agent: str) -> None:
        self._sleeper = replace(self._sleeper, not_counted=NotCounted((user_agent,)))

    def probed_by(self, health_path: str) -> None:
        self._sleeper = replace(self._sleeper, health_path=health_path)

    def find(self, host: str) -> Sleeper | None:
        return self._sleeper if host == HOST else None

    def wake(self, environment_id: str, why: str) -> None:
        assert environment_id == "env_exam"
        self.woken.append(why)
        if self.refusing is not None:
            raise self.refusing
        with self._opening:
            self.become(State.STARTING)
            if self.startup is not None and not self._closed:
                self._starting = threading.Thread(target=self.start, args=(self.startup,))
                self._starting.start()

    def endpoint(self, environment_id: str) -> tuple[str, int] | None:
        assert environment_id == "env_exam"
        return self.address

    def start(self, after: float = 0.0) -> None:
        time.sleep(after)
        self._server = Server(self.replica).start()
        self.address = ("127.0.0.1", self._server.port)
        self.become(State.SERVING)

    def close(self) -> None:
        with self._opening:
            self._closed = True
        if self._starting is not None:
            self._starting.join()
        if self._server is not None:
            self._server.stop()
