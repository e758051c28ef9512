"""What a wake promises, what became of it, and that a broken promise does not go unseen."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from cloudmgr.conditions import Condition, Status
from cloudmgr.hosting.environments import Endpoint, EnvironmentStatus
from cloudmgr.policy.scaling_class import Hours
from cloudmgr.pools.capacity import Resources
from cloudmgr.scaling.wakes import WAKER, Fate, Wake, WakeCause, condition
from tests.builders import a_scaling_class, a_window
from tests.scaling.rig import HOUR, KEY, MINUTE, NOW, Classes, Rig, announced, without_writes

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database

SECOND = timedelta(seconds=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")
OFFICE = a_scaling_class(workdays=Hours(time(20), time(8)))
ASKED = Wake(KEY, WakeCause.REQUEST, NOW, NOW + 3 * MINUTE)


def wakes(rig: Rig) -> list[Wake]:
    """Oldest first."""
    with rig.database.read() as tx:
        return rig.stores.wakes.list(tx, KEY)[::-1]


def fates(rig: Rig) -> list[Fate]:
    return [wake.fate(rig.clock.now()) for wake in wakes(rig)]


def wake(rig: Rig, actor: str = WAKER) -> None:
    with rig.database.write() as tx:
        rig.control.wake(tx, KEY, actor=actor, why="first request: GET /")


def serve(rig: Rig, since: datetime) -> None:
    """The pool is seen to run it, Ready since a moment."""
    environment = rig.environment()
    conditions = tuple(
        Condition(kind, Status.TRUE, "Seen", "", environment.generation, since)
        for kind in ("Applied", "Available")
    )
    seen = EnvironmentStatus(
        observed_generation=environment.generation,
        conditions=conditions,
        endpoints=(Endpoint("web", "127.0.0.1", 9000),),
    )
    with rig.database.write() as tx:
        rig.environments.set_status(tx, environment, seen)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


def _office(database: Database, now: str) -> Rig:
    rig = Rig(database, now=_at(now))
    rig.classes = Classes(scaling_classes={"standard": OFFICE})
    return rig.sleep()


# --------------------------------------------------------------------------------------- pure


@pytest.mark.parametrize(
    ("ready", "ended", "now", "fate"),
    [
        (None, None, 3, Fate.WAITING),
        (None, None, 4, Fate.LATE),
        (3, None, 99, Fate.KEPT),
        (4, None, 99, Fate.MISSED),
        (None, 2, 99, Fate.DROPPED),
        (None, 3, 99, Fate.MISSED),
    ],
)
def test_a_promise_is_kept_missed_or_open(
    ready: int | None, ended: int | None, now: int, fate: Fate
) -> None:
    def at(minutes: int | None) -> datetime | None:
        return None if minutes is None else NOW + minutes * MINUTE

    found = Wake(KEY, WakeCause.ORDER, NOW, NOW + 3 * MINUTE, at(ready), at(ended))
    assert found.fate(NOW + now * MINUTE) is fate


def test_a_broken_promise_is_a_condition_that_is_false_and_says_when() -> None:
    late = condition(ASKED, 7, NOW + 4 * MINUTE)
    assert late == Condition(
        "Woken",
        Status.FALSE,
        "WakeLate",
        "it was to be ready by 2026-06-01T08:03:00+00:00 and is not",
        7,
        NOW + 3 * MINUTE,
    )
    waiting = condition(ASKED, 7, NOW)
    assert waiting is not None
    assert waiting.status is Status.UNKNOWN
    assert condition(None, 7, NOW) is None


# --------------------------------------------------------------------------- with the database


def test_a_request_is_kept_with_its_promise_and_with_when_it_was_ready(database: Database) -> None:
    rig = Rig(database).sleep()
    wake(rig)
    (asked,) = wakes(rig)
    assert (asked.cause, asked.actor, asked.why) == (
        WakeCause.REQUEST,
        "waker",
        "first request: GET /",
    )
    assert (asked.asked_at, asked.promised_by) == (NOW, NOW + 3 * MINUTE)
    rig.clock.advance(5 * SECOND)
    assert rig.look() == 2.0
    serve(rig, NOW + 4 * SECOND)
    rig.clock.advance(SECOND)
    rig.look()
    (found,) = wakes(rig)
    assert found.ready_at == NOW + 4 * SECOND
    assert fates(rig) == [Fate.KEPT]
    with without_writes(rig):
        rig.look()


def test_a_hundred_first_requests_are_one_wake(sqlite: Database) -> None:
    rig = Rig(sqlite).sleep()
    for _ in range(100):
        wake(rig)
    assert len(wakes(rig)) == 1


def test_an_order_is_told_from_a_request(sqlite: Database) -> None:
    rig = Rig(sqlite).sleep()
    wake(rig, "usr_officer")
    (found,) = wakes(rig)
    assert (found.cause, found.actor) == (WakeCause.ORDER, "usr_officer")


def test_one_that_does_not_come_up_is_late_and_counted_and_looked_at_less_often(
    database: Database,
) -> None:
    rig = Rig(database).sleep()
    wake(rig)
    rig.clock.advance(3 * MINUTE)
    assert fates(rig) == [Fate.WAITING]
    rig.clock.advance(SECOND)
    assert fates(rig) == [Fate.LATE]
    assert rig.look() == 181 / 8
    with rig.database.read() as tx:
        assert rig.stores.wakes.late(tx, rig.clock.now()) == 1
        assert rig.stores.wakes.missed(tx, NOW) == 0
    serve(rig, NOW + 3 * MINUTE + SECOND)
    rig.look()
    assert fates(rig) == [Fate.MISSED]
    with rig.database.read() as tx:
        assert rig.stores.wakes.late(tx, rig.clock.now()) == 0
        assert rig.stores.wakes.missed(tx, NOW) == 1
        assert rig.stores.wakes.missed(tx, NOW + 4 * MINUTE) == 0


def test_what_was_ready_before_it_slept_is_no_proof_that_it_is_ready_again(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).sleep()
    serve(rig, NOW - HOUR)
    wake(rig)
    rig.look()
    assert fates(rig) == [Fate.WAITING]


def test_one_that_is_put_to_sleep_again_before_it_is_due_broke_no_promise(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).sleep()
    wake(rig)
    rig.clock.advance(MINUTE)
    with rig.database.write() as tx:
        rig.control.hibernate(tx, KEY, actor="usr_op", why="not now")
    assert fates(rig) == [Fate.DROPPED]


def test_hours_promise_their_latest_wake(database: Database) -> None:
    rig = _office(database, "2026-06-01T03:00")
    rig.clock.set(_at("2026-06-01T07:57") + SECOND)
    rig.look()
    (found,) = wakes(rig)
    assert found.cause is WakeCause.HOURS
    assert found.asked_at == _at("2026-06-01T07:57")
    assert found.promised_by == _at("2026-06-01T08:00")
    serve(rig, _at("2026-06-01T08:00"))
    rig.look()
    assert fates(rig) == [Fate.KEPT]


def test_a_control_plane_that_comes_too_late_has_missed_the_latest_wake(
    sqlite: Database,
) -> None:
    rig = _office(sqlite, "2026-06-01T03:00")
    rig.clock.set(_at("2026-06-01T09:30"))
    rig.restart()
    for key in rig.reconciler.due():
        rig.look(key)
    (found,) = wakes(rig)
    assert found.promised_by == _at("2026-06-01T08:00")
    assert fates(rig) == [Fate.LATE]
    serve(rig, _at("2026-06-01T09:31"))
    rig.clock.set(_at("2026-06-01T09:31"))
    rig.look()
    assert fates(rig) == [Fate.MISSED]


def test_hours_that_nobody_was_there_for_are_missed_once(sqlite: Database) -> None:
    rig = _office(sqlite, "2026-06-01T03:00")
    rig.clock.set(_at("2026-06-01T21:00"))
    for _ in range(2):
        rig.look()
    assert rig.environment().hibernated
    assert fates(rig) == [Fate.MISSED]
    assert wakes(rig)[0].promised_by == _at("2026-06-01T08:00")


def test_hours_that_an_order_to_sleep_overrules_are_not_missed(sqlite: Database) -> None:
    rig = Rig(sqlite, now=_at("2026-06-01T21:00"))
    rig.classes = Classes(scaling_classes={"standard": OFFICE})
    rig.host()
    until = _at("2026-06-03T12:00")
    with rig.database.write() as tx:
        rig.control.hibernate(tx, KEY, actor="usr_op", why="moving", until=until)
    rig.look()
    rig.clock.set(_at("2026-06-02T21:00"))
    rig.look()
    assert wakes(rig) == []
    rig.clock.set(until)
    rig.look()
    (found,) = wakes(rig)
    # Those hours had begun long before: what is promised is what any call is promised.
    assert found.promised_by == until + OFFICE.wake_within


def test_a_peak_promises_its_beginning(sqlite: Database) -> None:
    rig = Rig(sqlite).sleep()
    announced(rig, a_window(NOW + HOUR, NOW + 2 * HOUR, created_at=NOW))
    rig.clock.set(NOW + HOUR - 10 * MINUTE)
    rig.look()
    (found,) = wakes(rig)
    assert (found.cause, found.promised_by) == (WakeCause.WINDOW, NOW + HOUR)


def test_a_peak_that_is_announced_when_it_begins_promises_what_a_call_does(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).sleep()
    announced(rig, a_window(NOW - MINUTE, NOW + HOUR, created_at=NOW))
    rig.look()
    assert wakes(rig)[0].promised_by == NOW + 3 * MINUTE


def test_a_scheduled_wake_into_a_full_pool_is_asked_once_and_becomes_late(
    sqlite: Database,
) -> None:
    rig = _office(sqlite, "2026-06-01T03:00")
    rig.capacity = Resources(0, 0, 1_000)
    rig.clock.set(_at("2026-06-01T07:57"))
    for _ in range(3):
        rig.look()
    assert rig.environment().hibernated
    rig.clock.set(_at("2026-06-01T08:01"))
    assert fates(rig) == [Fate.LATE]
    rig.capacity = Resources(64_000, 65_536, 1_000)
    rig.look()
    assert rig.target() == 1
    assert len(wakes(rig)) == 1


def test_a_new_environment_was_not_woken(sqlite: Database) -> None:
    rig = Rig(sqlite).host()
    rig.look()
    assert wakes(rig) == []


def test_pages_of_wakes_go_on_where_the_last_ended(sqlite: Database) -> None:
    rig = Rig(sqlite).host()
    with rig.database.write() as tx:
        for minutes in range(5):
            at = NOW + minutes * MINUTE
            rig.stores.wakes.put(tx, Wake(KEY, WakeCause.ORDER, at, at + 3 * MINUTE))
    with rig.database.read() as tx:
        first = rig.stores.wakes.list(tx, KEY, limit=2)
        rest = rig.stores.wakes.list(tx, KEY, after=first[-1].id)
    asked = [w.asked_at for w in [*first, *rest]]
    assert asked == sorted(asked, reverse=True)
    assert len(asked) == 5
