"""Fixtures of the tests of the command line."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import uvicorn

from cloudmgr.api.app import create_app
from tests.cli.office import REQUEST, Office
from tests.conftest import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    made = Office(tmp_path)
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(create_app(made.plane.services), port=port, log_level="warning")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    monkeypatch.setenv("CLOUDMGR_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("CLOUDMGR_TOKEN", made.officer)
    monkeypatch.setenv("COLUMNS", "300")
    yield made
    server.should_exit = True
    thread.join(timeout=20)
    made.plane.database.close()


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "request.yaml"
    path.write_text(REQUEST, encoding="utf-8")
    return str(path)
