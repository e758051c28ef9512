"""What an environment stands on: project, user, quotas, network, security groups, server groups.

Everything has a deterministic name and is looked for before it is made, so that a repeat is
harmless; what has been laid stands in the project, so that nothing is asked while nothing changes.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from cloudmgr.errors import Conflict, NotFound, Permanent, Temporary
from cloudmgr.pools.drivers.openstack import names as words
from cloudmgr.pools.drivers.openstack import seen
from cloudmgr.pools.drivers.openstack.cloud import Tenant
from cloudmgr.pools.drivers.openstack.departments import Departments
from cloudmgr.pools.drivers.openstack.groups import Groups, outward

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from cloudmgr.pools.drivers.driver import ComponentWorkload, Workload
    from cloudmgr.pools.drivers.openstack.cloud import Cloud
    from cloudmgr.pools.drivers.openstack.flavors import Flavor
    from cloudmgr.pools.drivers.openstack.seen import Project
    from cloudmgr.pools.drivers.openstack.settings import OpenStackSettings

Object = dict[str, Any]
_TRIES = 3


class Ground:
    """Any thread may call, for different environments at once.

    :param flavor_of: the flavor of a component; None if there is none.
    """

    def __init__(
        self,
        cloud: Cloud,
        settings: OpenStackSettings,
        flavor_of: Callable[[ComponentWorkload], Flavor | None],
    ) -> None:
        self._cloud = cloud
        self._settings = settings
        self._flavor_of = flavor_of
        self._groups = Groups(cloud, settings)
        self.departments = Departments(cloud, settings.prefix)
        self._pools: dict[str, str] = {}

    # --------------------------------------------------------------------------------- project

    def project(self, workload: Workload, written: str) -> Project:
        """Make the project of an environment, or write into it what it is to be."""
        for _ in range(_TRIES):
            made = self._made(workload, written)
            if made is not None:
                return made
        raise Temporary("the department's project has just been removed", code="still-ending")

    def _made(self, workload: Workload, written: str) -> Project | None:
        """None where the department's project went between two requests, with its last one."""
        prefix = self._settings.prefix
        body = {
            "name": words.project_of(prefix, workload.environment_id),
            "domain_id": self._cloud.self().domain_id,
            "tags": [words.tag(prefix)],
            words.ENVIRONMENT: workload.environment_id,
            words.WORKLOAD: written,
        }
        try:
            with self.departments.above(workload.department_id) as parent:
                said = {"project": {**body, "parent_id": parent}}
                answer = self._cloud.send("identity", "POST", "/projects", said)
        except Conflict:
            there = self.find(workload.environment_id)
            if there is None:
                raise
            return self.write(there, {words.WORKLOAD: written})
        except NotFound:
            return None
        except Permanent as error:
            # Keystone does not answer 404 for a parent that is not there.
            if "Could not find project" not in error.message:
                raise
            return None
        return _taken(answer)

    def write(self, project: Project, said: Mapping[str, object]) -> Project:
        """Write properties of a project. :raises NotFound: it is gone."""
        body = {"project": dict(said)}
        return _taken(self._cloud.send("identity", "PATCH", f"/projects/{project.id}", body))

    def find(self, environment_id: str) -> Project | None:
        """Asked of keystone itself."""
        name = words.project_of(self._settings.prefix, environment_id)
        found = self._cloud.list(
            "identity", "/projects", "projects", name=name, domain_id=self._cloud.self().domain_id
        )
        return next((p for item in found if (p := seen.project(item)) is not None), None)

    def tenant(self, project: Project) -> Tenant:
        return Tenant(project.name, project.id, words.password(self._cloud.seed, project.id))

    # ------------------------------------------------------------------------------------ laying

    def digest(self, workload: Workload) -> str:
        """Names what has to be laid for ``workload``: all but how many replicas run."""
        said: list[list[object]] = [
            [
                *(c.name, c.port, _most(c), f.id if (f := self._flavor_of(c)) else ""),
                *(outward(c), c.storage_gib),
            ]
            for c in workload.components
        ]
        s = self._settings
        said.append(
            [s.storage_gib > 0, s.subnet_pool, s.router, s.dhcp, s.gateway_cidrs, s.dns_cidrs]
        )
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]

    def lay(self, project: Project, workload: Workload) -> Project:
        """Make what lacks of it, and note what there is."""
        self._user(project)
        self._quotas(project, workload, self._groups.outlived(self.tenant(project), workload))
        network, subnet = self._network(project)
        tenant = self.tenant(project)
        groups = {c.name: self._groups.lay(tenant, c) for c in workload.components}
        affinity = self._server_groups(project, {c.name for c in workload.components})
        ground = {
            "digest": self.digest(workload),
            "network": network,
            "subnet": subnet,
            "groups": groups,
            "affinity": affinity,
        }
        return self.write(project, {words.GROUND: json.dumps(ground, sort_keys=True)})

    @contextmanager
    def as_member(self, project: Project) -> Iterator[Tenant]:
        """Who acts in an environment's project. One whom keystone does not know is made known.

        :raises Temporary: ``pool-tenant``: it is to be tried again.
        """
        try:
            yield self.tenant(project)
        except Temporary as error:
            if error.code == "pool-tenant":
                # The pool has another credential than when the user was made, or somebody has
                # taken the user away, or what it may do.
                self._user(project, renew=True)
            raise

    def _user(self, project: Project, *, renew: bool = False) -> None:
        me, secret = self._cloud.self(), self.tenant(project).password
        query: dict[str, Any] = {"name": project.name, "domain_id": me.domain_id}
        found = self._cloud.list("identity", "/users", "users", **query)
        if found:
            user = found[0]
            if renew:
                body: Object = {"user": {"password": secret, "enabled": True}}
                self._cloud.send("identity", "PATCH", f"/users/{user['id']}", body)
        else:
            body = {"name": project.name, "domain_id": me.domain_id, "password": secret}
            answer = self._cloud.send("identity", "POST", "/users", {"user": body}) or {}
            user = answer["user"]
        role = self._cloud.role("member")
        path = f"/projects/{project.id}/users/{user['id']}/roles/{role}"
        self._cloud.send("identity", "PUT", path)

    def _quotas(self, project: Project, workload: Workload, old: Sequence[Object]) -> None:
        """:param old: security groups of components that are no more, besides."""
        wanted = self.wanted(workload)
        compute, network = wanted["quota of nova"], dict(wanted["quota of neutron"])
        network["security_group"] += len(old)
        network["security_group_rule"] += sum(len(g["security_group_rules"]) for g in old)
        self._cloud.send("compute", "PUT", f"/os-quota-sets/{project.id}", {"quota_set": compute})
        self._cloud.send("network", "PUT", f"/quotas/{project.id}", {"quota": network})
        if storage := wanted.get("quota of cinder"):
            count, gib = self._kept(project, workload)
            storage = {**storage, "volumes": storage["volumes"] + count}
            storage["gigabytes"] += gib
            path = f"/os-quota-sets/{project.id}"
            self._cloud.send("block_storage", "PUT", path, {"quota_set": storage})

    def _kept(self, project: Project, workload: Workload) -> tuple[int, int]:
        """How many volumes, and of how many GiB, are kept beyond what is wanted now."""
        wanted = {
            words.volume_of(c.name, slot)
            for c in workload.components
            if c.storage_gib
            for slot in range(_most(c))
        }
        items = self._cloud.list(
            "block_storage", "/volumes/detail", "volumes", self.tenant(project)
        )
        other = [int(item["size"]) for item in items if item["name"] not in wanted]
        return len(other), sum(other)

    def wanted(self, workload: Workload) -> dict[str, Object]:
        """What has to be laid, by what it is.

        Quotas are from the ceiling, and one more of each component while replicas are replaced.
        """
        cores = memory = servers = 0
        for component in workload.components:
            flavor, most = self._flavor_of(component), _most(component) + 1
            if flavor is not None:
                cores, memory = cores + most * flavor.vcpus, memory + most * flavor.memory_mib
            servers += most
        count = len(workload.components)
        compute = {
            "cores": cores,
            "ram": memory,
            "instances": servers,
            "server_groups": count,
            "server_group_members": servers,
            "key_pairs": 0,
        }
        network = {
            "network": 1,
            "subnet": 1,
            "port": servers + 4,  # of its router, and of DHCP
            "security_group": count + 1,  # neutron makes one that it calls default
            "security_group_rule": 4 + sum(len(self._groups.rules(c)) for c in workload.components),
            "floatingip": 0,
            "router": 0,
        }
        groups = {
            f"security group {c.name}": {"rules": [dict(rule) for rule in self._groups.rules(c)]}
            for c in workload.components
        }
        quotas = {"quota of nova": compute, "quota of neutron": network}
        if self._settings.storage_gib:
            stored = [c for c in workload.components if c.storage_gib]
            quotas["quota of cinder"] = {
                "volumes": sum(_most(c) for c in stored),
                "gigabytes": sum(_most(c) * c.storage_gib for c in stored),
                "snapshots": 0,
                "backups": 0,
            }
        return {**quotas, **groups}

    def _network(self, project: Project) -> tuple[str, str]:
        tenant = self.tenant(project)
        network = self._one(tenant, "network", {"name": project.name})
        found = self._cloud.list(
            "network", "/subnets", "subnets", tenant, network_id=network, name=project.name
        )
        if found:
            subnet = str(found[0]["id"])
        else:
            body = {
                "name": project.name,
                "network_id": network,
                "ip_version": 4,
                "subnetpool_id": self._subnet_pool(),
                "prefixlen": self._settings.subnet_prefix,
                "enable_dhcp": self._settings.dhcp,
            }
            answer = self._cloud.send(
                "network", "POST", "/subnets", {"subnet": body}, tenant=tenant
            )
            subnet = str((answer or {})["subnet"]["id"])
        if self._settings.router:
            # It is the zone's, not the tenant's. It has the subnet already after a repeat.
            path = f"/routers/{self._router()}/add_router_interface"
            with suppress(Conflict):
                try:
                    self._cloud.send("network", "PUT", path, {"subnet_id": subnet})
                except Permanent as error:
                    if "already has a port on subnet" not in error.message:
                        raise
        return network, subnet

    def _one(self, tenant: Tenant, kind: str, body: Object) -> str:
        """The id of the tenant's only thing of this name."""
        found = self._cloud.list("network", f"/{kind}s", f"{kind}s", tenant, name=body["name"])
        if found:
            return str(found[0]["id"])
        answer = self._cloud.send("network", "POST", f"/{kind}s", {kind: body}, tenant=tenant)
        return str((answer or {})[kind]["id"])

    def _subnet_pool(self) -> str:
        return self._named("subnetpool", self._settings.subnet_pool)

    def _router(self) -> str:
        return self._named("router", self._settings.router)

    def _named(self, kind: str, name: str) -> str:
        if name not in self._pools:
            found = self._cloud.list("network", f"/{kind}s", f"{kind}s", name=name)
            if len(found) != 1:
                raise Permanent(
                    f"the cloud has {len(found)} {kind}s of the name {name}, and must have one",
                    code="pool-refuses",
                    hint="see the settings of this pool",
                )
            self._pools[name] = str(found[0]["id"])
        return self._pools[name]

    def _server_groups(self, project: Project, names: Collection[str]) -> dict[str, str]:
        """The id of each; there are no others."""
        tenant, path = self.tenant(project), "/os-server-groups"
        found: dict[str, str] = {}
        for item in self._cloud.list("compute", path, "server_groups", tenant):
            if item["name"] in names:
                found[item["name"]] = str(item["id"])
            else:
                with suppress(NotFound):
                    self._cloud.send("compute", "DELETE", f"{path}/{item['id']}", tenant=tenant)
        for name in sorted(set(names) - found.keys()):
            body = {"server_group": {"name": name, "policy": "soft-anti-affinity"}}
            answer = self._cloud.send("compute", "POST", path, body, tenant=tenant)
            found[name] = str((answer or {})["server_group"]["id"])
        return found


def _most(component: ComponentWorkload) -> int:
    return max(component.ceiling, component.replicas, component.reserved)


def _taken(answer: Object | None) -> Project:
    found = seen.project((answer or {}).get("project", {}))
    if found is None:
        raise Temporary("keystone does not say what it has written", code="pool-busy")
    return found
