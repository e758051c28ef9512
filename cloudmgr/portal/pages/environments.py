"""Environments: list, one of them with all that is known of it, and its log."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.hibernation import sleep_cost
from cloudmgr.api.routes.needs import seen_around
from cloudmgr.api.waits import pool_state
from cloudmgr.errors import CloudmgrError, NotFound
from cloudmgr.hosting.bindings import bound_names, unbound
from cloudmgr.hosting.environments import Environment
from cloudmgr.hosting.workload import drifted, readiness, word
from cloudmgr.identity.access import Action, may
from cloudmgr.interval import Interval
from cloudmgr.pools.drivers.driver import SharedService
from cloudmgr.portal import words
from cloudmgr.portal.charts import MOST, replicas_chart
from cloudmgr.portal.costs import costs_so_far
from cloudmgr.portal.demand import asked
from cloudmgr.portal.forms import Form
from cloudmgr.portal.listing import Choice, Column, Empty, Filter, Listing, choices, state_choices
from cloudmgr.portal.names import Names
from cloudmgr.portal.pages.systems import Text, department_filter
from cloudmgr.portal.peaks import outlook
from cloudmgr.portal.view import View
from cloudmgr.scaling.demand import LOOKS_BACK

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.scaling.windows import PeakWindow

router = APIRouter(include_in_schema=False)

LINES = 200
WAKES = 10


def _listing(
    view: View, tx: Connection, caller: Caller, query: dict[str, str]
) -> Listing[Environment]:
    services = caller.services
    names = Names(view, tx)
    rows = services.environments.list(tx, department_id=caller.confine(query["department"] or None))
    states = {row.id: word(row) for row in rows}
    text = query["q"].casefold()
    rows = [
        row
        for row in rows
        if query["zone"] in {"", row.zone.value}
        and query["state"] in {"", states[row.id]}
        and query["purpose"] in {"", row.purpose.value}
        and query["pool"] in {"", row.pool_id}
        and (not text or text in f"{row.host} {names.environment(row.id)}".casefold())
    ]
    columns: list[Column[Environment]] = [
        Column(
            "name",
            view._("Environment"),
            lambda e: view.link(f"/environments/{e.id}", names.environment(e.id)),
        ),
        Column(
            "state",
            view._("State"),
            lambda e: view.state(words.ENVIRONMENT_STATES, states[e.id]),
            lambda e: view._(words.ENVIRONMENT_STATES[states[e.id]][0]),
        ),
        Column(
            "replicas",
            view._("Ready / wanted"),
            lambda e: f"{sum(e.status.ready.values())} / {sum(e.target.values())}",
            lambda e: sum(e.target.values()),
            numeric=True,
        ),
        Column("department", view._("Department"), lambda e: names.department(e.department_id)),
        Column("purpose", view._("Purpose"), lambda e: view.word(words.PURPOSES, e.purpose.value)),
        Column("zone", view._("Zone"), lambda e: view.word(words.ZONES, e.zone.value)),
        Column("pool", view._("Pool"), lambda e: names.pool(e.pool_id)),
        Column(
            "created",
            view._("Since"),
            lambda e: view.formats.ago(e.created_at),
            lambda e: e.created_at,
        ),
    ]
    filters = [
        Filter("q", view._("Name or address"), value=query["q"], kind="search"),
        *department_filter(view, tx, query["department"]),
        Filter(
            "state", view._("State"), state_choices(words.ENVIRONMENT_STATES, view), query["state"]
        ),
        Filter("purpose", view._("Purpose"), choices(words.PURPOSES, view), query["purpose"]),
        Filter("zone", view._("Zone"), choices(words.ZONES, view), query["zone"]),
    ]
    if query["pool"]:
        filters.append(
            Filter(
                "pool",
                view._("Pool"),
                (Choice(query["pool"], names.pool(query["pool"])),),
                query["pool"],
            )
        )
    return Listing(
        view,
        view._("Environments"),
        columns,
        rows,
        Empty(
            view._("Nothing is hosted yet"),
            view._(
                "An environment appears here once it was asked for and signed by whom policy names."
            ),
            "/requests/new" if view.can("request.submit") else "",
            view._("Ask for an environment"),
        ),
        filters=filters,
        sort="name",
        csv_address="/environments.csv",
        live=True,
    )


def _query(
    department: str, zone: str, state: str, purpose: str, pool: str, q: str
) -> dict[str, str]:
    return {
        "department": department,
        "zone": zone,
        "state": state,
        "purpose": purpose,
        "pool": pool,
        "q": q,
    }


@router.get("/environments")
def show_environments(
    request: Request,
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_READ)],
    department: Text = "",
    zone: Text = "",
    state: Text = "",
    purpose: Text = "",
    pool: Text = "",
    q: Text = "",
) -> Response:
    """The list."""
    view = View(request, caller)
    with caller.services.database.read() as tx:
        listing = _listing(view, tx, caller, _query(department, zone, state, purpose, pool, q))
        verbs = (
            [("/requests/new", view._("Ask for an environment"))]
            if view.can("request.submit")
            else []
        )
        return view.page(
            "list.html",
            title=view._("Environments"),
            listing=listing,
            verbs=verbs,
            lead=view._("What is hosted, and how it is now."),
        )


@router.get("/environments.csv")
def export_environments(
    request: Request,
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_READ)],
    department: Text = "",
    zone: Text = "",
    state: Text = "",
    purpose: Text = "",
    pool: Text = "",
    q: Text = "",
) -> Response:
    """The list as CSV."""
    with caller.services.database.read() as tx:
        query = _query(department, zone, state, purpose, pool, q)
        return _listing(View(request, caller), tx, caller, query).csv("environments")


@router.get("/environments/{environment_id}")
def show_environment(
    request: Request,
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_READ)],
    environment_id: str,
) -> Response:
    """How it is, what it has, what is coming, what was decided and why."""
    return environment_page(request, caller, environment_id, Form())


def environment_page(
    request: Request, caller: Caller, environment_id: str, form: Form, status: int = 200
) -> Response:
    """The page, with what was typed into ``form`` for a secret and is wrong."""
    view = View(request, caller)
    services = caller.services
    with services.database.read() as tx:
        environment = services.environments.get(tx, environment_id)
        caller.require(environment.department_id)
        names = Names(view, tx)
        policy = services.policies.current
        ahead = services.windows.ahead(tx, environment.id, view.formats.now)
        decisions = services.scaling_store.decisions(
            tx, environment_ids=[environment.id], limit=MOST
        )
        sleep = services.scaling.contract(tx, environment.id)
        conditions = [
            *environment.status.conditions,
            *([sleep.condition] if sleep.condition else []),
        ]
        context: dict[str, Any] = {
            "environment": environment,
            "names": names,
            "state": word(environment),
            "ready": readiness(environment),
            "conditions": [words.condition(view, c) for c in conditions],
            "peaks": [outlook(w, environment, sleep.lead.time, view.formats.now) for w in ahead],
            "orders": services.scaling_store.orders(tx, environment.id),
            "scaling_class": policy.scaling_classes.get(environment.scaling_class),
            "sleep": sleep,
            "freeze": services.freezing.of(tx, environment),
            "around": seen_around(caller, tx, environment.id),
            "pool_state": pool_state(services, tx, environment),
            "sleep_cost": sleep_cost(caller, tx, environment),
            "wakes": services.wakes.list(tx, environment.id, limit=WAKES),
            "decisions": decisions,
            "chart": replicas_chart(
                view,
                environment,
                decisions,
                _announced(caller, tx, environment),
                partial(_asked, caller, tx, environment),
            ),
            "lesson": services.forecasts.lesson(tx, environment.id),
            "told": services.forecasts.told(tx, environment.id),
            "secrets": services.secrets.list(tx, environment),
            "form": form,
            "activity": services.activities.get(tx, environment.id),
            "may": _verbs(caller, environment),
            "services": _services(view, tx, environment),
        }
        if may(caller.principal, Action.CHARGE_READ, environment.department_id):
            context["costs"] = costs_so_far(view, environment.department_id)
        return view.page("environment.html", status, **context)


def _announced(caller: Caller, tx: Connection, environment: Environment) -> list[PeakWindow]:
    return caller.services.windows.list(
        tx, environment_ids=[environment.id], cancelled=False, limit=MOST
    )


def _asked(
    caller: Caller, tx: Connection, environment: Environment, over: Interval
) -> list[tuple[datetime, float | None]]:
    services = caller.services
    scaling_class = services.policies.current.scaling_classes.get(environment.scaling_class)
    if scaling_class is None:
        return []
    # A page that is looked at all day reads no year of steps.
    over = Interval(max(over.start, over.end - LOOKS_BACK), over.end)
    return asked(
        over,
        services.demand.of(tx, environment.id, over),
        services.demand.gaps(tx, environment.zone.value, over),
        float(scaling_class.target_in_flight),
    )


def _services(view: View, tx: Connection, environment: Environment) -> list[dict[str, object]]:
    """What its components are bound to: the name, the address as told, and why not if not."""
    lacking = view.services.bindings.lacking(tx, environment) if unbound(environment) else {}
    led = {service.name: service for service in environment.services}
    offered = view.services.policies.current.services
    found: list[dict[str, object]] = []
    for name in sorted(bound_names(environment)):
        service, policy = led.get(name), offered.get(name)
        found.append(
            {
                "name": name,
                "title": view.pick(policy.zh, policy.en) if policy else name,
                "components": [c.name for c in environment.components if name in c.bindings],
                "prefix": SharedService(name, 0).prefix,
                "service": service,
                "why": lacking.get(name, ""),
            }
        )
    return found


def _verbs(caller: Caller, environment: Environment) -> dict[str, bool]:
    def allowed(action: Action) -> bool:
        return not environment.retiring and may(caller.principal, action, environment.department_id)

    return {
        "scale": allowed(Action.ENVIRONMENT_SCALE),
        "hibernate": allowed(Action.ENVIRONMENT_HIBERNATE) and not environment.hibernated,
        "wake": allowed(Action.ENVIRONMENT_WAKE) and environment.hibernated,
        "correct": allowed(Action.POOL_WRITE) and drifted(environment),
        "try": allowed(Action.ENVIRONMENT_WAKE) and environment.hibernated,
        "freeze": allowed(Action.POOL_WRITE),
        "ask": allowed(Action.REQUEST_SUBMIT),
        "secret": allowed(Action.ENVIRONMENT_SECRET),
        "log": may(caller.principal, Action.ENVIRONMENT_LOG, environment.department_id),
    }


@router.get("/environments/{environment_id}/log")
def show_environment_log(
    request: Request,
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_LOG)],
    environment_id: str,
    component: Annotated[str, Query(max_length=40)] = "",
    slot: Annotated[int, Query(ge=0, le=999)] = 0,
) -> Response:
    """The last lines that one replica wrote."""
    view = View(request, caller)
    services = caller.services
    with services.database.read() as tx:
        environment = services.environments.get(tx, environment_id)
        caller.require(environment.department_id)
        name = Names(view, tx).environment(environment.id)
    chosen = component or environment.components[0].name
    driver = services.drivers.get(environment.pool_id)
    lines: list[str] = []
    problem = ""
    try:
        if driver is None:
            raise NotFound("the pool of this environment has no driver here", code="no-driver")
        if chosen not in {c.name for c in environment.components}:
            raise NotFound(f"there is no component {chosen}", code="no-such-component")
        lines = list(driver.log(environment_id, chosen, slot, LINES))
    except CloudmgrError as error:
        problem = error.message
    return view.page(
        "log.html",
        environment=environment,
        name=name,
        component=chosen,
        slot=slot,
        lines=lines,
        problem=problem,
        most=LINES,
    )
