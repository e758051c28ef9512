"""What an apply would change in a cloud, against what was told last. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmgr.pools.drivers.differences import differences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudmgr.pools.drivers.besides import Change
    from cloudmgr.pools.drivers.driver import ComponentWorkload, Workload

Things = dict[str, dict[str, Any]]


def changes(
    before: Workload | None,
    after: Workload,
    ground: Callable[[Workload], Things],
    flavor: Callable[[ComponentWorkload], str],
) -> list[Change]:
    """Thing by thing, field by field; everything comes where nothing was told before.

    :param ground: what an environment stands on.
    :param flavor: the name of the one that a replica gets.
    """

    def things(workload: Workload | None) -> Mapping[str, dict[str, Any]]:
        if workload is None:
            return {}
        servers = {f"servers {c.name}": _servers(c, flavor(c)) for c in workload.components}
        return {**ground(workload), **servers}

    old, new = things(before), things(after)
    return [
        change
        for what in sorted(old.keys() | new.keys())
        for change in differences(what, old.get(what), new.get(what))
    ]


def _servers(component: ComponentWorkload, flavor: str) -> dict[str, Any]:
    return {
        "count": component.replicas,
        "flavor": flavor,
        "image": component.image,
        "port": component.port,
        "health_path": component.health_path,
        "startup_seconds": component.startup_seconds,
        "reserved": component.reserved,
        "storage_gib": component.storage_gib,
        "variables": dict(component.variables),
        "files": dict(component.files),
        # Never the values.
        "secrets": {name: secret.revision for name, secret in component.secrets.items()},
        "services": {s.name: f"{s.host}:{s.port}" for s in component.services},
    }
