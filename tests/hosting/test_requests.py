"""How a request moves."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cloudmgr.errors import Conflict, Forbidden
from cloudmgr.hosting.requests import (
    Approval,
    HostingRequest,
    Pending,
    RequestKind,
    RequestState,
    Verdict,
    cancel,
    first_state,
    sign,
)
from cloudmgr.policy.decision import ApprovalStep, Decision, Outcome

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def step(role: str, count: int = 1) -> ApprovalStep:
    return ApprovalStep(role, count, "rule", "因为", "because")


def request(*steps: ApprovalStep) -> HostingRequest:
    decision = Decision(Outcome.NEEDS_APPROVAL if steps else Outcome.ALLOW, (), (), "digest", steps)
    return HostingRequest(
        "req_1",
        RequestKind.RETIRE,
        "dep_1",
        "sys_1",
        "env_1",
        None,
        (),
        "",
        "usr_officer",
        "officer",
        NOW,
        first_state(decision),
        decision,
    )


def signature(user: str, role: str, verdict: Verdict = Verdict.APPROVE) -> Approval:
    return Approval(f"usr_{user}", user, role, verdict, "seen", NOW)


def test_a_request_that_needs_nobody_is_approved_at_once() -> None:
    assert request().state is RequestState.APPROVED


def test_the_last_signature_needed_approves() -> None:
    first = sign(request(step("approver"), step("operator")), signature("ann", "approver"))
    assert first.state is RequestState.AWAITING_APPROVAL
    assert first.pending == (Pending("operator", 1),)
    assert sign(first, signature("bob", "operator")).state is RequestState.APPROVED


def test_two_of_one_role_are_two_people() -> None:
    first = sign(request(step("operator", 2)), signature("bob", "operator"))
    with pytest.raises(Forbidden) as refused:
        sign(first, signature("bob", "operator"))
    assert refused.value.code == "already-signed"
    assert sign(first, signature("eve", "operator")).state is RequestState.APPROVED


def test_who_submits_cannot_sign() -> None:
    with pytest.raises(Forbidden) as refused:
        sign(request(step("approver")), signature("officer", "approver"))
    assert refused.value.code == "four-eyes"


def test_a_role_that_nobody_waits_for_cannot_sign() -> None:
    with pytest.raises(Forbidden) as refused:
        sign(request(step("operator")), signature("ann", "approver"))
    assert refused.value.code == "role-not-needed"


def test_the_first_no_rejects_and_its_reason_stays() -> None:
    rejected = sign(
        request(step("approver"), step("operator")), signature("ann", "approver", Verdict.REJECT)
    )
    assert (rejected.state, rejected.message) == (RequestState.REJECTED, "seen")
    with pytest.raises(Conflict):
        sign(rejected, signature("bob", "operator"))


def test_only_what_waits_can_be_cancelled() -> None:
    assert cancel(request(step("approver")), "no need").state is RequestState.CANCELLED
    with pytest.raises(Conflict):
        cancel(request(), "no need")
