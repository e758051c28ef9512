"""What an apply would change of an object, field by field. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmgr.pools.drivers.differences import differences
from cloudmgr.pools.drivers.kubernetes.names import DIGEST, WORKLOAD

if TYPE_CHECKING:
    from cloudmgr.pools.drivers.besides import Change

# What an apiserver itself writes of every object.
_KEPT_BY_THE_SERVER = {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"}

# What we and the cluster's controllers note of an object says nothing that its other fields do not;
# a controller may note it while we ask.
_NOTES = {DIGEST, WORKLOAD, "deployment.kubernetes.io/revision"}


def changes(what: str, live: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """The fields in which ``after``, the answer to a dry run, differs from ``live``."""
    return differences(what, _said(live), _said(after))


def _said(thing: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in thing.items() if key != "status"}
    metadata = thing.get("metadata", {})
    kept["metadata"] = {k: v for k, v in metadata.items() if k not in _KEPT_BY_THE_SERVER}
    if annotations := metadata.get("annotations"):
        others = {k: v for k, v in annotations.items() if k not in _NOTES}
        kept["metadata"]["annotations"] = others
    return kept
