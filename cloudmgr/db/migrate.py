"""Brings a database's tables to what this version of the program needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from cloudmgr.errors import Permanent

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.db.engine import Database

_PLACE = Path(__file__).parent / "migrations"
# Any number, the same in every control plane: two that start at once migrate one after the other.
_LOCK = 0x636C6F75


def configuration(connection: Connection) -> Config:
    """Alembic's configuration for work within ``connection``."""
    config = Config()
    config.set_main_option("script_location", str(_PLACE).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """The revision that this program needs."""
    config = Config()
    config.set_main_option("script_location", str(_PLACE).replace("%", "%%"))
    return str(ScriptDirectory.from_config(config).get_current_head())


def upgrade(database: Database) -> None:
    """Apply what is missing, all or nothing; safe to call from several control planes at once.

    :raises Permanent: ``newer-database`` when the database was made by a later version.
    """
    with database.write() as tx:
        if database.dialect == "postgresql":
            tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        current = MigrationContext.configure(tx).get_current_revision()
        scripts = ScriptDirectory.from_config(configuration(tx))
        known = {script.revision for script in scripts.walk_revisions()}
        if current is not None and current not in known:
            raise Permanent(
                f"the database has revision {current}, which this version does not know",
                code="newer-database",
                hint="run the version of cloudmgr that made it, or a later one",
            )
        command.upgrade(configuration(tx), "head")
