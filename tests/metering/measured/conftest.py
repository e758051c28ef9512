from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.metering.measured.cadvisor import cadvisor
from tests.prometheus import history, server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that has :func:`cadvisor`'s day."""
    home = tmp_path_factory.mktemp("prometheus") / "data"
    history(home, cadvisor())
    with server(home) as url:
        yield url
