"""What a department asks for, and how a request moves: pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from cloudmgr.errors import Conflict, Forbidden
from cloudmgr.hosting.environments import Component, Purpose
from cloudmgr.hosting.expected import Expected
from cloudmgr.policy.decision import Decision, Outcome


class RequestKind(StrEnum):
    """What is asked: a new environment, another size, an announced peak, the end."""

    NEW = "new"
    RESIZE = "resize"
    PEAK = "peak"
    RETIRE = "retire"


# What changes an environment that is there, so that a change freeze holds it.
CHANGES = frozenset({RequestKind.RESIZE, RequestKind.RETIRE})


class RequestState(StrEnum):
    """Where a request stands. The last five are final."""

    AWAITING_APPROVAL = "awaiting-approval"
    APPROVED = "approved"
    DENIED = "denied"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    FULFILLED = "fulfilled"
    FAILED = "failed"


class Verdict(StrEnum):
    """What a signature says."""

    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class EnvironmentAsk:
    """The environment that is asked for: a new one, or what an existing one is to become."""

    name: str
    purpose: Purpose
    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class WindowAsk:
    """An announced peak: ``replicas`` of ``component`` from ``starts_at`` until ``ends_at``.

    ``expected`` says in its department's terms what ``replicas`` are then worked out from.
    """

    component: str
    starts_at: datetime
    ends_at: datetime
    replicas: int
    expected_rps: Decimal | None = None
    note: str = ""
    expected: Expected | None = None


@dataclass(frozen=True, slots=True)
class SeriesAsk:
    """A peak that comes round: ``replicas`` of ``component`` each time that ``rule`` says.

    :param rule: as scaling writes and reads it. :param replaces: the series in whose place it
        comes, from now on; None: it is a new one.
    """

    component: str
    rule: str
    replicas: int
    expected_rps: Decimal | None = None
    note: str = ""
    expected: Expected | None = None
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Coming:
    """What a series announces within the time that is booked ahead.

    :param waits_for: years whose working days are not published yet: dates of theirs are booked
        once they are.
    """

    windows: tuple[WindowAsk, ...]
    waits_for: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What it would cost a month, from all asleep but storage to all at the ceiling."""

    low: Decimal
    high: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Approval:
    """One signature under a request, in one role."""

    user_id: str
    login: str
    role: str
    verdict: Verdict
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Pending:
    """What still has to be signed: ``count`` more people in ``role``."""

    role: str
    count: int


@dataclass(frozen=True, slots=True)
class HostingRequest:
    """One request with all that was decided on it. ``version`` is what ETags speak of."""

    id: str
    kind: RequestKind
    department_id: str
    system_id: str
    environment_id: str | None
    ask: EnvironmentAsk | None
    windows: tuple[WindowAsk, ...]
    reason: str
    submitted_by: str
    submitted_by_login: str
    submitted_at: datetime
    state: RequestState
    decision: Decision
    pool_id: str | None = None
    estimate: Estimate | None = None
    approvals: tuple[Approval, ...] = ()
    message: str = ""
    version: int = 1
    series: tuple[SeriesAsk, ...] = ()

    @property
    def pending(self) -> tuple[Pending, ...]:
        """Who has yet to sign, in the order of the chain; empty when nobody."""
        if self.state is not RequestState.AWAITING_APPROVAL:
            return ()
        signed = [a.role for a in self.approvals if a.verdict is Verdict.APPROVE]
        return tuple(
            Pending(step.role, step.count - signed.count(step.role))
            for step in self.decision.steps
            if step.count > signed.count(step.role)
        )


def first_state(decision: Decision) -> RequestState:
    """Where a request starts once policy has spoken."""
    return {
        Outcome.DENY: RequestState.DENIED,
        Outcome.NEEDS_APPROVAL: RequestState.AWAITING_APPROVAL,
        Outcome.ALLOW: RequestState.APPROVED,
    }[decision.outcome]


def sign(request: HostingRequest, approval: Approval) -> HostingRequest:
    """The request with one more signature: the last one needed approves, the first no rejects.

    Four eyes: nobody signs what they submitted, and nobody signs twice, whatever their roles.

    :raises Conflict: ``not-awaiting-approval``. :raises Forbidden: ``four-eyes``,
        ``already-signed``, ``role-not-needed``.
    """
    if request.state is not RequestState.AWAITING_APPROVAL:
        raise Conflict(
            f"the request is {request.state.value}: there is nothing to decide on it any more",
            code="not-awaiting-approval",
        )
    if approval.user_id == request.submitted_by:
        raise Forbidden(
            "who submits a request cannot decide on it",
            code="four-eyes",
            hint="ask a colleague with the same role",
        )
    if any(earlier.user_id == approval.user_id for earlier in request.approvals):
        raise Forbidden("you have signed this request already", code="already-signed")
    if approval.role not in {pending.role for pending in request.pending}:
        needed = ", ".join(pending.role for pending in request.pending)
        raise Forbidden(
            f"this request waits for {needed}, not for {approval.role}", code="role-not-needed"
        )
    signed = replace(request, approvals=(*request.approvals, approval))
    if approval.verdict is Verdict.REJECT:
        return replace(signed, state=RequestState.REJECTED, message=approval.reason)
    return signed if signed.pending else replace(signed, state=RequestState.APPROVED)


def cancel(request: HostingRequest, reason: str) -> HostingRequest:
    """:raises Conflict: ``not-cancellable`` once it is decided or fulfilled."""
    if request.state is not RequestState.AWAITING_APPROVAL:
        raise Conflict(
            f"the request is {request.state.value} and cannot be cancelled any more",
            code="not-cancellable",
            hint="ask to retire or resize the environment instead"
            if request.state is RequestState.FULFILLED
            else "",
        )
    return replace(request, state=RequestState.CANCELLED, message=reason)
