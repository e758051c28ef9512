"""Wakes that are dated begin early enough that all of them make it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.policy.scaling_class import Hours
from cloudmgr.policy.waking import Waking
from cloudmgr.scaling.ahead import Dated, Sleeper, spread
from cloudmgr.scaling.early import Early
from cloudmgr.scaling.wakes import WakeCause
from tests.builders import a_scaling_class, a_window
from tests.scaling.rig import HOUR, MINUTE, NOW, announced
from tests.scaling.test_line import Crowd
from tests.scaling.test_needs import Chain

if TYPE_CHECKING:
    from datetime import datetime

    from cloudmgr.db.engine import Database
    from tests.scaling.rig import Rig

AT = NOW + 6 * HOUR
ENDLESS = timedelta(days=9)


def a_sleeper(name: str, criticality: int = 2, takes: int = 3) -> Sleeper:
    return Sleeper(name, "pool_a", criticality, takes * MINUTE)


def dated(name: str, criticality: int = 2, begins: datetime = AT) -> Dated:
    sleeper = a_sleeper(name, criticality)
    return Dated(sleeper, begins, begins + 10 * MINUTE, WakeCause.WINDOW)


def planned(
    jobs: list[Dated],
    at_once: int = 1,
    most: timedelta = ENDLESS,
    needs: dict[str, list[str]] | None = None,
    others: tuple[Sleeper, ...] = (),
) -> dict[str, int]:
    """How many minutes before :data:`AT` who begins early does."""
    there = {one.environment_id: one for one in others} | {job.id: job.sleeper for job in jobs}
    found = spread(jobs, needs or {}, there.get, at_once, most)
    return {start.environment_id: (AT - start.at) // MINUTE for start in found}


# --------------------------------------------------------------------------------------- pure


def test_as_many_as_may_wake_at_once_begin_by_themselves() -> None:
    assert planned([dated("a"), dated("b")], at_once=2) == {}


def test_more_begin_earlier_the_most_critical_first() -> None:
    assert planned([dated("a"), dated("vital", 4), dated("low", 1)]) == {"a": 3, "vital": 6}


def test_what_is_needed_begins_before_and_what_that_needs_before_it() -> None:
    found = planned(
        [dated("portal")],
        at_once=9,
        needs={"portal": ["registry"], "registry": ["store"]},
        others=(a_sleeper("registry", takes=5), a_sleeper("store")),
    )
    assert found == {"registry": 5, "store": 8}


def test_nobody_begins_earlier_than_policy_says() -> None:
    found = planned([dated(str(n)) for n in range(9)], most=10 * MINUTE)
    assert max(found.values()) == 10


def test_what_is_needed_and_does_not_sleep_is_left_out() -> None:
    assert planned([dated("portal")], needs={"portal": ["registry"]}) == {}


@given(
    st.lists(
        st.tuples(
            st.integers(0, 60),  # minutes before the last at which it begins by itself
            st.integers(1, 9),  # minutes that it takes
            st.integers(1, 4),
            st.sets(st.integers(0, 9), max_size=2),
        ),
        max_size=10,
    ),
    st.integers(1, 4),
)
def test_no_more_than_may_wake_at_once_all_make_it_and_needs_go_before(
    systems: list[tuple[int, int, int, set[int]]], at_once: int
) -> None:
    jobs = [
        replace(
            dated(str(n), criticality, AT - before * MINUTE),
            sleeper=a_sleeper(str(n), criticality, takes),
        )
        for n, (before, takes, criticality, _) in enumerate(systems)
    ]
    needs = {
        str(n): [str(m) for m in sorted(wanted) if m < n]
        for n, (_, _, _, wanted) in enumerate(systems)
    }
    sleepers = {job.id: job.sleeper for job in jobs}
    early = {s.environment_id: s.at for s in spread(jobs, needs, sleepers.get, at_once, ENDLESS)}
    begins = {job.id: early.get(job.id, job.begins) for job in jobs}
    ends = {job.id: begins[job.id] + job.sleeper.takes for job in jobs}
    second = timedelta(seconds=1)
    for job in jobs:
        assert begins[job.id] <= job.begins
        during = [key for key in begins if begins[key] <= begins[job.id] < ends[key] - second]
        assert len(during) <= at_once
        for other in needs[job.id]:
            assert ends[other] <= begins[job.id] + second


# --------------------------------------------------------------------------- with the database


def early(rig: Rig) -> Early:
    return Early(
        rig.database,
        rig.stores,
        lambda: rig.classes,
        rig.clock,
        scale=rig.moved.append,
    )


def office_hours(rig: Crowd) -> None:
    """All are to be awake an hour from now, and for three."""
    wake_at = (NOW + HOUR).astimezone(rig.zone).time()
    office = a_scaling_class(workdays=Hours(wake_at.replace(hour=wake_at.hour + 3), wake_at))
    rig.policy(scaling_classes={"standard": office}, digest="digest-2")
    rig.settle()


def until(rig: Crowd | Chain, end: datetime, step: timedelta = MINUTE / 2) -> None:
    """Time passes as in the program; whoever was woken is up two minutes later."""
    planner = early(rig)
    while rig.clock.now() < end:
        rig.clock.advance(step)
        planner.plan()
        rig.settle()
        with rig.database.read() as tx:
            calls = rig.scaler.calls(tx)
        for call in calls:
            begun = call.wake.begun_at
            if begun is not None and rig.clock.now() >= begun + 2 * MINUTE:
                Crowd.serve(rig, call.id)  # type: ignore[arg-type]


def test_a_peak_of_many_is_met_by_all_although_few_may_wake_at_once(database: Database) -> None:
    rig = Crowd(database, 1, 2, 3, 4, 1, 2)
    start = NOW + HOUR
    announced(
        rig,
        *(
            a_window(start, start + HOUR, id=f"win_{key}", environment_id=key, replicas=2)
            for key in rig.keys
        ),
    )
    until(rig, start - 15 * MINUTE)
    assert rig.awake == ["env_2", "env_3"], "the most critical begin first"
    assert rig.target("env_3") == 2, "and with all that their peak asks for"
    assert rig.last("env_3").promised_by == start
    until(rig, start - 7 * MINUTE)
    assert rig.awake == rig.keys
    assert all((at := rig.last(key).ready_at) is not None and at <= start for key in rig.keys)
    until(rig, start + MINUTE)
    assert rig.awake == rig.keys


def test_hours_of_many_are_kept_by_all(sqlite: Database) -> None:
    rig = Crowd(sqlite, 1, 1, 1, 1, 1, 1)
    office_hours(rig)
    until(rig, NOW + HOUR - 3 * MINUTE - MINUTE / 2)
    assert 2 <= len(rig.awake) < 6
    until(rig, NOW + HOUR)
    assert rig.awake == rig.keys
    found = [rig.last(key) for key in rig.keys]
    assert {w.cause for w in found} == {WakeCause.HOURS}
    assert all(w.ready_at is not None and w.ready_at <= w.promised_by for w in found)


def test_what_a_peak_needs_is_up_before_it_begins_to_wake(sqlite: Database) -> None:
    rig = Chain(sqlite, together=False)
    start = NOW + HOUR
    announced(rig, a_window(start, start + HOUR, environment_id="env_portal"))
    until(rig, start - 13 * MINUTE)
    assert rig.awake == {"registry", "store"}
    until(rig, start - 9 * MINUTE)
    assert rig.awake == {"portal", "registry", "store"}
    with rig.database.read() as tx:
        portal = rig.stores.wakes.last(tx, "env_portal")
        registry = rig.stores.wakes.last(tx, "env_registry")
    assert portal is not None
    assert registry is not None
    assert registry.cause is WakeCause.NEEDED
    assert registry.ready_at is not None
    assert portal.begun_at is not None
    assert registry.ready_at <= portal.begun_at


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_plan_follows_the_calendar(sqlite: Database, *, cancelled: bool) -> None:
    rig = Crowd(sqlite, 2, 2, 2)
    start = NOW + HOUR
    windows = [
        a_window(start, start + HOUR, id=f"win_{key}", environment_id=key) for key in rig.keys
    ]
    announced(rig, *windows)
    planner = early(rig)
    assert planner.plan() == 1
    assert planner.plan() == 0
    with rig.database.read() as tx:
        (found,) = rig.stores.ahead.starts(tx, NOW).values()
        contract = rig.control.contract(tx, found.environment_id)
    assert found.at == start - 13 * MINUTE
    assert contract.wakes_at == found.at
    if cancelled:
        with rig.database.write() as tx:
            rig.stores.windows.cancel(tx, windows[0], NOW)
        planner.plan()
        with rig.database.read() as tx:
            assert rig.stores.ahead.starts(tx, NOW) == {}


@pytest.mark.parametrize("took", [20 * MINUTE, 2 * HOUR])
def test_who_starts_slowly_has_its_turn_reckoned_from_what_was_measured_of_it(
    database: Database, took: timedelta
) -> None:
    rig = Crowd(database, 2, 2, 2)
    start = NOW + 3 * HOUR
    begins = start - took * 5 / 4
    with rig.database.write() as tx:
        for key in rig.keys:
            for number in range(3):
                begun = rig.stores.starts.begin(tx, key, NOW - (number + 1) * 24 * HOUR)
                rig.stores.starts.end(tx, begun, begun.raised_at + took)
    announced(
        rig,
        *(a_window(start, start + HOUR, id=f"win_{key}", environment_id=key) for key in rig.keys),
    )
    rig.clock.set(begins - HOUR / 2)

    assert early(rig).plan() == 1

    with rig.database.read() as tx:
        (found,) = rig.stores.ahead.starts(tx, NOW).values()
        others = [key for key in rig.keys if key != found.environment_id]
        contracts = [rig.control.contract(tx, key) for key in others]
    assert found.at == begins - 3 * MINUTE
    assert [one.wakes_at for one in contracts] == [begins, begins]


def test_an_order_to_sleep_until_a_moment_outlasts_a_plan_for_hours(sqlite: Database) -> None:
    rig = Crowd(sqlite, 1, 1, 1, 1)
    office_hours(rig)
    early(rig).plan()
    with rig.database.write() as tx:
        (key, other) = rig.stores.ahead.starts(tx, NOW)
        rig.control.hibernate(tx, key, actor="usr_op", why="moving", until=NOW + 2 * HOUR)
    rig.clock.set(NOW + HOUR - 5 * MINUTE)
    rig.settle()
    assert rig.awake == [other]
    assert rig.reconciler.due() == []
    early(rig).plan()
    with rig.database.read() as tx:
        assert key not in rig.stores.ahead.starts(tx, NOW)


def test_without_needs_and_with_room_for_all_nothing_is_planned(sqlite: Database) -> None:
    rig = Crowd(sqlite, 2, 2)
    rig.policy(waking=Waking(at_once=2))
    for key in rig.keys:
        announced(rig, a_window(NOW + HOUR, NOW + 2 * HOUR, id=f"w_{key}", environment_id=key))
    assert early(rig).plan() == 0
