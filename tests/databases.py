"""Databases with all tables: made once and copied, and waiting for no disk."""

from __future__ import annotations

import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import event

from cloudmgr.db.engine import Database
from cloudmgr.db.migrate import upgrade
from cloudmgr.db.types import metadata
from tests import postgres

if TYPE_CHECKING:
    from collections.abc import Callable


def hurried(database: Database) -> Database:
    """What is decided is tested, not what survives a power cut: commits do not wait for the disk.

    To be called before anything connects. On PostgreSQL it is the server that does not wait.
    """
    if database.dialect == "sqlite":
        event.listen(database.engine, "connect", lambda c, _: c.execute("PRAGMA synchronous = OFF"))
    return database


def file_with_tables(path: Path) -> str:
    """The address of a new SQLite file, with all tables that the imported stores define."""
    path.write_bytes(_file(frozenset(metadata.tables)))
    return f"sqlite:///{path}"


def fresh_with_tables(server: str) -> str:
    """The address of a new database on the PostgreSQL ``server``, with the same tables."""
    return postgres.fresh(server, template=_template(server, frozenset(metadata.tables)))


def migrated_file(path: Path) -> None:
    """A new SQLite file at ``path``, whose tables the migrations have made."""
    path.write_bytes(_migrated())


def as_file(fill: Callable[[Path], None]) -> bytes:
    """The SQLite file that ``fill`` makes at the path that it is given, and closes."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "made.db"
        fill(path)
        return path.read_bytes()


# A test may import a store that no other knows: what is kept is kept by the names of the tables.


@cache
def _file(_tables: frozenset[str]) -> bytes:
    return as_file(lambda path: _make_tables(f"sqlite:///{path}"))


@cache
def _migrated() -> bytes:
    def migrate(path: Path) -> None:
        with closing(hurried(Database(f"sqlite:///{path}"))) as database:
            upgrade(database)

    return as_file(migrate)


@cache
def _template(server: str, _tables: frozenset[str]) -> str:
    url = postgres.fresh(server)
    _make_tables(url)
    return url.rpartition("/")[2]


def _make_tables(url: str) -> None:
    with closing(hurried(Database(url))) as database:
        metadata.create_all(database.engine)
