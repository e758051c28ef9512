"""A peak is promised or refused: when it is assessed, and when it is fulfilled; and is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import Temporary
from cloudmgr.hosting.assessment import Draft
from cloudmgr.hosting.environments import EnvironmentStatus, Purpose
from cloudmgr.hosting.requests import EnvironmentAsk, RequestKind, RequestState, WindowAsk
from cloudmgr.policy.decision import Outcome
from cloudmgr.pools.capacity import Resources
from tests.builders import a_component
from tests.fakes import InstantPool
from tests.hosting.office import OFFICER, Office

if TYPE_CHECKING:
    from cloudmgr.hosting.assessment import Assessment

LARGE = a_component(cpu_millis=1_000, memory_mib=512, max_replicas=8)


def peak(office: Office, environment_id: str | None, replicas: int, *, day: int = 40) -> Draft:
    starts_at = office.plane.clock.now() + timedelta(days=day)
    ask = WindowAsk("web", starts_at, starts_at + timedelta(hours=3), replicas)
    return Draft(RequestKind.PEAK, "sys_exam", environment_id, windows=(ask,), reason="报名")


def tried(office: Office, draft: Draft) -> Assessment:
    with office.plane.database.read() as tx:
        return office.plane.desk.dry_run(tx, draft, OFFICER)


def lose_hosts(office: Office, cores: int) -> None:
    """The outer pool has so many cores from now on."""
    office.plane.drivers["pool_outer"] = InstantPool(Resources(cores * 1_000, 16_384, 100))


@pytest.fixture
def two(office: Office) -> tuple[str, str]:
    """Two environments on a pool of 8 cores, each of at most 8 replicas of a core."""
    ids = []
    for name in ("prod", "more"):
        request = office.signed(office.submit(office.ask(LARGE, name=name)))
        assert request.environment_id is not None, request.message
        ids.append(request.environment_id)
    return ids[0], ids[1]


def test_a_peak_that_collides_is_denied_with_reason_system_and_what_would_fit(
    office: Office, two: tuple[str, str]
) -> None:
    one, other = two
    assert office.signed(office.submit(peak(office, one, 5))).state is RequestState.FULFILLED
    found = tried(office, peak(office, other, 5))
    assert found.decision.outcome is Outcome.DENY
    (told,) = found.promises
    assert told.answer.worst.missing == Resources(2_000)
    assert told.answer.replicas == 3
    assert [c.holder.system_code for c in told.answer.collisions] == ["gaokao"]
    reason = found.decision.reasons[-1]
    assert reason.rule == "promise-does-not-fit"
    assert "lacks 2 cores" in reason.en
    assert "College entrance enrolment (5 cores and 2.5 GiB of memory)" in reason.en
    assert "高考志愿填报" in reason.zh
    assert "最多 3 个副本" in reason.zh
    assert told.later is not None
    office_again = tried(office, peak(office, other, 3))
    assert office_again.decision.outcome is not Outcome.DENY
    assert office_again.promises[0].fits


def test_of_two_requests_that_fit_alone_the_second_signed_fails_in_both_languages(
    office: Office, two: tuple[str, str]
) -> None:
    # So near that somebody must sign.
    first = office.submit(peak(office, two[0], 5, day=1))
    second = office.submit(peak(office, two[1], 5, day=1))
    assert first.pending
    assert second.pending
    assert office.signed(second).state is RequestState.FULFILLED
    done = office.signed(first)
    assert done.state is RequestState.FAILED
    assert "do not fit into the pool outer" in done.message
    assert done.decision.reasons[-1].zh.startswith("组件 web 的 5 个副本")
    with office.plane.database.read() as tx:
        assert office.plane.stores.scaling.windows.list(tx, environment_ids=[two[0]]) == []


def test_what_wakes_by_itself_in_the_morning_keeps_its_room_beside_every_peak(
    office: Office, two: tuple[str, str]
) -> None:
    asked = peak(office, two[0], 8)
    assert tried(office, asked).promises[0].fits
    environments = office.plane.stores.environments
    with office.plane.database.write() as tx:
        sleeper = environments.get(tx, two[1])
        environments.delete(tx, sleeper)
        environments.add(tx, replace(sleeper, scaling_class="office"))
    (told,) = tried(office, asked).promises
    assert told.answer.worst.missing == Resources(1_000)
    assert told.answer.replicas == 7


def test_windows_of_one_request_count_together_by_the_largest(
    office: Office, two: tuple[str, str]
) -> None:
    assert office.signed(office.submit(peak(office, two[1], 3))).state is RequestState.FULFILLED
    draft = peak(office, two[0], 5)
    (ask,) = draft.windows
    again = WindowAsk("web", ask.starts_at, ask.ends_at, 5)
    both = Draft(RequestKind.PEAK, "sys_exam", two[0], windows=(ask, again), reason="报名")
    assert [told.fits for told in tried(office, both).promises] == [True, True]
    more = WindowAsk("web", ask.starts_at, ask.ends_at, 6)
    third = Draft(RequestKind.PEAK, "sys_exam", two[0], windows=(ask, more), reason="报名")
    assert [told.fits for told in tried(office, third).promises] == [True, False]


def test_while_the_pool_does_not_answer_nothing_is_promised_and_nothing_is_lost(
    office: Office, two: tuple[str, str]
) -> None:
    waiting = office.submit(peak(office, two[0], 5, day=1))
    pool = office.plane.drivers["pool_outer"]
    assert isinstance(pool, InstantPool)
    pool.failing = Temporary("the cluster does not answer")
    for act in (lambda: office.signed(waiting), lambda: tried(office, peak(office, two[0], 1))):
        with pytest.raises(Temporary) as refused:
            act()
        assert refused.value.code == "pool-unreachable"
        assert "does not answer now" in refused.value.message
    pool.failing = None
    assert office.signed(waiting).state is RequestState.FULFILLED


def test_a_new_environment_with_peaks_goes_where_they_can_be_promised(
    office: Office, two: tuple[str, str]
) -> None:
    assert office.signed(office.submit(peak(office, two[0], 5))).state is RequestState.FULFILLED
    windows = peak(office, None, 5).windows
    found = tried(office, office.ask(LARGE, name="third", windows=windows))
    assert found.location.pool_id is None
    (only,) = found.location.considered
    assert [reason.rule for reason in only.against] == ["promise-does-not-fit"]
    fewer = (WindowAsk("web", windows[0].starts_at, windows[0].ends_at, 3),)
    placed = tried(office, office.ask(LARGE, name="third", windows=fewer))
    assert placed.location.pool_id == "pool_outer"


def test_a_resize_may_not_grow_its_own_promise_over_the_room_there_is(
    office: Office, two: tuple[str, str]
) -> None:
    assert office.signed(office.submit(peak(office, two[0], 8))).state is RequestState.FULFILLED
    larger = a_component(cpu_millis=1_500, memory_mib=512, max_replicas=8)
    ask = EnvironmentAsk("prod", Purpose.PRODUCTION, (larger,))
    found = tried(office, Draft(RequestKind.RESIZE, "sys_exam", two[0], ask, reason="扩容"))
    rules = [reason.rule for reason in found.decision.reasons]
    assert "room-is-promised" in rules


def test_when_hosts_are_lost_promises_are_at_risk_until_the_peak_is_cancelled(
    office: Office, two: tuple[str, str]
) -> None:
    plane = office.plane
    for environment_id, replicas in ((two[0], 5), (two[1], 3)):
        done = office.signed(office.submit(peak(office, environment_id, replicas)))
        assert done.state is RequestState.FULFILLED
    with plane.database.read() as tx:
        pool = plane.stores.pools.get(tx, "pool_outer")
        assert plane.promises.at_risk(tx, pool).lost == ()
    lose_hosts(office, 6)
    with plane.database.read() as tx:
        risk = plane.promises.at_risk(tx, pool)
        (lost,) = risk.lost
        told = risk.told(lost, plane.clock.now())
    assert lost.environment_id == two[1], "the one that was booked last"
    assert told.answer.worst.missing == Resources(2_000)
    with plane.database.write() as tx:
        plane.scaling.cancel_window(tx, lost.id, actor="usr_bob", why="机房断电")
        assert plane.promises.at_risk(tx, pool).lost == ()


def test_of_a_pool_that_does_not_answer_nobody_says_that_promises_are_at_risk(
    office: Office, two: tuple[str, str]
) -> None:
    office.signed(office.submit(peak(office, two[0], 5)))
    pool = office.plane.drivers["pool_outer"]
    assert isinstance(pool, InstantPool)
    pool.failing = Temporary("the cluster does not answer")
    with office.plane.database.read() as tx:
        (inner, outer) = office.plane.promises.all_at_risk(tx)
    assert (inner.pool.name, inner.lost, outer.pool.name) == ("inner", (), "outer")
    assert outer.risk is None


def test_the_metrics_count_promises_at_risk_by_pool_and_criticality(
    office: Office, two: tuple[str, str]
) -> None:
    office.signed(office.submit(peak(office, two[0], 5)))
    lose_hosts(office, 2)
    value = office.plane.registry.get_sample_value
    assert value("cloudmgr_promises_at_risk", {"pool": "outer", "criticality": "3"}) == 1
    assert value("cloudmgr_promises_at_risk", {"pool": "outer", "criticality": "4"}) == 0
    assert value("cloudmgr_promises_unknown", {"pool": "outer"}) == 0


def test_what_is_being_retired_is_promised_nothing_any_more(
    office: Office, two: tuple[str, str]
) -> None:
    office.signed(office.submit(peak(office, two[0], 8)))
    assert not tried(office, peak(office, two[1], 8)).promises[0].fits
    with office.plane.database.write() as tx:
        environment = office.plane.stores.environments.get(tx, two[0])
        assert environment.status == EnvironmentStatus()
        office.plane.stores.environments.set_retiring(tx, environment)
    assert tried(office, peak(office, two[1], 8)).promises[0].fits
