"""Lets several threads write to one SQLite file, and spares them to open it each time.

oslo.db opens each transaction with a plain BEGIN, which takes no lock. A transaction that has read
and then writes fails at once with "database is locked" if another wrote in between, however long
the busy timeout is; BEGIN IMMEDIATE waits for its turn instead.

It also opens a file anew for each session, and SQLite then reads the schema of a service before the
first statement: half of all that a request takes.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from oslo_db.sqlalchemy import engines
from sqlalchemy import event, pool
from sqlalchemy.engine import Engine


class _Kept(pool.QueuePool):
    """As many connections as there are threads; those that are given back stay open."""

    def __init__(self, creator: Any, **settings: Any) -> None:
        super().__init__(creator, pool_size=0, **settings)


# What oslo.db takes for SQLite whatever is configured.
engines.pool = SimpleNamespace(**{**vars(pool), "NullPool": _Kept})


@event.listens_for(Engine, "before_cursor_execute", retval=True)
def _take_the_lock(
    connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any
) -> tuple[str, Any]:
    if statement == "BEGIN" and connection.dialect.name == "sqlite":
        statement = "BEGIN IMMEDIATE"
    return statement, parameters


def keep_references() -> None:
    """A row that others refer to cannot go, as in the databases that clouds have.

    Keystone relies on it where a project goes while somebody makes one below it.
    """

    @event.listens_for(Engine, "connect")
    def _keep(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
