"""What is done to volumes, one request after another; each may be repeated."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cloudmgr.errors import Conflict, NotFound, Temporary
from cloudmgr.pools.drivers.openstack import names as words
from cloudmgr.pools.drivers.openstack import volumes

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmgr.clock import Clock
    from cloudmgr.pools.drivers.driver import Workload
    from cloudmgr.pools.drivers.openstack.actions import Enlarge, Store
    from cloudmgr.pools.drivers.openstack.cloud import Cloud, Tenant
    from cloudmgr.pools.drivers.openstack.mirror import Mirror
    from cloudmgr.pools.drivers.openstack.seen import Project
    from cloudmgr.pools.drivers.openstack.settings import OpenStackSettings, Timing
    from cloudmgr.pools.drivers.openstack.shelf import Shelf

_SERVICE, _PATH = "block_storage", "/volumes"


class Stores:
    """Any thread may call; nothing is asked of cinder where the pool has no storage."""

    def __init__(
        self,
        cloud: Cloud,
        settings: OpenStackSettings,
        timing: Timing,
        shelf: Shelf,
        clock: Clock,
    ) -> None:
        self._cloud = cloud
        self._settings = settings
        self._timing = timing
        self._shelf = shelf
        self._clock = clock

    def look(self, mirror: Mirror, tenant_of: Callable[[Project], Tenant]) -> None:
        """Ask cinder what there is.

        :param tenant_of: who acts in a project.
        :raises Temporary: ``pool-forbidden`` where rights lack: cinder then answers with less.
        """
        if not self._settings.storage_gib:
            return
        began = self._shelf.begin()
        # No longer than that: a cinder that hangs must not keep us from what runs without it.
        items = self._cloud.list(
            _SERVICE,
            f"{_PATH}/detail",
            "volumes",
            patience=self._timing.projects,
            all_tenants=1,
        )
        prefix = self._settings.prefix
        found = [v for item in items if (v := volumes.volume(item, prefix)) is not None]
        gone = self._shelf.missing(found, began)
        for one in gone:
            project = mirror.project(one.environment_id)
            if project is not None and self._is_there(tenant_of(project), one.id):
                raise Temporary(
                    "the block_storage service answers 403: it does not heed that all volumes are "
                    "asked for",
                    code="pool-forbidden",
                    hint="the role and policies must be those of deploy/openstack",
                )
        self._shelf.see(found, began, gone, self._clock.now())

    def _is_there(self, tenant: Tenant, volume_id: str) -> bool:
        try:
            self._cloud.get(_SERVICE, f"{_PATH}/{volume_id}", tenant)
        except NotFound:
            return False
        return True

    def make(self, project: Project, tenant: Tenant, workload: Workload, asked: Store) -> None:
        """The storage of a slot, if it has none yet."""
        component = next(c for c in workload.components if c.name == asked.component)
        name = words.volume_of(component.name, asked.slot)
        # Cinder would make two of one name.
        there = self._cloud.list(_SERVICE, f"{_PATH}/detail", "volumes", tenant, name=name)
        if there:
            item = there[0]
        else:
            owner = words.Owner(
                self._settings.prefix,
                workload.environment_id,
                workload.department_id or "-",
                workload.system_id or "-",
            )
            body: dict[str, Any] = {
                "name": name,
                "description": str(owner),
                "size": component.storage_gib,
                "metadata": {words.GIB: str(component.storage_gib)},
            }
            if self._settings.volume_type:
                body["volume_type"] = self._settings.volume_type
            answer = self._cloud.send(_SERVICE, "POST", _PATH, {"volume": body}, tenant=tenant)
            item = (answer or {})["volume"]
        found = volumes.volume(item, self._settings.prefix)
        if found is None:
            raise Temporary(
                f"somebody else has a volume {name} in the environment's project",
                code="foreign-volume",
                hint="have its owner rename it; the rest follows by itself",
            )
        self._shelf.put(replace(found, project_id=project.id))

    def enlarge(self, tenant: Tenant, asked: Enlarge) -> None:
        """Let it grow; what it has then is noted once it has it."""
        one = asked.volume
        path = f"{_PATH}/{one.id}"
        if one.size_gib < asked.gib:
            body: dict[str, Any] = {"os-extend": {"new_size": asked.gib}}
            self._cloud.send(_SERVICE, "POST", f"{path}/action", body, tenant=tenant)
            self._shelf.noted(one, {}, "extending")
            return
        said = volumes.grown(one, asked.gib, self._clock.now())
        self._cloud.send(_SERVICE, "POST", f"{path}/metadata", {"metadata": said}, tenant=tenant)
        self._shelf.noted(one, said)

    def clear(self, project: Project, tenant: Tenant) -> None:
        """All that the environment has; no server is there any more.

        Since when it is gone is written first and stays for a while, so that everybody reads it.

        :raises Temporary: ``still-ending``.
        """
        if not self._settings.storage_gib:
            return
        items = self._cloud.list(_SERVICE, f"{_PATH}/detail", "volumes", tenant)
        now = self._clock.now()
        for item in items:
            path = f"{_PATH}/{item['id']}"
            one = volumes.volume(item, self._settings.prefix)
            if one is not None and one.ends is None:
                said = {words.ENDS: now.isoformat()}
                body = {"metadata": said}
                self._cloud.send(_SERVICE, "POST", f"{path}/metadata", body, tenant=tenant)
                self._shelf.noted(replace(one, project_id=project.id), said)
            elif item["status"] == "deleting":
                continue
            elif one is None or (one.ends and now - one.ends > self._told_by):
                with suppress(NotFound, Conflict):
                    self._cloud.send(_SERVICE, "DELETE", path, tenant=tenant)
        if items:
            raise Temporary("its storage has not gone yet", code="still-ending")
        with suppress(NotFound):
            self._cloud.send(_SERVICE, "DELETE", f"/os-quota-sets/{project.id}")

    @property
    def _told_by(self) -> timedelta:
        """When every control plane has seen that the project is to go, and then looked here."""
        return timedelta(seconds=self._timing.projects + 2 * self._timing.poll)
