"""Who wrote which field of an object: what its ``managedFields`` say. Pure.

The form of ``fieldsV1`` is that of Kubernetes: ``f:name`` is a field, ``k:{...}`` the item of a
list that has these keys, ``v:...`` an item of a set, ``.`` the thing itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Under this name everything of ours is written.
FIELD_MANAGER = "cloudmgr"

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Foreign:
    """One field that ``manager`` wrote last."""

    manager: str
    path: Path

    def __str__(self) -> str:
        return f"{readable(self.path)} by {self.manager}"


def foreign(entries: Iterable[Mapping[str, Any]]) -> tuple[Foreign, ...]:
    """The fields that others have, and we have not; what is said of a status is not counted."""
    counted = [entry for entry in entries if entry.get("subresource") != "status"]
    if all(entry.get("manager") == FIELD_MANAGER for entry in counted):
        return ()  # as nearly always: no field need be looked at
    ours: set[Path] = set()
    theirs: list[Foreign] = []
    for entry in counted:
        paths = leaves(entry.get("fieldsV1") or {})
        if entry.get("manager") == FIELD_MANAGER:
            ours.update(paths)
        else:
            manager = str(entry.get("manager", "somebody"))
            theirs += [Foreign(manager, path) for path in paths if path[0] != "f:status"]
    return tuple(one for one in theirs if one.path not in ours)


def changed(found: Iterable[Foreign], body: Mapping[str, Any]) -> list[Foreign]:
    """Those of ``found`` that are fields of ``body``: of what we wrote."""
    return [one for one in found if _has(body, one.path)]


def leaves(fields: Mapping[str, Any], above: Path = ()) -> Iterator[Path]:
    """The path of every field that has no fields of its own."""
    for key, below in fields.items():
        if key == ".":
            continue
        if any(name != "." for name in below):
            yield from leaves(below, (*above, key))
        else:
            yield (*above, key)


def readable(path: Path) -> str:
    """As ``spec.template.spec.containers[name=web].image``."""
    text = ""
    for part in path:
        kind, _, rest = part.partition(":")
        if kind == "k":
            keys = json.loads(rest)
            text += "[" + ",".join(f"{name}={value}" for name, value in keys.items()) + "]"
        elif kind == "v":
            text += f"[{json.loads(rest)}]"
        else:
            text += f".{rest}" if text else rest
    return text


def _has(content: Any, path: Path) -> bool:
    for part in path:
        kind, _, rest = part.partition(":")
        if kind == "f" and isinstance(content, dict) and rest in content:
            content = content[rest]
        elif kind == "k" and isinstance(content, list):
            keys = json.loads(rest)
            content = next((item for item in content if _is(item, keys)), None)
            if content is None:
                return False
        elif kind == "v" and isinstance(content, list):
            return json.loads(rest) in content
        else:
            return False
    return True


def _is(item: Any, keys: Mapping[str, Any]) -> bool:
    return isinstance(item, dict) and all(item.get(name) == value for name, value in keys.items())
