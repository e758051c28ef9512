from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.errors import Invalid, Permanent
from cloudmgr.policy.bundle import ScalingRule
from cloudmgr.policy.decision import ApprovalStep, Decision, Outcome, Reason
from cloudmgr.policy.default import packaged_policies
from cloudmgr.policy.loading import load
from cloudmgr.policy.rules import Expression, Rule, Scope

if TYPE_CHECKING:
    from cloudmgr.policy.bundle import PolicyBundle

BUNDLE = load(packaged_policies())

TAX_WEB: dict[str, object] = {
    "name": "web", "cpu_millis": 1000, "memory_mib": 2048, "min_replicas": 1, "max_replicas": 6,
    "storage_gib": 0, "port": 8000, "image": "",
}  # fmt: skip
PRODUCTION: dict[str, object] = {
    "request": {"kind": "new", "reason": "个税汇算"},
    "department": {"code": "tax"},
    "actor": {"roles": ["department-officer"]},
    "system": {
        "code": "tax-filing", "zone": "extranet", "protection_level": 3, "criticality": 4,
        "purpose": "个人所得税申报",
    },
    "environment": {
        "name": "prod", "purpose": "production", "components": [TAX_WEB],
        "ceiling": {"cpu_millis": 6000, "memory_mib": 12288, "storage_gib": 0},
    },
    "windows": [],
    "cost_per_month_cents": 345600,
}  # fmt: skip


def failing(name: str, scope: Scope) -> Rule:
    return Rule(name, Expression("1 / (system.criticality - 4) > 0", scope), "除以零", "a division")


def test_production_of_a_high_level_is_approved_by_the_department_and_an_operator() -> None:
    decision = BUNDLE.admit(PRODUCTION)
    assert decision.outcome is Outcome.NEEDS_APPROVAL
    assert [(step.role, step.count) for step in decision.steps] == [
        ("approver", 1),
        ("operator", 1),
    ]
    assert decision.digest == BUNDLE.digest
    assert set(decision.fired) == {reason.rule for reason in decision.reasons}


def test_a_refusal_quotes_the_numbers_in_both_languages() -> None:
    facts = PRODUCTION | {"environment": {"ceiling": {"cpu_millis": 300500, "memory_mib": 1536}}}
    decision = BUNDLE.admit(facts)
    assert decision.outcome is Outcome.DENY
    assert decision.steps == ()
    (reason,) = decision.reasons
    assert reason.rule == "production-ceiling"
    assert "本申请为 300.5 核、1.5 GiB" in reason.zh
    assert "this is 300.5 cores, 1.5 GiB and 0 GiB of storage" in reason.en


def test_a_request_that_nobody_thought_of_does_not_pass_by_itself() -> None:
    decision = BUNDLE.admit({})
    assert decision.outcome is Outcome.NEEDS_APPROVAL
    assert decision.fired == ("everything-else-needs-the-department",)
    assert [step.role for step in decision.steps] == ["approver"]


def test_a_step_carries_the_reason_of_the_rule_that_asks_for_most() -> None:
    decision = BUNDLE.admit(PRODUCTION | {"cost_per_month_cents": 12_000_000})
    step = decision.steps[0]
    assert (step.role, step.count, step.rule) == ("approver", 2, "very-costly-needs-finance")
    assert "120,000.00" in step.en


def test_a_permission_beside_a_demand_is_not_a_reason_to_sign() -> None:
    facts: dict[str, object] = {
        "request": {"kind": "peak"},
        "windows": [{"hours_ahead": 100, "hours": 5, "replicas": 11}],
    }
    decision = BUNDLE.admit(facts)
    assert decision.fired == (
        "a-peak-in-good-time-passes", "a-long-or-high-peak-needs-an-operator",
    )  # fmt: skip
    assert [reason.rule for reason in decision.reasons] == ["a-long-or-high-peak-needs-an-operator"]


@pytest.mark.parametrize("zone", ["intranet", "extranet"])
@pytest.mark.parametrize("other", ["intranet", "extranet"])
def test_zones_never_mix(zone: str, other: str) -> None:
    decision = BUNDLE.accepts(
        {
            "system": {"zone": zone, "protection_level": 2},
            "pool": {"name": "p", "kind": "local", "zone": other, "protection_level": 3},
        }
    )
    assert decision.outcome is (Outcome.ALLOW if zone == other else Outcome.DENY)


def test_a_pool_is_refused_with_every_reason() -> None:
    decision = BUNDLE.accepts(
        {
            "system": {"zone": "intranet", "protection_level": 3},
            "pool": {"name": "外网-1", "kind": "local", "zone": "extranet", "protection_level": 2},
        }
    )
    assert decision.fired == (
        "the-intranet-never-leaves-the-intranet", "the-pool-is-certified-for-the-level",
    )  # fmt: skip
    assert "资源池“外网-1”的等保测评为 2 级" in decision.reasons[1].zh


def test_facts_of_a_pool_do_not_disturb_the_decision_on_the_request() -> None:
    assert BUNDLE.admit(PRODUCTION | {"pool": {"zone": "intranet"}}) == BUNDLE.admit(PRODUCTION)


def test_the_first_scaling_rule_that_fires_chooses_the_class() -> None:
    test = BUNDLE.scaling_class_for(
        {"system": {"criticality": 4}, "environment": {"purpose": "test"}}
    )
    assert test.name == "dormant"
    vital = BUNDLE.scaling_class_for(PRODUCTION)
    assert (vital.name, vital.idle_after, vital.wake_replicas) == ("critical", None, 2)
    standard = BUNDLE.scaling_class_for({})
    assert standard is BUNDLE.scaling_classes["standard"]
    assert standard.lead_time == timedelta(minutes=10)
    assert standard.idle_after == timedelta(minutes=30)
    assert standard.target_in_flight == Decimal(8)


def test_the_classes_of_a_bundle_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        BUNDLE.scaling_classes["standard"] = BUNDLE.scaling_classes["critical"]  # type: ignore[index]


def test_a_rule_that_cannot_be_evaluated_refuses_and_says_so() -> None:
    broken = replace(BUNDLE, admission=(*BUNDLE.admission, failing("odd-rule", Scope.REQUEST)))
    decision = broken.admit(PRODUCTION)
    assert decision.outcome is Outcome.DENY
    assert decision.fired == ("odd-rule",)
    assert "divide by zero" in decision.reasons[0].en
    placing = replace(BUNDLE, placement=(failing("odd-pool", Scope.PLACEMENT),))
    assert placing.accepts(PRODUCTION).outcome is Outcome.DENY


def test_an_approval_rule_that_cannot_be_evaluated_does_not_let_a_request_pass() -> None:
    rule = replace(BUNDLE.approvals[0], rule=failing("odd-approval", Scope.REQUEST))
    decision = replace(BUNDLE, approvals=(rule,)).admit(PRODUCTION)
    assert (decision.outcome, decision.fired) == (Outcome.DENY, ("odd-approval",))


def test_a_scaling_rule_that_cannot_be_evaluated_chooses_no_class() -> None:
    odd = ScalingRule(failing("odd-class", Scope.SCALING), "standard")
    with pytest.raises(Permanent, match="scaling rule odd-class cannot be evaluated"):
        replace(BUNDLE, scaling_rules=(odd,)).scaling_class_for(PRODUCTION)


@pytest.mark.parametrize("ask", ["admit", "accepts", "scaling_class_for"])
def test_facts_that_do_not_fit_are_refused_before_any_rule(ask: str) -> None:
    with pytest.raises(Invalid) as caught:
        getattr(BUNDLE, ask)({"system": {"protection_level": "three"}})
    assert caught.value.code == "bad-facts"


_AMOUNT = st.sampled_from([0, 1, 2, 3, 4000, 4001, 16001, 32001, 256_001, 2_000_001, 10_000_001])
_FACTS = st.fixed_dictionaries(
    {
        "request": st.fixed_dictionaries(
            {"kind": st.sampled_from(["new", "resize", "peak", "retire"])}
        ),
        "system": st.fixed_dictionaries(
            {
                "code": st.sampled_from(["tax", "portal", "Tax"]),
                "zone": st.sampled_from(["intranet", "extranet"]),
                "protection_level": st.integers(1, 5),
                "criticality": st.integers(1, 4),
            }
        ),
        "environment": st.fixed_dictionaries(
            {
                "name": st.sampled_from(["prod", "uat"]),
                "purpose": st.sampled_from(["production", "test"]),
                "components": st.lists(
                    st.fixed_dictionaries(
                        {
                            "cpu_millis": _AMOUNT,
                            "max_replicas": st.integers(1, 8),
                            "port": st.sampled_from([0, 8000]),
                        }
                    ),
                    max_size=3,
                ),
                "ceiling": st.fixed_dictionaries({"cpu_millis": _AMOUNT, "memory_mib": _AMOUNT}),
            }
        ),
        "windows": st.lists(
            st.fixed_dictionaries(
                {
                    "hours_ahead": st.integers(-10, 20_000),
                    "hours": st.integers(0, 1_000),
                    "replicas": st.integers(1, 20),
                }
            ),
            max_size=3,
        ),
        "cost_per_month_cents": _AMOUNT,
    }
)


@given(_FACTS)
def test_refusal_beats_approval_beats_permission(facts: dict[str, object]) -> None:
    decision = BUNDLE.admit(facts)
    refusing = {rule.id for rule in BUNDLE.admission}
    asking = {a.rule.id for a in BUNDLE.approvals if a.require} | {BUNDLE.otherwise.id}
    fired = set(decision.fired)
    assert fired, "every decision has a rule that explains it"
    if fired & refusing:
        assert decision.outcome is Outcome.DENY
        assert fired <= refusing
    elif fired & asking:
        assert decision.outcome is Outcome.NEEDS_APPROVAL
    else:
        assert decision.outcome is Outcome.ALLOW
    assert {reason.rule for reason in decision.reasons} <= fired
    assert decision.reasons


@given(_FACTS)
def test_each_role_is_asked_once_for_the_largest_count_in_the_order_of_the_chain(
    facts: dict[str, object],
) -> None:
    decision = BUNDLE.admit(facts)
    assert bool(decision.steps) is (decision.outcome is Outcome.NEEDS_APPROVAL)
    roles = [step.role for step in decision.steps]
    assert roles == [role for role in BUNDLE.chain if role in roles]
    rules = {a.rule.id: a.require for a in BUNDLE.approvals}
    rules[BUNDLE.otherwise.id] = BUNDLE.otherwise.require
    wanted = [s for name in decision.fired for s in rules.get(name, ())]
    for step in decision.steps:
        assert step.count == max(s.count for s in wanted if s.role == step.role)
    assert decision == BUNDLE.admit(facts)


def test_decisions_are_values(bundle: PolicyBundle) -> None:
    reason = Reason("r", "因", "because")
    step = ApprovalStep("operator", 1, "r", "因", "because")
    one = Decision(Outcome.NEEDS_APPROVAL, (reason,), ("r",), bundle.digest, (step,))
    assert one == replace(one)
    assert Outcome("needs-approval") is Outcome.NEEDS_APPROVAL
