"""A process that outlives its starter, and is told from a later one with the same pid. Linux."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One run of a program. ``ticks`` is when it began, in clock ticks since the boot ``boot``.

    Unlike the time of day these do not move when the machine's clock is set.
    """

    pid: int
    ticks: int
    boot: str

    @property
    def name(self) -> str:
        """Names this run for ever."""
        return f"{self.boot[:8]}.{self.ticks}.{self.pid}"

    def alive(self) -> bool:
        """Whether it still runs. If it was our child and has ended, it is buried here."""
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return find(self.pid) == self

    def send(self, number: signal.Signals) -> None:
        """Send a signal to this very run, and to no other; one that has ended is no error."""
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)
            try:
                if find(self.pid) == self:
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)


@cache
def _boot() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()


def find(pid: int) -> Process | None:
    """What runs under ``pid`` now; None if nothing does, or nothing but what is left of it."""
    try:
        data = (_PROC / str(pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc(5): the second field, in parentheses, may contain anything; state is the third.
    rest = data[data.rindex(b")") + 2 :].split()
    if rest[0] in {b"Z", b"X"}:
        return None
    return Process(pid, int(rest[19]), _boot())


def with_argument(argument: str) -> Process | None:
    """The first process that was started with ``argument``."""
    wanted = argument.encode()
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in arguments[1:] and (found := find(int(entry.name))) is not None:
            return found
    return None


def spawn(argv: Sequence[str], environment: Mapping[str, str], output: Path) -> Process | None:
    """Start ``argv`` in a session of its own, writing to ``output``; None if it ended at once.

    :raises OSError: if it cannot be started.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        argv[0],
        list(argv),
        dict(environment),
        setsid=True,
        setsigmask=(),
        setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM],
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(output), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )
    return find(pid)
