"""What becomes of requests, by the policies that are shipped and real pools' capacities."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cloudmgr.errors import Conflict, Forbidden, Invalid
from cloudmgr.hosting.assessment import Draft
from cloudmgr.hosting.environments import Purpose
from cloudmgr.hosting.requests import (
    EnvironmentAsk,
    RequestKind,
    RequestState,
    Verdict,
    WindowAsk,
)
from cloudmgr.policy.decision import Outcome
from cloudmgr.pools.pool import Pool, Zone
from tests.builders import a_component
from tests.hosting.office import APPROVER, OFFICER, Office, Person


def test_a_small_test_environment_is_hosted_without_anybody(office: Office) -> None:
    request = office.submit(office.ask(name="test", purpose=Purpose.TEST))
    assert request.state is RequestState.FULFILLED
    (environment,) = office.environments()
    assert environment.host == "gaokao-test.extranet.localhost"
    assert environment.target == {"web": 1}
    assert environment.pool_id == "pool_outer"


def test_production_waits_for_signatures_and_is_hosted_with_the_last(office: Office) -> None:
    request = office.submit(office.ask())
    assert request.state is RequestState.AWAITING_APPROVAL
    assert office.environments() == []
    done = office.signed(request)
    assert done.state is RequestState.FULFILLED
    assert done.decision.digest == office.plane.policies.current.digest
    assert len(office.environments()) == 1


def test_who_submits_cannot_sign_although_the_role_is_there(office: Office) -> None:
    request = office.submit(office.ask())
    with office.plane.database.write() as tx, pytest.raises(Forbidden) as refused:
        office.plane.desk.decide(tx, request, OFFICER, verdict=Verdict.APPROVE, reason="")
    assert refused.value.code == "four-eyes"


def test_a_rejection_needs_a_reason_and_both_stay(office: Office) -> None:
    request = office.submit(office.ask())
    with office.plane.database.write() as tx, pytest.raises(Invalid):
        office.plane.desk.decide(tx, request, APPROVER, verdict=Verdict.REJECT, reason=" ")
    with office.plane.database.write() as tx:
        office.plane.desk.decide(
            tx, request, APPROVER, verdict=Verdict.REJECT, reason="先并入统一平台"
        )
    with office.plane.database.read() as tx:
        kept = office.plane.stores.requests.get(tx, request.id)
    assert (kept.state, kept.message) == (RequestState.REJECTED, "先并入统一平台")
    assert office.environments() == []


def test_of_two_who_sign_the_same_version_one_is_refused(office: Office) -> None:
    request = office.submit(office.ask())
    with office.plane.database.write() as tx:
        office.plane.desk.decide(tx, request, APPROVER, verdict=Verdict.APPROVE, reason="")
    late = Person("eve", frozenset({"approver"}))
    with office.plane.database.write() as tx, pytest.raises(Conflict) as refused:
        office.plane.desk.decide(tx, request, late, verdict=Verdict.APPROVE, reason="")
    assert refused.value.code == "stale-version"


def test_a_component_larger_than_any_host_is_denied_with_the_reason_and_nothing_is_made(
    office: Office,
) -> None:
    request = office.submit(office.ask(a_component(cpu_millis=16_000, max_replicas=1)))
    assert request.state is RequestState.DENIED
    assert "no-host-fits" in request.decision.fired
    assert any("larger than any host" in reason.en for reason in request.decision.reasons)
    assert all(reason.zh for reason in request.decision.reasons)
    assert office.environments() == []


def test_a_dry_run_says_the_same_and_keeps_nothing(office: Office) -> None:
    with office.plane.database.read() as tx:
        assessment = office.plane.desk.dry_run(tx, office.ask(), OFFICER)
        assert office.plane.stores.requests.list(tx) == []
    assert assessment.decision.outcome is Outcome.NEEDS_APPROVAL
    assert assessment.location.pool_id == "pool_outer"
    assert 0 < assessment.estimate.low < assessment.estimate.high


def test_a_system_of_one_zone_is_never_placed_in_the_other(office: Office) -> None:
    request = office.hosted()
    assert request.pool_id == "pool_outer"
    with office.plane.database.read() as tx:
        pool: Pool = office.plane.stores.pools.get(tx, request.pool_id)
    assert pool.zone is Zone.EXTRANET


def test_room_that_is_gone_by_the_time_of_the_signature_fails_the_request_and_says_so(
    office: Office,
) -> None:
    big = a_component(cpu_millis=3_000, memory_mib=64, max_replicas=1)
    waiting = [office.submit(office.ask(replace(big), name=f"prod-{n}")) for n in range(3)]
    done = [office.signed(request) for request in waiting]
    states = [request.state for request in done]
    assert states == [RequestState.FULFILLED, RequestState.FULFILLED, RequestState.FAILED]
    assert "no pool can take it now" in done[-1].message
    assert len(office.environments()) == 2


def test_a_resize_changes_what_is_approved_and_keeps_the_target_within_it(office: Office) -> None:
    made = office.hosted(a_component(max_replicas=2))
    (before,) = office.environments()
    ask = EnvironmentAsk("prod", Purpose.PRODUCTION, (a_component(min_replicas=2, max_replicas=4),))
    draft = Draft(RequestKind.RESIZE, "sys_exam", made.environment_id, ask, (), "人数增加")
    done = office.signed(office.submit(draft))
    assert done.state is RequestState.FULFILLED, done.message
    (after,) = office.environments()
    assert after.components[0].max_replicas == 4
    assert after.target == {"web": 2}
    assert after.generation > before.generation


def test_a_resize_that_its_pool_cannot_carry_is_denied(office: Office) -> None:
    made = office.hosted()
    ask = EnvironmentAsk(
        "prod", Purpose.PRODUCTION, (a_component(cpu_millis=9_000, max_replicas=2),)
    )
    draft = Draft(RequestKind.RESIZE, "sys_exam", made.environment_id, ask, (), "扩容")
    assert office.submit(draft).state is RequestState.DENIED


def test_storage_cannot_shrink(office: Office) -> None:
    made = office.hosted(a_component(storage_gib=5, max_replicas=2))
    ask = EnvironmentAsk("prod", Purpose.PRODUCTION, (a_component(storage_gib=1, max_replicas=2),))
    with pytest.raises(Invalid, match="cannot shrink"):
        office.submit(Draft(RequestKind.RESIZE, "sys_exam", made.environment_id, ask))


def test_an_approved_peak_stands_in_the_calendar(office: Office) -> None:
    made = office.hosted()
    now = office.plane.clock.now()
    window = WindowAsk("web", now + timedelta(days=5), now + timedelta(days=5, hours=3), 2)
    draft = Draft(
        RequestKind.PEAK, "sys_exam", made.environment_id, None, (window,), "志愿填报截止"
    )
    done = office.signed(office.submit(draft))
    assert done.state is RequestState.FULFILLED
    with office.plane.database.read() as tx:
        (kept,) = office.plane.stores.scaling.windows.list(tx)
    assert (kept.replicas, kept.request_id) == (2, done.id)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"ends_at": timedelta(hours=-1)}, "windows[0].ends_at"),
        ({"replicas": 99}, "windows[0].replicas"),
        ({"component": "nobody"}, "windows[0].component"),
    ],
)
def test_a_window_that_cannot_be_is_refused_with_its_path(
    office: Office, change: dict[str, Any], path: str
) -> None:
    made = office.hosted()
    start = office.plane.clock.now() + timedelta(days=5)
    window = WindowAsk("web", start, start + timedelta(hours=3), 2)
    if "ends_at" in change:
        change = {"ends_at": start + change["ends_at"]}
    draft = Draft(
        RequestKind.PEAK, "sys_exam", made.environment_id, None, (replace(window, **change),)
    )
    with pytest.raises(Invalid) as refused:
        office.submit(draft)
    assert path in dict(refused.value.problems)
    with office.plane.database.read() as tx:
        assert len(office.plane.stores.requests.list(tx)) == 1


def test_every_fault_of_a_workload_is_told_at_once(office: Office) -> None:
    bad = a_component(name="Web!", cpu_millis=-5, max_replicas=0, command=(), health_path="x")
    with pytest.raises(Invalid) as refused:
        office.submit(office.ask(bad))
    paths = {path.rsplit(".", 1)[-1] for path, _sentence in refused.value.problems}
    assert {"name", "cpu_millis", "max_replicas", "health_path"} <= paths


def test_a_name_that_is_taken_is_refused(office: Office) -> None:
    office.hosted()
    with pytest.raises(Invalid) as refused:
        office.submit(office.ask())
    assert refused.value.code == "name-taken"


def test_a_retired_environment_takes_no_further_request(office: Office) -> None:
    made = office.hosted()
    retire = Draft(RequestKind.RETIRE, "sys_exam", made.environment_id, reason="系统下线")
    assert office.signed(office.submit(retire)).state is RequestState.FULFILLED
    (environment,) = office.environments()
    assert environment.retiring
    assert environment.target == {"web": 0}
    with pytest.raises(Conflict) as refused:
        office.submit(retire)
    assert refused.value.code == "retiring"


def test_what_was_decided_is_in_the_trail(office: Office) -> None:
    office.hosted()
    with office.plane.database.read() as tx:
        actions = [event.action for _number, event in office.plane.stores.audit.list(tx)]
    assert actions[0] == "request.fulfil"
    assert actions[-1] == "request.submit"
    assert "request.approve" in actions
