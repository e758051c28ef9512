"""The things that are done to environments; each may be begun again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.errors import Conflict, NotFound, Permanent, Temporary
from cloudmgr.pools.drivers.openstack import names as words
from cloudmgr.pools.drivers.openstack import sealed, seen
from cloudmgr.pools.drivers.openstack.actions import (
    AskWhen,
    AskWhy,
    Create,
    Delete,
    Do,
    Note,
    Resize,
    Store,
)
from cloudmgr.pools.drivers.openstack.clearing import clear

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmgr.pools.drivers.driver import Workload
    from cloudmgr.pools.drivers.openstack.actions import OnServer, OnStorage
    from cloudmgr.pools.drivers.openstack.cloud import Cloud, Tenant
    from cloudmgr.pools.drivers.openstack.flavors import Flavor
    from cloudmgr.pools.drivers.openstack.ground import Ground
    from cloudmgr.pools.drivers.openstack.hands import Hands
    from cloudmgr.pools.drivers.openstack.hosts import Hosts
    from cloudmgr.pools.drivers.openstack.mirror import Mirror
    from cloudmgr.pools.drivers.openstack.seen import Project
    from cloudmgr.pools.drivers.openstack.stores import Stores


class Works:
    """Any thread may call."""

    def __init__(
        self,
        *,
        cloud: Cloud,
        prefix: str,
        mirror: Mirror,
        hosts: Hosts,
        ground: Ground,
        hands: Hands,
        stores: Stores,
    ) -> None:
        self._cloud = cloud
        self._prefix = prefix
        self._mirror = mirror
        self._hosts = hosts
        self._ground = ground
        self._hands = hands
        self._stores = stores
        # How often the server before failed, of slots whose server is being replaced for that.
        self._failures: dict[str, dict[tuple[str, int], int]] = {}
        # Of servers that were to wake: in which of their sleeps.
        self._woken: dict[str, str] = {}

    def failures(self, environment_id: str) -> Mapping[tuple[str, int], int]:
        """How often slots have failed: what is new there goes on counting."""
        return dict(self._failures.get(environment_id, {}))

    def create(self, project: Project, workload: Workload, asked: Create) -> None:
        """A server more, if the secrets are here that it is told."""
        told = sealed.opened(workload, project.secrets, self._cloud.seed)
        if told is None:
            return  # the environment is applied again: see observe()
        component = next(c for c in told.components if c.name == asked.component)
        flavor = self._hosts.flavor_for(component.size)
        if flavor is None:
            return
        try:
            with self._ground.as_member(project) as tenant:
                self._hands.create(
                    project, tenant, workload, component=component, asked=asked, flavor=flavor
                )
        except (NotFound, Permanent) as error:
            if "availability zone is not available" in error.message:
                raise Temporary(
                    "none of the pool's hosts is open for new servers",
                    code="no-host",
                    hint="it starts by itself once one is",
                ) from error
            # Something that it stands on is gone: it is laid again.
            self._written(project, {words.GROUND: None})
            raise Temporary(error.message, code="pool-refuses", hint=error.hint) from error

    def store(self, project: Project, workload: Workload, asked: OnStorage) -> None:
        """Storage for a slot, or more of it."""
        with self._ground.as_member(project) as tenant:
            if isinstance(asked, Store):
                self._stores.make(project, tenant, workload, asked)
            else:
                self._stores.enlarge(tenant, asked)

    def look_at_storage(self) -> None:
        """:raises CloudmgrError: cinder does not answer."""
        self._stores.look(self._mirror, self._ground.tenant)

    def act(self, project: Project, action: OnServer) -> None:
        try:
            with self._ground.as_member(project) as tenant:
                self._act(project, tenant, action)
        except NotFound:
            pass  # it has gone: the next look tells
        except Conflict as error:
            # Nova is at something else with it; or it is not as it was seen to be.
            raise Temporary(error.message, code="pool-conflict") from error

    def _flavor(self, project: Project, server: seen.Server) -> Flavor | None:
        workload = seen.wanted(project)
        for component in workload.components if workload else ():
            if component.name == server.component:
                return self._hosts.flavor_for(component.size)
        return None

    def _act(self, project: Project, tenant: Tenant, action: OnServer) -> None:
        match action:
            case Note(server, said):
                self._hands.note(tenant, server, said)
            case Do():
                self._do(tenant, action)
            case Resize(server, said):
                flavor = self._flavor(project, server)
                if flavor is not None:
                    self._hands.resize(tenant, server, flavor, said)
            case AskWhy(server, fault):
                self._hands.failed(tenant, server, fault)
            case AskWhen(server):
                self._hands.asleep(tenant, server)
            case Delete(server):
                self._remember(server)
                self._woken.pop(server.id, None)
                self._hands.delete(tenant, server)

    def _do(self, tenant: Tenant, asked: Do) -> None:
        """Where nova finds no host for one that is to wake it says so nowhere: it just sleeps on.

        :raises Temporary: ``no-host``: it was asked once more, and will be again after a rest.
        """
        server = asked.server
        try:
            self._hands.do(tenant, server, asked.action, asked.said)
        except Permanent as error:
            # Nova still says that it waits for this while it is at it.
            if asked.action not in {"confirmResize", "revertResize"}:
                raise
            raise Temporary(error.message, code="pool-conflict") from error
        if asked.action != "unshelve":
            return
        if self._woken.get(server.id) == server.launched_at:
            raise Temporary(
                f"{server.component} {server.slot} does not wake: nova has found no host for it",
                code="no-host",
                hint="it is tried again by itself",
            )
        self._woken[server.id] = server.launched_at

    def _remember(self, server: seen.Server) -> None:
        """How often its slot failed: the next one goes on counting."""
        failures = self._failures.setdefault(server.environment_id, {})
        key = server.component, server.slot
        if server.status == "ERROR":
            failures[key] = server.restarts + 1
        elif words.FAILED in server.metadata:
            failures[key] = server.restarts
        else:
            failures.pop(key, None)

    def lay(self, project: Project, workload: Workload) -> None:
        """What it stands on."""
        with self._ground.as_member(project):
            laid = self._ground.lay(project, workload)
        self._mirror.put_project(project.environment_id, laid)

    def clear(self, project: Project) -> None:
        """Take all away that it stood on.

        :raises Temporary: ``still-ending``, ``foreign-port``.
        """
        with self._ground.as_member(project) as tenant:
            if self._servers_left(project, tenant):
                raise Temporary("its servers have not gone yet", code="still-ending")
            clear(self._cloud, self._stores, tenant, project)
        self._ground.departments.clear(project.parent_id)
        self._mirror.forget_project(project)
        self._failures.pop(project.environment_id, None)

    def _servers_left(self, project: Project, tenant: Tenant) -> bool:
        """Asked of nova itself: one may be there whose answer was lost, or a stranger's."""
        left = self._cloud.servers(project_id=project.id)
        for item in left:
            found = seen.server(item, self._prefix)
            if found is not None:
                self._mirror.put_server(found)
            elif not item.get("OS-EXT-STS:task_state"):
                # Somebody made it in a project that is ours and goes.
                self._cloud.send("compute", "DELETE", f"/servers/{item['id']}", tenant=tenant)
        return bool(left)

    def tell(self, project: Project, said: tuple[str, ...]) -> None:
        """Write what stands in the way where every control plane reads it."""
        self._written(project, {words.PROBLEMS: "\n".join(said)[:4000] or None})

    def _written(self, project: Project, said: dict[str, object]) -> None:
        self._mirror.put_project(project.environment_id, self._ground.write(project, said))
