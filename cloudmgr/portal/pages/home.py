"""The home: what each person asks in the morning. Several roles see several sections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.billing.periods import period_at, period_before
from cloudmgr.hosting.requests import RequestState
from cloudmgr.hosting.workload import drifted, readiness, word
from cloudmgr.identity.access import Action, Reach, confine, reach
from cloudmgr.identity.user import Role
from cloudmgr.portal.costs import costs_so_far
from cloudmgr.portal.names import Names
from cloudmgr.portal.notices import about, newest, state
from cloudmgr.portal.peaks import outlook
from cloudmgr.portal.view import View
from cloudmgr.portal.words import condition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.hosting.requests import HostingRequest
    from cloudmgr.portal.peaks import Outlook
    from cloudmgr.scaling.readiness import Readiness

router = APIRouter(include_in_schema=False)

_TROUBLE = {"degraded", "refused", "starting", "waiting"}
_ROWS = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One environment as an officer sees it in the morning."""

    environment: Environment
    system: str
    state: str
    since: Any
    ready: int
    wanted: int
    peak: Outlook | None
    seen: Readiness | None


@router.get("/")
def show_home(request: Request, caller: Annotated[Caller, Access(Action.SELF_READ)]) -> Response:
    """Whatever concerns the reader now."""
    view = View(request, caller)
    context: dict[str, Any] = {}
    with caller.services.database.read() as tx:
        names = Names(view, tx)
        if caller.principal.department_id and view.can("environment.read"):
            context["own"] = _own(view, tx, names, caller.principal.department_id)
        if view.can("notice.read"):
            context["told"] = [(n, state(view, n), about(n)) for n in newest(view, tx)]
        if view.can("request.approve"):
            context["to_sign"] = [
                (r, names.department(r.department_id)) for r in _to_sign(caller, tx)
            ]
        if view.can("request.submit"):
            context["waiting"] = _asked(caller, tx)
        if _everywhere(caller, Action.POOL_READ):
            context |= _running(view, tx, names)
        if view.can("audit.read"):
            context["events"] = [event for _, event in caller.services.audit.list(tx, limit=8)]
        context["names"] = names
        if view.can("charge.read"):
            department = confine(caller.principal, Action.CHARGE_READ)
            context["costs"] = costs_so_far(view, department)
        if view.can("period.close"):
            context |= _month(view)
        return view.page(
            "home.html", officer=Role.DEPARTMENT_OFFICER in caller.principal.roles, **context
        )


def _own(view: View, tx: Connection, names: Names, department_id: str) -> list[Row]:
    services = view.services
    found = services.environments.list(tx, department_id=department_id, limit=_ROWS)
    rows = []
    next_ones = {e.id: services.windows.ahead(tx, e.id, view.formats.now)[:1] for e in found}
    seen = services.readiness.latest(tx, [w.id for ahead in next_ones.values() for w in ahead])
    for environment in found:
        ahead = next_ones[environment.id]
        rows.append(
            Row(
                environment,
                names.system(environment.system_id),
                word(environment),
                readiness(environment).since,
                sum(environment.status.ready.values()),
                sum(environment.target.values()),
                outlook(
                    ahead[0],
                    environment,
                    services.leads.class_of(tx, environment).lead_time,
                    view.formats.now,
                )
                if ahead
                else None,
                seen.get(ahead[0].id) if ahead else None,
            )
        )
    return sorted(rows, key=lambda row: (row.state not in _TROUBLE, row.system))


def _to_sign(caller: Caller, tx: Connection) -> Iterable[HostingRequest]:
    me = caller.principal
    for request in caller.services.requests.list(
        tx,
        department_id=confine(me, Action.REQUEST_APPROVE),
        state=RequestState.AWAITING_APPROVAL,
        limit=_ROWS,
    ):
        signed = any(approval.user_id == me.user_id for approval in request.approvals)
        waits = any(pending.role in me.roles for pending in request.pending)
        if waits and not signed and request.submitted_by != me.user_id:
            yield request


def _asked(caller: Caller, tx: Connection) -> list[HostingRequest]:
    return caller.services.requests.list(
        tx, department_id=confine(caller.principal, Action.REQUEST_SUBMIT), limit=5
    )


def _running(view: View, tx: Connection, names: Names) -> dict[str, Any]:
    services = view.services
    environments = services.environments.list(tx)
    states: dict[str, int] = {}
    trouble: list[tuple[Environment, str, list[dict[str, object]]]] = []
    for environment in environments:
        state = word(environment)
        states[state] = states.get(state, 0) + 1
        if (state in _TROUBLE or drifted(environment)) and len(trouble) < 20:
            because = [
                said
                for one in environment.status.conditions
                if (said := condition(view, one))["tone"] == "bad"
                or (one.status.value == "False" and said["tone"] != "good")
            ]
            trouble.append((environment, state, because))
    return {
        "pools": [services.city.view(tx, pool) for pool in services.pools.list(tx)],
        "states": states,
        "trouble": trouble,
        "decisions": [
            (decision, names.environment(decision.environment_id), names.user(decision.actor))
            for decision in services.scaling_store.decisions(tx, limit=8)
        ],
    }


def _month(view: View) -> dict[str, Any]:
    """This month, and the one before while it is open: that is the one to be closed."""
    books = view.services.books
    current = period_at(view.formats.now, books.zone)
    with view.services.database.read() as tx:
        before = period_before(current, books.zone)
        unclosed = books.store.closed(tx, before.month) is None
    known = {summary.period.month for summary in books.periods()}
    period = before if unclosed and before.month in known else current
    return {"period": period, "checks": books.checklist(period.month)}


def _everywhere(caller: Caller, action: Action) -> bool:
    return reach(caller.principal, action) is Reach.ALL
