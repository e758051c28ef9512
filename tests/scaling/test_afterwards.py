"""A window that is over: what was promised against what ran and what was asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.errors import Conflict
from cloudmgr.interval import Interval
from cloudmgr.scaling.afterwards import BEFORE, check_over, look_back
from cloudmgr.scaling.afterwards_words import said
from cloudmgr.scaling.demand import STEP, Slot
from tests.builders import a_window

START = datetime(2026, 6, 30, 1, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
END = START + 2 * HOUR
WINDOW = replace(a_window(START, END), replicas=3)


def runs(*begun: timedelta, end: datetime | None = None) -> list[tuple[datetime, datetime | None]]:
    return [(START + at, end) for at in begun]


def slots(*in_flight: float) -> list[Slot]:
    return [
        Slot("env", START + n * STEP, 100, value * STEP.total_seconds())
        for n, value in enumerate(in_flight)
    ]


def test_all_that_were_promised_came_before_it_began() -> None:
    found = look_back(WINDOW, runs(-HOUR, -20 * MINUTE, -10 * MINUTE), (slots(4.0, 8.0), ()), 4.0)
    assert found.early == 10 * MINUTE
    assert (found.least, found.short) == (3, timedelta())
    assert found.asked is not None
    assert (found.asked.requests, found.asked.highest, found.asked.at) == (200, 2.0, START + STEP)
    assert found.asked.mean == pytest.approx(3 / 24)
    assert (found.asked.unmet, found.asked.share, found.advice) == (0, 0, 3)
    zh, en = said(found)
    assert zh == (
        "承诺的 3 个副本提前 10 分钟到齐；共 200 次请求，最高时需要 2.0 个副本，平均 0.1 个；"
        "下次仍按此数预约即可"
    )
    assert en == (
        "the 3 replicas that were promised were there 10 min early; 200 requests asked for 2.0 "
        "replicas at the highest, 0.1 on average; the same size would do next time"
    )


def test_late_short_and_too_few_are_told_apart() -> None:
    late = look_back(WINDOW, runs(-HOUR, -HOUR, 15 * MINUTE), (slots(), ()), 4.0)
    assert late.early == -15 * MINUTE
    assert (late.least, late.short) == (2, 15 * MINUTE)
    lost = look_back(
        WINDOW,
        [*runs(-HOUR, -HOUR), *runs(-HOUR, end=START + HOUR), *runs(HOUR + 6 * MINUTE)],
        None,
        4.0,
    )
    assert lost.early == HOUR
    assert (lost.least, lost.short) == (2, 6 * MINUTE)
    assert "for 6 min there were fewer, at least 2" in said(lost)[1]
    never = look_back(WINDOW, runs(-HOUR), None, 4.0)
    assert (never.early, never.least, never.short) == (None, 1, 2 * HOUR)
    assert "never all there" in said(never)[1]
    assert never.asked is None
    assert never.advice is None


def test_what_was_there_and_went_before_it_began_does_not_count() -> None:
    gone = runs(-3 * HOUR, -3 * HOUR, -3 * HOUR, end=START - HOUR)
    found = look_back(WINDOW, [*gone, *runs(-MINUTE, -MINUTE, -MINUTE)], None, 4.0)
    assert found.early == MINUTE


def test_what_was_held_for_longer_is_known_for_a_day() -> None:
    found = look_back(WINDOW, runs(*[-timedelta(days=9)] * 3), None, 4.0)
    assert found.early == BEFORE
    assert found.held == ((START - BEFORE, 3),)


def test_what_was_asked_beyond_what_ran_is_unmet_and_the_next_size_is_larger() -> None:
    found = look_back(WINDOW, runs(-HOUR, -HOUR, -HOUR), (slots(20.0, 4.0), ()), 4.0)
    assert found.asked is not None
    assert found.asked.unmet == 2 * STEP.total_seconds()
    assert found.asked.share == pytest.approx(2 / 6)
    assert found.advice == 6
    assert "6 are needed next time" in said(found)[1]


def test_a_gap_is_said_and_is_no_quiet_time() -> None:
    gap = Interval(START + STEP, START + HOUR)
    found = look_back(WINDOW, runs(-HOUR), (slots(4.0), [gap]), 4.0)
    assert found.asked is not None
    assert found.uncounted == HOUR - STEP
    assert found.asked.mean == pytest.approx(1 / 13)
    assert "for 55 min nobody counted" in said(found)[1]
    blind = look_back(WINDOW, runs(-HOUR), ((), [Interval(START - HOUR, END)]), 4.0)
    assert (blind.asked, blind.uncounted, blind.advice) == (None, 2 * HOUR, None)
    assert "not on record" in said(blind)[1]


def test_a_window_between_two_steps_counts_its_own_part_of_them() -> None:
    window = replace(
        WINDOW,
        interval=Interval(START + 2 * MINUTE, START + 2 * MINUTE + 30 * timedelta(seconds=1)),
    )
    found = look_back(window, runs(-HOUR), (slots(8.0), ()), 4.0)
    assert found.asked is not None
    assert found.asked.unmet == 30.0


@pytest.mark.parametrize(
    ("at", "cancelled", "code"),
    [
        (END - MINUTE, None, "not-over"),
        (END + HOUR, START - HOUR, "window-cancelled"),
    ],
)
def test_what_is_not_over_is_not_looked_back_on(
    at: datetime, cancelled: datetime | None, code: str
) -> None:
    with pytest.raises(Conflict) as refused:
        check_over(replace(WINDOW, cancelled_at=cancelled), at)
    assert refused.value.code == code
    check_over(WINDOW, END)


@given(
    st.lists(
        st.tuples(st.integers(-1500, 200), st.one_of(st.none(), st.integers(1, 900))), max_size=8
    ),
    st.lists(st.floats(0, 60), max_size=24),
)
def test_what_is_short_unmet_and_least_agree(
    ran: list[tuple[int, int | None]], asked: list[float]
) -> None:
    held = [
        (START + at * MINUTE, None if length is None else START + (at + length) * MINUTE)
        for at, length in ran
    ]
    found = look_back(WINDOW, held, (slots(*asked), ()), 4.0)
    assert (found.short == timedelta()) == (found.least >= WINDOW.replicas)
    assert (found.early is None) <= (found.least < WINDOW.replicas)
    assert found.asked is not None
    assert 0 <= found.asked.share <= 1
    if found.least * 4.0 >= max(asked, default=0):
        assert found.asked.unmet == 0
    assert [at for at, _ in found.held] == sorted({at for at, _ in found.held})
    assert all(count >= 0 for _, count in found.held)
