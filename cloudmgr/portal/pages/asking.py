"""Asking: for an environment, another size, a peak, the end. Tried first, then submitted."""

from __future__ import annotations

import re
import shlex
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.routes.requests import NewRequest
from cloudmgr.errors import Conflict, Invalid, Temporary
from cloudmgr.hosting.requests import RequestKind
from cloudmgr.identity.access import Action
from cloudmgr.planning.placement import UNREACHABLE
from cloudmgr.portal import told, words
from cloudmgr.portal.forms import EXPECTED, Form, Posted, entry, once
from cloudmgr.portal.listing import Choice, choices
from cloudmgr.portal.names import Names
from cloudmgr.portal.view import View, redirect

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Component, Environment

router = APIRouter(include_in_schema=False, prefix="/requests")

Asking = Annotated[Caller, Access(Action.REQUEST_SUBMIT)]
Which = Annotated[str, Query(max_length=80)]

_SECOND = "environment.components[1]."
_FIRST: dict[str, object] = {
    "name": "web",
    "image": "",
    "command": "",
    "cpu_millis": "0.25",
    "memory_mib": 256,
    "storage_gib": 0,
    "min_replicas": 1,
    "max_replicas": 2,
    "port": 8080,
    "health_path": "/",
}
_OUTSIDE = re.compile(r"(-?[0-9,]+) is outside ([0-9,]+) to ([0-9,]+)")
_NUMBERED = re.compile(r"environment\.components\[([0-9]{1,2})\]\.")
_UNCLOSED = "the command has a quotation mark that is not closed"


@router.get("/new")
def show_ask_new(request: Request, caller: Asking, system_id: Which = "") -> Response:
    """The form for an environment."""
    values: dict[str, object] = {
        "system_id": system_id,
        "environment.name": "prod",
        "environment.purpose": "production",
        "reason": "",
    }
    values |= {f"environment.components[0].{name}": value for name, value in _FIRST.items()}
    values |= {f"{_SECOND}{name}": "" for name in _FIRST}
    values |= told.fields(_path(0)) | told.fields(_SECOND)
    return _form(View(request, caller), RequestKind.NEW, Form.filled(values))


@router.get("/peak")
def show_ask_peak(request: Request, caller: Asking, environment_id: Which = "") -> Response:
    """The form for a peak; first of all, of which environment."""
    if not environment_id:
        return _choose(View(request, caller), RequestKind.PEAK)
    form = Form.filled(
        {
            "environment_id": environment_id,
            "windows[0].component": "",
            "windows[0].starts_at": "",
            "windows[0].ends_at": "",
            "windows[0].replicas": "",
            **{f"windows[0].expected.{name}": "" for name in EXPECTED},
            "windows[0].expected_rps": "",
            "windows[0].note": "",
            "reason": "",
        }
    )
    return _form(View(request, caller), RequestKind.PEAK, form)


@router.get("/resize")
def show_ask_resize(request: Request, caller: Asking, environment_id: Which = "") -> Response:
    """The form for another size, filled with what it has."""
    view = View(request, caller)
    if not environment_id:
        return _choose(view, RequestKind.RESIZE)
    with caller.services.database.read() as tx:
        environment = _environment(tx, caller, environment_id)
    values: dict[str, object] = {
        "environment_id": environment.id,
        "environment.name": environment.name,
        "environment.purpose": environment.purpose.value,
        "reason": "",
    }
    for number, component in enumerate(environment.components):
        values |= _component_fields(number, component)
    if len(environment.components) == 1:
        values |= {f"{_SECOND}{name}": "" for name in _FIRST} | told.fields(_SECOND)
    return _form(view, RequestKind.RESIZE, Form.filled(values))


@router.get("/retire")
def show_ask_retire(request: Request, caller: Asking, environment_id: Which = "") -> Response:
    """What retiring means, and why."""
    view = View(request, caller)
    if not environment_id:
        return _choose(view, RequestKind.RETIRE)
    form = Form.of(environment_id=environment_id, reason="")
    return _form(view, RequestKind.RETIRE, form)


@router.post("/new")
def ask_new(request: Request, caller: Asking, form: Posted) -> Response:
    """Try it, or submit it."""
    return _ask(request, caller, RequestKind.NEW, form)


@router.post("/peak")
def ask_peak(request: Request, caller: Asking, form: Posted) -> Response:
    """Try it, or submit it."""
    return _ask(request, caller, RequestKind.PEAK, form)


@router.post("/resize")
def ask_resize(request: Request, caller: Asking, form: Posted) -> Response:
    """Try it, or submit it."""
    return _ask(request, caller, RequestKind.RESIZE, form)


@router.post("/retire")
def ask_retire(request: Request, caller: Asking, form: Posted) -> Response:
    """Try it, or submit it."""
    return _ask(request, caller, RequestKind.RETIRE, form)


def _ask(request: Request, caller: Caller, kind: RequestKind, form: Form) -> Response:
    view = View(request, caller)
    services = caller.services
    if form.get("step") == "edit":
        return _form(view, kind, form)
    try:
        with services.database.read() as tx:
            body = _body(tx, caller, kind, form)
            caller.require(services.systems.get(tx, body.system_id).department_id)
            if form.get("step") != "submit":
                return _check(view, tx, kind, form, body)

        def work(tx: Connection) -> str:
            caller.require(services.systems.get(tx, body.system_id).department_id)
            made = services.desk.submit(tx, body.draft(), caller.principal)
            return f"/requests/{made.id}?said=request-submitted"

        return once(caller, form, work)
    except Invalid as error:
        return _form(view, kind, _blamed(form, error), 422)
    except Conflict as error:
        if error.code != "retiring":
            raise
        form.top.append(error.message)
        return _form(view, kind, form, 409)
    except Temporary as error:
        if error.code != UNREACHABLE:
            raise
        form.top += [error.message, error.hint]
        return _form(view, kind, form, 503)


def _check(view: View, tx: Connection, kind: RequestKind, form: Form, body: NewRequest) -> Response:
    """Would it be allowed, who must sign, what would it cost, where would it go."""
    assert view.caller is not None  # noqa: S101
    assessment = view.services.desk.dry_run(tx, body.draft(), view.caller.principal)
    names = Names(view, tx)
    kept = [
        (name, value)
        for name, values in form.values.items()
        for value in values
        if name not in {"step", "idempotency_key"}
    ]
    return view.page(
        "asking_check.html",
        kind=kind.value,
        assessment=assessment,
        names=names,
        kept=kept,
        form=form,
        body=body,
        title=view.word(words.KINDS, kind.value),
        pool=names.pool(assessment.location.pool_id) if assessment.location.pool_id else "",
    )


def _body(tx: Connection, caller: Caller, kind: RequestKind, form: Form) -> NewRequest:
    """What was typed, as the API takes it.

    :raises Invalid: with every fault by the name of its field.
    """
    data = form.nested(
        caller.services.time_zone, "system_id", "environment_id", "environment", "windows", "reason"
    )
    data["kind"] = kind.value
    environment: Environment | None = None
    if kind is not RequestKind.NEW:
        environment = _environment(tx, caller, str(data.get("environment_id", "")))
        data["system_id"] = environment.system_id
    elif not data.get("system_id"):
        raise Invalid("choose a system", code="invalid", path="system_id")
    if kind in {RequestKind.NEW, RequestKind.RESIZE}:
        asked = data.setdefault("environment", {})
        had = {c.name: c for c in environment.components} if environment else {}
        given = []
        for number, component in zip(_numbers(form), asked.get("components", ()), strict=False):
            if number == 1 and not component.get("name"):
                continue
            old = had.get(str(component.get("name")))
            _commanded(component, f"{_path(number)}command")
            component.update(told.told(form, _path(number), old))
            if old is not None:
                _keep_the_rest(component, old)
            given.append(component)
        asked["components"] = given
    return entry(NewRequest, data)


def _commanded(component: dict[str, Any], path: str) -> None:
    if "command" in component:
        try:
            component["command"] = shlex.split(component["command"])
        except ValueError:
            raise Invalid(_UNCLOSED, code="invalid", path=path) from None


def _path(number: int) -> str:
    return f"environment.components[{number}]."


def _numbers(form: Form) -> list[int]:
    """Which components have anything typed: those that :meth:`Form.nested` gives, in its order."""
    found = {
        int(match[1])
        for name, texts in form.values.items()
        if texts[0].strip() and (match := _NUMBERED.match(name))
    }
    return sorted(found)


def _keep_the_rest(component: dict[str, Any], old: Component) -> None:
    """What the form does not show stays as it is: a page must not wipe an API's settings."""
    component["variables"] = dict(old.variables)
    component["startup_seconds"] = old.startup_seconds


def _component_fields(number: int, component: Component) -> dict[str, object]:
    path = _path(number)
    return told.fields(path, component) | {
        f"{path}name": component.name,
        f"{path}image": component.image,
        f"{path}command": shlex.join(component.command),
        f"{path}cpu_millis": format(Decimal(component.cpu_millis) / 1000, "f"),
        f"{path}memory_mib": component.memory_mib,
        f"{path}storage_gib": component.storage_gib,
        f"{path}min_replicas": component.min_replicas,
        f"{path}max_replicas": component.max_replicas,
        f"{path}port": component.port if component.port is not None else "",
        f"{path}health_path": component.health_path,
    }


def _blamed(form: Form, error: Invalid) -> Form:
    """As :meth:`Form.blame`; processors are typed in cores, and judged in thousandths."""
    renamed: dict[str, str] = {}
    for number in range(20):
        path = _path(number)
        renamed[path.removesuffix(".")] = f"{path}command"
        renamed |= told.renamed(form, path)
    form.blame(error, renamed)
    for name, said in form.errors.items():
        if name.endswith(".cpu_millis"):
            form.errors[name] = [
                _OUTSIDE.sub(_in_cores, one).replace("a valid integer", "a valid number")
                for one in said
            ]
    return form


def _in_cores(match: re.Match[str]) -> str:
    value, low, high = (
        format((Decimal(text.replace(",", "")) / 1000).normalize(), "f") for text in match.groups()
    )
    return f"{value} is outside {low} to {high}"


def _environment(tx: Connection, caller: Caller, environment_id: str) -> Environment:
    environment = caller.services.environments.get(tx, environment_id)
    caller.require(environment.department_id)
    return environment


def _choose(view: View, kind: RequestKind) -> Response:
    """Which environment: one question a page."""
    assert view.caller is not None  # noqa: S101
    with view.services.database.read() as tx:
        names = Names(view, tx)
        found = view.services.environments.list(tx, department_id=view.caller.confine())
        options = [Choice(e.id, names.environment(e.id)) for e in found if not e.retiring]
    if len(options) == 1:
        return redirect(f"/requests/{kind.value}?environment_id={options[0].value}")
    return view.page(
        "asking_choose.html",
        title=view.word(words.KINDS, kind.value),
        options=options,
        form=Form(),
    )


def _form(view: View, kind: RequestKind, form: Form, status: int = 200) -> Response:
    caller = view.caller
    assert caller is not None  # noqa: S101
    services = view.services
    context: dict[str, Any] = {}
    with services.database.read() as tx:
        names = Names(view, tx)
        if kind is RequestKind.NEW:
            systems = services.systems.list(tx, department_id=caller.confine())
            context["systems"] = [Choice(s.id, view.pick(s.name_zh, s.name_en)) for s in systems]
            context["shown"] = 2
            places = [(s.zone.value, s.department_id) for s in systems]
            context["services"] = told.options(view, tx, places, None)
        else:
            environment = _environment(tx, caller, form.get("environment_id"))
            context["environment"] = environment
            context["name"] = names.environment(environment.id)
            context["shown"] = max(2, len(environment.components))
            place = (environment.zone.value, environment.department_id)
            context["services"] = told.options(view, tx, [place], environment)
            context["components"] = [
                Choice(
                    c.name,
                    view._("%(name)s, at most %(most)s replicas", name=c.name, most=c.max_replicas),
                )
                for c in environment.components
            ]
    return view.page(
        "asking.html",
        status,
        kind=kind.value,
        form=form,
        files=told.FILES,
        title=view.word(words.KINDS, kind.value),
        purposes=choices(words.PURPOSES, view),
        units=choices(words.UNITS, view),
        **context,
    )
