"""How long one application takes to start by itself: what waking is held against."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from statistics import median
from typing import TYPE_CHECKING

import httpx

from cloudmgr.clock import SystemClock
from cloudmgr.errors import Permanent

if TYPE_CHECKING:
    from pathlib import Path

_TRIES = 3
_WITHIN = 30.0


def startup_seconds(code: str, port: int, directory: Path) -> float:
    """From starting the process to the first answer of its health path: the median of three.

    :raises Permanent: ``demo-failed`` if it does not answer.
    """
    return median(_once(code, port, directory) for _ in range(_TRIES))


def _once(code: str, port: int, directory: Path) -> float:
    clock = SystemClock()
    began = clock.monotonic()
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "cloudmgr.cli.demo.apps", code],
        env={**os.environ, "PORT": str(port), "DATA_DIR": str(directory)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        # One client: to make one for each question would take from what is measured.
        with httpx.Client(timeout=1) as client:
            while clock.monotonic() - began < _WITHIN:
                with suppress(httpx.TransportError):
                    if client.get(f"http://127.0.0.1:{port}/healthz").is_success:
                        return clock.monotonic() - began
                clock.sleep(0.005)
        raise Permanent(f"the application {code} does not start", code="demo-failed")
    finally:
        process.kill()
        process.wait()
