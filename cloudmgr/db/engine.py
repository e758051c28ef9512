"""Connections and transactions on SQLite (embedded) and PostgreSQL (production)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from cloudmgr.errors import Conflict, Invalid, Temporary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine


class Database:
    """One database and its two kinds of transaction.

    :param url: ``sqlite:///path`` or ``postgresql+psycopg://…``.
    :raises Invalid: ``unsupported-database`` for anything else.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        if backend == "sqlite":
            self.engine = _sqlite(url, pool_size)
        elif backend == "postgresql":
            self.engine = create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True,
            )
        else:
            raise Invalid(
                f"{backend} is not a database cloudmgr can use", code="unsupported-database",
                hint="give sqlite:///FILE or postgresql://USER@HOST/NAME",
            )
        self.dialect = backend

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; nothing is written.

        :raises Temporary: ``database-unavailable``.
        """
        with _translated(), self.engine.connect() as connection:
            if self.dialect == "postgresql":
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """All or nothing, committed at the end of the block.

        :raises Conflict: ``already-exists`` when a key is taken. :raises Temporary: ``database-unavailable``
            when it cannot be reached, is locked or its disk is full; nothing was changed then.
        """
        with _translated(), self.engine.connect() as connection:
            if self.dialect == "sqlite":
                # Taken at once, so that two writers queue up instead of failing half-way.
                connection = connection.execution_options(cloudmgr_begin="IMMEDIATE")
            with connection.begin():
                yield connection

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise Conflict(
            f"that would break a rule of the database: {error.orig}", code="already-exists"
        ) from error
    except OperationalError as error:
        raise Temporary(
            f"the database cannot do this now: {error.orig}", code="database-unavailable",
            hint="nothing was changed; try again, and see to the database if it goes on",
        ) from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise Temporary(
            f"the connection to the database was lost: {error.orig}", code="database-unavailable"
        ) from error


def _sqlite(url: str, pool_size: int) -> Engine:
    engine = create_engine(
        url, pool_size=pool_size, max_overflow=pool_size,
        connect_args={"timeout": 30, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:  # noqa: ANN401
        # The driver must not begin transactions of its own: ours say which kind.
        connection.isolation_level = None
        for pragma in (
            "journal_mode = WAL", "synchronous = FULL", "busy_timeout = 30000",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        kind = connection.get_execution_options().get("cloudmgr_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {kind}")

    return engine
