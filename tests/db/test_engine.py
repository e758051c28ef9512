from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    event,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError

from cloudmgr.db.engine import Database, after_commit
from cloudmgr.errors import Conflict, Invalid, NotFound, Temporary
from tests.conftest import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

catalogue = MetaData()
parents = Table(
    "parents",
    catalogue,
    Column("id", Integer, primary_key=True),
    Column("name", String, unique=True),
    Column("size", Integer, CheckConstraint("size >= 0"), server_default="0"),
)
children = Table(
    "children",
    catalogue,
    Column("id", Integer, primary_key=True),
    Column("parent", ForeignKey(parents.c.id), nullable=False),
)


@pytest.fixture
def connect(database_url: str) -> Iterator[Callable[..., Database]]:
    """Opens one more Database on the same address; all are closed at the end."""
    opened: list[Database] = []

    def another(*, pool_size: int = 10, patience: float = 30.0) -> Database:
        opened.append(Database(database_url, pool_size=pool_size, patience=patience))
        return opened[-1]

    yield another
    for each in opened:
        each.close()


@pytest.fixture
def db(connect: Callable[..., Database]) -> Database:
    database = connect()
    catalogue.create_all(database.engine)
    return database


def _names(database: Database) -> set[str | None]:
    with database.read() as tx:
        return set(tx.scalars(select(parents.c.name)))


def _add(database: Database, name: str) -> None:
    with database.write() as tx:
        tx.execute(insert(parents).values(name=name))


def test_what_a_write_did_is_there_afterwards(db: Database) -> None:
    _add(db, "exam")
    assert _names(db) == {"exam"}


def test_a_write_that_fails_half_way_changes_nothing(db: Database) -> None:
    def half() -> None:
        with db.write() as tx:
            tx.execute(insert(parents).values(name="exam"))
            raise NotFound("the other half")

    with pytest.raises(NotFound):
        half()
    assert _names(db) == set()


def test_a_read_sees_one_state_while_others_write(db: Database) -> None:
    with db.read() as tx:
        before = tx.scalars(select(parents.c.name)).all()
        _add(db, "exam")
        assert tx.scalars(select(parents.c.name)).all() == before
    assert _names(db) == {"exam"}


def test_writers_at_once_queue_up_and_lose_no_update(db: Database) -> None:
    _add(db, "exam")
    count = 8
    together = threading.Barrier(count)

    def grow() -> None:
        together.wait()
        with db.write() as tx:
            tx.execute(update(parents).values(size=parents.c.size + 1))

    threads = [threading.Thread(target=grow) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.read() as tx:
        assert tx.scalar(select(parents.c.size)) == count


def test_a_key_that_is_taken_is_a_conflict(db: Database) -> None:
    _add(db, "exam")
    with pytest.raises(Conflict) as caught:
        _add(db, "exam")
    assert caught.value.code == "already-exists"
    assert "\n" not in caught.value.message
    with pytest.raises(Conflict) as caught, db.write() as tx:
        tx.execute(insert(parents), [{"id": 7}, {"id": 7}])
    assert caught.value.code == "already-exists"


@pytest.mark.parametrize(
    "broken",
    [
        insert(children).values(parent=404),
        insert(children).values(parent=None),
        insert(parents).values(size=-1),
    ],
    ids=["missing-row", "missing-value", "check"],
)
def test_a_broken_rule_of_a_table_is_no_taken_key(db: Database, broken: object) -> None:
    with pytest.raises(Conflict) as caught, db.write() as tx:
        tx.execute(broken)  # type: ignore[call-overload]
    assert caught.value.code == "breaks-a-reference"


def test_a_lock_that_is_not_let_go_is_temporary(
    db: Database, connect: Callable[..., Database]
) -> None:
    _add(db, "exam")
    impatient = connect(patience=0.05)
    with db.write() as holder:
        holder.execute(update(parents).values(size=1))
        with pytest.raises(Temporary) as caught, impatient.write() as tx:
            tx.execute(update(parents).values(size=2))
    assert caught.value.code == "database-unavailable"
    # And afterwards it works, unchanged.
    with impatient.write() as tx:
        tx.execute(update(parents).values(size=2))


def test_a_pool_whose_connections_are_all_in_use_is_temporary(
    db: Database, connect: Callable[..., Database]
) -> None:
    del db
    narrow = connect(pool_size=1, patience=0.05)
    with (
        narrow.read(),
        narrow.read(),  # the overflow: as many again
        pytest.raises(Temporary, match="in use"),
        narrow.read(),
    ):
        pass


def test_wrong_sql_is_our_fault_and_not_called_temporary(db: Database) -> None:
    with pytest.raises(DBAPIError), db.read() as tx:
        tx.execute(text("SELECT * FROM no_such_table"))


def test_who_opens_a_new_file_waits_for_another_who_is_in_it(tmp_path: Path) -> None:
    place = tmp_path / "new.db"
    other = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    leaves = threading.Timer(0.5, other.execute, ["COMMIT"])
    leaves.start()
    database = Database(f"sqlite:///{place}")
    with database.read() as tx:
        assert tx.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    database.close()
    leaves.join()
    other.close()


def test_who_opens_a_new_file_does_not_wait_for_ever(tmp_path: Path) -> None:
    place = tmp_path / "new.db"
    other = sqlite3.connect(place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    database = Database(f"sqlite:///{place}", patience=0.1)
    with pytest.raises(Temporary, match="locked"), database.read():
        pass
    database.close()
    other.close()


def test_a_full_disk_is_temporary_and_nothing_was_changed(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'full.db'}")

    @event.listens_for(database.engine, "connect")
    def _small(connection: object, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 16")  # type: ignore[attr-defined]

    catalogue.create_all(database.engine)
    _add(database, "exam")
    with pytest.raises(Temporary, match="full"), database.write() as tx:
        tx.execute(insert(parents), [{"name": f"{n:04} {'x' * 4000}"} for n in range(100)])
    assert _names(database) == {"exam"}
    database.close()


def test_a_directory_that_is_not_there_is_temporary(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'missing' / 'x.db'}")
    with pytest.raises(Temporary), database.read():
        pass


def test_a_server_that_does_not_answer_is_temporary() -> None:
    database = Database(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    with pytest.raises(Temporary) as caught, database.read():
        pass
    assert "refused" in caught.value.message
    database.close()


def test_a_connection_that_the_server_cut_is_temporary_and_the_next_one_works(
    postgres_url: str,
) -> None:
    database = Database(postgres_url)
    end_yourself = text("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(Temporary), database.write() as tx:
        tx.execute(end_yourself)
    with database.read() as tx:
        assert tx.scalar(text("SELECT 1")) == 1
    database.close()


def test_nothing_can_be_written_through_a_read(postgres_url: str) -> None:
    database = Database(postgres_url)
    with pytest.raises(DBAPIError, match="read-only"), database.read() as tx:
        tx.execute(text("CREATE TABLE sneaked_in (id int)"))
    # The connection goes back to the pool as it came: a write works on it.
    with database.write() as tx:
        tx.execute(text("CREATE TEMPORARY TABLE allowed (id int) ON COMMIT DROP"))
    database.close()


def test_what_the_address_says_itself_comes_before_the_defaults(postgres_url: str) -> None:
    database = Database(f"{postgres_url}?options=-c%20lock_timeout%3D7s")
    with database.read() as tx:
        assert tx.scalar(text("SHOW lock_timeout")) == "7s"
    database.close()


@pytest.mark.parametrize(
    "url", ["mysql://root:secret@x/y", "no address", "sqlite://", "sqlite:///:memory:"]
)
def test_a_database_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        Database(url)
    assert caught.value.code == "unsupported-database"
    assert "secret" not in caught.value.message


def test_what_waits_for_a_commit_happens_after_it_and_not_if_it_is_undone(
    database_url: str,
) -> None:
    database = Database(database_url)
    done: list[str] = []
    with database.write() as tx:
        after_commit(tx, lambda: done.append("committed"))
        assert done == []
    with pytest.raises(KeyError), database.write() as tx:
        after_commit(tx, lambda: done.append("undone"))
        raise KeyError
    with database.write():
        pass
    assert done == ["committed"]
    database.close()
