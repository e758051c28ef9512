"""What is done to servers, one request after another; each may be repeated."""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cloudmgr.errors import CloudmgrError, NotFound, Permanent, Temporary
from cloudmgr.pools.drivers.openstack import names as words
from cloudmgr.pools.drivers.openstack import plan, runs, seen
from cloudmgr.pools.drivers.openstack.resizing import shape
from cloudmgr.pools.drivers.openstack.userdata import user_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmgr.clock import Clock
    from cloudmgr.pools.drivers.driver import ComponentWorkload, Workload
    from cloudmgr.pools.drivers.openstack.actions import Create
    from cloudmgr.pools.drivers.openstack.cloud import Cloud, Tenant
    from cloudmgr.pools.drivers.openstack.flavors import Flavor
    from cloudmgr.pools.drivers.openstack.mirror import Mirror
    from cloudmgr.pools.drivers.openstack.seen import Project, Server
    from cloudmgr.pools.drivers.openstack.settings import OpenStackSettings

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST = 255  # characters in one piece of metadata
_LAST_WORDS = 5.0  # seconds to wait for them
_ACTIONS: dict[str, dict[str, Any]] = {
    "os-stop": {"os-stop": None},
    "os-start": {"os-start": None},
    "reboot": {"reboot": {"type": "HARD"}},
    "shelve": {"shelve": None},
    "unshelve": {"unshelve": None},
    "confirmResize": {"confirmResize": None},
    "revertResize": {"revertResize": None},
}


class Hands:
    """Any thread may call."""

    def __init__(
        self, cloud: Cloud, settings: OpenStackSettings, mirror: Mirror, clock: Clock
    ) -> None:
        self._cloud = cloud
        self._settings = settings
        self._mirror = mirror
        self._clock = clock
        self._lock = threading.Lock()
        self._doubtful: set[tuple[str, str]] = set()
        self._images: dict[tuple[str, str], str] = {}

    def create(
        self,
        project: Project,
        tenant: Tenant,
        workload: Workload,
        *,
        component: ComponentWorkload,
        asked: Create,
        flavor: Flavor,
    ) -> None:
        """A server on a port that is its own: of two that are made of one port one is refused."""
        marked = plan.template(component)
        name = words.server_of(component.name, asked.slot, marked)
        if (project.id, name) in self._doubtful and self._is_there(project, name):
            return
        ground = project.ground
        port = self._port(tenant, name, ground["network"], ground["groups"][component.name])
        metadata = {words.TEMPLATE: marked, words.SHAPE: shape(component)}
        if asked.restarts:
            metadata[words.RESTARTS] = str(asked.restarts)
        owner = words.Owner(
            self._settings.prefix,
            workload.environment_id,
            workload.department_id or "-",
            workload.system_id or "-",
        )
        server: dict[str, Any] = {
            "name": name,
            "description": str(owner),
            "imageRef": self._image(tenant, component.image),
            "flavorRef": flavor.id,
            "networks": [{"port": port}],
            "metadata": metadata,
            "user_data": user_data(component, asked.volume),
            "config_drive": not self._settings.dhcp,
        }
        if asked.volume:
            disk = {"boot_index": 0, "uuid": server["imageRef"], "source_type": "image"}
            storage = {"boot_index": -1, "uuid": asked.volume, "source_type": "volume"}
            server["block_device_mapping_v2"] = [
                {**disk, "destination_type": "local", "delete_on_termination": True},
                {**storage, "destination_type": "volume", "delete_on_termination": False},
            ]
        if self._settings.availability_zone:
            server["availability_zone"] = self._settings.availability_zone
        body = {
            "server": server,
            "os:scheduler_hints": {"group": ground["affinity"][component.name]},
        }
        with self._lock:
            self._doubtful.add((project.id, name))
        try:
            answer = self._cloud.send("compute", "POST", "/servers", body, tenant=tenant) or {}
        except Temporary as error:
            # Whether it took it is not known where its answer was lost: it is looked for first.
            if error.code not in {"pool-unreachable", "pool-busy"}:
                self._sure(project, name)
            raise
        except Permanent:
            self._sure(project, name)
            raise
        self._sure(project, name)
        now = self._clock.now()
        self._mirror.put_server(
            seen.Server(
                id=answer["server"]["id"],
                name=name,
                owner=owner,
                component=component.name,
                slot=asked.slot,
                project_id=project.id,
                status="BUILD",
                busy="scheduling",
                created=now,
                launched=None,
                launched_at="",
                terminated=None,
                updated=now,
                address="",
                size=flavor.size,
                metadata=metadata,
            )
        )

    def note(self, tenant: Tenant, server: Server, said: Mapping[str, str | None]) -> None:
        """Write metadata; what is None goes."""
        said = self._write(tenant, server, said)
        self._mirror.noted(server.id, said)

    def do(
        self, tenant: Tenant, server: Server, action: str, said: Mapping[str, str | None]
    ) -> None:
        """Ask nova for ``action``."""
        if said:
            said = self._write(tenant, server, said)
        path = f"/servers/{server.id}/action"
        self._cloud.send("compute", "POST", path, _ACTIONS[action], tenant=tenant)
        self._mirror.asked(server.id, said)

    def resize(
        self, tenant: Tenant, server: Server, flavor: Flavor, said: Mapping[str, str | None]
    ) -> None:
        """Ask nova to give it another flavor."""
        said = self._write(tenant, server, said)
        body = {"resize": {"flavorRef": flavor.id}}
        self._cloud.send("compute", "POST", f"/servers/{server.id}/action", body, tenant=tenant)
        self._mirror.asked(server.id, said)

    def delete(self, tenant: Tenant, server: Server) -> None:
        """The port first: a server is still in the list if we end in between.

        Neutron lets no tenant delete the port of a server, so the pool itself does.
        """
        for port in self._ports(tenant, server.name):
            with suppress(NotFound):
                self._cloud.send("network", "DELETE", f"/ports/{port}")
        with suppress(NotFound):
            self._cloud.send("compute", "DELETE", f"/servers/{server.id}", tenant=tenant)
        self._mirror.asked(server.id, None)

    def failed(self, tenant: Tenant, server: Server, fault: str) -> None:
        """Note that it has failed, and what it last wrote."""
        why = fault
        if server.status in {"ACTIVE", "SHUTOFF"} and not server.host_lost:
            # Nova asks the host and waits, and may not know yet that it is lost.
            with suppress(CloudmgrError):
                written = self.console(tenant, server.id, 5, patience=_LAST_WORDS)
                last = [line for line in written if line.strip()]
                why += f"; it last wrote: {last[-1].strip()}" if last else ""
        said: dict[str, str | None] = {
            words.FAILED: self._clock.now().isoformat(),
            words.WHY: why[:_MOST],
            words.RESTARTS: str(server.restarts + 1),
            words.READY: None,
            **runs.news(server),
        }
        self.note(tenant, server, said)

    def asleep(self, tenant: Tenant, server: Server) -> None:
        """Note when it gave back what it held."""
        last = runs.known(server)
        if last is None:
            return
        path = f"/servers/{server.id}/os-instance-actions"
        when = runs.offloaded(self._cloud.list("compute", path, "instanceActions", tenant))
        end = max(last.start, when or server.updated)
        owner = replace(server.owner, rest=runs.rest(last.number, end))
        body = {"server": {"description": str(owner)}}
        self._cloud.send("compute", "PUT", f"/servers/{server.id}", body, tenant=tenant)
        self._mirror.rests(server.id, owner)

    def console(
        self, tenant: Tenant, server_id: str, lines: int, *, patience: float | None = None
    ) -> list[str]:
        """The last lines that it wrote."""
        # Nova counts what follows the last line break, too.
        body = {"os-getConsoleOutput": {"length": lines + 1}}
        path = f"/servers/{server_id}/action"
        answer = (
            self._cloud.send("compute", "POST", path, body, tenant=tenant, patience=patience) or {}
        )
        return str(answer.get("output") or "").splitlines()[-lines:]

    # ------------------------------------------------------------------------------------ inside

    def _write(
        self, tenant: Tenant, server: Server, said: Mapping[str, str | None]
    ) -> Mapping[str, str | None]:
        """What was written: that, and which run it is said of."""
        said = {**said, words.OF: server.launched_at}
        path = f"/servers/{server.id}/metadata"
        goes = [key for key, value in said.items() if value is None and key in server.metadata]
        new = {key: value for key, value in said.items() if value is not None}
        if goes:
            kept = {k: v for k, v in server.metadata.items() if k not in goes}
            body = {"metadata": {**kept, **new}}
            self._cloud.send("compute", "PUT", path, body, tenant=tenant)
        elif new:
            self._cloud.send("compute", "POST", path, {"metadata": new}, tenant=tenant)
        return said

    def _is_there(self, project: Project, name: str) -> bool:
        """Whether nova made it after all; it is taken on then."""
        for item in self._cloud.servers(project_id=project.id, name=f"^{name}$"):
            found = seen.server(item, self._settings.prefix)
            if found is not None and item["name"] == name:
                self._mirror.put_server(found)
                self._sure(project, name)
                return True
        return False

    def _sure(self, project: Project, name: str) -> None:
        with self._lock:
            self._doubtful.discard((project.id, name))

    def _port(self, tenant: Tenant, name: str, network: str, group: str) -> str:
        """The id of the port that is called so."""
        found = self._ports(tenant, name)
        if found:
            return found[0]
        body = {"port": {"name": name, "network_id": network, "security_groups": [group]}}
        answer = self._cloud.send("network", "POST", "/ports", body, tenant=tenant) or {}
        return str(answer["port"]["id"])

    def _ports(self, tenant: Tenant, name: str) -> list[str]:
        query: dict[str, Any] = {"name": name, "fields": "id"}
        found = self._cloud.list("network", "/ports", "ports", tenant, **query)
        return sorted(str(port["id"]) for port in found)

    def _image(self, tenant: Tenant, image: str) -> str:
        """:raises Temporary: ``no-such-image``."""
        if _UUID.fullmatch(image):
            return image
        key = (tenant.project_id, image)
        if key not in self._images:
            # A colon in a plain name would be taken for an operator.
            query: dict[str, Any] = {
                "name": f'in:"{image}"',
                "status": "active",
                "sort": "created_at:desc",
            }
            found = self._cloud.list("image", "/images", "images", tenant, **query)
            if not found:
                raise Temporary(
                    f"there is no image {image} that this environment may use",
                    code="no-such-image",
                    hint="upload it, or share it with the environment's project",
                )
            self._images[key] = str(found[0]["id"])
        return self._images[key]
