"""Hosting requests: list, get, submit, dry-run, approve, reject, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field
from starlette.responses import Response

from cloudmgr.api.assessed import (
    DECISION_EXAMPLE,
    ESTIMATE_EXAMPLE,
    WINDOW_ASKED,
    AssessmentView,
    SizedView,
)
from cloudmgr.api.etag import Answer, IfMatch, IfNoneMatch, etag, expect, seen
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.idempotency import Once
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.series import AskedSeriesView, SeriesEntry
from cloudmgr.api.values import Entry, Id, Moment, Remark, View, example
from cloudmgr.api.workloads import COMPONENT_EXAMPLE, WINDOW_EXAMPLE, EnvironmentEntry, WindowEntry
from cloudmgr.hosting.assessment import Draft
from cloudmgr.hosting.requests import (
    EnvironmentAsk,
    Estimate,
    HostingRequest,
    RequestKind,
    RequestState,
    Verdict,
)
from cloudmgr.identity.access import Action
from cloudmgr.policy.decision import Decision

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(prefix="/api/v1/requests", tags=["requests"])

_NEW: dict[str, Any] = {
    "kind": "new",
    "system_id": "sys_0123456789abcdef",
    "environment": {"name": "prod", "purpose": "production", "components": [COMPONENT_EXAMPLE]},
    "windows": [WINDOW_EXAMPLE],
    "reason": "替代部门自有服务器",
}
REQUEST_EXAMPLE: dict[str, Any] = {
    **_NEW,
    "windows": [WINDOW_ASKED],
    "series": [],
    "id": "req_0123456789abcdef",
    "state": "awaiting-approval",
    "department_id": "dep_0123456789abcdef",
    "environment_id": None,
    "submitted_by": "usr_0123456789abcdef",
    "submitted_by_login": "li.wei",
    "submitted_at": "2026-06-01T00:00:00Z",
    "decision": DECISION_EXAMPLE,
    "pool_id": "pool_local-extranet",
    "estimate": ESTIMATE_EXAMPLE,
    "approvals": [],
    "pending": [{"role": "approver", "count": 1}],
    "message": "",
    "version": 1,
}


class NewRequest(Entry):
    """What a department asks for: `new`, `resize`, `peak` or `retire`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_NEW]})

    kind: RequestKind
    system_id: Id
    environment_id: Id | None = None
    environment: EnvironmentEntry | None = None
    windows: Annotated[tuple[WindowEntry, ...], Field(max_length=100)] = ()
    series: Annotated[tuple[SeriesEntry, ...], Field(max_length=20)] = ()
    reason: Remark = ""

    def draft(self) -> Draft:
        return Draft(
            kind=self.kind,
            system_id=self.system_id,
            environment_id=self.environment_id,
            ask=self.environment.ask() if self.environment else None,
            windows=tuple(entry.ask() for entry in self.windows),
            reason=self.reason,
            series=tuple(entry.ask() for entry in self.series),
        )


class Signature(Entry):
    """A verdict with its reason; a rejection needs one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "资源合理"}]})

    reason: Remark = ""
    role: Annotated[str, Field(max_length=40)] | None = None


class Cancellation(Entry):
    """Why it is taken back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "计划有变"}]})

    reason: Remark = ""


class PendingView(View):
    """So many signatures of a role are still needed."""

    role: str
    count: int


class RequestView(View):
    """One request with all that was decided on it."""

    model_config = example(**REQUEST_EXAMPLE)

    id: str
    kind: RequestKind
    state: RequestState
    department_id: str
    system_id: str
    environment_id: str | None
    environment: EnvironmentAsk | None
    windows: list[SizedView]
    series: list[AskedSeriesView]
    reason: str
    submitted_by: str
    submitted_by_login: str
    submitted_at: Moment
    decision: Decision
    pool_id: str | None
    estimate: Estimate | None
    approvals: list[dict[str, str]]
    pending: list[PendingView]
    message: str
    version: int

    @classmethod
    def of(cls, request: HostingRequest) -> Self:
        return cls(
            id=request.id,
            kind=request.kind,
            state=request.state,
            department_id=request.department_id,
            system_id=request.system_id,
            environment_id=request.environment_id,
            environment=request.ask,
            windows=[SizedView.of(ask) for ask in request.windows],
            series=[AskedSeriesView.asked(ask) for ask in request.series],
            reason=request.reason,
            submitted_by=request.submitted_by,
            submitted_by_login=request.submitted_by_login,
            submitted_at=request.submitted_at,
            decision=request.decision,
            pool_id=request.pool_id,
            estimate=request.estimate,
            approvals=[
                {
                    "user_id": a.user_id,
                    "login": a.login,
                    "role": a.role,
                    "verdict": a.verdict.value,
                    "reason": a.reason,
                    "at": a.at.isoformat(),
                }
                for a in request.approvals
            ],
            pending=[PendingView(role=p.role, count=p.count) for p in request.pending],
            message=request.message,
            version=request.version,
        )


@router.get("", response_model=Page[RequestView], summary="List requests")
def list_requests(
    caller: Annotated[Caller, Access(Action.REQUEST_READ)],
    paging: Paged,
    department_id: Annotated[Id | None, Query(description="Only this department's.")] = None,
    state: Annotated[RequestState | None, Query(description="Only in this state.")] = None,
    kind: Annotated[RequestKind | None, Query(description="Only of this kind.")] = None,
    system_id: Annotated[Id | None, Query(description="Only for this system.")] = None,
    environment_id: Annotated[Id | None, Query(description="Only for this environment.")] = None,
) -> Page[RequestView]:
    """The newest first; denied and rejected ones stay, with their reasons."""
    services = caller.services
    held_to = caller.confine(department_id)
    with services.database.read() as tx:
        found = services.requests.list(
            tx,
            department_id=held_to,
            state=state,
            kind=kind,
            system_id=system_id,
            environment_id=environment_id,
            after=paging.after("requests"),
            limit=paging.fetch,
        )
    return paging.page("requests", found, lambda r: r.id, RequestView.of)


@router.post("/dry-run", response_model=AssessmentView, summary="What would come of a request")
def try_request(
    caller: Annotated[Caller, Access(Action.REQUEST_SUBMIT)], body: NewRequest
) -> AssessmentView:
    """Would it be allowed, what would it cost a month, where would it go. Nothing is written."""
    services = caller.services
    with services.database.read() as tx:
        caller.require(services.systems.get(tx, body.system_id).department_id)
        assessment = services.desk.dry_run(tx, body.draft(), caller.principal)
        pool_id = assessment.location.pool_id
        pool_name = services.pools.get(tx, pool_id).name if pool_id else None
    return AssessmentView.of(assessment, pool_name)


@router.post("", status_code=201, response_model=RequestView, summary="Submit a request")
def submit_request(
    caller: Annotated[Caller, Access(Action.REQUEST_SUBMIT)], body: NewRequest, repeatable: Once
) -> Response:
    """Policy decides at once: denied, waiting for signatures, or fulfilled."""

    def work(tx: Connection) -> Answer:
        services = caller.services
        caller.require(services.systems.get(tx, body.system_id).department_id)
        request = services.desk.submit(tx, body.draft(), caller.principal)
        return Answer(
            201,
            RequestView.of(request),
            {"Location": f"{router.prefix}/{request.id}", "ETag": etag(request.version)},
        )

    return repeatable.once(caller, work)


@router.get("/{request_id}", response_model=RequestView, summary="Get a request")
def get_request(
    caller: Annotated[Caller, Access(Action.REQUEST_READ)],
    request_id: str,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """With what policy decided and who signed."""
    with caller.services.database.read() as tx:
        request = caller.services.requests.get(tx, request_id)
    caller.require(request.department_id)
    return seen(RequestView.of(request), etag(request.version), if_none_match)


@router.post("/{request_id}/approve", response_model=RequestView, summary="Approve a request")
def approve_request(
    caller: Annotated[Caller, Access(Action.REQUEST_APPROVE)],
    request_id: str,
    body: Signature,
    repeatable: Once,
    if_match: IfMatch = None,
) -> Response:
    """Sign it; with the last signature needed it is fulfilled. Nobody signs what they submitted."""
    return _decide(caller, request_id, body, Verdict.APPROVE, repeatable, if_match)


@router.post("/{request_id}/reject", response_model=RequestView, summary="Reject a request")
def reject_request(
    caller: Annotated[Caller, Access(Action.REQUEST_APPROVE)],
    request_id: str,
    body: Signature,
    repeatable: Once,
    if_match: IfMatch = None,
) -> Response:
    """Refuse it, with a reason that the department will read."""
    return _decide(caller, request_id, body, Verdict.REJECT, repeatable, if_match)


@router.post("/{request_id}/cancel", response_model=RequestView, summary="Cancel a request")
def cancel_request(
    caller: Annotated[Caller, Access(Action.REQUEST_CANCEL)],
    request_id: str,
    body: Cancellation,
    repeatable: Once,
    if_match: IfMatch = None,
) -> Response:
    """Take it back while nobody has decided on it yet."""

    def work(tx: Connection) -> Answer:
        request = _request(tx, caller, request_id, if_match)
        after = caller.services.desk.cancel(tx, request, caller.principal, body.reason)
        return Answer(200, RequestView.of(after), {"ETag": etag(after.version)})

    return repeatable.once(caller, work)


def _decide(
    caller: Caller,
    request_id: str,
    body: Signature,
    verdict: Verdict,
    repeatable: Once,
    if_match: str | None,
) -> Response:
    def work(tx: Connection) -> Answer:
        request = _request(tx, caller, request_id, if_match)
        after = caller.services.desk.decide(
            tx, request, caller.principal, verdict=verdict, reason=body.reason, role=body.role
        )
        return Answer(200, RequestView.of(after), {"ETag": etag(after.version)})

    return repeatable.once(caller, work)


def _request(
    tx: Connection, caller: Caller, request_id: str, if_match: str | None
) -> HostingRequest:
    request = caller.services.requests.get(tx, request_id)
    caller.require(request.department_id)
    expect(if_match, etag(request.version))
    return request
