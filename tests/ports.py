"""Ports and addresses for what tests let listen."""

from __future__ import annotations

import os
import random
import secrets
import socket
from collections import deque
from contextlib import suppress

# Above those that a browser refuses; below those that local pools and the system give away.
_FIRST, _LAST = 11000, 19999
_PROCESSES = 8
# Nobody listens there.
_CLAIM = 10999
# Given away by this process, and maybe not listened on yet: two clusters that are about to start
# take a dozen.
_given: deque[int] = deque(maxlen=512)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has, nor gets while whoever listens there is started again.

    One of the system's own choice could meanwhile become that of somebody's connection. Each test
    process has its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _PROCESSES
    candidates = range(_FIRST + worker, _LAST + 1, _PROCESSES)
    while True:
        port = secrets.choice(candidates)
        if port in _given:
            continue
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            _given.append(port)
            return port


def free_block() -> tuple[int, socket.socket]:
    """A block of addresses, 127.block.0.0/16, that no other cloud of this machine has.

    :return: it, and what is to be kept open as long as it is to be nobody else's.
    """
    blocks = list(range(20, 220))
    random.shuffle(blocks)
    for block in blocks:
        claim = socket.socket()
        try:
            claim.bind((f"127.{block}.0.0", _CLAIM))
        except OSError:
            claim.close()
        else:
            return block, claim
    raise AssertionError("200 clouds are too many for one machine")
