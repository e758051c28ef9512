"""What a component is told, as the form of a request has it: services, secrets, files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmgr.errors import Invalid
from cloudmgr.hosting.bindings import bound_names, choosable
from cloudmgr.portal import words
from cloudmgr.portal.listing import Choice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from cloudmgr.hosting.environments import Component, Environment
    from cloudmgr.portal.forms import Form
    from cloudmgr.portal.view import View

# So many files a component has room for in the form; an API may give more, which are kept.
FILES = 3
_UNNAMED = "give the file a path"


def fields(path: str, component: Component | None = None) -> dict[str, object]:
    """What stands in the fields whose names begin with ``path``; empty without a component."""
    found: dict[str, object] = {
        f"{path}bindings": ["", *component.bindings] if component else [""],
        f"{path}secrets": " ".join(component.secrets) if component else "",
    }
    files = list(component.files.items())[:FILES] if component else []
    for number in range(FILES):
        name, text = files[number] if number < len(files) else ("", "")
        found |= {f"{path}files[{number}].path": name, f"{path}files[{number}].text": text}
    return found


def told(form: Form, path: str, old: Component | None) -> dict[str, Any]:
    """What was typed, as the API takes it; what was not shown stays as ``old`` has it.

    :raises Invalid: for a text without a path, and for a path that stands there twice.
    """
    found: dict[str, Any] = {}
    if form.has(f"{path}bindings"):
        # Boxes that are not ticked are not sent: an empty one tells that they were there.
        found["bindings"] = [name for name in form.all(f"{path}bindings") if name]
    elif old:
        found["bindings"] = list(old.bindings)
    if form.has(f"{path}secrets"):
        found["secrets"] = form.get(f"{path}secrets").split()
    elif old:
        found["secrets"] = list(old.secrets)
    files = list(old.files.items()) if old else []
    if form.has(f"{path}files[0].path"):
        files = _shown(form, path) + files[FILES:]
        names = [name for name, _ in files]
        for number, name in enumerate(names):
            if name in names[number + 1 :]:
                sentence = f"two files are called {name}"
                raise Invalid(sentence, code="invalid", path=_field(form, path, name))
    found["files"] = dict(files)
    return found


def renamed(form: Form, path: str) -> dict[str, str]:
    """The field for each thing that the domain may find fault with."""
    found = {f"{path}files": f"{path}files[0].path"}
    for name in ("bindings", "secrets"):
        found |= {f"{path}{name}[{number}]": f"{path}{name}" for number in range(100)}
    for number in range(FILES):
        field = f"{path}files[{number}].path"
        found[f"{path}files.{form.get(field)}"] = field
    return found


def options(
    view: View, tx: Connection, places: Iterable[tuple[str, str]], environment: Environment | None
) -> list[Choice]:
    """What components of these zones and departments may be bound to, and what they are already.

    :param places: pairs of a zone and the id of a department.
    """
    services = view.services
    offered = services.policies.current.services
    found = {
        service.name: service
        for zone, department_id in sorted(set(places))
        for service in choosable(offered, zone, services.departments.get(tx, department_id).code)
    }
    several = len({service.zone for service in found.values()}) > 1
    shown = [
        Choice(
            s.name,
            f"{view.pick(s.zh, s.en)} ({s.name})"
            + (f" · {view.word(words.ZONES, s.zone)}" if several else ""),
        )
        for s in found.values()
    ]
    gone = sorted(bound_names(environment) - found.keys()) if environment else []
    return shown + [
        Choice(name, view._("%(name)s: not offered any more", name=name)) for name in gone
    ]


def _shown(form: Form, path: str) -> list[tuple[str, str]]:
    files = []
    for number in range(FILES):
        name = form.get(f"{path}files[{number}].path")
        # Not without the blanks around it: a file may have to end with a line's end.
        text = next(iter(form.all(f"{path}files[{number}].text")), "")
        if name:
            files.append((name, text))
        elif text.strip():
            raise Invalid(_UNNAMED, code="invalid", path=f"{path}files[{number}].path")
    return files


def _field(form: Form, path: str, name: str) -> str:
    """The last field in which the path ``name`` was typed."""
    typed = [f"{path}files[{number}].path" for number in range(FILES)]
    return next((one for one in reversed(typed) if form.get(one) == name), typed[0])
