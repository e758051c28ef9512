"""Our hours against a pool's: every difference has the one reason that fits it, or none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.interval import Interval
from cloudmgr.metering.reconciliation import (
    EXPLANATIONS,
    Kind,
    Reconciliation,
    Run,
    reconcile,
    runs,
)
from cloudmgr.metering.usage import holdings
from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.besides import Account
from tests.builders import an_allocation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmgr.metering.reconciliation import EnvironmentLine, ServerLine

TEN = datetime(2026, 6, 1, 10, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return TEN + timedelta(minutes=minutes)


def a_run(start: float, end: float | None = None, **changes: Any) -> Run:
    made = Run(
        "one",
        "env_exam",
        "web",
        Decimal(1000),
        Decimal(128),
        at(start),
        None if end is None else at(end),
    )
    return replace(made, **changes)


def an_account(start: float, end: float | None = None, **changes: Any) -> Account:
    made = Account(
        server_id="one",
        environment_id="env_exam",
        name="web-0-abcdef01",
        size=Resources(1000, 128),
        started_at=at(start),
        ended_at=None if end is None else at(end),
        state="active" if end is None else "terminated",
        ours=True,
    )
    return replace(made, **changes)


def held_against(
    books: Sequence[Run],
    accounts: Sequence[Account],
    since: float = 0,
    until: float = 120,
    read: float = 120,
) -> Reconciliation:
    return reconcile(books, accounts, Interval(at(since), at(until)), at(read))


def one(found: Reconciliation) -> ServerLine:
    ((line,),) = (environment.servers for environment in found.environments)
    return line


def counted(line: ServerLine | EnvironmentLine | Reconciliation) -> tuple[float, float]:
    """Our seconds and theirs."""
    return float(line.ours), float(line.theirs)


def told(line: ServerLine) -> dict[Kind, float]:
    """What explains it, in seconds; it must be all of the difference."""
    assert sum(d.seconds for d in line.differences) == line.difference
    kinds = {d.kind: float(d.seconds) for d in line.differences}
    assert len(kinds) == len(line.differences)
    return kinds


def test_a_server_that_both_count_from_its_start_to_its_end_differs_in_nothing() -> None:
    found = held_against([a_run(10, 50)], [an_account(10, 50)])
    line = one(found)
    assert (counted(line), line.differences) == ((2400, 2400), ())
    assert (line.name, line.component, line.state) == ("web-0-abcdef01", "web", "terminated")
    assert found.explained


def test_what_runs_still_is_counted_by_both_until_the_same_moment() -> None:
    assert counted(one(held_against([a_run(-30)], [an_account(-30)]))) == (7200, 7200)
    cut = one(held_against([a_run(-30)], [an_account(-30)], since=30, until=60))
    assert (counted(cut), cut.differences) == ((1800, 1800), ())


def test_the_interval_cuts_both_at_either_end() -> None:
    books = [a_run(-60, 10), a_run(10, 40), a_run(40, 200)]
    found = held_against(books, [an_account(40, 200)], since=5, until=30)
    line = one(found)
    assert counted(line) == (1500, 0)
    assert told(line) == {Kind.RELAUNCHED: -1500}
    assert [(d.first, d.last, d.times) for d in line.differences] == [(at(5), at(30), 1)]


def test_the_pool_goes_on_counting_while_a_server_sleeps() -> None:
    asleep = an_account(0, state="shelved_offloaded", idle_from=at(30))
    line = one(held_against([a_run(0, 30)], [asleep]))
    assert counted(line) == (1800, 7200)
    assert told(line) == {Kind.ASLEEP: 5400}
    assert line.explained


def test_a_server_that_was_deleted_in_its_sleep_slept_until_then() -> None:
    line = one(held_against([a_run(0, 30)], [an_account(0, 90, idle_from=at(30))]))
    assert told(line) == {Kind.ASLEEP: 3600}


def test_a_server_that_slept_all_the_time_is_known_by_the_pool_alone() -> None:
    line = one(held_against([], [an_account(-60, state="shelved_offloaded", idle_from=at(-10))]))
    assert (counted(line)[0], told(line)) == (0, {Kind.ASLEEP: 7200})


def test_only_the_time_asleep_is_explained_by_a_sleep() -> None:
    line = one(held_against([a_run(0, 30)], [an_account(0, idle_from=at(40))]))
    assert told(line) == {Kind.UNEXPLAINED: 600, Kind.ASLEEP: 4800}
    assert not line.explained


def test_the_pool_forgets_what_ran_before_the_last_launch() -> None:
    books = [a_run(0, 20), a_run(50, 70), a_run(70)]
    line = one(held_against(books, [an_account(70)]))
    assert counted(line) == (20 * 60 + 70 * 60, 50 * 60)
    assert told(line) == {Kind.RELAUNCHED: -40 * 60}
    assert [(d.first, d.last) for d in line.differences] == [(at(0), at(70))]


def test_a_beginning_that_no_run_of_ours_has_is_no_launch_that_we_saw() -> None:
    line = one(held_against([a_run(0)], [an_account(30)]))
    assert told(line) == {Kind.UNEXPLAINED: -1800}


def test_a_launch_after_the_last_reading_is_one() -> None:
    line = one(held_against([a_run(0)], [an_account(119.5)]))
    assert told(line) == {Kind.RELAUNCHED: Decimal(-7170)}
    assert one(held_against([a_run(0)], [an_account(125)])).explained


def test_a_strangers_server_is_the_pools_alone() -> None:
    line = one(held_against([], [an_account(60, ours=False, name="mine")]))
    assert (counted(line)[0], told(line)) == (0, {Kind.STRANGER: 3600})
    assert line.explained


def test_a_server_with_our_mark_that_we_never_charged_is_not_excused() -> None:
    line = one(held_against([], [an_account(60)]))
    assert told(line) == {Kind.UNEXPLAINED: 3600}


def test_what_lost_our_mark_and_stands_in_our_books_is_no_strangers() -> None:
    line = one(held_against([a_run(0, 60)], [an_account(0, ours=False)]))
    assert told(line) == {Kind.UNEXPLAINED: 3600}


def test_what_the_pool_has_purged_is_in_our_books_alone() -> None:
    line = one(held_against([a_run(0, 30), a_run(40, 60)], []))
    assert (counted(line)[1], told(line)) == (0, {Kind.FORGOTTEN: -3000})
    assert line.name == ""


def test_what_the_pool_does_not_know_and_we_still_charge_is_not_excused() -> None:
    assert told(one(held_against([a_run(0, 30), a_run(40)], []))) == {Kind.UNEXPLAINED: -6600}


def test_what_changed_in_the_last_minute_was_not_seen_yet() -> None:
    assert told(one(held_against([], [an_account(119.5)]))) == {Kind.UNOBSERVED: 30}
    assert told(one(held_against([a_run(0)], [an_account(0, 119)]))) == {Kind.UNOBSERVED: -60}


def test_the_last_minute_is_that_before_the_reading_and_not_that_of_the_interval() -> None:
    line = one(held_against([], [an_account(116, 118)], until=117, read=200))
    assert told(line) == {Kind.TOLERATED: 60}
    assert told(one(held_against([a_run(0)], [an_account(0, 115)]))) == {Kind.UNEXPLAINED: -300}


@pytest.mark.parametrize(("end", "kind"), [(61, Kind.TOLERATED), (61.02, Kind.UNEXPLAINED)])
def test_a_minute_may_remain_of_each_server_and_no_more(end: float, kind: Kind) -> None:
    line = one(held_against([a_run(0, 60)], [an_account(0, end)]))
    assert set(told(line)) == {kind}
    assert line.explained == (kind is Kind.TOLERATED)


def test_too_much_and_too_little_do_not_make_up_for_each_other() -> None:
    line = one(held_against([a_run(5, 65)], [an_account(0, 60)]))
    assert line.difference == 0
    assert {(d.kind, float(d.seconds)) for d in line.differences} == {
        (Kind.UNEXPLAINED, 300),
        (Kind.UNEXPLAINED, -300),
    }


def test_time_that_is_charged_twice_is_not_excused_wherever_it_lies() -> None:
    line = one(held_against([a_run(0, 60), a_run(30, 60)], [an_account(0, 60)]))
    assert told(line) == {Kind.UNEXPLAINED: -1800}
    before = one(held_against([a_run(0, 60), a_run(30, 60), a_run(60)], [an_account(60)]))
    assert told(before) == {Kind.RELAUNCHED: -3600, Kind.UNEXPLAINED: -1800}


def test_a_run_that_the_pool_has_with_another_size_is_to_be_looked_into() -> None:
    line = one(held_against([a_run(0)], [an_account(0, size=Resources(2000, 128))]))
    assert (counted(line), told(line)) == ((7200, 7200), {Kind.SIZE: 0})
    assert not line.explained
    earlier = [a_run(0, 60, cpu_millis=Decimal(500)), a_run(60)]
    assert one(held_against(earlier, [an_account(60)])).explained


def test_what_neither_counts_in_the_interval_is_not_listed() -> None:
    assert held_against([a_run(-20, -10)], [an_account(-20, -10)]).environments == ()
    assert held_against([a_run(130)], [an_account(130)], read=200).environments == ()


def test_environments_stand_apart_and_one_server_makes_all_of_it_unexplained() -> None:
    books = [
        a_run(0, 60),
        a_run(0, 60, server_id="two"),
        a_run(0, 60, server_id="three", environment_id="env_tax"),
    ]
    accounts = [
        an_account(0, 60),
        an_account(0, 60, server_id="two", name="web-1-abcdef01"),
        an_account(0, 90, server_id="three", environment_id=""),
        an_account(0, 60, server_id="four", environment_id="env_tax", ours=False),
    ]
    found = held_against(books, accounts)
    exam, tax = found.environments
    assert (exam.environment_id, tax.environment_id) == ("env_exam", "env_tax")
    assert [line.server_id for line in exam.servers] == ["one", "two"]
    assert (counted(exam), exam.differences, exam.explained) == ((7200, 7200), (), True)
    assert (counted(tax), float(tax.difference), tax.explained) == ((3600, 9000), 5400, False)
    assert [(d.kind, float(d.seconds)) for d in tax.differences] == [
        (Kind.STRANGER, 3600),
        (Kind.UNEXPLAINED, 1800),
    ]
    assert (counted(found), found.explained) == ((10800, 16200), False)


def test_books_are_read_from_holdings_one_run_for_each_allocation() -> None:
    allocations = [
        an_allocation(
            id="one", size=Resources(500, 768), started_at=at(0), ended_at=at(10), component="web"
        ),
        an_allocation(id="one.2", size=Resources(1000, 128), started_at=at(20), component="web"),
    ]
    held = [h for a in allocations for h in holdings(a, "pool/p", "extranet", "p")]
    found = runs(held, lambda name: name.partition(".")[0])
    assert [(r.server_id, int(r.cpu_millis), int(r.memory_mib), r.start, r.end) for r in found] == [
        ("one", 500, 768, at(0), at(10)),
        ("one", 1000, 128, at(20), None),
    ]


def test_every_kind_is_explained_in_words() -> None:
    assert set(EXPLANATIONS) == set(Kind)


_moments = st.floats(min_value=-60, max_value=180).map(lambda x: round(x, 3))


@given(
    st.lists(st.tuples(_moments, st.none() | _moments), max_size=4),
    st.none() | st.tuples(_moments, st.none() | _moments, st.none() | _moments, st.booleans()),
)
def test_whatever_both_say_the_reasons_sum_to_the_difference(
    pieces: list[tuple[float, float | None]],
    account: tuple[float, float | None, float | None, bool] | None,
) -> None:
    books = [a_run(s, None if e is None else max(s, e)) for s, e in pieces]
    accounts = []
    if account:
        start, end, idle, mine = account
        accounts = [
            an_account(
                start,
                None if end is None else max(start, end),
                idle_from=None if idle is None else at(max(start, idle)),
                ours=mine,
            )
        ]
    found = held_against(books, accounts)
    for environment in found.environments:
        for line in environment.servers:
            assert sum(d.seconds for d in line.differences) == line.difference
    parts = [held_against(books, accounts, 0, 60), held_against(books, accounts, 60, 120)]
    assert sum(part.difference for part in parts) == found.difference
