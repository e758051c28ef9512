"""Who may reach the servers of an environment, and whom they may: a security group a component."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cloudmgr.errors import Conflict, NotFound

if TYPE_CHECKING:
    from cloudmgr.pools.drivers.driver import ComponentWorkload, Workload
    from cloudmgr.pools.drivers.openstack.cloud import Cloud, Tenant
    from cloudmgr.pools.drivers.openstack.settings import OpenStackSettings

Object = dict[str, Any]
_METADATA = "169.254.169.254/32"


class Groups:
    """Any thread may call, for different environments at once."""

    def __init__(self, cloud: Cloud, settings: OpenStackSettings) -> None:
        self._cloud = cloud
        self._settings = settings

    def lay(self, tenant: Tenant, component: ComponentWorkload) -> str:
        """The id of its group, with its rules and no others."""
        group = self._group(tenant, component.name)
        wanted = self.rules(component)
        there = self._cloud.list(
            "network",
            "/security-group-rules",
            "security_group_rules",
            tenant,
            security_group_id=group,
        )
        for item in there:
            rule = _rule(item)
            if rule in wanted:
                wanted.remove(rule)
            else:
                path = f"/security-group-rules/{item['id']}"
                with suppress(NotFound):
                    self._cloud.send("network", "DELETE", path, tenant=tenant)
        if wanted:
            rules = [{"security_group_id": group, "ethertype": "IPv4", **dict(r)} for r in wanted]
            body = {"security_group_rules": rules}
            self._cloud.send("network", "POST", "/security-group-rules", body, tenant=tenant)
        return group

    def _group(self, tenant: Tenant, name: str) -> str:
        path, key = "/security-groups", "security_group"
        found = self._cloud.list(
            "network", path, f"{key}s", tenant, name=name, project_id=tenant.project_id
        )
        if found:
            return str(found[0]["id"])
        answer = self._cloud.send("network", "POST", path, {key: {"name": name}}, tenant=tenant)
        return str((answer or {})[key]["id"])

    def outlived(self, tenant: Tenant, workload: Workload) -> list[Object]:
        """Those of components that are no more go; what is left is that of servers yet to go."""
        left = []
        wanted = {"default", *(c.name for c in workload.components)}
        path, key = "/security-groups", "security_groups"
        for group in self._cloud.list("network", path, key, tenant, project_id=tenant.project_id):
            if group["name"] not in wanted:
                try:
                    self._cloud.send("network", "DELETE", f"{path}/{group['id']}", tenant=tenant)
                except Conflict:
                    left.append(group)
                except NotFound:
                    pass
        return left

    def rules(self, component: ComponentWorkload) -> list[tuple[tuple[str, object], ...]]:
        """In: the gateway alone. Out: names, nova's metadata, and the services it is bound to."""
        found: list[tuple[str, str, int, str]] = []
        if component.port is not None:
            found += [
                ("ingress", "tcp", component.port, cidr) for cidr in self._settings.gateway_cidrs
            ]
        for cidr in self._settings.dns_cidrs:
            found += [("egress", "udp", 53, cidr), ("egress", "tcp", 53, cidr)]
        found.append(("egress", "tcp", 80, _METADATA))
        for service in component.services:
            found += [("egress", "tcp", service.port, cidr) for cidr in service.addresses]
        return [_made(*rule) for rule in dict.fromkeys(found)]


def outward(component: ComponentWorkload) -> list[object]:
    return [[service.port, *service.addresses] for service in component.services]


def _made(direction: str, protocol: str, port: int, cidr: str) -> tuple[tuple[str, object], ...]:
    return (
        ("direction", direction),
        ("protocol", protocol),
        ("port_range_min", port),
        ("port_range_max", port),
        ("remote_ip_prefix", cidr),
    )


def _rule(item: Object) -> tuple[tuple[str, object], ...]:
    if item.get("ethertype") != "IPv4":
        return ()
    keys = ("direction", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix")
    return tuple((key, item.get(key)) for key in keys)
