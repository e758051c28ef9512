"""A workload in writing, for pools that keep in a file or an annotation what they were told."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.drivers.driver import (
    ComponentWorkload,
    SecretValue,
    SharedService,
    Workload,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


def dump_workload(workload: Workload) -> str:
    """``workload`` as JSON; of its secrets only which ones they are."""
    content = asdict(workload)
    for component in content["components"]:
        for secret in component["secrets"].values():
            del secret["value"]
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def load_workload(text: str) -> Workload:
    """:raises ValueError: if it is not what :func:`dump_workload` wrote."""
    try:
        return workload_of(json.loads(text))
    except (KeyError, TypeError, AttributeError) as error:
        message = f"this is no workload: {error}"
        raise ValueError(message) from error


def workload_of(content: Mapping[str, Any]) -> Workload:
    """:raises KeyError: or TypeError, for what lacks something."""
    components = tuple(component_of(c) for c in content["components"])
    return Workload(**{**known(Workload, content), "components": components})


def component_of(content: Mapping[str, Any]) -> ComponentWorkload:
    """:raises KeyError: or TypeError, for what lacks something."""
    found = known(ComponentWorkload, content)
    secrets = found.get("secrets", {})
    return ComponentWorkload(
        **{
            **found,
            "command": tuple(found["command"]),
            "secrets": {n: SecretValue(**known(SecretValue, s)) for n, s in secrets.items()},
            "services": tuple(map(_service, found.get("services", ()))),
            "offers": tuple(found.get("offers", ())),
        }
    )


def _service(content: Mapping[str, Any]) -> SharedService:
    found = known(SharedService, content)
    return SharedService(**{**found, "addresses": tuple(found["addresses"])})


def known(kind: type, content: Mapping[str, Any]) -> dict[str, Any]:
    """What of ``content`` this version knows: a newer one may have written more."""
    names = {field.name for field in fields(kind)}
    return {key: value for key, value in content.items() if key in names}
