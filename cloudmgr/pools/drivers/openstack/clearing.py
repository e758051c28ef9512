"""Takes away what an environment stood on, piece by piece."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cloudmgr.errors import NotFound, Temporary

if TYPE_CHECKING:
    from cloudmgr.pools.drivers.openstack.cloud import Cloud, Tenant
    from cloudmgr.pools.drivers.openstack.seen import Project
    from cloudmgr.pools.drivers.openstack.stores import Stores

Object = dict[str, Any]
_ROUTERS = {"network:router_interface", "network:router_interface_distributed"}


def clear(cloud: Cloud, stores: Stores, tenant: Tenant, project: Project) -> None:
    """All of it, the project last. Begun again as often as needed: what is gone is no error.

    :raises Temporary: ``still-ending`` while servers or volumes are there; ``foreign-port`` while
        somebody else has one on its network.
    """
    query: dict[str, Any] = {"name": project.name, "domain_id": cloud.self().domain_id}
    users = cloud.list("identity", "/users", "users", **query)
    if users:
        # Who is gone had no volumes any more.
        stores.clear(project, tenant)
    _network(cloud, project)
    if users:
        # Nova lets nobody else delete them.
        path = "/os-server-groups"
        for item in cloud.list("compute", path, "server_groups", tenant):
            _gone(cloud, "compute", "DELETE", f"{path}/{item['id']}", tenant=tenant)
    _gone(cloud, "network", "DELETE", f"/quotas/{project.id}")
    _gone(cloud, "compute", "DELETE", f"/os-quota-sets/{project.id}")
    for user in users:
        _gone(cloud, "identity", "DELETE", f"/users/{user['id']}")
    cloud.forget(project.id)
    _gone(cloud, "identity", "DELETE", f"/projects/{project.id}")


def _network(cloud: Cloud, project: Project) -> None:
    mine: dict[str, Any] = {"project_id": project.id}
    for port in cloud.list("network", "/ports", "ports", **mine):
        if str(port.get("device_owner", "")).startswith("compute:"):
            raise Temporary("its servers have not gone yet", code="still-ending")
        if port.get("device_owner") not in _ROUTERS:
            _gone(cloud, "network", "DELETE", f"/ports/{port['id']}")
    for network in cloud.list("network", "/networks", "networks", **mine):
        _empty(cloud, network)
    for kind in ("subnets", "networks", "security-groups"):
        key = kind.replace("-", "_")
        for item in cloud.list("network", f"/{kind}", key, **mine):
            _gone(cloud, "network", "DELETE", f"/{kind}/{item['id']}")


def _empty(cloud: Cloud, network: Object) -> None:
    """The router lets go of it; what others have there is theirs to take away."""
    query: dict[str, Any] = {"network_id": network["id"]}
    for port in cloud.list("network", "/ports", "ports", **query):
        owner = str(port.get("device_owner") or "")
        if owner in _ROUTERS:
            path = f"/routers/{port['device_id']}/remove_router_interface"
            _gone(cloud, "network", "PUT", path, {"port_id": port["id"]})
        elif not owner.startswith("network:"):
            raise Temporary(
                f"somebody else has a port on its network: {port['id']} of project "
                f"{port['project_id']} ({owner or 'unused'})",
                code="foreign-port",
                hint="have its owner delete the port; the rest follows by itself",
            )


def _gone(
    cloud: Cloud,
    service: str,
    method: str,
    path: str,
    body: Object | None = None,
    *,
    tenant: Tenant | None = None,
) -> None:
    with suppress(NotFound):
        cloud.send(service, method, path, body, tenant=tenant)
