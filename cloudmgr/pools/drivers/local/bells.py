"""Bells: how one process tells another, at once and without polling, which environment to look at.

A bell is a FIFO. Ringing one that nobody listens to does nothing, and a bell that overflows loses
rings: a ring is a hint, and whoever listens also looks by himself from time to time.
"""

from __future__ import annotations

import errno
import os
import threading
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_NOBODY = frozenset({errno.ENXIO, errno.ENOENT})
_CHUNK = 65536


class Bell:
    """One that this process listens to; ``fileno`` becomes readable when it is rung."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Opened before it can be seen, so that nobody takes it for one that was left behind.
        hidden = path.with_name(f".{uuid.uuid4().hex}")
        os.mkfifo(hidden, 0o600)
        # Read and write: a FIFO without any writer would be readable, at its end, for ever.
        self._descriptor = os.open(hidden, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        hidden.replace(path)
        self._rest = b""

    def fileno(self) -> int:
        return self._descriptor

    def heard(self) -> list[str]:
        """The ids rung since the last call, each once, in order."""
        data = self._rest
        with suppress(BlockingIOError):
            while chunk := os.read(self._descriptor, _CHUNK):
                data += chunk
        *lines, self._rest = data.split(b"\n")
        return list(dict.fromkeys(line.decode("ascii", "replace") for line in lines if line))

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ring(path: Path, environment_id: str) -> bool:
    """Tell whoever listens at ``path``; False if nobody does."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NOBODY:
            return False
        raise
    try:
        # A line shorter than PIPE_BUF is written whole or, when the bell is full, not at all.
        with suppress(BlockingIOError):
            os.write(descriptor, f"{environment_id}\n".encode("ascii"))
    except BrokenPipeError:
        return False
    finally:
        os.close(descriptor)
    return True


def ring_all(directory: Path, environment_id: str, *, but: frozenset[str]) -> None:
    """Ring every bell of ``directory`` except those named in ``but``; take down deserted ones."""
    for entry in os.scandir(directory):
        if entry.name in but or entry.name.startswith("."):
            continue
        if not ring(directory / entry.name, environment_id):
            (directory / entry.name).unlink(missing_ok=True)


class Notifier:
    """Calls ``changed`` on a thread of its own, so that a slow listener cannot hold up supervision.

    Many changes of one environment that come while the listener is busy become one call.
    """

    def __init__(self, changed: Callable[[str], None], failed: Callable[[str], None]) -> None:
        self._changed = changed
        self._failed = failed
        self._pending: dict[str, None] = {}
        self._closed = False
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="local-pool-notifier", daemon=True)
        self._thread.start()

    def notify(self, environment_id: str) -> None:
        with self._condition:
            self._pending[environment_id] = None
            self._condition.notify()

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._condition.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._pending and not self._closed:
                    self._condition.wait()
                if self._closed:
                    return
                pending, self._pending = self._pending, {}
            for environment_id in pending:
                try:
                    self._changed(environment_id)
                except Exception:  # noqa: BLE001 - whatever it is, the next change must be told
                    self._failed(environment_id)
