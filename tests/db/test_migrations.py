"""The migrations make exactly the tables that the stores speak of, on both databases."""

from __future__ import annotations

import importlib
import pkgutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

import cloudmgr
from cloudmgr.db.engine import Database
from cloudmgr.db.migrate import configuration, head, upgrade
from cloudmgr.db.types import metadata
from cloudmgr.errors import Permanent

if TYPE_CHECKING:
    from collections.abc import Iterator


def every_store() -> None:
    for module in pkgutil.walk_packages(cloudmgr.__path__, "cloudmgr."):
        if "store" in module.name.split("."):
            importlib.import_module(module.name)


@pytest.fixture
def empty(database_url: str) -> Iterator[Database]:
    every_store()
    database = Database(database_url)
    yield database
    database.close()


def test_the_migrated_tables_are_those_of_the_stores(empty: Database) -> None:
    upgrade(empty)
    with empty.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == head()


def test_upgrading_again_changes_nothing(empty: Database) -> None:
    upgrade(empty)
    upgrade(empty)


def test_two_control_planes_that_start_at_once_migrate_one_after_the_other(
    empty: Database, database_url: str
) -> None:
    other = Database(database_url)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(upgrade, [empty, other]))
    other.close()
    with empty.engine.connect() as connection:
        assert "environment" in inspect(connection).get_table_names()


def test_every_migration_can_be_taken_back(empty: Database) -> None:
    upgrade(empty)
    with empty.write() as tx:
        command.downgrade(configuration(tx), "base")
    with empty.engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}


def test_a_database_of_a_later_version_is_refused(empty: Database) -> None:
    upgrade(empty)
    with empty.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = 'of-next-year'"))
    with pytest.raises(Permanent) as refused:
        upgrade(empty)
    assert refused.value.code == "newer-database"
