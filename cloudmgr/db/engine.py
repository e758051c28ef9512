"""Connections and transactions on SQLite (embedded) and PostgreSQL (production)."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from cloudmgr.errors import Conflict, Invalid, Temporary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Connection, Engine

_UNIQUE_VIOLATION = "23505"  # SQLSTATE, PostgreSQL manual, appendix A
_AFTERWARDS = "cloudmgr_after_commit"
_PRIMARY_CODE = 0xFF  # the low byte of an extended SQLite result code
_TURNS = 10  # how often to wait for others before a new file's journal can be changed


class Database:
    """One database and its two kinds of transaction.

    :param url: ``sqlite:///path`` or ``postgresql://user@host/name``.
    :param pool_size: connections kept open; as many again in a rush.
    :param patience: how many seconds to wait for a lock, a connection or a server, before it is
        ``Temporary``. PostgreSQL does not wait less than two seconds for a server.
    :raises Invalid: ``unsupported-database`` for anything else.
    """

    def __init__(self, url: str, *, pool_size: int = 10, patience: float = 30.0) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError:
            # The address may hold a password: it is not repeated.
            raise _unsupported("that address") from None
        self.dialect = parsed.get_backend_name()
        if self.dialect == "sqlite":
            connect_args = {"timeout": patience, "check_same_thread": False}
            if parsed.database in {None, "", ":memory:"}:
                raise _unsupported("a database in memory, which threads cannot share,")
        elif self.dialect == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
            connect_args = _postgresql(parsed, patience)
        else:
            raise _unsupported(self.dialect)
        self.engine = create_engine(
            parsed,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=patience,
            pool_pre_ping=self.dialect == "postgresql",
            connect_args=connect_args,
        )
        if self.dialect == "sqlite":
            _configure_sqlite(self.engine)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; nothing is written.

        :raises Temporary: ``database-unavailable``.
        """
        with _translated(), self.engine.connect() as connection:
            if self.dialect == "postgresql":
                connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """All or nothing, committed at the end of the block.

        :raises Conflict: ``already-exists`` when a key is taken; ``breaks-a-reference`` when a row
            that is pointed at is missing, or would be, or a check of the table fails.
        :raises Temporary: ``database-unavailable`` when it cannot be reached, is locked or its disk
            is full; nothing was changed then.
        """
        with _translated(), self.engine.connect() as connection:
            if self.dialect == "sqlite":
                # Taken at once, so that two writers queue up instead of failing half-way.
                connection.execution_options(cloudmgr_begin="IMMEDIATE")
            afterwards: list[Callable[[], None]] = []
            connection.info[_AFTERWARDS] = afterwards
            with connection.begin():
                yield connection
        for function in afterwards:
            function()

    def close(self) -> None:
        self.engine.dispose()


def after_commit(tx: Connection, function: Callable[[], None]) -> None:
    """Call ``function`` once what ``tx`` writes can be seen by others; never if it is undone."""
    tx.info[_AFTERWARDS].append(function)


def _unsupported(what: str) -> Invalid:
    return Invalid(
        f"{what} is not a database cloudmgr can use",
        code="unsupported-database",
        hint="give sqlite:///FILE or postgresql://USER@HOST/NAME",
        path="database_url",
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        taken = _is_taken(error.orig)
        raise Conflict(
            f"that would break a rule of the database: {_first_line(error.orig)}",
            code="already-exists" if taken else "breaks-a-reference",
        ) from error
    except PoolTimeoutError as error:
        raise _unavailable("every connection to the database is in use") from error
    except DBAPIError as error:
        if not (error.connection_invalidated or _may_pass(error)):
            raise
        raise _unavailable(f"the database cannot do this now: {_first_line(error.orig)}") from error


def _unavailable(message: str) -> Temporary:
    return Temporary(
        message,
        code="database-unavailable",
        hint="nothing was changed; try again, and see to the database if it goes on",
    )


def _is_taken(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        return error.sqlite_errorcode in {
            sqlite3.SQLITE_CONSTRAINT_UNIQUE,
            sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
        }
    return getattr(error, "sqlstate", None) == _UNIQUE_VIOLATION


def _may_pass(error: DBAPIError) -> bool:
    """Whether the world was at fault. SQLite reports our own wrong SQL in the same class."""
    if not isinstance(error, OperationalError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        return error.orig.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_ERROR
    return True


def _first_line(error: BaseException | None) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _postgresql(url: URL, patience: float) -> dict[str, Any]:
    # What the address says itself comes first.
    defaults = {
        "connect_timeout": max(2, round(patience)),
        "options": f"-c lock_timeout={round(patience * 1000)}ms",
    }
    return {name: value for name, value in defaults.items() if name not in url.query}


def _write_ahead(connection: Any) -> None:
    """Bring a file to its write-ahead log; it stays so from then on.

    SQLite does not wait for others when it changes the journal, however patient the connection:
    two programs that open a new file at once would stop one of them. A transaction does wait.
    """
    for _ in range(_TURNS):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY:
                raise
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
        else:
            return
    connection.execute("PRAGMA journal_mode = WAL")


def _configure_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        # The driver must not begin transactions of its own: ours say which kind.
        connection.isolation_level = None
        _write_ahead(connection)
        for pragma in ("synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        kind = connection.get_execution_options().get("cloudmgr_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {kind}")
