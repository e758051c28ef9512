"""Who may do what: the table of grants, read row by row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.errors import Forbidden, NotFound
from cloudmgr.identity.access import (
    GRANTS,
    Action,
    Reach,
    confine,
    may,
    reach,
    require,
    require_somewhere,
    scope_for,
)
from cloudmgr.identity.user import Principal, Role, Scope
from tests.builders import a_principal

OWN, OTHER = "dep_exam", "dep_tax"


def of(*roles: Role, department_id: str | None = OWN, scope: Scope = Scope.PORTAL) -> Principal:
    return a_principal(
        roles=frozenset(roles), department_id=department_id, scopes=frozenset({scope})
    )


def test_every_role_has_grants_and_every_action_is_granted_to_somebody() -> None:
    assert set(GRANTS) == set(Role)
    granted = {action for grants in GRANTS.values() for action in grants}
    assert granted == set(Action)


def test_every_kind_of_thing_can_be_read_by_somebody() -> None:
    kinds = {action.split(".")[0] for action in Action}
    assert {Action(f"{kind}.read") for kind in kinds} <= set(Action)


@pytest.mark.parametrize(
    "action",
    [
        Action.ENVIRONMENT_READ,
        Action.ENVIRONMENT_SCALE,
        Action.REQUEST_SUBMIT,
        Action.WINDOW_WRITE,
        Action.INVOICE_READ,
        Action.USAGE_READ,
    ],
)
def test_an_officer_does_it_at_home_and_nowhere_else(action: Action) -> None:
    officer = of(Role.DEPARTMENT_OFFICER)
    assert may(officer, action, OWN)
    assert not may(officer, action, OTHER)
    assert not may(officer, action, None)


@pytest.mark.parametrize(
    ("role", "action"),
    [
        (Role.DEPARTMENT_OFFICER, Action.REQUEST_APPROVE),
        (Role.DEPARTMENT_OFFICER, Action.AUDIT_READ),
        (Role.APPROVER, Action.ENVIRONMENT_SCALE),
        (Role.OPERATOR, Action.PERIOD_CLOSE),
        (Role.OPERATOR, Action.INVOICE_READ),
        (Role.OPERATOR, Action.USER_WRITE),
        (Role.FINANCE, Action.ENVIRONMENT_SCALE),
        (Role.FINANCE, Action.ENVIRONMENT_LOG),
        (Role.AUDITOR, Action.REQUEST_APPROVE),
        (Role.AUDITOR, Action.POOL_WRITE),
        (Role.ADMINISTRATOR, Action.REQUEST_SUBMIT),
        (Role.ADMINISTRATOR, Action.PERIOD_CLOSE),
        (Role.ADMINISTRATOR, Action.ENVIRONMENT_LOG),
    ],
)
def test_what_is_somebody_elses_to_do_is_forbidden(role: Role, action: Action) -> None:
    with pytest.raises(Forbidden) as refused:
        require_somewhere(of(role), action)
    assert refused.value.code == "role-missing"
    assert not may(of(role), action, OWN)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.FINANCE, Role.AUDITOR, Role.ADMINISTRATOR])
def test_the_citys_staff_sees_every_departments_environments(role: Role) -> None:
    assert confine(of(role, department_id=None), Action.ENVIRONMENT_READ) is None
    assert confine(of(role, department_id=None), Action.ENVIRONMENT_READ, OTHER) == OTHER


def test_an_approver_of_a_department_signs_there_and_one_of_none_signs_everywhere() -> None:
    assert reach(of(Role.APPROVER), Action.REQUEST_APPROVE) is Reach.OWN
    assert reach(of(Role.APPROVER, department_id=None), Action.REQUEST_APPROVE) is Reach.ALL


def test_a_user_without_roles_may_do_nothing() -> None:
    for action in Action:
        assert reach(of(), action) is None


def test_roles_add_up() -> None:
    both = of(Role.DEPARTMENT_OFFICER, Role.AUDITOR)
    assert may(both, Action.ENVIRONMENT_READ, OTHER)
    assert may(both, Action.ENVIRONMENT_SCALE, OWN)


def test_what_one_sees_but_may_not_change_is_forbidden_not_hidden() -> None:
    both = of(Role.DEPARTMENT_OFFICER, Role.AUDITOR)
    with pytest.raises(Forbidden):
        require(both, Action.ENVIRONMENT_SCALE, OTHER)


def test_another_departments_thing_is_not_found() -> None:
    officer = of(Role.DEPARTMENT_OFFICER)
    require(officer, Action.ENVIRONMENT_READ, OWN)
    for theirs in (OTHER, None):
        with pytest.raises(NotFound):
            require(officer, Action.ENVIRONMENT_READ, theirs)


def test_a_list_is_held_to_ones_own_department() -> None:
    officer = of(Role.DEPARTMENT_OFFICER)
    assert confine(officer, Action.REQUEST_READ) == OWN
    assert confine(officer, Action.REQUEST_READ, OWN) == OWN
    with pytest.raises(NotFound):
        confine(officer, Action.REQUEST_READ, OTHER)


@pytest.mark.parametrize(
    ("action", "scope"),
    [
        (Action.ENVIRONMENT_READ, Scope.READ),
        (Action.ENVIRONMENT_LOG, Scope.READ),
        (Action.ENVIRONMENT_SCALE, Scope.WRITE),
        (Action.REQUEST_APPROVE, Scope.WRITE),
        (Action.PERIOD_CLOSE, Scope.BILLING),
        (Action.ACCOUNT_WRITE, Scope.BILLING),
        (Action.USER_WRITE, Scope.ADMIN),
        (Action.POLICY_RELOAD, Scope.ADMIN),
        (Action.METRICS_READ, Scope.METRICS),
        (Action.SELF_WRITE, Scope.WRITE),
    ],
)
def test_each_action_takes_one_scope(action: Action, scope: Scope) -> None:
    assert scope_for(action) is scope


def test_a_token_without_the_scope_is_told_which_it_takes() -> None:
    with pytest.raises(Forbidden, match="write") as refused:
        require_somewhere(of(Role.OPERATOR, scope=Scope.READ), Action.ENVIRONMENT_SCALE)
    assert refused.value.code == "scope-missing"


@given(
    st.frozensets(st.sampled_from(Role)),
    st.frozensets(st.sampled_from(Scope)),
    st.sampled_from(Action),
    st.sampled_from([None, OWN, OTHER]),
    st.sampled_from([None, OWN]),
)
def test_more_roles_or_scopes_never_allow_less_and_may_agrees_with_require(
    roles: frozenset[Role],
    scopes: frozenset[Scope],
    action: Action,
    thing: str | None,
    home: str | None,
) -> None:
    principal = a_principal(roles=roles, scopes=scopes, department_id=home)
    allowed = may(principal, action, thing)
    everything = a_principal(
        roles=frozenset(Role), scopes=frozenset({Scope.PORTAL}), department_id=home
    )
    assert not allowed or may(everything, action, thing)
    try:
        require(principal, action, thing)
    except (Forbidden, NotFound):
        assert not allowed
    else:
        assert allowed


@given(st.sampled_from(Role), st.sampled_from(Action), st.sampled_from(Scope))
def test_nobody_of_one_department_reaches_another_unless_the_city_granted_it(
    role: Role, action: Action, scope: Scope
) -> None:
    principal = of(role, scope=scope)
    if may(principal, action, OTHER):
        assert GRANTS[role][action] is Reach.ALL
