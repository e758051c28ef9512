from __future__ import annotations

from datetime import timedelta

from cloudmgr.notices.delivery import (
    MOST_TRIES,
    Delivery,
    Officer,
    State,
    by_target,
    dropped,
    patience,
    spread,
    tried,
)
from cloudmgr.notices.notice import Kind
from tests.builders import CREATED
from tests.notices.stories import a_refusal

ONE = Delivery("ntc_1", "hook_1", next_try_at=CREATED)


def test_operators_targets_get_all_and_officers_what_is_of_their_department() -> None:
    officers = [
        Officer("usr_li", "dep_exam", frozenset()),
        Officer("usr_tax", "dep_tax", frozenset()),
        Officer("usr_quiet", "dep_exam", frozenset({Kind.REFUSED})),
        Officer("usr_other", "dep_exam", frozenset({Kind.BOOKED})),
    ]
    made = spread(a_refusal(id="ntc_1"), ["hook_1", "hook_2"], officers, CREATED)
    assert [one.target for one in made] == ["hook_1", "hook_2", "mail:usr_li", "mail:usr_other"]
    assert [one.user_id for one in made] == [None, None, "usr_li", "usr_other"]
    citys = spread(a_refusal(id="ntc_1", department_id=None), ["hook_1"], officers, CREATED)
    assert [one.target for one in citys] == ["hook_1"]


def test_what_fails_is_tried_again_ever_later_and_then_given_up() -> None:
    one, now, waits = ONE, CREATED, []
    while one.state is State.WAITING:
        after = tried(one, "no answer", now)
        if after.next_try_at is not None:
            waits.append(after.next_try_at - now)
            now = after.next_try_at
        one = after
    assert (one.state, one.tries, one.reason) == (State.GIVEN_UP, MOST_TRIES, "no answer")
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(minutes=1), timedelta(hours=4))
    assert timedelta(hours=12) < now - CREATED < timedelta(days=1)


def test_what_succeeds_is_over_and_its_failures_forgotten() -> None:
    after = tried(tried(ONE, "no answer", CREATED), None, CREATED + patience(1))
    assert (after.state, after.tries, after.reason) == (State.SENT, 2, "")
    assert after.ended_at == CREATED + patience(1)
    assert after.next_try_at is None


def test_what_has_nowhere_to_go_is_given_up_at_once() -> None:
    after = dropped(ONE, "the target is gone", CREATED)
    assert (after.state, after.tries) == (State.GIVEN_UP, 0)
    assert after.ended_at == CREATED


def test_what_goes_to_one_target_goes_together() -> None:
    found = by_target([ONE, Delivery("ntc_1", "hook_2"), Delivery("ntc_2", "hook_1")])
    assert {target: len(some) for target, some in found.items()} == {"hook_1": 2, "hook_2": 1}
