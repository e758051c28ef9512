"""Rehearsals: what speaks against one, what comes next of one, and what came of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval
from cloudmgr.policy.rehearsing import Rehearsing
from cloudmgr.scaling.orders import Order
from cloudmgr.scaling.rehearsals import (
    ENOUGH,
    Around,
    Ending,
    Load,
    Next,
    Plan,
    Rehearsal,
    Result,
    Seen,
    Underway,
    check_plan,
    failing,
    meets,
    next_step,
    obstacles,
    quantiles,
)
from cloudmgr.scaling.store import ScalingStores
from tests.builders import a_component, a_window, an_environment
from tests.scaling.rig import HOUR, KEY, NOW

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database

MINUTE = timedelta(minutes=1)
LOAD = Load(10, 60, "/", 0.05)
PLAN = Plan(10 * MINUTE, LOAD)
PEAK = a_window(NOW + 5 * HOUR, NOW + 6 * HOUR)
AROUND = Around(
    environment=an_environment(components=(a_component(max_replicas=8),)),
    window=PEAK,
    lead=10 * MINUTE,
    orders=(),
    peaks=(),
    under_way=None,
    room=True,
)
UNDER_WAY = Rehearsal(
    id="rhs_1",
    window_id=PEAK.id,
    environment_id=KEY,
    component="web",
    replicas=6,
    load=LOAD,
    ordered_by="usr_op",
    reason="演练",
    ordered_at=NOW,
    until=NOW + 10 * MINUTE,
)
LOADING = replace(UNDER_WAY, ready_at=NOW + MINUTE, load_from=NOW + MINUTE)
SENDS = Underway(over=False, failing=False)


def seen(**changes: Any) -> Seen:
    usual = {"alive": True, "ready": 0, "ours": True, "peak": False, "load": None}
    return Seen(**(usual | changes))


def codes(plan: Plan = PLAN, **changes: Any) -> list[str]:
    return [one.code for one in obstacles(replace(AROUND, **changes), plan, NOW)]


def test_a_peak_ahead_with_room_may_be_rehearsed() -> None:
    assert codes() == []
    check_plan(PLAN, Rehearsing())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"window": replace(PEAK, cancelled_at=NOW)}, "not-ahead"),
        ({"window": replace(PEAK, interval=Interval(NOW, NOW + HOUR))}, "not-ahead"),
        (
            {"window": replace(PEAK, interval=Interval(NOW + 19 * MINUTE, NOW + HOUR))},
            "peak-too-near",
        ),
        ({"window": replace(PEAK, replicas=9)}, "not-approved"),
        ({"window": replace(PEAK, component="batch")}, "not-approved"),
        (
            {"environment": an_environment(components=(a_component(port=None, max_replicas=8),))},
            "no-address",
        ),
        ({"orders": (Order(KEY, "web", 2, None, "usr_op", "活动", NOW),)}, "held-by-hand"),
        ({"under_way": UNDER_WAY}, "rehearsal-under-way"),
        ({"peaks": (a_window(NOW, NOW + HOUR, id="win_theirs"),)}, "peak-on-pool"),
        ({"room": False}, "no-room"),
    ],
)
def test_each_obstacle_is_told(changes: dict[str, Any], code: str) -> None:
    assert codes(**changes) == [code]


def test_all_obstacles_are_told_at_once_and_without_a_load_no_address_is_needed() -> None:
    assert codes(room=False, under_way=UNDER_WAY) == ["rehearsal-under-way", "no-room"]
    deaf = an_environment(components=(a_component(port=None, max_replicas=8),))
    assert codes(Plan(10 * MINUTE), environment=deaf) == []


def test_one_that_ends_just_as_its_own_peak_is_prepared_is_not_too_near() -> None:
    start = NOW + PLAN.lasting + AROUND.lead
    assert codes(window=replace(PEAK, interval=Interval(start, start + HOUR))) == []


@pytest.mark.parametrize(
    ("plan", "path"),
    [
        (Plan(31 * MINUTE), "minutes"),
        (Plan(timedelta()), "minutes"),
        (replace(PLAN, load=replace(LOAD, per_second=51)), "per_second"),
        (replace(PLAN, load=replace(LOAD, per_second=0)), "per_second"),
        (replace(PLAN, load=replace(LOAD, seconds=600)), "seconds"),
        (replace(PLAN, load=replace(LOAD, most_failures=0.06)), "most_failures"),
        (replace(PLAN, load=replace(LOAD, path="http://other/")), "path"),
        (replace(PLAN, load=replace(LOAD, path="/a b")), "path"),
        (replace(PLAN, load=replace(LOAD, path="/a\r\nHost: x")), "path"),
        (replace(PLAN, load=replace(LOAD, path="/" + "a" * 200)), "path"),
    ],
)
def test_no_plan_goes_beyond_what_policy_allows(plan: Plan, path: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_plan(plan, Rehearsing())
    assert [where for where, _ in refused.value.problems] == [path]


def test_a_peak_meets_it_from_its_preparation_until_its_end() -> None:
    lead = 10 * MINUTE
    begins, ends = PEAK.interval.start, PEAK.interval.end
    assert not meets(PEAK, Interval(NOW, begins - lead), lead)
    assert meets(PEAK, Interval(NOW, begins - lead + MINUTE), lead)
    assert meets(PEAK, Interval(ends - MINUTE, ends + HOUR), lead)
    assert not meets(PEAK, Interval(ends, ends + HOUR), lead)
    assert not meets(replace(PEAK, cancelled_at=NOW), Interval(begins, ends), lead)


@pytest.mark.parametrize(
    ("rehearsal", "how", "minutes", "step"),
    [
        (UNDER_WAY, seen(ready=5), 1, (Next.WAIT, None)),
        (UNDER_WAY, seen(ready=6), 1, (Next.LOAD, None)),
        (replace(UNDER_WAY, load=None), seen(ready=6), 1, (Next.END, Ending.DONE)),
        (UNDER_WAY, seen(ready=5), 10, (Next.END, Ending.NOT_READY)),
        (UNDER_WAY, seen(ours=False), 1, (Next.END, Ending.OVERRULED)),
        (UNDER_WAY, seen(alive=False), 1, (Next.END, Ending.GONE)),
        (UNDER_WAY, seen(ready=6, peak=True), 1, (Next.END, Ending.PEAK)),
        (replace(UNDER_WAY, stopped_by="usr_op"), seen(ready=6), 1, (Next.END, Ending.STOPPED)),
        (LOADING, seen(ready=6, load=SENDS), 2, (Next.WAIT, None)),
        # A replica that dies under the load is what one wants to see, not a reason to end.
        (LOADING, seen(ready=3, load=SENDS), 2, (Next.WAIT, None)),
        (LOADING, seen(ready=6), 2, (Next.END, Ending.INTERRUPTED)),
        (LOADING, seen(load=replace(SENDS, failing=True)), 2, (Next.END, Ending.FAILURES)),
        (LOADING, seen(load=replace(SENDS, over=True)), 2, (Next.END, Ending.DONE)),
        (LOADING, seen(load=SENDS), 10, (Next.END, Ending.DONE)),
        (LOADING, seen(load=SENDS, ours=False), 2, (Next.END, Ending.OVERRULED)),
        (replace(LOADING, stopped_by="usr_op"), seen(load=SENDS), 2, (Next.END, Ending.STOPPED)),
    ],
)
def test_what_comes_next(
    rehearsal: Rehearsal, how: Seen, minutes: int, step: tuple[Next, Ending | None]
) -> None:
    assert next_step(rehearsal, how, NOW + minutes * MINUTE) == step


@given(
    how=st.builds(
        Seen,
        alive=st.booleans(),
        ready=st.integers(0, 9),
        ours=st.booleans(),
        peak=st.booleans(),
        load=st.none() | st.builds(Underway, over=st.booleans(), failing=st.booleans()),
    ),
    rehearsal=st.sampled_from([UNDER_WAY, LOADING]),
    late=st.integers(0, 100),
)
def test_none_goes_on_beyond_its_time_and_none_sends_twice(
    how: Seen, rehearsal: Rehearsal, late: int
) -> None:
    after = next_step(rehearsal, how, rehearsal.until + late * MINUTE)
    assert after[0] is Next.END
    step, ending = next_step(rehearsal, how, NOW + MINUTE)
    assert (ending is None) is (step is not Next.END)
    if step is Next.LOAD:
        assert rehearsal.load_from is None
        assert not how.peak


def test_few_answers_conclude_nothing_and_many_failures_stop_it() -> None:
    assert not failing(ENOUGH - 1, ENOUGH - 1, 0.05)
    assert failing(ENOUGH, 2, 0.05)
    assert not failing(ENOUGH, 1, 0.05)
    assert failing(ENOUGH, 1, 0.0)
    assert not failing(ENOUGH, 0, 0.0)


@given(st.lists(st.floats(0, 60), max_size=300))
def test_quantiles_are_latencies_that_were_measured_in_order(latencies: list[float]) -> None:
    found = quantiles(latencies)
    assert set(found.values()) <= set(latencies)
    if latencies:
        assert found["p50"] <= found["p90"] <= found["p99"] <= found["max"] == max(latencies)
        below = sum(one <= found["p90"] for one in latencies)
        assert below * 100 >= 90 * len(latencies)
    else:
        assert found == {}


def test_what_was_rehearsed_is_kept_step_by_step(database: Database) -> None:
    store = ScalingStores().rehearsals
    result = Result(600, 598, 0, {"502": 2}, {"p50": 0.01, "max": 0.5}, 7)
    without = replace(UNDER_WAY, id="rhs_0", load=None, ordered_at=NOW - HOUR, until=NOW - HOUR / 2)
    with database.write() as tx:
        store.add(tx, without)
        store.add(tx, UNDER_WAY)
        assert store.of_window(tx, PEAK.id) == [UNDER_WAY, without]
        assert store.under_way(tx) == [without, UNDER_WAY]
        assert store.under_way(tx, "pool_extranet") == []
        store.end(tx, without.id, NOW, Ending.NOT_READY, None)
        store.stop(tx, without.id, "usr_late")
        store.ready(tx, UNDER_WAY.id, NOW + MINUTE)
        store.loading(tx, UNDER_WAY.id, NOW + MINUTE)
        assert store.under_way(tx) == [LOADING]
        store.end(tx, UNDER_WAY.id, NOW + 2 * MINUTE, Ending.DONE, result)
        kept, before = store.of_window(tx, PEAK.id)
    assert kept == replace(LOADING, ended_at=NOW + 2 * MINUTE, ending=Ending.DONE, result=result)
    assert kept.ready_after == MINUTE
    assert (before.ending, before.stopped_by) == (Ending.NOT_READY, None)
