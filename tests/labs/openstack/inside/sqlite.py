"""Lets several threads write to one SQLite file.

oslo.db opens each transaction with a plain BEGIN, which takes no lock. A transaction that has read
and then writes fails at once with "database is locked" if another wrote in between, however long
the busy timeout is; BEGIN IMMEDIATE waits for its turn instead.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine


@event.listens_for(Engine, "before_cursor_execute", retval=True)
def _take_the_lock(
    connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any
) -> tuple[str, Any]:
    if statement == "BEGIN" and connection.dialect.name == "sqlite":
        statement = "BEGIN IMMEDIATE"
    return statement, parameters
