"""What people expect of a peak, in replicas."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.errors import Invalid
from cloudmgr.hosting.expected import Expected, Sized, Unit
from cloudmgr.hosting.requests import WindowAsk
from cloudmgr.scaling.demand import STEP, Slot
from cloudmgr.scaling.expected import MOST, Known, asked, known, rate, sized
from cloudmgr.scaling.expected_words import explained
from tests.builders import a_component
from tests.scaling.rig import HOUR, KEY, NOW

if TYPE_CHECKING:
    from collections.abc import Callable

MEASURED = Known(seconds=Decimal("0.4"), normal=Decimal(6))


def expects(unit: Unit, low: object, likely: object, high: object, **more: Any) -> Expected:
    ends = [Decimal(str(one)) for one in (low, likely, high)]
    return Expected(unit, ends[0], ends[1], ends[2], **more)


def made(expected: Expected, measured: Known = MEASURED, *, per_user: str = "1") -> Expected:
    found = sized(expected, measured, per_user_minute=Decimal(per_user), target=Decimal(4))
    return replace(expected, sized=found)


def slots(count: int, requests: int, in_flight: float) -> list[Slot]:
    seconds = in_flight * STEP.total_seconds()
    return [Slot(KEY, NOW + n * STEP, requests, seconds) for n in range(count)]


def test_three_thousand_users_who_ask_once_a_minute_are_twenty_in_flight() -> None:
    found = made(expects(Unit.USERS, 2000, 3000, 3000))
    assert found.sized == Sized(
        in_flight=Decimal(20),
        target=Decimal(4),
        replicas=(4, 5, 5),
        seconds=Decimal("0.4"),
        per_user_minute=Decimal(1),
        measured=True,
    )
    assert explained(found, "en") == (
        "2,000 to 3,000 users at once, about 1 request per user and minute, 0.4 s each (measured): "
        "20 in flight, 4 to a replica: 5 replicas; likely 5, at least 4"
    )
    assert explained(found, "zh") == (
        "同时在线 2,000 至 3,000 人，每人每分钟约 1 次请求，每次 0.4 秒（实测）："
        "20 个并发请求，每个副本 4 个，需 5 个副本；很可能 5 个，至少 4 个"
    )
    assert rate(found) == Decimal(50)


def test_requests_per_second_need_no_users() -> None:
    found = made(expects(Unit.REQUESTS, 50, 50, 50))
    assert found.sized is not None
    assert (found.sized.replicas, found.sized.per_user_minute) == ((5, 5, 5), None)
    assert explained(found, "en") == (
        "50 requests per second, 0.4 s each (measured): 20 in flight, 4 to a replica: 5 replicas"
    )
    assert rate(found) == Decimal(50)


def test_times_the_normal_goes_by_what_was_in_flight() -> None:
    found = made(expects(Unit.TIMES, 2, 3, "4.5"))
    assert found.sized is not None
    assert found.sized.replicas == (3, 5, 7)
    assert "2 to 4.5 times the normal, normal being 6 in flight" in explained(found, "en")
    assert "平常的 2 至 4.5 倍" in explained(found, "zh")
    assert rate(found) is None


def test_what_the_department_says_goes_before_what_was_measured_and_policy() -> None:
    expected = expects(
        Unit.USERS,
        600,
        600,
        600,
        seconds_per_request=Decimal(2),
        requests_per_user_minute=Decimal(3),
    )
    found = made(expected)
    assert found.sized is not None
    assert (found.sized.in_flight, found.sized.measured) == (Decimal(60), False)
    assert "2 s each (as stated)" in explained(found, "en")
    assert "每次 2 秒（自报）" in explained(found, "zh")


@pytest.mark.parametrize(
    ("unit", "path", "hint"),
    [
        (Unit.USERS, "seconds_per_request", "seconds"),
        (Unit.REQUESTS, "seconds_per_request", "seconds"),
        (Unit.TIMES, "unit", "users at once"),
    ],
)
def test_where_nothing_was_measured_it_says_what_to_say(unit: Unit, path: str, hint: str) -> None:
    with pytest.raises(Invalid) as refused:
        made(expects(unit, 1, 2, 3), Known())
    assert (refused.value.code, refused.value.path) == ("nothing-measured", path)
    assert hint in refused.value.hint


def test_little_that_was_recorded_is_nothing_to_go_by() -> None:
    assert known([]) == Known()
    assert known(slots(11, 9, 1.0)) == Known()
    assert known(slots(11, 10, 1.0)).normal is None
    assert known(slots(11, 10, 1.0)).seconds == Decimal(30)
    assert known(slots(12, 1, 1.0)) == Known(None, Decimal(1))


def test_normal_is_what_nineteen_of_twenty_busy_steps_stay_within() -> None:
    recorded = [*slots(19, 1000, 2.0), Slot(KEY, NOW + timedelta(days=1), 1000, 100 * 300.0)]
    found = known(recorded)
    assert found.normal == Decimal(2)
    assert found.seconds == Decimal("2.070"), "all requests, those of the one wild step too"


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"low": Decimal(0)}, "low"),
        ({"low": Decimal(-1)}, "low"),
        ({"high": MOST[Unit.USERS]}, "high"),
        ({"high": Decimal("NaN")}, "high"),
        ({"likely": Decimal("sNaN")}, "likely"),
        ({"low": Decimal(200)}, "high"),
        ({"likely": Decimal(500)}, "high"),
        ({"seconds_per_request": Decimal(0)}, "seconds_per_request"),
        ({"seconds_per_request": Decimal(601)}, "seconds_per_request"),
        ({"requests_per_user_minute": Decimal("Infinity")}, "requests_per_user_minute"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as refused:
        made(replace(expects(Unit.USERS, 100, 150, 300), **changes))
    assert (refused.value.code, refused.value.path) == ("invalid-expectation", path)


def ask(expected: Expected | None, **changes: Any) -> WindowAsk:
    one = WindowAsk("web", NOW, NOW + HOUR, 0, expected=expected)
    return replace(one, **changes)


def size(measured: Known = MEASURED) -> Callable[[Expected], Sized]:
    return lambda one: sized(one, measured, per_user_minute=Decimal(1), target=Decimal(4))


def test_a_peak_gets_its_replicas_and_its_rate() -> None:
    plain = ask(None, replicas=2)
    first, second = asked(
        [plain, ask(expects(Unit.USERS, 1000, 2000, 3000))], [a_component()], size()
    )
    assert first is plain
    assert (second.replicas, second.expected_rps) == (5, Decimal("33.33"))
    (again,) = asked([second], [a_component()], size(Known(Decimal("0.2"))))
    assert again.replicas == 3, "worked out anew"


def test_more_than_the_ceiling_is_refused_with_what_it_takes() -> None:
    with pytest.raises(Invalid) as refused:
        asked(
            [ask(None, replicas=1), ask(expects(Unit.REQUESTS, 1, 1, 500))],
            [a_component(max_replicas=8)],
            size(),
        )
    error = refused.value
    assert (error.code, error.path) == ("above-the-ceiling", "windows[1].expected.high")
    assert error.message == "that takes 50 replicas of web, and 8 are approved at most"
    assert "resize" in error.hint


def test_a_fault_names_the_peak_that_it_is_about() -> None:
    with pytest.raises(Invalid) as refused:
        asked([ask(expects(Unit.USERS, 3, 2, 1))], [a_component()], size())
    assert refused.value.problems == (
        ("windows[0].expected.high", "give low, likely and high in this order"),
    )
    with pytest.raises(Invalid) as refused:
        asked([ask(expects(Unit.USERS, 1, 2, 3), component="api")], [a_component()], size())
    assert refused.value.path == "windows[0].component"


amounts = st.decimals(Decimal("0.01"), 999, places=2)


@given(
    unit=st.sampled_from(Unit),
    ends=st.lists(amounts, min_size=3, max_size=3).map(sorted),
    more=amounts,
    seconds=st.decimals(Decimal("0.001"), 60, places=3),
    normal=st.decimals(Decimal("0.001"), 500, places=3),
    target=st.decimals(Decimal("0.5"), 100, places=1),
)
def test_more_never_takes_fewer_replicas_and_they_carry_what_is_expected(
    *,
    unit: Unit,
    ends: list[Decimal],
    more: Decimal,
    seconds: Decimal,
    normal: Decimal,
    target: Decimal,
) -> None:
    measured = Known(seconds, normal)

    def take(low: Decimal, likely: Decimal, high: Decimal) -> Sized:
        one = Expected(unit, low, likely, high)
        return sized(one, measured, per_user_minute=Decimal(6), target=target)

    low, likely, high = take(*ends).replicas
    assert 1 <= low <= likely <= high
    top = min(ends[2] + more, Decimal(999))
    assert take(ends[0], ends[1], top).replicas[2] >= high
    assert high * target >= take(*ends).in_flight - Decimal("0.01")
