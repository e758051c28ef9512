"""What is seen, and told of it: once, and again when it comes back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.hosting.requests import RequestState, Verdict
from cloudmgr.interval import Interval
from cloudmgr.notices.notice import Kind
from cloudmgr.pools.capacity import Resources
from cloudmgr.scaling.readiness import Check, Moment, Readiness, Word
from cloudmgr.scaling.readiness import Kind as CheckKind
from cloudmgr.scaling.series import PeakSeries, Unmet
from cloudmgr.scaling.wakes import Wake, WakeCause
from tests.builders import a_component, a_window
from tests.hosting.office import OFFICER, SIGNERS
from tests.wiring.watched import DAY, MINUTE, Watched

if TYPE_CHECKING:
    from pathlib import Path


ROOM, LITTLE = Resources(8_000, 16_384, 100), Resources(1_000, 2_048, 100)


@pytest.fixture
def office(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "office")


# ----------------------------------------------------------------------------------- requests


def test_a_request_that_is_approved_is_told_when_it_is_carried_out(office: Watched) -> None:
    request = office.submit(office.ask())
    assert office.told() == []
    office.signed(request)
    (told,) = office.told()
    assert (told.kind, told.about_id, told.department_id) == (
        Kind.APPROVED,
        request.id,
        "dep_exam",
    )
    assert "（prod）" in told.zh


def test_a_request_that_policy_denies_is_told_with_its_reasons(office: Watched) -> None:
    request = office.submit(office.ask(a_component(min_replicas=100, max_replicas=100)))
    assert request.state is RequestState.DENIED
    (told,) = office.told()
    assert told.kind is Kind.REFUSED
    assert request.decision.reasons[0].zh in told.zh
    assert request.decision.reasons[0].en in told.en


def test_a_request_that_a_person_rejects_is_told_with_who_and_why(office: Watched) -> None:
    request = office.submit(office.ask())
    who = SIGNERS[request.pending[0].role]
    with office.plane.database.write() as tx:
        office.plane.desk.decide(tx, request, who, verdict=Verdict.REJECT, reason="先整合旧系统")
    (told,) = office.told()
    assert told.kind is Kind.REFUSED
    assert f"{who.login}: 先整合旧系统" in told.en


def test_a_request_for_which_no_room_is_left_is_told_as_refused(office: Watched) -> None:
    request = office.submit(office.ask())
    office.room(Resources(100, 100, 1))
    failed = office.signed(request)
    assert failed.state is RequestState.FAILED
    (told,) = office.told()
    assert told.kind is Kind.REFUSED
    assert failed.message in told.en


def test_what_is_cancelled_by_oneself_is_no_news(office: Watched) -> None:
    request = office.submit(office.ask())
    with office.plane.database.write() as tx:
        office.plane.desk.cancel(tx, request, OFFICER, "改期")
    assert office.told() == []


# ----------------------------------------------------------------------------------- promises


def test_a_promise_at_risk_is_told_once_and_so_is_that_it_is_safe_again(office: Watched) -> None:
    office.host()
    window = office.book()
    office.lookout.promises()
    assert office.told() == []
    office.room(LITTLE)
    office.lookout.promises()
    office.lookout.promises()
    (told,) = office.told()
    assert (told.kind, told.about_id, told.lapses_at) == (
        Kind.AT_RISK,
        window.id,
        window.interval.end,
    )
    assert "outer" in told.en
    office.room(ROOM)
    office.lookout.promises()
    office.lookout.promises()
    office.room(LITTLE)
    office.lookout.promises()
    assert office.kinds() == [Kind.AT_RISK, Kind.SAFE, Kind.AT_RISK]


def test_of_a_pool_that_does_not_answer_nothing_is_told(office: Watched) -> None:
    office.host()
    office.book()
    office.room(LITTLE)
    office.lookout.promises()
    del office.plane.drivers["pool_outer"]
    office.lookout.promises()
    assert office.kinds() == [Kind.AT_RISK]


def test_a_peak_that_was_cancelled_is_neither_safe_nor_at_risk(office: Watched) -> None:
    office.host()
    window = office.book()
    office.room(LITTLE)
    office.lookout.promises()
    with office.plane.database.write() as tx:
        office.plane.stores.scaling.windows.cancel(tx, window, office.now)
    office.lookout.promises()
    assert office.kinds() == [Kind.AT_RISK]


# ------------------------------------------------------------------------------------ windows


def test_a_peak_that_operators_book_is_told_and_of_a_series_its_first(office: Watched) -> None:
    office.host()
    office.book(id="win_one")
    office.book(id="win_asked", request_id="req_1")
    office.book(id="win_old", created_at=office.now - 8 * DAY)
    office.lookout.windows()
    office.lookout.windows()
    (told,) = office.told()
    assert (told.kind, told.about_id) == (Kind.BOOKED, "win_one")
    with office.plane.database.write() as tx:
        for number in range(3):
            window = a_window(
                office.now + (2 + number) * DAY,
                office.now + (2 + number) * DAY + timedelta(hours=1),
                id=f"win_s{number}",
                environment_id="env_exam",
                created_at=office.now,
            )
            office.plane.stores.scaling.windows.add(tx, replace(window, series_id="ser_1"))
    office.lookout.windows()
    office.lookout.windows()
    told = office.told()[-1]
    assert (len(office.told()), told.about_id) == (2, "win_s0")
    assert "So are 2 more of its series" in told.en


# ------------------------------------------------------------------------------------- checks


def test_what_is_seen_ahead_of_a_peak_is_told_once_and_again_when_it_turns(
    office: Watched,
) -> None:
    office.host()
    window = office.book()

    def see(word: Word, later: timedelta) -> None:
        check = Check(
            CheckKind.IMAGES, word, "镜像缺失。", "An image is missing.", "推送。", "Push it."
        )
        seen = Readiness(window.id, Moment.ASKED, office.now + later, (check,), "usr_bob")
        with office.plane.database.write() as tx:
            office.plane.stores.scaling.readiness.add(tx, seen)
        office.lookout.checks()
        office.lookout.checks()

    see(Word.NOT_KNOWN, timedelta())
    assert office.told() == []
    see(Word.AT_RISK, MINUTE)
    (told,) = office.told()
    assert told.kind is Kind.UNPREPARED
    assert "An image is missing. Push it." in told.en
    see(Word.READY, 2 * MINUTE)
    see(Word.READY, 3 * MINUTE)
    assert office.kinds() == [Kind.UNPREPARED, Kind.PREPARED]


def test_a_peak_that_is_ready_beyond_a_budget_is_ready_and_the_budget_is_told(
    office: Watched,
) -> None:
    office.host()
    window = office.book()
    checks = (
        Check(CheckKind.IMAGES, Word.READY, "已取得", "they are there"),
        Check(CheckKind.BUDGET, Word.WARNED, "超出预算", "it exceeds the budget", "调整", "plan"),
    )
    with office.plane.database.write() as tx:
        office.plane.stores.scaling.readiness.add(
            tx, Readiness(window.id, Moment.ASKED, office.now, checks, "usr_bob")
        )
    office.lookout.checks()
    (told,) = office.told()
    assert told.kind is Kind.PREPARED
    assert told.zh.endswith("请注意：超出预算。")
    assert told.en.endswith("Mind: it exceeds the budget.")


# -------------------------------------------------------------------------------------- wakes


def wake(office: Watched, by: timedelta, **changes: Any) -> Wake:
    """One that was promised ``by`` from now."""
    at = office.now + by
    made = Wake("env_exam", WakeCause.HOURS, at - 10 * MINUTE, at)
    with office.plane.database.write() as tx:
        return office.plane.stores.scaling.wakes.put(tx, replace(made, **changes))


def test_a_wake_that_is_late_is_told_and_again_once_it_has_missed(office: Watched) -> None:
    office.host()
    late = wake(office, -5 * MINUTE)
    office.lookout.wakes()
    office.lookout.wakes()
    assert office.kinds() == [Kind.LATE]
    with office.plane.database.write() as tx:
        office.plane.stores.scaling.wakes.put(tx, replace(late, ready_at=office.now))
    office.lookout.wakes()
    office.lookout.wakes()
    assert office.kinds() == [Kind.LATE, Kind.MISSED]


def test_a_wake_that_kept_its_promise_or_was_a_test_or_is_old_is_no_news(office: Watched) -> None:
    office.host()
    wake(office, -5 * MINUTE, ready_at=office.now - 6 * MINUTE)
    wake(office, -5 * MINUTE, cause=WakeCause.TEST)
    wake(office, -8 * DAY)
    wake(office, 5 * MINUTE)
    wake(office, timedelta(seconds=-5))  # it may be there within the minute
    office.lookout.wakes()
    assert office.told() == []


def test_a_wake_that_ended_without_anybody_ready_says_so(office: Watched) -> None:
    office.host()
    wake(office, -5 * MINUTE, ended_at=office.now - MINUTE)
    office.lookout.wakes()
    assert "and never was" in office.told()[0].en


def test_a_test_that_failed_is_told_once_it_is_over(office: Watched) -> None:
    office.host()
    wake(office, -5 * MINUTE, cause=WakeCause.TEST, ready_at=office.now - 6 * MINUTE)
    running = wake(office, -4 * MINUTE, cause=WakeCause.TEST)
    office.lookout.wakes()
    assert office.told() == []
    with office.plane.database.write() as tx:
        office.plane.stores.scaling.wakes.put(tx, replace(running, ended_at=office.now))
    office.lookout.wakes()
    office.lookout.wakes()
    (told,) = office.told()
    assert told.kind is Kind.TEST_FAILED
    assert "woken for a test" in told.en


# ------------------------------------------------------------------------------------- series


def test_a_date_that_cannot_be_promised_is_told_once_with_the_reason(office: Watched) -> None:
    office.host()
    date = Interval(office.now + 3 * DAY, office.now + 3 * DAY + timedelta(hours=8))
    over = Interval(office.now - DAY, office.now - DAY + timedelta(hours=8))
    short = tuple(
        Unmet(one.start.date(), one, "主机不足", "two hosts are missing", office.now)
        for one in (over, date)
    )
    series = PeakSeries("ser_1", "env_exam", "web", "{}", 4, "", "usr_bob", office.now, unmet=short)
    with office.plane.database.write() as tx:
        office.plane.stores.scaling.series.add(tx, series)
        ended = replace(series, id="ser_2", ended_at=office.now)
        office.plane.stores.scaling.series.add(tx, ended)
    office.lookout.series()
    office.lookout.series()
    (told,) = office.told()
    assert (told.kind, told.about_id) == (Kind.UNMET, "ser_1")
    assert "two hosts are missing" in told.en
    assert "主机不足" in told.zh
