"""Orders to an environment: each shows its consequences, asks why, and is given once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.orders import HibernateEntry, ReleaseEntry, ScaleEntry, WakeEntry
from cloudmgr.errors import Conflict, Invalid, NotFound
from cloudmgr.identity.access import Action
from cloudmgr.portal.forms import Form, Posted, entry, once, seen
from cloudmgr.portal.listing import Choice
from cloudmgr.portal.names import Names
from cloudmgr.portal.peaks import outlook
from cloudmgr.portal.view import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Environment
    from cloudmgr.scaling.scaler import Outcome

router = APIRouter(include_in_schema=False, prefix="/environments")

Scaling = Annotated[Caller, Access(Action.ENVIRONMENT_SCALE)]
Component = Annotated[str, Query(max_length=40)]
# What is said on the form, since whoever filled it in can do something about it.
_REFUSED = frozenset(
    {"inside-a-window", "before-earliest-sleep", "needed", "never-hibernates", "retiring"}
)


def _page(
    request: Request, caller: Caller, environment_id: str, kind: str, form: Form, status: int = 200
) -> Response:
    view = View(request, caller)
    services = caller.services
    with services.database.read() as tx:
        environment = services.environments.get(tx, environment_id)
        caller.require(environment.department_id)
        policy = services.policies.current
        component = _component(environment, form)
        names = Names(view, tx)
        ahead = services.windows.ahead(tx, environment.id, view.formats.now)
        lead = services.leads.class_of(tx, environment).lead_time
        peaks = [outlook(w, environment, lead, view.formats.now) for w in ahead]
        context: dict[str, Any] = {
            "environment": environment,
            "name": names.environment(environment.id),
            "kind": kind,
            "form": form,
            "component": component,
            "components": [Choice(c.name, c.name) for c in environment.components],
            "scaling_class": policy.scaling_classes.get(environment.scaling_class),
            "contract": services.scaling.contract(tx, environment.id),
            "running": [p for p in peaks if p.state in {"now", "preparing"}],
            "next": next((p for p in peaks if p.state == "ahead"), None),
            "version": approved(environment),
        }
    return view.page("order.html", status, **context)


def _component(environment: Environment, form: Form) -> Any:
    wanted = form.get("component")
    found = next((c for c in environment.components if c.name == wanted), None)
    return found or environment.web or environment.components[0]


@router.get("/{environment_id}/scale")
def show_scale(
    request: Request, caller: Scaling, environment_id: str, component: Component = ""
) -> Response:
    """How many replicas, until when, why."""
    with caller.services.database.read() as tx:
        environment = caller.services.environments.get(tx, environment_id)
    caller.require(environment.department_id)
    chosen = _component(environment, Form.of(component=component))
    form = Form.of(
        component=chosen.name,
        replicas=max(1, environment.target.get(chosen.name, 1)),
        until="",
        reason="",
    )
    return _page(request, caller, environment_id, "scale", form)


@router.get("/{environment_id}/release")
def show_release(
    request: Request, caller: Scaling, environment_id: str, component: Component = ""
) -> Response:
    """What happens once peaks and traffic decide again."""
    form = Form.of(component=component, reason="")
    return _page(request, caller, environment_id, "release", form)


@router.get("/{environment_id}/hibernate")
def show_hibernate(
    request: Request,
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_HIBERNATE)],
    environment_id: str,
) -> Response:
    """What stops, what stays, what wakes it."""
    return _page(request, caller, environment_id, "hibernate", Form.of(until="", reason=""))


@router.get("/{environment_id}/wake")
def show_wake(
    request: Request,
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_WAKE)],
    environment_id: str,
) -> Response:
    """What starts, and how long it stays."""
    return _page(request, caller, environment_id, "wake", Form.of(until="", reason=""))


@router.post("/{environment_id}/scale")
def scale_from_page(
    request: Request, caller: Scaling, environment_id: str, form: Posted
) -> Response:
    """Hold it at so many."""

    def give(tx: Connection) -> Outcome:
        body = entry(ScaleEntry, _body(caller, form, ScaleEntry))
        return caller.services.scaling.scale(
            tx,
            environment_id,
            body.component,
            body.replicas,
            actor=caller.principal.user_id,
            why=body.reason,
            until=body.until,
        )

    return _order(request, caller, environment_id, "scale", form, give, "scaled")


@router.post("/{environment_id}/release")
def release_from_page(
    request: Request, caller: Scaling, environment_id: str, form: Posted
) -> Response:
    """Take the order back."""

    def give(tx: Connection) -> Outcome:
        body = entry(ReleaseEntry, _body(caller, form, ReleaseEntry))
        return caller.services.scaling.release(
            tx, environment_id, body.component, actor=caller.principal.user_id, why=body.reason
        )

    return _order(request, caller, environment_id, "release", form, give, "released")


@router.post("/{environment_id}/hibernate")
def hibernate_from_page(
    request: Request,
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_HIBERNATE)],
    environment_id: str,
    form: Posted,
) -> Response:
    """Let it sleep."""

    def give(tx: Connection) -> Outcome:
        data = _body(caller, form, HibernateEntry)
        data["force"] = form.get("force") == "yes"
        body = entry(HibernateEntry, data)
        return caller.services.scaling.hibernate(
            tx,
            environment_id,
            actor=caller.principal.user_id,
            why=body.reason,
            until=body.until,
            force=body.force,
        )

    return _order(request, caller, environment_id, "hibernate", form, give, "hibernated")


@router.post("/{environment_id}/wake")
def wake_from_page(
    request: Request,
    caller: Annotated[Caller, Access(Action.ENVIRONMENT_WAKE)],
    environment_id: str,
    form: Posted,
) -> Response:
    """Bring it back."""

    def give(tx: Connection) -> Outcome:
        body = entry(WakeEntry, _body(caller, form, WakeEntry))
        return caller.services.scaling.wake(
            tx, environment_id, actor=caller.principal.user_id, why=body.reason, until=body.until
        )

    return _order(request, caller, environment_id, "wake", form, give, "woken")


def _body(caller: Caller, form: Form, kind: Any) -> dict[str, Any]:
    return form.nested(caller.services.time_zone, *kind.model_fields)


def _order(
    request: Request,
    caller: Caller,
    environment_id: str,
    kind: str,
    form: Form,
    give: Callable[[Connection], Outcome],
    said: str,
) -> Response:
    def work(tx: Connection) -> str:
        environment = caller.services.environments.get(tx, environment_id)
        caller.require(environment.department_id)
        if kind == "scale":
            # The other orders are right whatever happened meanwhile.
            _same_spec(form, environment)
        outcome = give(tx)
        after = outcome.environment
        caller.record(
            tx,
            caller.action,
            object_kind="environment",
            object_id=environment_id,
            department_id=environment.department_id,
            detail={"before": dict(environment.target), "after": dict(after.target)},
        )
        waits = outcome.turn.waits is not None
        return f"/environments/{environment_id}?said={'waits' if waits else said}"

    try:
        return once(caller, form, work)
    except Invalid as error:
        form.blame(error, {"why": "reason"})
        return _page(request, caller, environment_id, kind, form, 422)
    except Conflict as error:
        if error.code not in _REFUSED:
            raise
        form.top += [error.message, error.hint] if error.hint else [error.message]
        return _page(request, caller, environment_id, kind, form, 409)
    except NotFound as error:
        if error.code != "no-such-component":
            raise
        form.errors["component"] = [error.message]
        return _page(request, caller, environment_id, kind, form, 422)


def _same_spec(form: Form, environment: Environment) -> None:
    """What was approved must be what was looked at; that replicas come and go is no change."""
    if form.has("version"):
        seen(form, approved(environment))


def approved(environment: Environment) -> str:
    """A mark of what was approved: it changes with every resize, and with nothing else."""
    return "-".join(f"{c.name}:{c.min_replicas}:{c.max_replicas}" for c in environment.components)
