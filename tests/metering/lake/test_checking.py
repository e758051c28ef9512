from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.interval import Interval, month
from cloudmgr.metering.lake.checking import completeness, damages
from cloudmgr.metering.lake.lapses import Kept, LapseKind, lapses
from cloudmgr.metering.usage import Holding, Owner
from tests.metering.lake.conftest import (
    FIRST,
    HOUR,
    NOW,
    SHANGHAI,
    STORES,
    an_hour,
    exporter,
    some_hours,
)

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database
    from cloudmgr.metering.lake.table import LedgerTable
    from cloudmgr.metering.usage import UsageRecord

ALL = 10**6
JUNE = month(2026, 6, SHANGHAI)
OWNER = Owner("env_exam", "sys_exam", "dep_exam", "extranet", "pool_extranet")


def held(hours: int, **changes: object) -> Holding:
    """One vCPU from :data:`FIRST` for so many hours, all metered."""
    until = FIRST + hours * HOUR
    one = Holding(
        "pool/pool_extranet",
        "alloc_1",
        "vcpu",
        OWNER,
        "web",
        Decimal(1),
        FIRST,
        until,
        until,
    )
    return replace(one, **changes)  # type: ignore[arg-type]


def metered(database: Database, table: LedgerTable, lines: list[UsageRecord]) -> None:
    with database.write() as tx:
        STORES.ledger.append(tx, lines, NOW)
    exporter(database, table).export()


def an_exact_hour(number: int, **changes: object) -> UsageRecord:
    return an_hour(number, **{"quantity": Decimal(3600), **changes})


def test_all_that_was_held_is_there(sqlite: Database, table: LedgerTable) -> None:
    metered(sqlite, table, [an_exact_hour(n) for n in range(30)])
    assert completeness(table, [held(30)], "2026-06", JUNE, ALL) == ()


def test_a_line_that_lacks_is_named_and_so_is_the_end(sqlite: Database, table: LedgerTable) -> None:
    metered(sqlite, table, [an_exact_hour(n) for n in range(28) if n != 10])
    found = completeness(table, [held(30)], "2026-06", JUNE, ALL)
    assert [(one.kind, one.interval) for one in found] == [
        (LapseKind.GAP, Interval(FIRST + 10 * HOUR, FIRST + 11 * HOUR)),
        (LapseKind.GAP, Interval(FIRST + 28 * HOUR, FIRST + 30 * HOUR)),
    ]
    assert found[0].sentence.startswith("vcpu of alloc_1 from 2026-05-31T22:00:00+00:00 to ")


def test_time_that_is_there_twice_is_named(sqlite: Database, table: LedgerTable) -> None:
    twice = an_exact_hour(9)
    late = replace(
        twice, id="f" * 64, interval=Interval(twice.interval.start + HOUR / 2, FIRST + 10 * HOUR)
    )
    metered(sqlite, table, [*(an_exact_hour(n) for n in range(12)), late])
    found = completeness(table, [held(12)], "2026-06", JUNE, ALL)
    assert [(one.kind, one.interval) for one in found] == [(LapseKind.OVERLAP, late.interval)]


def test_another_quantity_and_what_nobody_held_are_named(
    sqlite: Database, table: LedgerTable
) -> None:
    wrong = an_exact_hour(9, quantity=Decimal("3600.000000000000000001"))
    metered(sqlite, table, [*(an_exact_hour(n) for n in range(9)), wrong])
    found = completeness(table, [held(10)], "2026-06", JUNE, ALL)
    assert [one.kind for one in found] == [LapseKind.QUANTITY]
    assert "21600.000000000000000001" in found[0].sentence
    assert [one.kind for one in completeness(table, [], "2026-06", JUNE, ALL)] == [
        LapseKind.UNKNOWN
    ]


def test_what_is_not_metered_yet_does_not_lack(sqlite: Database, table: LedgerTable) -> None:
    metered(sqlite, table, [an_exact_hour(n) for n in range(10)])
    going_on = held(10, ended_at=None)
    begun = held(0, resource="alloc_2", ended_at=None)
    assert completeness(table, [going_on, begun], "2026-06", JUNE, ALL) == ()
    nothing = completeness(table, [going_on, held(6, resource="alloc_2")], "2026-06", JUNE, ALL)
    assert [(one.kind, one.resource) for one in nothing] == [(LapseKind.GAP, "alloc_2")]


def test_a_changed_byte_a_lost_file_and_a_strange_one_are_named(
    sqlite: Database, table: LedgerTable
) -> None:
    some_hours(sqlite, 12)
    exporter(sqlite, table).export()
    with sqlite.read() as tx:
        known, batches = STORES.batches.files(tx), STORES.batches.all(tx)
    assert damages(table, known, batches) == ()
    changed, lost, strange = (table.files()[n] for n in (0, 1, 2))
    path = table.directory / changed.path
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)
    (table.directory / lost.path).unlink()
    found = damages(table, {p: f for p, f in known.items() if p != strange.path}, batches)
    assert {one.path: one.sentence.partition(": ")[2] for one in found} == {
        changed.path: "this file is not as it was written",
        lost.path: "this file is not there",
        strange.path: "nobody of ours wrote this file",
    }
    assert [one.path for one in damages(table, known, batches, changed.month)] == [changed.path]


def test_a_batch_that_is_not_whole_is_named(sqlite: Database, table: LedgerTable) -> None:
    some_hours(sqlite, 8)
    exporter(sqlite, table).export()
    with sqlite.read() as tx:
        known, batches = STORES.batches.files(tx), list(STORES.batches.all(tx))
    batches[1] = replace(batches[1], total=replace(batches[1].total, records=5))
    assert [one.sentence for one in damages(table, known, batches)] == [
        "batch 2 was written with 5 lines; 4 are there, or quantities differ"
    ]


@given(
    hours=st.integers(1, 40),
    cuts=st.sets(st.integers(1, 39)),
    without=st.sets(st.integers(0, 39)),
)
def test_whatever_lacks_is_found_and_nothing_else(
    hours: int, cuts: set[int], without: set[int]
) -> None:
    """Lines of one allocation cut anywhere, some of them taken away: the gaps are those."""
    edges = [0, *sorted(cut for cut in cuts if cut < hours), hours]
    pieces = list(pairwise(edges))
    left = [piece for n, piece in enumerate(pieces) if n not in without]
    begin = datetime(2026, 6, 3, tzinfo=UTC)
    one = held(0, started_at=begin, ended_at=None, metered_until=begin + hours * HOUR)
    key = (one.source, one.resource, one.meter)
    gaps = tuple(
        Interval(begin + a * HOUR, begin + b * HOUR) for (_, a), (b, _) in pairwise(left) if a < b
    )
    found = (
        [
            Kept(
                key,
                "env_exam",
                Interval(begin + left[0][0] * HOUR, begin + left[-1][1] * HOUR),
                Decimal(3600 * sum(b - a for a, b in left)),
                gaps,
            )
        ]
        if left
        else []
    )
    lacking = {
        hour
        for lapse in lapses([one], found, JUNE)
        for hour in range(hours)
        if lapse.kind is LapseKind.GAP and begin + hour * HOUR in lapse.interval
    }
    there = {hour for a, b in left for hour in range(a, b)}
    assert lacking == set(range(hours)) - there
