"""What is seen of a window a week and a day ahead."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from cloudmgr.conditions import Condition, Status
from cloudmgr.errors import Conflict
from cloudmgr.hosting.environments import EnvironmentStatus
from cloudmgr.scaling.lead import Lead
from cloudmgr.scaling.readiness import (
    Facts,
    Kind,
    Moment,
    Promised,
    Readiness,
    Spending,
    Word,
    check_ahead,
    due,
    next_at,
)
from cloudmgr.scaling.readiness_verdicts import FRESH, verdicts
from cloudmgr.scaling.store import ScalingStores
from cloudmgr.scaling.wakes import Wake, WakeCause
from tests.builders import a_component, a_window, an_environment
from tests.scaling.rig import HOUR, NOW

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.scaling.readiness import Check

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
ZONE = ZoneInfo("Asia/Shanghai")
STORE = ScalingStores().readiness


def serving(**changes: Any) -> Environment:
    """One that is awake and Ready."""
    conditions = [
        Condition("Applied", Status.TRUE, "AsApproved", "", 1, NOW - DAY),
        Condition("Available", Status.TRUE, "Serving", "", 1, NOW - DAY),
    ]
    status = EnvironmentStatus(1, tuple(conditions))
    return an_environment(**{"status": status, **changes})


def asleep(*conditions: Condition) -> Environment:
    return serving(
        target={"web": 0},
        status=EnvironmentStatus(
            1, (*conditions, Condition("Available", Status.TRUE, "Hibernated", "", 1, NOW))
        ),
        components=(a_component(image="registry/web:1", command=()),),
    )


def a_wake(ago: timedelta, took: timedelta, within: timedelta = 3 * MINUTE) -> Wake:
    at = NOW - ago
    return Wake("env_exam", WakeCause.TEST, at, at + within, at + took, begun_at=at)


def seen(environment: Environment, **changes: Any) -> dict[Kind, Check]:
    facts = Facts(
        a_window(NOW + DAY, NOW + DAY + HOUR),
        environment,
        Promised(kept=True),
        (),
        Lead(10 * MINUTE, 10 * MINUTE, 4 * MINUTE, 5),
        ZONE,
        (Spending(of_system=False, exceeds=False, percent=80),),
    )
    return {one.kind: one for one in verdicts(replace(facts, **changes), NOW)}


def test_what_serves_on_a_pool_with_room_is_ready_in_everything() -> None:
    found = seen(serving())
    assert set(found) == set(Kind)
    assert {one.word for one in found.values()} == {Word.READY}
    assert not any(one.do_zh or one.do_en for one in found.values())


def test_whatever_is_not_ready_says_why_and_what_to_do_in_both_languages() -> None:
    found = [
        *seen(asleep(), promised=Promised(None), lead=Lead(MINUTE, MINUTE, None, 1)).values(),
        *seen(serving(retiring=True), lead=Lead(MINUTE, MINUTE, 4 * MINUTE, 9)).values(),
        *(
            seen(serving(), spending=some)[Kind.BUDGET]
            for some in (
                (),
                (Spending(of_system=True, exceeds=None),),
                (Spending(of_system=True, exceeds=True),),
            )
        ),
    ]
    for one in found:
        assert one.zh and one.en  # noqa: PT018 - one thing
        if one.word is not Word.READY:
            assert one.do_zh and one.do_en  # noqa: PT018 - one thing


def test_a_promise_that_its_pool_cannot_keep_is_at_risk_with_the_pools_own_reason() -> None:
    lost = seen(serving(), promised=Promised(kept=False, zh="缺 2 核", en="it lacks 2 cores"))
    assert lost[Kind.CAPACITY].word is Word.AT_RISK
    assert (lost[Kind.CAPACITY].zh, lost[Kind.CAPACITY].en) == ("缺 2 核", "it lacks 2 cores")
    silent = seen(serving(), promised=Promised(None))
    assert silent[Kind.CAPACITY].word is Word.NOT_KNOWN


def test_more_than_is_approved_cannot_be_ready() -> None:
    small = serving(components=(a_component(max_replicas=4),))
    found = seen(small)[Kind.CAPACITY]
    assert found.word is Word.AT_RISK
    assert "4 of web" in found.en
    gone = seen(serving(components=(a_component(name="api"),)))[Kind.CAPACITY]
    assert gone.word is Word.AT_RISK


def test_a_sleeper_is_as_healthy_as_its_last_wake_was() -> None:
    assert seen(asleep())[Kind.HEALTH].word is Word.NOT_KNOWN
    kept, missed = a_wake(3 * DAY, MINUTE), a_wake(5 * DAY, 9 * MINUTE)
    assert seen(asleep(), wakes=(kept, missed))[Kind.HEALTH].word is Word.READY
    assert seen(asleep(), wakes=(missed, kept))[Kind.HEALTH].word is Word.AT_RISK
    stale = a_wake(FRESH + DAY, MINUTE)
    assert seen(asleep(), wakes=(stale,))[Kind.HEALTH].word is Word.NOT_KNOWN
    # One that was called off tells nothing; the one before it does.
    dropped = replace(a_wake(DAY, MINUTE), ready_at=None, ended_at=NOW - DAY)
    assert seen(asleep(), wakes=(dropped, missed))[Kind.HEALTH].word is Word.AT_RISK


def test_the_day_of_a_wake_is_told_in_the_citys_time() -> None:
    # At 23:30 UTC it is the next day in Shanghai.
    at = NOW.replace(hour=23, minute=30) - 3 * DAY
    wake = Wake("env_exam", WakeCause.TEST, at, at + HOUR, at + MINUTE, begun_at=at)
    assert f"{at + DAY:%Y-%m-%d}" in seen(asleep(), wakes=(wake,))[Kind.HEALTH].en


def test_what_others_changed_or_the_pool_refused_or_is_not_ready_is_at_risk() -> None:
    drift = Condition("Drifted", Status.TRUE, "ChangedByOthers", "web: image", 1, NOW)
    assert seen(asleep(drift))[Kind.HEALTH].word is Word.AT_RISK
    refused = Condition("Applied", Status.FALSE, "Refused", "no such size", 1, NOW)
    found = seen(asleep(refused), wakes=(a_wake(DAY, MINUTE),))[Kind.HEALTH]
    assert found.word is Word.AT_RISK
    assert "no such size" in found.en
    short = Condition("Available", Status.FALSE, "TooFewReady", "ready: web 0 of 1", 1, NOW)
    applied = Condition("Applied", Status.TRUE, "AsApproved", "", 1, NOW)
    awake = serving(status=EnvironmentStatus(1, (applied, short)))
    assert "web 0 of 1" in seen(awake)[Kind.HEALTH].en
    assert seen(an_environment())[Kind.HEALTH].word is Word.NOT_KNOWN


def test_an_image_that_cannot_be_had_is_told_as_the_driver_told_it() -> None:
    said = "web 0: its image registry/web:1 cannot be pulled: see that there is one of that name"
    problem = Condition("Healthy", Status.FALSE, "Problems", said, 1, NOW)
    found = seen(asleep(problem))[Kind.IMAGES]
    assert found.word is Word.AT_RISK
    assert "registry/web:1" in found.en


def test_images_of_a_sleeper_are_known_by_its_last_wake_alone() -> None:
    assert seen(asleep())[Kind.IMAGES].word is Word.NOT_KNOWN
    assert seen(asleep(), wakes=(a_wake(DAY, MINUTE),))[Kind.IMAGES].word is Word.READY
    assert seen(asleep(), wakes=(a_wake(2 * FRESH, MINUTE),))[Kind.IMAGES].word is Word.NOT_KNOWN


def test_one_that_starts_more_slowly_than_it_is_prepared_is_at_risk() -> None:
    slow = seen(serving(), lead=Lead(10 * MINUTE, 10 * MINUTE, 12 * MINUTE, 9))[Kind.LEAD]
    assert slow.word is Word.AT_RISK
    assert "12 min over 9 starts" in slow.en
    # Or hardly earlier than it takes, since policy allows no more.
    capped = Lead(240 * MINUTE, 10 * MINUTE, 230 * MINUTE, 9, capped=True)
    assert seen(serving(), lead=capped)[Kind.LEAD].word is Word.AT_RISK
    # Slower than its class says is no risk: it is prepared earlier.
    longer = Lead(15 * MINUTE, 10 * MINUTE, 12 * MINUTE, 9)
    assert seen(serving(), lead=longer)[Kind.LEAD].word is Word.READY
    assert seen(serving(), lead=Lead(MINUTE, MINUTE, None, 2))[Kind.LEAD].word is Word.NOT_KNOWN


@pytest.mark.parametrize(
    ("ahead", "done", "wanted"),
    [
        (8 * DAY, set(), None),
        (7 * DAY, set(), Moment.WEEK),
        (7 * DAY, {Moment.WEEK}, None),
        (DAY, {Moment.WEEK}, Moment.DAY),
        (DAY, {Moment.ASKED}, Moment.DAY),
        # Announced late, or nobody ran: the day says what the week would have said.
        (HOUR, set(), Moment.DAY),
        (HOUR, {Moment.DAY}, None),
        (timedelta(), set(), None),
        (-HOUR, set(), None),
    ],
)
def test_each_moment_comes_once_and_none_after_the_beginning(
    ahead: timedelta, done: set[Moment], wanted: Moment | None
) -> None:
    window = a_window(NOW + ahead, NOW + ahead + 2 * HOUR)
    assert due(window, done, NOW) is wanted
    assert due(replace(window, cancelled_at=NOW), done, NOW) is None


def test_it_is_told_when_it_is_looked_at_next() -> None:
    window = a_window(NOW + 8 * DAY, NOW + 9 * DAY)
    assert next_at(window, NOW) == NOW + DAY
    assert next_at(window, NOW + DAY) == NOW + 7 * DAY
    assert next_at(window, NOW + 7 * DAY) is None
    assert next_at(replace(window, cancelled_at=NOW), NOW) is None


def test_nobody_looks_ahead_to_what_has_begun_or_is_cancelled() -> None:
    window = a_window(NOW, NOW + HOUR)
    with pytest.raises(Conflict) as begun:
        check_ahead(window, NOW)
    assert begun.value.code == "window-begun"
    with pytest.raises(Conflict) as cancelled:
        check_ahead(replace(window, cancelled_at=NOW), NOW - HOUR)
    assert cancelled.value.code == "window-cancelled"


def test_the_whole_is_as_bad_as_its_worst() -> None:
    checks = tuple(seen(serving(), lead=Lead(MINUTE, MINUTE)).values())
    found = Readiness("win_1", Moment.DAY, NOW, checks)
    assert found.word is Word.NOT_KNOWN
    worse = replace(found, checks=(*checks, replace(checks[0], word=Word.AT_RISK)))
    assert worse.word is Word.AT_RISK
    assert replace(found, checks=checks[:1]).word is Word.READY


def test_what_was_seen_comes_back_as_it_was_and_a_moment_only_once(database: Database) -> None:
    checks = tuple(seen(asleep()).values())
    week = Readiness("win_1", Moment.WEEK, NOW - 6 * DAY, checks)
    asked = Readiness("win_1", Moment.ASKED, NOW, checks, actor="usr_1")
    with database.write() as tx:
        first = STORE.add(tx, week)
        second = STORE.add(tx, asked)
        third = STORE.add(tx, replace(asked, at=NOW + HOUR))
    assert replace(first, id="") == week
    with database.read() as tx:
        assert STORE.list(tx, "win_1") == [third, second, first]
        assert STORE.list(tx, "win_1", limit=1) == [third]
        assert STORE.done(tx, "win_1") == {Moment.WEEK, Moment.ASKED}
        assert STORE.latest(tx, ["win_1", "win_2"]) == {"win_1": third}
        assert STORE.latest(tx, []) == {}
    with pytest.raises(Conflict), database.write() as tx:
        STORE.add(tx, replace(week, at=NOW))


def test_a_year_that_will_exceed_a_budget_is_warned_of_and_hinders_no_peak() -> None:
    spending = (
        Spending(of_system=True, exceeds=True, percent=112),
        Spending(of_system=False, exceeds=False, percent=70),
    )
    found = seen(serving(), spending=spending)
    budget = found[Kind.BUDGET]
    assert budget.word is Word.WARNED
    assert "业务系统预算（112%）" in budget.zh
    assert "its system, at 112 %" in budget.en
    whole = Readiness("win_1", Moment.DAY, NOW, tuple(found.values()))
    assert whole.word is Word.WARNED


def test_without_a_budget_nothing_is_known_of_it_and_the_peak_is_ready_all_the_same() -> None:
    found = seen(serving(), spending=())
    assert found[Kind.BUDGET].word is Word.NOT_KNOWN
    assert Readiness("win_1", Moment.DAY, NOW, tuple(found.values())).word is Word.READY
    risky = seen(serving(retiring=True), spending=())
    assert Readiness("win_1", Moment.DAY, NOW, tuple(risky.values())).word is Word.AT_RISK


def test_of_two_budgets_the_one_that_is_nearer_to_its_end_is_told() -> None:
    spending = (
        Spending(of_system=True, exceeds=False, percent=20),
        Spending(of_system=False, exceeds=False, percent=70),
    )
    found = seen(serving(), spending=spending)[Kind.BUDGET]
    assert found.word is Word.READY
    assert found.zh == "预计全年费用在委办局预算之内，为预算的 70%"
    unsure = seen(serving(), spending=(spending[0], Spending(of_system=False, exceeds=None)))[
        Kind.BUDGET
    ]
    assert unsure.word is Word.NOT_KNOWN
