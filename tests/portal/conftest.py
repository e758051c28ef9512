from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from cloudmgr.api.app import create_app
from cloudmgr.db.types import metadata
from cloudmgr.portal.app import portal_mounts, portal_routers, problem_page
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


def _built(state: Path) -> Iterator[City]:
    plane = ControlPlane(_ManualSettings(state_dir=state))
    metadata.create_all(plane.database.engine)
    plane.settings.key_file.make()
    assert isinstance(plane.clock, ManualClock)
    city = a_city(plane, plane.clock)
    city.app = create_app(
        replace(city.services, registry=CollectorRegistry()),
        routers=portal_routers(),
        public_mounts=portal_mounts(),
        render=problem_page,
    )
    yield city
    plane.database.close()


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    """A seeded city with its portal."""
    yield from _built(tmp_path)


@pytest.fixture(scope="module")
def seen_city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """One city for many tests, which only look."""
    yield from _built(tmp_path_factory.mktemp("city"))
