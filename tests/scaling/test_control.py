"""What people order, with who and why."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.errors import CloudmgrError, Conflict, Invalid, NotFound
from cloudmgr.hosting.requests import WindowAsk
from cloudmgr.pools.capacity import Resources
from cloudmgr.scaling.line import WaitsFor
from tests.builders import a_component, an_environment
from tests.scaling.rig import HOUR, KEY, MINUTE, NOW, Rig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from cloudmgr.db.engine import Database
    from cloudmgr.scaling.scaler import Outcome

WHO: dict[str, Any] = {"actor": "usr_op", "why": "drill"}
ASK = WindowAsk("web", NOW + HOUR, NOW + 2 * HOUR, 6)


@contextmanager
def ordering(rig: Rig) -> Iterator[Connection]:
    """No two orders fall on the same instant, so that history has an order."""
    rig.clock.advance(timedelta(microseconds=1))
    with rig.database.write() as tx:
        yield tx


def scale(rig: Rig, replicas: int, **changes: Any) -> Outcome:
    with ordering(rig) as tx:
        return rig.control.scale(tx, KEY, "web", replicas, **(WHO | changes))


def hibernate(rig: Rig, **changes: Any) -> Outcome:
    with ordering(rig) as tx:
        return rig.control.hibernate(tx, KEY, **(WHO | changes))


def wake(rig: Rig, **changes: Any) -> Outcome:
    with ordering(rig) as tx:
        return rig.control.wake(tx, KEY, **(WHO | changes))


def book(rig: Rig, ask: WindowAsk = ASK, request_id: str | None = None) -> str:
    with rig.database.write() as tx:
        return rig.control.book(tx, KEY, ask, actor="usr_officer", request_id=request_id).id


def cancel(rig: Rig, window_id: str, version: int | None = None) -> None:
    with ordering(rig) as tx:
        rig.control.cancel_window(tx, window_id, version=version, **WHO)


@pytest.fixture
def rig(sqlite: Database) -> Rig:
    return Rig(sqlite).host()


def code_of(act: Callable[[], object], kind: type[CloudmgrError]) -> str:
    with pytest.raises(kind) as caught:
        act()
    return caught.value.code


def test_an_order_to_scale_takes_effect_and_is_kept_with_who_and_why(rig: Rig) -> None:
    outcome = scale(rig, 4)
    assert outcome.changed
    assert rig.target() == 4
    (decision,) = rig.decisions()
    assert (decision.before, decision.after) == (1, 4)
    assert (decision.actor, decision.reason) == ("usr_op", "drill")
    assert decision.en == "4 = manual 4, ceiling 8"
    assert decision.zh == "4 = 人工指定 4，上限 8"
    assert rig.moved == [KEY]


def test_an_order_holds_against_traffic_until_its_end(rig: Rig) -> None:
    scale(rig, 2, until=NOW + 20 * MINUTE)
    rig.go_on(19 * MINUTE, in_flight=22)
    assert rig.target() == 2
    rig.go_on(2 * MINUTE, in_flight=22)
    assert rig.target() == 6
    assert rig.decisions()[-1].actor is None


def test_an_order_without_an_end_holds_until_it_is_released(rig: Rig) -> None:
    scale(rig, 5)
    rig.go_on(40 * MINUTE, in_flight=1, step=60)
    assert rig.target() == 5
    with rig.database.write() as tx:
        rig.control.release(tx, KEY, "web", actor="usr_op", why="over")
        assert not rig.control.release(tx, KEY, "web", actor="usr_op", why="over").changed
    assert rig.target() == 1


def test_a_window_asks_for_more_than_an_order(rig: Rig) -> None:
    book(rig, replace(ASK, starts_at=NOW))
    scale(rig, 2)
    assert rig.target() == 6
    assert rig.decisions()[-1].en == "6 = max(window 6, manual 2), ceiling 8"
    rig.go_on(2 * HOUR + MINUTE, step=120)
    assert rig.target() == 2


@pytest.mark.parametrize(
    ("order", "kind", "code"),
    [
        pytest.param(lambda rig: scale(rig, 9), Invalid, "outside-ceiling", id="over-ceiling"),
        pytest.param(lambda rig: scale(rig, 0), Invalid, "outside-ceiling", id="none"),
        pytest.param(lambda rig: scale(rig, 10**40), Invalid, "outside-ceiling", id="absurd"),
        pytest.param(lambda rig: scale(rig, 3, why=" "), Invalid, "reason-missing", id="no-reason"),
        pytest.param(
            lambda rig: scale(rig, 3, why="x" * 10_000), Invalid, "reason-unfit", id="long-reason"
        ),
        pytest.param(
            lambda rig: scale(rig, 3, why="a\0b"), Invalid, "reason-unfit", id="control-character"
        ),
        pytest.param(lambda rig: scale(rig, 3, until=NOW), Invalid, "in-the-past", id="past"),
        pytest.param(
            lambda rig: scale(rig, 3, until=NOW.replace(tzinfo=None)),
            Invalid,
            "naive-time",
            id="naive",
        ),
        pytest.param(lambda rig: wake(rig, why=""), Invalid, "reason-missing", id="wake"),
        pytest.param(lambda rig: hibernate(rig, until=NOW), Invalid, "in-the-past", id="hibernate"),
        pytest.param(
            lambda rig: book(rig, replace(ASK, replicas=9)), Invalid, "invalid-window", id="book"
        ),
        pytest.param(lambda rig: cancel(rig, "win_none"), NotFound, "no-such-window", id="cancel"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_and_changes_nothing(
    rig: Rig, order: Callable[[Rig], object], kind: type[CloudmgrError], code: str
) -> None:
    before = rig.environment()
    assert code_of(lambda: order(rig), kind) == code
    assert rig.environment() == before
    assert rig.decisions() == []


def test_orders_for_what_is_not_there_are_refused(rig: Rig) -> None:
    with rig.database.write() as tx:
        assert (
            code_of(lambda: rig.control.scale(tx, KEY, "nothing", 3, **WHO), NotFound)
            == "no-such-component"
        )
        assert (
            code_of(lambda: rig.control.wake(tx, "env_none", **WHO), NotFound)
            == "no-such-environment"
        )


@pytest.mark.parametrize(
    "order",
    [lambda rig: scale(rig, 2), hibernate, wake, book],
    ids=["scale", "hibernate", "wake", "book"],
)
def test_an_environment_that_retires_takes_no_orders(
    rig: Rig, order: Callable[[Rig], object]
) -> None:
    with rig.database.write() as tx:
        rig.environments.set_retiring(tx, rig.environments.get(tx, KEY))
    assert code_of(lambda: order(rig), Conflict) == "retiring"


def test_hibernating_gives_everything_back_and_a_wake_brings_it_again(rig: Rig) -> None:
    scale(rig, 5)
    hibernate(rig)
    assert rig.environment().hibernated
    assert rig.decisions()[-1].en == "0: hibernated by order"
    rig.go_on(10 * HOUR, step=600)
    assert rig.environment().hibernated
    assert wake(rig, actor="waker", why="first request").changed
    assert rig.target() == 1
    assert rig.decisions()[-1].actor == "waker"


def test_hibernating_and_waking_twice_is_a_success_without_a_second_decision(rig: Rig) -> None:
    wake(rig)
    assert rig.decisions() == []
    hibernate(rig)
    hibernate(rig)
    wake(rig)
    wake(rig)
    assert [d.after for d in rig.decisions()] == [0, 1]


def test_a_woken_environment_stays_for_the_idle_time_of_its_class(rig: Rig) -> None:
    rig.read()
    hibernate(rig)
    rig.go_on(HOUR)
    wake(rig)
    rig.go_on(29 * MINUTE, step=60)
    assert rig.target() == 1
    rig.go_on(2 * MINUTE)
    assert rig.target() == 0


def test_waking_one_that_is_awake_keeps_it_from_falling_asleep(rig: Rig) -> None:
    rig.read()
    rig.look()
    rig.go_on(25 * MINUTE, step=60)
    wake(rig)
    rig.go_on(25 * MINUTE, step=60)
    assert rig.target() == 1
    rig.go_on(6 * MINUTE)
    assert rig.target() == 0


def test_a_wake_may_ask_for_longer(rig: Rig) -> None:
    rig.read()
    wake(rig, until=NOW + 5 * HOUR)
    rig.go_on(5 * HOUR - MINUTE, step=600)
    assert rig.target() == 1
    rig.go_on(2 * MINUTE)
    assert rig.target() == 0


def test_a_class_may_start_several_replicas_on_waking(rig: Rig) -> None:
    rig.policy(
        scaling_classes={
            "standard": replace(rig.classes.scaling_classes["standard"], wake_replicas=3)
        }
    )
    rig.read()
    hibernate(rig)
    wake(rig)
    assert rig.decisions()[-1].en == "3 = max(reactive 0, woken 3), ceiling 8"
    rig.go_on(29 * MINUTE, step=60)
    assert rig.target() == 3


def test_hibernating_inside_a_window_is_refused_unless_insisted_on(rig: Rig) -> None:
    book(rig, replace(ASK, starts_at=NOW + 5 * MINUTE))
    assert code_of(lambda: hibernate(rig), Conflict) == "inside-a-window"
    hibernate(rig, force=True)
    rig.go_on(HOUR)
    assert rig.environment().hibernated


def test_what_was_forced_to_sleep_wakes_for_the_next_window_and_on_call(rig: Rig) -> None:
    book(rig, replace(ASK, starts_at=NOW, ends_at=NOW + 3 * HOUR, replicas=3))
    book(rig, replace(ASK, replicas=5))
    hibernate(rig, force=True)
    rig.go_on(HOUR - 11 * MINUTE)
    assert rig.target() == 0
    rig.go_on(MINUTE)
    assert rig.target() == 5
    hibernate(rig, force=True)
    wake(rig)
    assert rig.target() == 5


def test_after_the_window_that_woke_it_an_earlier_order_to_sleep_is_spent(rig: Rig) -> None:
    rig.read()
    hibernate(rig)
    book(rig)
    rig.go_on(2 * HOUR - 1 * MINUTE, step=120)
    assert rig.target() == 6
    rig.go_on(5 * MINUTE, in_flight=1)
    assert rig.target() == 1


def test_a_class_that_never_hibernates_sleeps_only_by_force_and_until_the_end_of_the_order(
    sqlite: Database,
) -> None:
    rig = Rig(sqlite).host(an_environment(scaling_class="steady"))
    assert code_of(lambda: hibernate(rig), Conflict) == "never-hibernates"
    hibernate(rig, force=True, until=NOW + HOUR)
    rig.go_on(HOUR - MINUTE)
    assert rig.target() == 0
    rig.go_on(2 * MINUTE)
    assert rig.target() == 1


def test_a_wake_into_a_full_pool_is_kept_and_followed_as_soon_as_there_is_room(
    database: Database,
) -> None:
    rig = Rig(database, capacity=Resources(1_000, 1_000, 10)).sleep()
    rig.capacity = Resources(100, 100, 10)
    assert wake(rig).turn.waits is WaitsFor.ROOM
    assert rig.environment().hibernated
    assert rig.decisions()[-1].en.startswith("0 = min(")
    rig.clock.advance(3 * HOUR)
    assert rig.reconciler.due() == [KEY]
    rig.look()
    assert rig.environment().hibernated
    rig.capacity = Resources(1_000, 1_000, 10)
    assert rig.reconciler.due() == [KEY]
    rig.look()
    assert rig.target() == 1
    # It is not asleep again at once: what it waited is nothing that anybody had of it.
    rig.go_on(10 * MINUTE)
    assert rig.target() == 1


def test_a_wake_that_was_asked_for_until_a_moment_is_given_up_then(sqlite: Database) -> None:
    rig = Rig(sqlite, capacity=Resources(1_000, 1_000, 10)).sleep()
    rig.capacity = Resources(100, 100, 10)
    wake(rig, until=NOW + HOUR)
    rig.clock.set(NOW + HOUR)
    assert rig.reconciler.due() == [KEY]
    rig.look()
    assert rig.reconciler.due() == []
    rig.capacity = Resources(1_000, 1_000, 10)
    rig.look()
    assert rig.environment().hibernated


def test_a_window_booked_in_its_lead_takes_effect_at_once(rig: Rig) -> None:
    book(rig, replace(ASK, starts_at=NOW + 5 * MINUTE))
    assert rig.target() == 6
    assert rig.decisions()[-1].actor == "usr_officer"


def test_the_peak_of_a_request_is_announced_once_and_not_when_it_is_over(rig: Rig) -> None:
    over = replace(ASK, starts_at=NOW - 2 * HOUR, ends_at=NOW - HOUR)
    with rig.database.write() as tx:
        first = rig.control.announce(tx, KEY, [over, ASK], actor="usr_a", request_id="req_1")
    with rig.database.write() as tx:
        again = rig.control.announce(tx, KEY, [over, ASK], actor="usr_a", request_id="req_1")
    assert first == again
    assert [w.replicas for w in first] == [6]


def test_cancelling_a_window_gives_its_capacity_back(rig: Rig) -> None:
    rig.read()
    rig.go_on(10 * MINUTE)
    window = book(rig, replace(ASK, starts_at=rig.clock.now()))
    assert rig.target() == 6
    assert code_of(lambda: cancel(rig, window, version=7), Conflict) == "stale-version"
    cancel(rig, window, version=1)
    assert rig.target() == 1
    assert rig.decisions()[-1].reason == "drill"
    cancel(rig, window)


def test_a_window_that_is_over_cannot_be_cancelled(rig: Rig) -> None:
    window = book(rig)
    rig.clock.advance(3 * HOUR)
    assert code_of(lambda: cancel(rig, window), Conflict) == "window-over"


def test_an_environment_sleeps_and_wakes_as_a_whole(sqlite: Database) -> None:
    batch = a_component(name="batch", port=None, min_replicas=2, max_replicas=3)
    rig = Rig(sqlite).host(
        an_environment(components=(batch, a_component()), target={"batch": 2, "web": 1})
    )
    hibernate(rig)
    assert rig.environment().target == {"batch": 0, "web": 0}
    wake(rig)
    assert rig.environment().target == {"batch": 2, "web": 1}
    assert len(rig.decisions()) == 4


def test_when_room_is_short_what_people_reach_goes_first(sqlite: Database) -> None:
    batch = a_component(name="batch", port=None, min_replicas=3, max_replicas=3)
    rig = Rig(sqlite).sleep(
        components=(batch, a_component(min_replicas=2)), target={"batch": 3, "web": 2}
    )
    rig.capacity = Resources(1_000, 10_000, 10)
    wake(rig)
    assert rig.environment().target == {"batch": 2, "web": 2}
    assert [d.en for d in rig.decisions() if d.component == "batch"][-1] == (
        "2 = min(minimum 3, room 2), ceiling 3"
    )
