"""How long before a peak an environment starts: by its own start-ups once enough were measured."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.policy.lead_times import LeadTimes
from cloudmgr.scaling.lead import lead, longest, steadied, with_lead
from cloudmgr.scaling.store.starts import StartStore
from tests.builders import a_scaling_class, a_window
from tests.scaling.rig import HOUR, KEY, MINUTE, NOW, Rig, announced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmgr.db.engine import Database

TERMS = LeadTimes()
OF_CLASS = 10 * MINUTE
STORE = StartStore()
SPANS = st.timedeltas(min_value=timedelta(), max_value=timedelta(hours=12))
TOOK = st.lists(SPANS, max_size=50)


def test_the_class_holds_until_enough_starts_were_measured() -> None:
    found = lead([9 * MINUTE] * 2, OF_CLASS, TERMS)

    assert found.time == OF_CLASS
    assert found.measured is None
    assert "2 starts measured" in found.words[1]


def test_three_starts_of_nine_minutes_begin_twelve_minutes_before() -> None:
    found = lead([9 * MINUTE, 8 * MINUTE, 5 * MINUTE], OF_CLASS, TERMS)

    assert found.time == 12 * MINUTE
    assert found.measured == 9 * MINUTE
    assert found.slower
    assert found.words[1] == (
        "starts 12 minutes before a peak: measured 9 min over 3 starts; "
        "slower than the 10 min of its class"
    )


def test_who_starts_in_a_second_begins_as_its_class_says_all_the_same() -> None:
    """A peak starts more than what was measured, perhaps on a host that has no image yet."""
    found = lead([timedelta(seconds=1)] * 5, OF_CLASS, TERMS)

    assert found.time == OF_CLASS
    assert not found.slower
    assert found.words[1] == (
        "starts 10 minutes before a peak: measured 0 min over 5 starts; "
        "never less than its class says"
    )


def test_only_the_newest_count() -> None:
    found = lead([MINUTE] * 20 + [3 * HOUR] * 20, OF_CLASS, TERMS)

    assert found.time == OF_CLASS


def test_one_in_forty_that_took_long_does_not_count_where_policy_looks_at_all_of_them() -> None:
    terms = replace(TERMS, newest=40)

    found = lead([3 * HOUR] + [8 * MINUTE] * 39, OF_CLASS, terms)

    assert found.time == 10 * MINUTE


def test_it_says_that_policy_does_not_allow_what_it_would_take() -> None:
    found = lead([6 * HOUR] * 3, OF_CLASS, TERMS)

    assert found.time == TERMS.at_most
    assert found.capped
    assert "may come too late" in found.words[1]
    assert "可能赶不上" in found.words[0]


def test_a_class_of_which_nothing_was_measured_is_left_alone() -> None:
    standard = a_scaling_class()

    assert with_lead(standard, lead([], standard.lead_time, TERMS)) is standard


@given(took=TOOK)
def test_it_stays_within_what_policy_says_and_covers_what_was_measured(
    took: Sequence[timedelta],
) -> None:
    found = lead(took, OF_CLASS, TERMS)

    if found.measured is None:
        assert found.time == OF_CLASS
    else:
        assert OF_CLASS <= found.time <= TERMS.at_most
        assert found.time >= min(found.measured, TERMS.at_most)


@given(took=TOOK, longer=SPANS)
def test_one_more_slow_start_never_makes_a_peak_let_go_that_is_prepared(
    took: list[timedelta], longer: timedelta
) -> None:
    before = lead(took, OF_CLASS, TERMS)
    now = [longer, *took]

    after = steadied(lead(now, OF_CLASS, TERMS), now[: 2 * TERMS.newest], TERMS)

    assert after.time >= before.time


@given(took=TOOK, of_class=SPANS)
def test_nobody_is_looked_for_too_late(took: list[timedelta], of_class: timedelta) -> None:
    slowest = max(took, default=timedelta())

    furthest = longest(slowest, [of_class, OF_CLASS], TERMS)

    found = lead(took, of_class, TERMS)
    assert furthest >= found.time
    assert furthest >= steadied(found, took, TERMS).time


# --------------------------------------------------------------------------------- at rest


def test_a_start_is_measured_from_the_call_until_it_is_ready(database: Database) -> None:
    with database.write() as tx:
        start = STORE.begin(tx, KEY, NOW)
        assert [one.environment_id for one in STORE.under_way(tx)] == [KEY]
        STORE.end(tx, start, NOW + 90 * timedelta(milliseconds=1001))

        assert STORE.under_way(tx) == []
        assert STORE.took(tx, KEY, 20) == (timedelta(seconds=91),)
        assert STORE.longest(tx) == timedelta(seconds=91)


def test_one_that_was_overtaken_or_let_go_is_not_measured(database: Database) -> None:
    with database.write() as tx:
        first = STORE.begin(tx, KEY, NOW)
        second = STORE.begin(tx, KEY, NOW + MINUTE)
        assert STORE.end(tx, first, NOW + HOUR) is None
        STORE.drop(tx, KEY)
        assert STORE.end(tx, second, NOW + HOUR) is None

        assert STORE.took(tx, KEY, 20) == ()
        assert STORE.longest(tx) == timedelta()


def test_the_newest_of_each_are_found_newest_first(database: Database) -> None:
    with database.write() as tx:
        for minutes in range(5):
            start = STORE.begin(tx, KEY, NOW + minutes * HOUR)
            STORE.end(tx, start, start.raised_at + minutes * MINUTE)

        assert STORE.took(tx, KEY, 2) == (4 * MINUTE, 3 * MINUTE)
        assert STORE.purge(tx, NOW + 2 * HOUR) == 2
        assert len(STORE.took(tx, KEY, 20)) == 3


# ----------------------------------------------------------------------------- in the loop


def _measured(rig: Rig, took: timedelta, times: int = 3) -> None:
    with rig.database.write() as tx:
        for number in range(times):
            start = rig.stores.starts.begin(tx, KEY, rig.clock.now() - (number + 1) * HOUR)
            rig.stores.starts.end(tx, start, start.raised_at + took)


def test_a_peak_is_begun_by_what_was_measured_not_by_the_class(database: Database) -> None:
    rig = Rig(database).host()
    _measured(rig, 20 * MINUTE)
    announced(rig, a_window(NOW + HOUR, NOW + 2 * HOUR))
    rig.look()

    rig.clock.advance(34 * MINUTE)
    rig.look()
    assert rig.target() == 1
    rig.clock.advance(MINUTE)
    rig.look()
    assert rig.target() == 6, "25 minutes before: 20 and a quarter of that"


def test_a_sleeper_that_starts_slowly_is_found_before_its_lead_begins(database: Database) -> None:
    rig = Rig(database).sleep()
    _measured(rig, HOUR)
    announced(rig, a_window(NOW + 3 * HOUR, NOW + 4 * HOUR))

    rig.clock.advance(104 * MINUTE)
    assert KEY in rig.reconciler.due()
    rig.clock.advance(MINUTE)
    rig.look()

    assert rig.target() == 6


def test_what_is_prepared_is_not_let_go_because_it_turned_out_to_be_fast(
    database: Database,
) -> None:
    rig = Rig(database).host()
    rig.look()
    announced(rig, a_window(NOW + HOUR, NOW + 2 * HOUR))
    rig.clock.advance(51 * MINUTE)
    rig.look()
    assert rig.target() == 6

    _measured(rig, timedelta(seconds=3))
    rig.look()

    assert rig.target() == 6


def test_only_more_replicas_are_a_start(database: Database) -> None:
    rig = Rig(database).host()
    rig.look()
    with rig.database.write() as tx:
        rig.control.scale(tx, KEY, "web", 4, actor="usr_op", why="try")
        assert [s.raised_at for s in rig.stores.starts.under_way(tx)] == [NOW]
        rig.control.scale(tx, KEY, "web", 2, actor="usr_op", why="less")
        assert rig.stores.starts.under_way(tx) == []
