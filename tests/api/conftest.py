from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudmgr.db.types import metadata
from cloudmgr.wiring.control_plane import ControlPlane
from cloudmgr.wiring.settings import Settings
from tests.api.city import City, a_city
from tests.fakes import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudmgr.clock import Clock


class _ManualSettings(Settings):
    def make_clock(self) -> Clock:
        return ManualClock()


def _built(state: Path, database_url: str) -> Iterator[City]:
    plane = ControlPlane(_ManualSettings(state_dir=state, database_url=database_url))
    metadata.create_all(plane.database.engine)
    plane.settings.key_file.make()
    assert isinstance(plane.clock, ManualClock)
    yield a_city(plane, plane.clock)
    plane.database.close()


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    """A seeded city on SQLite."""
    yield from _built(tmp_path, f"sqlite:///{tmp_path / 'city.db'}")


@pytest.fixture(scope="module")
def seen_city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """One seeded city for many tests, which only look."""
    state = tmp_path_factory.mktemp("city")
    yield from _built(state, f"sqlite:///{state / 'city.db'}")


@pytest.fixture
def stored_city(tmp_path: Path, database_url: str) -> Iterator[City]:
    """A seeded city on SQLite and on PostgreSQL, for what depends on storage."""
    yield from _built(tmp_path, database_url)
