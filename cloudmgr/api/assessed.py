"""What would come of a request, as it goes out."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from cloudmgr.api.expected import SIZED_EXAMPLE, ExpectedView
from cloudmgr.api.promised import PromiseView
from cloudmgr.api.series import ComingView
from cloudmgr.api.values import View, example
from cloudmgr.hosting.requests import Estimate
from cloudmgr.policy.decision import Decision

if TYPE_CHECKING:
    from cloudmgr.hosting.assessment import Assessment, Location
    from cloudmgr.hosting.requests import WindowAsk

DECISION_EXAMPLE: dict[str, Any] = {
    "outcome": "needs-approval",
    "reasons": [
        {
            "rule": "large-request",
            "zh": "规模较大，请说明用途",
            "en": "it is large: say what it is for",
        }
    ],
    "fired": ["production-needs-its-approver"],
    "digest": "5f0c1d2e3a4b5c6d5f0c1d2e3a4b5c6d",
    "steps": [
        {
            "role": "approver",
            "count": 1,
            "rule": "production-needs-its-approver",
            "zh": "生产环境须经本部门审批",
            "en": "production is approved by the department's approver",
        }
    ],
}
ESTIMATE_EXAMPLE: dict[str, Any] = {"low": "12.40", "high": "418.22", "currency": "CNY"}
WINDOW_ASKED: dict[str, Any] = {
    "component": "web",
    "starts_at": "2027-06-30T08:00:00Z",
    "ends_at": "2027-06-30T11:00:00Z",
    "replicas": 7,
    "expected_rps": "50",
    "note": "志愿填报截止",
    "expected": SIZED_EXAMPLE,
}
_ASSESSED: dict[str, Any] = {
    "decision": DECISION_EXAMPLE,
    "estimate": ESTIMATE_EXAMPLE,
    "location": {
        "pool_id": "pool_local-extranet",
        "pool_name": "local-extranet",
        "considered": [
            {
                "pool_name": "local-intranet",
                "against": [
                    {"rule": "same-zone", "zh": "网络域不同", "en": "it is in another zone"}
                ],
            }
        ],
    },
    "promises": [],
    "windows": [WINDOW_ASKED],
    "coming": [],
}


class RefusalView(View):
    """A pool that was considered; nothing against it means that it would do."""

    pool_name: str
    against: list[dict[str, str]]


class LocationView(View):
    """Where it would go."""

    pool_id: str | None
    pool_name: str | None
    considered: list[RefusalView]

    @classmethod
    def of(cls, location: Location, pool_name: str | None) -> Self:
        return cls(
            pool_id=location.pool_id,
            pool_name=pool_name,
            considered=[
                RefusalView(
                    pool_name=c.pool_name,
                    against=[{"rule": r.rule, "zh": r.zh, "en": r.en} for r in c.against],
                )
                for c in location.considered
            ],
        )


class SizedView(View):
    """A peak that is asked for, and what its replicas were worked out from, if they were."""

    model_config = example(**WINDOW_ASKED)

    component: str
    starts_at: datetime
    ends_at: datetime
    replicas: int
    expected_rps: str | None
    note: str
    expected: ExpectedView | None

    @classmethod
    def of(cls, ask: WindowAsk) -> Self:
        return cls(
            component=ask.component,
            starts_at=ask.starts_at,
            ends_at=ask.ends_at,
            replicas=ask.replicas,
            expected_rps=None if ask.expected_rps is None else format(ask.expected_rps, "f"),
            note=ask.note,
            expected=ExpectedView.of(ask),
        )


class AssessmentView(View):
    """Would it be allowed, what would it cost a month, where would it go."""

    model_config = example(**_ASSESSED)

    decision: Decision
    estimate: Estimate
    location: LocationView
    promises: list[PromiseView] = Field(
        description="Of each peak of what is there: whether its pool can promise it."
    )
    windows: list[SizedView] = Field(
        description="Each peak with its replicas, also where those were worked out."
    )
    coming: list[ComingView] = Field(
        description="Each series and its dates; of them the answers in `promises` come last."
    )

    @classmethod
    def of(cls, assessment: Assessment, pool_name: str | None) -> Self:
        return cls(
            decision=assessment.decision,
            estimate=assessment.estimate,
            location=LocationView.of(assessment.location, pool_name),
            promises=[PromiseView.of(told) for told in assessment.promises],
            windows=[SizedView.of(ask) for ask in assessment.windows],
            coming=ComingView.each(assessment),
        )
