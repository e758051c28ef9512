"""Who sleeps, and who may not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.scaling.hibernation import Cause, Signals, rest

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
HALF = timedelta(minutes=30)
IDLE = Signals(
    now=NOW,
    asleep=False,
    idle_after=HALF,
    idle_since=NOW - timedelta(minutes=45),
    seen_until=NOW,
)


def test_it_sleeps_after_the_time_without_a_request_and_says_how_long_that_was() -> None:
    resting = rest(IDLE)
    assert resting.asleep
    assert resting.cause is Cause.IDLE
    assert resting.en == "no request for 45 min, idle after 30 min"
    assert resting.zh == "已有 45 分钟没有请求（30 分钟后休眠）"


def test_it_is_looked_at_again_when_it_may_sleep() -> None:
    busy = replace(IDLE, idle_since=NOW - timedelta(minutes=10))
    assert rest(busy).cause is Cause.BUSY
    assert rest(busy).look_at == NOW + timedelta(minutes=20)


def test_a_gateway_that_cannot_be_read_puts_nobody_to_sleep() -> None:
    assert not rest(replace(IDLE, seen_until=None)).asleep
    # Read last when it had been idle for ten minutes; what came since, nobody knows.
    assert not rest(replace(IDLE, seen_until=NOW - timedelta(minutes=35))).asleep


def test_a_window_keeps_it_awake_and_wakes_it() -> None:
    assert not rest(replace(IDLE, floor=1)).asleep
    assert not rest(replace(IDLE, floor=1, asleep=True)).asleep
    assert not rest(replace(IDLE, floor=1, asleep=True, ordered=True)).asleep


def test_it_does_not_sleep_before_the_end_of_a_wake() -> None:
    woken = replace(IDLE, awake_until=NOW + timedelta(seconds=1))
    assert not rest(woken).asleep
    assert rest(woken).look_at == woken.awake_until
    assert rest(replace(woken, now=NOW + timedelta(seconds=1))).asleep


def test_a_class_that_never_hibernates_does_not() -> None:
    assert rest(replace(IDLE, idle_after=None)).cause is Cause.NEVER


def test_one_that_sleeps_sleeps_on_until_something_calls_for_it() -> None:
    asleep = replace(IDLE, asleep=True, idle_since=None, seen_until=None)
    assert rest(asleep).cause is Cause.ASLEEP
    assert not rest(replace(asleep, awake_until=NOW + HALF)).asleep
    assert not rest(replace(asleep, pinned=True)).asleep


def test_the_hours_of_its_class_hold_it_awake_and_say_until_when() -> None:
    held = replace(IDLE, held_until=NOW + HALF)
    assert rest(held).cause is Cause.HOURS
    assert rest(held).look_at == NOW + HALF
    assert rest(replace(held, now=NOW + HALF, seen_until=NOW + HALF)).asleep
    assert rest(replace(held, ordered=True)).asleep


def test_hours_wake_what_sleeps_only_if_they_call_for_it() -> None:
    asleep = replace(IDLE, asleep=True, held_until=NOW + HALF)
    assert rest(asleep).asleep
    assert rest(replace(asleep, called=True)).cause is Cause.HOURS


def test_one_that_sleeps_is_looked_at_when_the_hours_call_next() -> None:
    for signals in (IDLE, replace(IDLE, asleep=True), replace(IDLE, ordered=True)):
        assert rest(signals).look_at is None
        assert rest(replace(signals, calls_at=NOW + HALF)).look_at == NOW + HALF


def test_an_order_puts_to_sleep_what_is_busy() -> None:
    assert rest(replace(IDLE, idle_since=NOW, ordered=True, idle_after=None)).asleep


@given(
    st.builds(
        Signals,
        now=st.just(NOW),
        asleep=st.booleans(),
        floor=st.integers(0, 3),
        ordered=st.booleans(),
        pinned=st.booleans(),
        awake_until=st.none() | st.integers(-90, 90).map(lambda m: NOW + timedelta(minutes=m)),
        held_until=st.none() | st.integers(-90, 90).map(lambda m: NOW + timedelta(minutes=m)),
        called=st.booleans(),
        idle_after=st.none() | st.just(HALF),
        idle_since=st.none() | st.integers(-90, 0).map(lambda m: NOW + timedelta(minutes=m)),
        seen_until=st.none() | st.integers(-90, 0).map(lambda m: NOW + timedelta(minutes=m)),
    )
)
def test_nobody_is_put_to_sleep_without_proof_or_order(signals: Signals) -> None:
    resting = rest(signals)
    if not resting.asleep:
        return
    assert signals.floor == 0
    assert not signals.pinned
    if signals.ordered or signals.asleep:
        return
    assert signals.idle_after is not None
    assert signals.idle_since is not None
    assert signals.seen_until is not None
    assert signals.seen_until - signals.idle_since >= signals.idle_after
    assert signals.awake_until is None or signals.awake_until <= NOW
    assert signals.held_until is None or signals.held_until <= NOW
