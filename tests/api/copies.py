"""Copies of one city: to seed it anew for each test would take longer than most of them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cloudmgr.api.app import create_app
from tests.api.city import City, a_city, unseeded
from tests.databases import as_file, file_with_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from fastapi import FastAPI

    from cloudmgr.api.services import Services


@dataclass(frozen=True, slots=True)
class _Seeds:
    """The file of a city's database, its ledger at rest, and what is known of it."""

    file: bytes
    ledger: Mapping[str, bytes]
    ours: Mapping[str, str]
    theirs: Mapping[str, str]
    secrets: Mapping[str, str]


def a_copy(state: Path, build: Callable[[Services], FastAPI] = create_app) -> City:
    """As :func:`a_city`, on SQLite, with the application that ``build`` makes."""
    seeds, path = _seeds(), state / "city.db"
    path.write_bytes(seeds.file)
    for name, content in seeds.ledger.items():
        file = state / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    city = unseeded(state, f"sqlite:///{path}", build)
    city.ours.update(seeds.ours)
    city.theirs.update(seeds.theirs)
    city.secrets.update(seeds.secrets)
    return city


@cache
def _seeds() -> _Seeds:
    def fill(path: Path) -> None:
        with closing(a_city(path.parent, file_with_tables(path))) as city:
            made.append(city)
        ledger.update(
            (str(file.relative_to(path.parent)), file.read_bytes())
            for file in (path.parent / "ledger").rglob("*")
            if file.is_file()
        )

    ledger: dict[str, bytes] = {}
    made: list[City] = []
    file = as_file(fill)
    return _Seeds(file, ledger, made[0].ours, made[0].theirs, made[0].secrets)
