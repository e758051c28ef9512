"""What the tests of the demo share."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.conftest import free_port
from tests.scaling.serving import request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def gaokao(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """One replica of the enrolment system, on a port of its own, with its data in ``tmp_path``."""
    port = free_port()
    variables = {"PORT": str(port), "DATA_DIR": str(tmp_path), "WORK_MILLISECONDS": "300"}
    process = subprocess.Popen(
        [sys.executable, "-m", "cloudmgr.cli.demo.apps", "gaokao"], env={**os.environ, **variables}
    )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 20
        while True:
            try:
                request(f"{address}/healthz", "127.0.0.1")
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield process, address
    finally:
        process.kill()
        process.wait()
