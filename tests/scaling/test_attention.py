"""Who is looked at, and when again: sleeping environments cost nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudmgr.clock import AcceleratedClock
from cloudmgr.errors import NotFound
from cloudmgr.hosting.requests import WindowAsk
from cloudmgr.pools.capacity import Resources, Room
from cloudmgr.scaling.activity import Activity, Sample, ZoneTraffic
from cloudmgr.scaling.assessment import ScalingState, Scene, assess
from tests.builders import a_scaling_class, a_window, an_environment
from tests.scaling.rig import HOUR, KEY, MINUTE, NOW, Rig, announced

if TYPE_CHECKING:
    from datetime import datetime

    from cloudmgr.db.engine import Database

LEAD = 10 * MINUTE
SECOND = timedelta(seconds=1)
AWAKE = {"web": 1}
PLENTY = Room(Resources(10**6, 10**6, 10**6))


def test_sleeping_environments_are_left_alone_until_something_needs_them(
    database: Database,
) -> None:
    rig = Rig(database).host()
    assert rig.reconciler.due() == [KEY]
    rig.look()
    assert rig.reconciler.due() == []
    assert rig.reconciler.keys() == [KEY]
    with rig.database.write() as tx:
        rig.control.hibernate(tx, KEY, actor="usr_op", why="night", until=NOW + 9 * HOUR)
    rig.look()
    assert rig.reconciler.keys() == []

    announced(rig, a_window(NOW + 8 * HOUR, NOW + 9 * HOUR))
    assert rig.reconciler.due() == []
    rig.clock.set(NOW + 8 * HOUR - LEAD - MINUTE)
    assert rig.reconciler.due() == [KEY]
    rig.clock.set(NOW + 9 * HOUR)
    assert rig.reconciler.due() == [KEY]
    rig.look()
    assert rig.reconciler.due() == []

    rig.policy(digest="digest-2")
    assert rig.reconciler.due() == [KEY]
    rig.look()
    assert rig.reconciler.due() == []

    with rig.database.write() as tx:
        rig.environments.set_retiring(tx, rig.environments.get(tx, KEY))
    assert rig.reconciler.due() == [KEY]
    rig.look()
    assert rig.reconciler.due() == []
    with rig.database.read() as tx:
        assert rig.stores.scaling.state(tx, KEY) == ScalingState(KEY)
        assert rig.stores.scaling.orders(tx, KEY) == ()


def test_a_peak_that_was_booked_elsewhere_is_heard_of(sqlite: Database) -> None:
    rig = Rig(sqlite).host()
    rig.look()
    window = a_window(NOW + HOUR, NOW + 2 * HOUR)
    with rig.database.write() as tx:
        rig.control.book(
            tx, KEY, WindowAsk("web", window.interval.start, window.interval.end, 6), actor="usr_a"
        )
    assert rig.reconciler.due() == [KEY]
    assert rig.look() == (HOUR - LEAD).total_seconds()
    assert rig.reconciler.due() == []


def test_what_could_not_wake_for_want_of_room_is_tried_again(sqlite: Database) -> None:
    rig = Rig(sqlite).host(an_environment(scaling_class="steady"))
    with rig.database.write() as tx:
        rig.control.hibernate(tx, KEY, actor="usr_op", why="repair", until=NOW + HOUR, force=True)
    rig.capacity = Resources(100, 100, 1)
    rig.clock.advance(HOUR)
    rig.look()
    assert rig.environment().hibernated
    assert rig.reconciler.due() == [KEY]
    rig.capacity = Resources(1_000, 1_000, 1)
    rig.look()
    assert rig.target() == 1
    assert rig.reconciler.due() == []


def test_an_environment_that_is_gone_leaves_nothing_behind(sqlite: Database) -> None:
    rig = Rig(sqlite).host()
    rig.look()
    with rig.database.write() as tx:
        rig.environments.delete(tx, rig.environments.get(tx, KEY))
    assert rig.look() is None
    assert rig.reconciler.keys() == []
    with pytest.raises(NotFound):
        rig.environment()


def test_a_class_that_the_policies_lost_is_scaled_as_the_default(
    sqlite: Database, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(sqlite).host(an_environment(scaling_class="gone"))
    announced(rig, a_window(NOW, NOW + HOUR))
    rig.look()
    assert rig.target() == 6
    assert rig.decisions()[-1].terms["class"] == "standard"
    assert "do not know any more" in caplog.text


def test_waits_are_translated_into_the_pace_of_the_clock(sqlite: Database) -> None:
    rig = Rig(sqlite).sleep()
    announced(rig, a_window(NOW + 2 * HOUR, NOW + 3 * HOUR))
    fast = AcceleratedClock(NOW, rig.clock.now(), 360)
    rig.clock.elapsed = fast.elapsed  # type: ignore[method-assign]
    # Three minutes ahead are eighteen hours of business time at this pace.
    assert rig.reconciler.due() == [KEY]
    assert rig.look() == (2 * HOUR - LEAD).total_seconds() / 360


# ------------------------------------------------------------------------------ what always holds


def pure_scene(moment: datetime, samples: list[tuple[int, float]]) -> Scene:
    recent = tuple(Sample(NOW + at * SECOND, value) for at, value in samples)
    return Scene(
        an_environment(),
        a_scaling_class(),
        ScalingState(KEY, generation=1, awake_since=NOW - HOUR),
        windows=(
            a_window(NOW + 5 * MINUTE, NOW + 20 * MINUTE, replicas=5),
            a_window(NOW + 40 * MINUTE, NOW + 50 * MINUTE, replicas=7),
        ),
        activity=Activity(KEY, 10, 10.0, NOW - 10 * MINUTE, recent),
        traffic=ZoneTraffic("extranet", "1", moment, NOW - HOUR),
    )


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, 3600),
    st.lists(st.tuples(st.integers(-600, 0), st.floats(0.1, 40)), max_size=4),
)
def test_a_verdict_stands_until_the_next_look(
    second: int, samples: list[tuple[int, float]]
) -> None:
    now = NOW + second * SECOND
    samples.sort(key=lambda s: (s[0], s[1]))
    first = assess(pure_scene(now, samples), now, lambda: PLENTY)
    if first.look_at is None or first.look_at <= now:
        return
    for part in (0.25, 0.5, 0.99):
        later = now + (first.look_at - now) * part
        again = assess(pure_scene(later, samples), later, lambda: PLENTY)
        assert again.target == first.target
