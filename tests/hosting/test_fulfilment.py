"""Between a request and its fulfilment the world goes on: who signs, what is left, what is gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudmgr.errors import Conflict, Forbidden, Invalid, NotFound, Temporary
from cloudmgr.hosting.assessment import Draft
from cloudmgr.hosting.environments import Purpose
from cloudmgr.hosting.requests import EnvironmentAsk, RequestKind, RequestState, Verdict
from cloudmgr.pools.capacity import Resources, Room, Sizes
from tests.builders import a_component, a_system, a_version
from tests.fakes import InstantPool, Unfenced
from tests.hosting.office import Office, Person


def resize(environment_id: str | None, **component: object) -> Draft:
    ask = EnvironmentAsk("prod", Purpose.PRODUCTION, (a_component(**component),))
    return Draft(RequestKind.RESIZE, "sys_exam", environment_id, ask, (), "人数增加")


def test_nobody_signs_in_a_role_that_is_not_theirs(office: Office) -> None:
    request = office.submit(office.ask())
    role = request.pending[0].role
    stranger = Person("eve", frozenset({"finance"}))
    with office.plane.database.write() as tx, pytest.raises(Forbidden) as refused:
        office.plane.desk.decide(
            tx, request, stranger, verdict=Verdict.APPROVE, reason="", role=role
        )
    assert refused.value.code == "role-missing"
    with office.plane.database.read() as tx:
        assert office.plane.stores.requests.get(tx, request.id).approvals == ()


def test_a_request_whose_environment_is_gone_by_the_signature_fails_and_says_so(
    office: Office,
) -> None:
    made = office.hosted()
    waiting = office.submit(resize(made.environment_id, max_replicas=4))
    assert waiting.pending
    (environment,) = office.environments()
    with office.plane.database.write() as tx:
        office.plane.stores.environments.delete(tx, environment)
    done = office.signed(waiting)
    assert done.state is RequestState.FAILED
    assert environment.id in done.message


def test_the_second_of_two_requests_for_one_name_fails_in_words_of_ours(office: Office) -> None:
    one, two = office.submit(office.ask()), office.submit(office.ask())
    assert office.signed(one).state is RequestState.FULFILLED
    done = office.signed(two)
    assert done.state is RequestState.FAILED
    assert "gaokao-prod.extranet.localhost is taken" in done.message


def test_a_resize_that_no_longer_fits_by_the_signature_fails_and_changes_nothing(
    office: Office,
) -> None:
    made = office.hosted(a_component(cpu_millis=1_000, max_replicas=1))
    waiting = office.submit(resize(made.environment_id, cpu_millis=5_000, max_replicas=1))
    assert waiting.state is RequestState.AWAITING_APPROVAL
    other = office.ask(a_component(cpu_millis=4_000, max_replicas=1), name="other")
    assert office.signed(office.submit(other)).state is RequestState.FULFILLED
    done = office.signed(waiting)
    assert done.state is RequestState.FAILED
    assert "no pool can take it now" in done.message
    assert {e.components[0].cpu_millis for e in office.environments()} == {1_000, 4_000}


def test_a_resize_keeps_no_more_replicas_than_its_pool_can_carry_at_the_new_size(
    office: Office,
) -> None:
    made = office.hosted(a_component(cpu_millis=500, max_replicas=8))
    (environment,) = office.environments()
    with office.plane.database.write() as tx:
        office.plane.stores.environments.set_target(tx, environment, {"web": 8})
    done = office.signed(
        office.submit(resize(made.environment_id, cpu_millis=2_000, max_replicas=8))
    )
    assert done.state is RequestState.FULFILLED, done.message
    (after,) = office.environments()
    assert after.target == {"web": 4}  # 8 cores
    assert after.held.fits(Resources(8_000, 16_384, 100))


def test_what_sleeps_sleeps_on_after_a_resize(office: Office) -> None:
    made = office.hosted()
    (environment,) = office.environments()
    with office.plane.database.write() as tx:
        office.plane.stores.environments.set_target(tx, environment, {"web": 0})
    office.signed(office.submit(resize(made.environment_id, min_replicas=2)))
    (after,) = office.environments()
    assert (after.hibernated, after.components[0].min_replicas) == (True, 2)


def test_an_order_on_a_component_that_a_resize_took_away_is_void(office: Office) -> None:
    pair = (a_component(max_replicas=2), a_component(name="jobs", port=None, max_replicas=2))
    made = office.hosted(*pair)
    assert made.environment_id is not None
    with office.plane.database.write() as tx:
        office.plane.scaling.scale(tx, made.environment_id, "jobs", 2, actor="usr_bob", why="积压")
    office.signed(office.submit(resize(made.environment_id, max_replicas=2)))
    office.plane.scaling_reconciler.reconcile(made.environment_id, Unfenced())
    with office.plane.database.read() as tx:
        assert office.plane.stores.scaling.scaling.orders(tx, made.environment_id) == ()


def test_a_pool_that_does_not_answer_is_not_called_too_small(office: Office) -> None:
    del office.plane.drivers["pool_outer"]
    request = office.submit(office.ask())
    assert request.state is RequestState.DENIED
    assert request.decision.fired[-1] == "pool-unreachable"
    assert not any("larger" in reason.en for reason in request.decision.reasons)


def test_while_a_pool_does_not_answer_nothing_is_denied_or_failed_for_good(office: Office) -> None:
    waiting = office.submit(office.ask())
    pool = office.plane.drivers["pool_outer"]
    assert isinstance(pool, InstantPool)
    pool.failing = Temporary("it does not answer")
    with pytest.raises(Temporary, match="outer does not answer"):
        office.submit(office.ask(name="other"))
    while len(waiting.pending) > 1:
        waiting = office.sign(waiting)
    with pytest.raises(Temporary):
        office.sign(waiting)
    pool.failing = None
    assert office.sign(waiting).state is RequestState.FULFILLED


def test_an_image_is_not_placed_on_a_pool_that_runs_processes(office: Office) -> None:
    request = office.submit(office.ask(a_component(command=(), image="registry.gov/tax:2.4.1")))
    assert request.state is RequestState.DENIED
    assert "local-pools-run-commands" in request.decision.fired


def test_an_environment_of_another_department_is_not_known_to_the_desk(office: Office) -> None:
    made = office.hosted()
    with office.plane.database.write() as tx:
        other = a_system(id="sys_tax", code="tax", department_id="dep_tax")
        office.plane.stores.systems.add(tx, other)
    retire = Draft(RequestKind.RETIRE, "sys_tax", made.environment_id, reason="不是我们的")
    with pytest.raises(NotFound, match="no environment"):
        office.submit(retire)


def test_an_address_of_another_department_is_taken_and_its_name_not_told(office: Office) -> None:
    """``gaokao`` + ``a-b`` and ``gaokao-a`` + ``b`` would have one host name."""
    with office.plane.database.write() as tx:
        office.plane.stores.systems.add(
            tx, a_system(id="sys_other", code="gaokao-prod", department_id="dep_exam")
        )
    assert office.signed(office.submit(office.ask(name="prod-a"))).environment_id
    draft = replace(office.ask(name="a"), system_id="sys_other")
    with pytest.raises(Invalid) as refused:
        office.submit(draft)
    assert refused.value.code == "name-taken"
    assert "gaokao-prod has an environment" not in refused.value.message


def test_code_and_name_together_fit_into_one_label_of_an_address(office: Office) -> None:
    with office.plane.database.write() as tx:
        long = a_system(id="sys_long", code="a" * 40, department_id="dep_exam")
        office.plane.stores.systems.add(tx, long)
    with pytest.raises(Invalid) as refused:
        office.submit(replace(office.ask(name="b" * 23), system_id="sys_long"))
    assert dict(refused.value.problems).keys() == {"environment.name"}
    office.submit(replace(office.ask(name="b" * 22), system_id="sys_long"))


def test_a_department_that_has_ended_asks_for_nothing_more_but_may_let_go(office: Office) -> None:
    made = office.hosted()
    stores, clock = office.plane.stores, office.plane.clock
    with office.plane.database.write() as tx:
        department = stores.departments.get(tx, "dep_exam")
        now = clock.now()
        end = a_version(valid_from=now, billing_account_id="acc_exam", active=False)
        stores.departments.add_version(tx, department, end, now)
    with pytest.raises(Conflict) as refused:
        office.submit(office.ask(name="more"))
    assert refused.value.code == "department-ended"
    retire = Draft(RequestKind.RETIRE, "sys_exam", made.environment_id, reason="部门撤销")
    assert office.signed(office.submit(retire)).state is RequestState.FULFILLED


FLAVORS = Sizes((Resources(1_000, 1_024), Resources(4_000, 8_192)))


def in_flavors(office: Office) -> None:
    """The office's pool gives itself away in these sizes."""
    office.plane.drivers["pool_outer"] = InstantPool(Resources(8_000, 16_384, 100), FLAVORS)


def test_a_pool_of_flavors_promises_what_a_replica_takes_and_not_what_it_asks(
    office: Office,
) -> None:
    in_flavors(office)
    little = a_component(cpu_millis=100, memory_mib=64, min_replicas=7, max_replicas=8)
    made = office.hosted(little)
    with office.plane.database.read() as tx:
        (view,) = [v for v in office.plane.city.views(tx) if v.pool.name == "outer"]
    assert view.allocated == Resources(7_000, 7_168)
    other = office.submit(office.ask(replace(little, min_replicas=2), name="other"))
    assert other.state is RequestState.DENIED
    assert "no-room" in other.decision.fired
    assert made.environment_id is not None
    with office.plane.database.write() as tx:
        office.plane.scaling.scale(tx, made.environment_id, "web", 8, actor="usr_bob", why="高峰")
    office.plane.scaling_reconciler.reconcile(made.environment_id, Unfenced())
    (environment,) = office.environments()
    assert environment.target == {"web": 8}, "eight of a core each, and eight cores"
    with office.plane.database.write() as tx:
        assert office.plane.city.free(tx, environment) == Room(Resources(0, 8_192, 100), FLAVORS)


def test_what_is_paid_for_on_a_pool_of_flavors_is_what_is_estimated(office: Office) -> None:
    little = a_component(cpu_millis=100, memory_mib=64, max_replicas=2)
    whole = a_component(cpu_millis=1_000, memory_mib=1_024, max_replicas=2)
    dear = office.submit(office.ask(whole)).estimate
    assert office.submit(office.ask(little)).estimate != dear
    in_flavors(office)
    assert office.submit(office.ask(little)).estimate == dear


def test_what_no_flavor_holds_is_not_placed_on_a_pool_of_flavors(office: Office) -> None:
    in_flavors(office)
    request = office.submit(office.ask(a_component(cpu_millis=5_000, max_replicas=1)))
    assert request.state is RequestState.DENIED
    assert "no-host-fits" in request.decision.fired
