"""The change freeze near a peak, and letting changes through."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import CloudmgrError, Conflict
from cloudmgr.scaling.freeze import Lift, check, freeze
from cloudmgr.scaling.freezing import Freezing
from cloudmgr.scaling.store import ScalingStores
from tests.builders import a_scaling_class, a_window, an_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmgr.db.engine import Database
    from cloudmgr.policy.scaling_class import ScalingClass
    from tests.fakes import ManualClock

START = datetime(2026, 6, 30, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
WINDOW = a_window(START, START + 2 * HOUR)


def test_it_holds_from_some_hours_before_until_the_end() -> None:
    def held(now: datetime) -> bool:
        return freeze([WINDOW], now, 12 * HOUR) is not None

    assert not held(START - 12 * HOUR - timedelta(seconds=1))
    assert held(START - 12 * HOUR)
    assert held(START + 2 * HOUR - timedelta(seconds=1))
    assert not held(START + 2 * HOUR)
    found = freeze([WINDOW], START, 12 * HOUR)
    assert found is not None
    assert (found.since, found.until, found.window_id) == (
        START - 12 * HOUR,
        START + 2 * HOUR,
        WINDOW.id,
    )


def test_a_class_may_have_none_or_one_that_begins_with_the_peak() -> None:
    assert freeze([WINDOW], START, None) is None
    assert freeze([WINDOW], START - timedelta(seconds=1), timedelta()) is None
    assert freeze([WINDOW], START, timedelta()) is not None


def test_peaks_without_a_pause_between_their_freezes_are_one() -> None:
    second = a_window(START + 10 * HOUR, START + 11 * HOUR, id="win_2")
    far = a_window(START + 40 * HOUR, START + 41 * HOUR, id="win_3")
    found = freeze([far, second, WINDOW], START, 12 * HOUR)
    assert found is not None
    assert found.until == START + 11 * HOUR
    alone = freeze([far, second, WINDOW], START, HOUR)
    assert alone is not None
    assert alone.until == START + 2 * HOUR


def test_a_peak_that_was_cancelled_freezes_nothing() -> None:
    assert freeze([replace(WINDOW, cancelled_at=START - HOUR)], START, 12 * HOUR) is None


def test_what_was_lifted_comes_back_when_that_is_over() -> None:
    found = freeze([WINDOW], START, 12 * HOUR)
    lift = Lift("env_exam", START + HOUR, "usr_op", "leak", START)
    check(None, None, START)
    check(found, lift, START)
    for letting, now in ((None, START), (lift, START + HOUR)):
        with pytest.raises(Conflict) as refused:
            check(found, letting, now)
        assert refused.value.code == "change-frozen"
        assert "2026-06-30T03:00:00+00:00" in refused.value.message


class Policy:
    """One class."""

    def __init__(self) -> None:
        self.scaling_classes: Mapping[str, ScalingClass] = {
            "standard": a_scaling_class(freeze_before=12 * HOUR)
        }
        self.scaling_default = "standard"


def test_who_lifts_it_is_kept_and_may_take_that_back(
    database: Database, clock: ManualClock
) -> None:
    stores, environment = ScalingStores(), an_environment(scaling_class="gone")
    clock.set(START - HOUR)
    freezing = Freezing(stores, Policy, clock)

    def refused(code: str, **how: object) -> None:
        with pytest.raises(CloudmgrError) as found, database.write() as tx:
            freezing.lift(tx, environment, **{"actor": "usr_op", "why": "leak", **how})  # type: ignore[arg-type]
        assert found.value.code == code

    refused("not-frozen")
    with database.write() as tx:
        stores.windows.add(tx, replace(WINDOW, environment_id=environment.id))
        assert freezing.frozen(tx, environment) is not None
    refused("in-the-past", until=START - HOUR)
    refused("reason-missing", why=" ")
    with database.write() as tx:
        made = freezing.lift(tx, environment, actor="usr_op", why="leak")
        assert made.until == START + 2 * HOUR, "not beyond the freeze"
        freezing.lift(tx, environment, actor="usr_op", why="leak", until=START)
    with database.read() as tx:
        assert freezing.frozen(tx, environment) is None
        freezing.check(tx, environment)
        assert stores.freezes.lift(tx, environment.id) == replace(made, until=START)
    with database.write() as tx:
        freezing.restore(tx, environment)
        assert freezing.frozen(tx, environment) is not None
    with pytest.raises(Conflict, match="nobody has lifted"), database.write() as tx:
        freezing.restore(tx, environment)
    with database.write() as tx:
        freezing.lift(tx, environment, actor="usr_op", why="leak", until=START)
    clock.set(START)
    with database.write() as tx:
        assert freezing.frozen(tx, environment) is not None, "the lift is over"
        stores.forget(tx, environment.id)
        assert stores.freezes.lift(tx, environment.id) is None
