"""Which port a replica is told to listen on, and whether it is really that replica that listens."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

_LISTEN = "0A"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


class Ports:
    """Free loopback ports of ``[first, last]``, in turn.

    In turn, and from where ``seed`` points, so that a port comes back as late as possible: a
    gateway that still knows it as another environment's must have heard of the change by then.
    A port cannot be handed to a program, only named; that it was free is therefore a fact of the
    past, and whoever uses it checks afterwards with :func:`listens` and :func:`is_free`.
    """

    def __init__(self, first: int, last: int, seed: int) -> None:
        self._first = first
        self._count = last - first + 1
        self._next = seed % self._count

    def choose(self, used: Container[int]) -> int | None:
        """A port that is not in ``used`` and that nobody listens on; None if there is none."""
        for _ in range(self._count):
            port = self._first + self._next
            self._next = (self._next + 1) % self._count
            if port not in used and is_free(port):
                return port
        return None


def is_free(port: int) -> bool:
    """Whether ``port`` could be bound on the loopback address just now."""
    with socket.socket() as probe:
        # As servers do it: connections that linger in TIME_WAIT are no obstacle, a listener is.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
        return True


def listens(port: int, processes: Iterable[int]) -> bool:
    """Whether one of ``processes`` has the listening socket of ``port``.

    True as well where this cannot be told (another account's process, another network namespace):
    the question guards against a stranger on the port, and a stranger can be told.
    """
    inodes = _listeners(port)
    if not inodes:
        return True
    unknown = False
    for pid in processes:
        try:
            with os.scandir(f"/proc/{pid}/fd") as entries:
                for entry in entries:
                    if _inode(entry.path) in inodes:
                        return True
        except FileNotFoundError:
            continue
        except PermissionError:
            unknown = True
    return unknown


def _inode(path: str) -> str:
    try:
        target = os.readlink(path)  # noqa: PTH115 - for each descriptor of a process
    except OSError:
        return ""
    return target[8:-1] if target.startswith("socket:[") else ""


def _listeners(port: int) -> frozenset[str]:
    """Inodes of all sockets that listen on ``port``, whatever the address."""
    suffix = f":{port:04X}"
    found = set()
    for table in _TABLES:
        try:
            lines = table.read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            # sl local_address rem_address st … inode is the tenth; see proc(5).
            if len(fields) > 9 and fields[3] == _LISTEN and fields[1].endswith(suffix):
                found.add(fields[9])
    return frozenset(found)
