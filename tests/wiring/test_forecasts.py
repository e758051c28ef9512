"""From what was asked on the days before to capacity that is there when it is asked again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cloudmgr.interval import Interval
from cloudmgr.scaling.demand import EPOCH, STEP, Slot
from cloudmgr.scaling.forecast.learned import library
from cloudmgr.wiring.forecasts import Forecasts
from tests.builders import a_component, a_scaling_class, a_window, an_environment
from tests.scaling.rig import HOUR, KEY, MINUTE, NOW, Rig, announced

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database
    from cloudmgr.scaling.foretold import Foretold, Lesson

DAY = timedelta(days=1)
# Monday, 5:00 in the morning in the city.
MORNING = NOW - 11 * HOUR
learned = pytest.mark.skipif(
    library() is None, reason="needs LightGBM and libgomp1: make test-deps"
)


class Learning(Rig):
    """One that has been there for a month, with nothing asked of it yet."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, now=MORNING - 30 * DAY)
        self.policy(
            scaling_classes={
                "standard": a_scaling_class(target_in_flight=10, lead_time=timedelta(minutes=15))
            }
        )
        self.host(
            an_environment(
                created_at=MORNING - 30 * DAY,
                components=(a_component(min_replicas=1, max_replicas=40),),
                target={"web": 1},
            )
        )
        self.forecasts = self.forecasting()
        self.looked: list[str]

    def forecasting(self) -> Forecasts:
        """A new control plane's."""
        self.looked = []
        return Forecasts(
            self.database,
            self.environments,
            self.stores,
            lambda: self.classes,
            self.clock,
            zone=self.zone,
            scale=self.looked.append,
        )

    def asked(self, days: int, *, peak: float = 100.0) -> Learning:
        """From nine to noon each day so many at once, and ten at all other times."""
        slots = []
        for n in range(-days * 288, 0):
            at = MORNING + n * STEP
            hour = at.astimezone(self.zone).hour
            noise = 1 + 0.04 * (n * 7919 % 11 - 5) / 5
            slots.append(Slot(KEY, at, 10, (peak if 9 <= hour < 12 else 10.0) * noise * 300))
        self.came(slots)
        return self

    def came(self, slots: list[Slot]) -> None:
        """As the gateway would have counted it, the last of it just now."""
        self.requests(1, 1.0)
        self.read()
        with self.database.write() as tx:
            self.stores.demand.add(tx, slots)

    def on_going(self, span: timedelta) -> None:
        """Ten at once, step by step, as the program tells and looks."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.requests(10, 10.0 * STEP.total_seconds())
            self.clock.advance(STEP)
            self.read()
            self.forecasts.tell()
            self.look()

    def lesson(self) -> Lesson | None:
        with self.database.read() as tx:
            return self.stores.forecasts.lesson(tx, KEY)

    def told(self) -> Foretold | None:
        with self.database.read() as tx:
            return self.stores.forecasts.told(tx, KEY)


@pytest.fixture
def rig(sqlite: Database) -> Learning:
    return counted(sqlite)


def counted(database: Database) -> Learning:
    """The gateway has been counted for as long as it is there."""
    rig = Learning(database)
    rig.look()
    rig.read()
    rig.clock.advance(30 * DAY - MINUTE)
    rig.read()
    rig.clock.advance(MINUTE)
    return rig


@learned
def test_capacity_is_there_before_the_hour_that_was_busy_on_every_day(
    database: Database,
) -> None:
    rig = counted(database).asked(12)
    assert rig.forecasts.learn() == 1
    rig.on_going(3 * HOUR)
    assert rig.target() <= 3, "eight in the morning is quiet"
    rig.on_going(HOUR - STEP)
    assert rig.target() >= 10, "five minutes before nine"
    decision = rig.decisions()[-1]
    assert decision.terms["forecast"] == decision.after
    assert decision.terms["foretold"] == pytest.approx(10 * decision.after, abs=10)
    assert "forecast" in decision.en
    assert "预测" in decision.zh
    lesson = rig.lesson()
    assert lesson is not None
    assert lesson.family == "seasonal"
    assert lesson.figures.unmet < 0.01
    assert 1 <= lesson.figures.cost < 1.5


def test_a_system_without_a_history_is_left_to_reaction(rig: Learning) -> None:
    assert rig.forecasts.learn() == 0
    assert rig.lesson() is None
    rig.asked(1)
    rig.clock.advance(DAY)
    assert rig.forecasts.learn() == 0, "three days are the least"
    assert rig.forecasts.tell() == 0


def test_a_system_that_is_always_alike_gets_little_more_than_it_needs(rig: Learning) -> None:
    rig.asked(12, peak=10.0)
    assert rig.forecasts.learn() == 1
    rig.on_going(HOUR)
    assert rig.target() <= 3


@learned
def test_a_lesson_is_learned_once_a_day_by_whoever_restarts(rig: Learning) -> None:
    rig.asked(12)
    assert [rig.forecasts.learn(), rig.forecasts.learn()] == [1, 0]
    assert rig.forecasting().learn() == 0
    rig.clock.advance(DAY)
    assert rig.forecasts.learn() == 1
    rig.clock.set(rig.clock.now() - 10 * DAY)
    assert rig.forecasts.learn() == 1, "a clock that was put back stops nothing"


@learned
def test_each_step_is_told_of_once_and_never_for_one_that_sleeps(rig: Learning) -> None:
    rig.asked(12)
    rig.forecasts.learn()
    assert [rig.forecasts.tell(), rig.forecasts.tell()] == [1, 0]
    assert rig.looked == [KEY]
    with rig.database.write() as tx:
        rig.control.hibernate(tx, KEY, actor="usr_op", why="night", force=True)
    rig.clock.advance(STEP)
    assert rig.forecasts.tell() == 0
    rig.clock.advance(4 * HOUR)
    rig.look()
    assert rig.target() == 0, "a forecast wakes nobody"


@learned
def test_who_begins_anew_tells_the_same(rig: Learning) -> None:
    rig.asked(12)
    rig.forecasts.learn()
    rig.on_going(HOUR)
    told = rig.told()
    assert told is not None
    other = rig.forecasting()
    assert other.tell() == 1
    assert rig.told() == told


@learned
def test_what_is_told_ends_when_nobody_tells_any_more(rig: Learning) -> None:
    rig.asked(12)
    rig.forecasts.learn()
    rig.on_going(4 * HOUR - STEP)
    assert rig.target() >= 10
    for _ in range(20):
        rig.clock.advance(STEP)
        rig.requests(10, 10.0 * STEP.total_seconds())
        rig.read()
        rig.look()
    assert rig.target() <= 2


@learned
def test_a_lesson_goes_with_its_environment(rig: Learning) -> None:
    rig.asked(12)
    rig.forecasts.learn()
    rig.forecasts.tell()
    with rig.database.write() as tx:
        rig.stores.forget(tx, KEY)
    assert rig.lesson() is None
    assert rig.told() is None


@learned
def test_a_lesson_of_no_use_any_more_is_forgotten(rig: Learning) -> None:
    rig.asked(12)
    rig.forecasts.learn()
    rig.policy(scaling_classes={"standard": a_scaling_class(elastic=True)})
    rig.clock.advance(DAY)
    assert rig.forecasts.learn() == 0
    assert rig.lesson() is None


@learned
def test_windows_are_learned_from_and_seen_before_they_begin(rig: Learning) -> None:
    """On every third day there is an announced peak, which the hour alone does not tell."""
    slots = []
    windows = []
    for day in range(28):
        start = MORNING - (28 - day) * DAY + 4 * HOUR
        if day % 3 == 1:
            windows.append(Interval(start, start + 2 * HOUR))
    for n in range(-28 * 288, 0):
        at = MORNING + n * STEP
        busy = any(w.start <= at < w.end for w in windows)
        noise = 1 + 0.04 * (n * 7919 % 11 - 5) / 5
        slots.append(Slot(KEY, at, 10, (100.0 if busy else 10.0) * noise * 300))
    rig.came(slots)
    today = Interval(MORNING + 4 * HOUR, MORNING + 6 * HOUR)
    announced(
        rig,
        *(
            a_window(w.start, w.end, id=f"win_{n}", replicas=1)
            for n, w in enumerate([*windows, today])
        ),
    )
    assert rig.forecasts.learn() == 1
    lesson = rig.lesson()
    assert lesson is not None
    assert lesson.calendar
    rig.on_going(3 * HOUR)
    assert rig.target() <= 3
    rig.on_going(HOUR - STEP)
    assert rig.target() >= 10


def test_a_gap_is_no_quiet_time(rig: Learning) -> None:
    rig.asked(12)
    with rig.database.write() as tx:
        rig.stores.demand.miss(tx, "extranet", Interval(EPOCH + DAY, MORNING - 2 * DAY))
    assert rig.forecasts.learn() == 0, "two days are known, which is too little"
