"""What an apply would change of an object, field by field. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.drivers.driver import Change
from cloudmgr.pools.drivers.kubernetes.names import DIGEST, WORKLOAD

if TYPE_CHECKING:
    from collections.abc import Iterator

# What an apiserver itself writes of every object.
_KEPT_BY_THE_SERVER = {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"}

# What we and the cluster's controllers note of an object says nothing that its other fields do not;
# a controller may note it while we ask.
_NOTES = {DIGEST, WORKLOAD, "deployment.kubernetes.io/revision"}


def changes(what: str, live: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """The fields in which ``after``, the answer to a dry run, differs from ``live``."""
    return list(_differences(what, "", _said(live), _said(after)))


def _said(thing: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in thing.items() if key != "status"}
    metadata = thing.get("metadata", {})
    kept["metadata"] = {k: v for k, v in metadata.items() if k not in _KEPT_BY_THE_SERVER}
    if annotations := metadata.get("annotations"):
        others = {k: v for k, v in annotations.items() if k not in _NOTES}
        kept["metadata"]["annotations"] = others
    return kept


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
