"""In which fields two things differ, for a preview of what an apply would change. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.drivers.besides import Change

if TYPE_CHECKING:
    from collections.abc import Iterator


def differences(what: str, before: Any, after: Any) -> list[Change]:
    """Field by field; JSON values, None for what is not there."""
    return list(_differences(what, "", before, after))


def _differences(what: str, path: str, before: Any, after: Any) -> Iterator[Change]:
    if before == after:
        return
    old, new = _fields(before), _fields(after)
    if old is None or new is None:
        yield Change(what, path, _json(before), _json(after))
        return
    for key in sorted(old.keys() | new.keys()):
        below = key if key.startswith("[") else f".{key}" if path else key
        yield from _differences(what, path + below, old.get(key), new.get(key))


def _fields(thing: Any) -> dict[str, Any] | None:
    """What has parts, by their names; a list only where each of its items has one."""
    if isinstance(thing, dict):
        return thing
    if isinstance(thing, list) and all(isinstance(i, dict) and "name" in i for i in thing):
        return {f"[name={item['name']}]": item for item in thing}
    return None


def _json(thing: Any) -> str:
    return "" if thing is None else json.dumps(thing, ensure_ascii=False, sort_keys=True)
