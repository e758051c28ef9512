from __future__ import annotations

import resource
import signal
import threading
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import duckdb
import pytest

from cloudmgr.errors import CloudmgrError, Permanent, Temporary
from cloudmgr.metering.lake.checking import damages
from cloudmgr.metering.lake.reading import totals
from cloudmgr.metering.lake.table import LedgerTable
from tests.metering.lake.conftest import (
    NOW,
    SHANGHAI,
    STORES,
    an_hour,
    exporter,
    some_hours,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloudmgr.db.engine import Database


class Killed(BaseException):
    """What ends a process that nothing in it hears of."""


def at_rest(table: LedgerTable) -> Counter[str]:
    """How often each id lies there."""
    rows = (
        duckdb.execute("SELECT id FROM read_parquet(?)", [table.paths()]).fetchall()
        if table.paths()
        else []
    )
    return Counter(row[0] for row in rows)


def killing_at(step: str) -> Callable[[str], None]:
    def look(name: str) -> None:
        if name == step:
            raise Killed

    return look


def test_what_was_metered_goes_to_rest_once_with_every_digit(
    database: Database, table: LedgerTable
) -> None:
    lines = some_hours(database, 10)
    done = exporter(database, table).export()
    assert (done.batches, done.records, done.whole) == (3, 10, True)
    assert at_rest(table) == Counter(line.id for line in lines)
    assert exporter(database, table).export().records == 0
    with duckdb.connect() as duck:
        duck.execute("SET TimeZone = 'UTC'")
        found = duck.execute(
            'SELECT start, "end", quantity, recorded_at, month FROM read_parquet(?, '
            "hive_partitioning = true, hive_types = {'month': VARCHAR}) ORDER BY start",
            [table.paths()],
        ).fetchall()
    assert [row[:4] for row in found] == [
        (line.interval.start, line.interval.end, line.quantity, NOW) for line in lines
    ]
    # June begins in Shanghai four hours after the first of them.
    assert [row[4] for row in found] == ["2026-05"] * 4 + ["2026-06"] * 6


def test_a_turn_does_as_much_as_it_is_told(database: Database, table: LedgerTable) -> None:
    some_hours(database, 10)
    assert exporter(database, table).export(most=2) == exporter(database, table).export(
        0
    ).__class__(2, 8, whole=False)
    assert exporter(database, table).export(most=2).whole


@pytest.mark.parametrize("step", ["assign", "append", "read back", "note files", "note batch"])
def test_killed_between_any_two_steps_nothing_is_lost_and_nothing_twice(
    database: Database, table: LedgerTable, step: str
) -> None:
    lines = some_hours(database, 6)
    with pytest.raises(Killed):
        exporter(database, table, step=killing_at(step)).export()
    with database.write() as tx:
        STORES.ledger.append(tx, [an_hour(20)], NOW)
    exporter(database, table).export()
    assert at_rest(table) == Counter([*(line.id for line in lines), an_hour(20).id])
    with database.read() as tx:
        assert damages(table, STORES.batches.files(tx), STORES.batches.all(tx)) == ()
        assert STORES.batches.waiting(tx) == 0


def test_two_at_once_write_every_line_once(database: Database, table: LedgerTable) -> None:
    lines = some_hours(database, 24)
    problems: list[str] = []

    def work() -> None:
        mine = LedgerTable(table.directory, SHANGHAI)
        for _ in range(30):
            try:
                if exporter(database, mine, lines=3).export().whole:
                    return
            except CloudmgrError as error:
                problems.append(error.code)

    both = [threading.Thread(target=work) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert exporter(database, table).export().whole, problems
    assert at_rest(table) == Counter(line.id for line in lines), problems
    with database.read() as tx:
        assert damages(table, STORES.batches.files(tx), STORES.batches.all(tx)) == ()


def test_a_full_disk_loses_nothing(sqlite: Database, table: LedgerTable) -> None:
    lines = some_hours(sqlite, 4)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def full(name: str) -> None:
        if name == "append":
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))

    try:
        with pytest.raises(Temporary) as refused:
            exporter(sqlite, table, step=full).export()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert refused.value.code == "ledger-unwritable"
    assert not table.files()
    exporter(sqlite, table).export()
    assert at_rest(table) == Counter(line.id for line in lines)


def test_another_ledger_is_not_written_to(
    sqlite: Database, table: LedgerTable, tmp_path: Path
) -> None:
    some_hours(sqlite, 2)
    exporter(sqlite, table).export()
    with sqlite.write() as tx:
        STORES.ledger.append(tx, [an_hour(5)], NOW)
    elsewhere = LedgerTable(tmp_path / "elsewhere", SHANGHAI)
    with pytest.raises(Permanent) as refused:
        exporter(sqlite, elsewhere).export()
    assert refused.value.code == "another-ledger"
    assert "no ledger" in refused.value.message
    elsewhere.make()
    with pytest.raises(Permanent, match="another ledger"):
        exporter(sqlite, elsewhere).export()
    assert exporter(sqlite, table).export().records == 1


def test_small_files_become_one_and_say_the_same(database: Database, table: LedgerTable) -> None:
    some_hours(database, 60)
    exporter(database, table, lines=2).export()
    before, many = totals(table.paths()), len(table.files())
    assert exporter(database, table).tidy() == 0  # what was replaced stays for a week
    assert totals(table.paths()) == before
    assert len(table.files()) < many / 5
    with database.read() as tx:
        assert damages(table, STORES.batches.files(tx), STORES.batches.all(tx)) == ()


def test_tidying_that_was_killed_is_taken_up(database: Database, table: LedgerTable) -> None:
    some_hours(database, 60)
    exporter(database, table, lines=2).export()
    with pytest.raises(Killed):
        exporter(database, table, step=killing_at("note files")).tidy()
    exporter(database, table).tidy()
    with database.read() as tx:
        assert damages(table, STORES.batches.files(tx), STORES.batches.all(tx)) == ()
    with database.write() as tx:
        STORES.ledger.append(tx, [an_hour(90)], NOW + timedelta(hours=1))
    exporter(database, table).export()
    with database.read() as tx:
        assert damages(table, STORES.batches.files(tx), STORES.batches.all(tx)) == ()


def test_what_is_damaged_is_not_written_anew(sqlite: Database, table: LedgerTable) -> None:
    some_hours(sqlite, 60)
    exporter(sqlite, table, lines=2).export()
    victim = table.files()[-1]
    path = table.directory / victim.path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(Permanent) as refused:
        exporter(sqlite, table).tidy()
    assert refused.value.code == "ledger-damaged"
    assert victim.path in refused.value.message
