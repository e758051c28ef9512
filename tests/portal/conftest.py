from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from cloudmgr.api.app import create_app
from cloudmgr.portal.app import portal_mounts, portal_routers, problem_page
from tests.api.copies import a_copy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi import FastAPI

    from cloudmgr.api.services import Services
    from tests.api.city import City


def _with_pages(services: Services) -> FastAPI:
    return create_app(
        services, routers=portal_routers(), public_mounts=portal_mounts(), render=problem_page
    )


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    """A seeded city with its portal."""
    with closing(a_copy(tmp_path, _with_pages)) as city:
        yield city


@pytest.fixture(scope="module")
def seen_city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """One city for many tests, which only look."""
    with closing(a_copy(tmp_path_factory.mktemp("city"), _with_pages)) as city:
        yield city
