from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.api.city import City, a_city
from tests.api.copies import a_copy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    """A seeded city on SQLite."""
    with closing(a_copy(tmp_path)) as city:
        yield city


@pytest.fixture(scope="module")
def seen_city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """One seeded city for many tests, which only look."""
    with closing(a_copy(tmp_path_factory.mktemp("city"))) as city:
        yield city


@pytest.fixture
def stored_city(tmp_path: Path, tables_url: str) -> Iterator[City]:
    """A seeded city on SQLite and on PostgreSQL, for what depends on storage."""
    with closing(a_city(tmp_path, tables_url)) as city:
        yield city
