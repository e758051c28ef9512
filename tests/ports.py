"""Ports for what tests let listen."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import suppress

# Above those that a browser refuses; below those that local pools and the system give away.
_FIRST, _LAST = 11000, 19999
_PROCESSES = 8


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has, nor gets while whoever listens there is started again.

    One of the system's own choice could meanwhile become that of somebody's connection. Each test
    process has its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _PROCESSES
    candidates = range(_FIRST + worker, _LAST + 1, _PROCESSES)
    while True:
        port = secrets.choice(candidates)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
