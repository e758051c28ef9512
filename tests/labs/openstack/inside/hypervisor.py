"""The nova driver of the lab: nova's own fake, with guests that run. One for each host."""

from __future__ import annotations

import io
import os
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova import exception, objects
from nova.compute import power_state, task_states, vm_states
from nova.context import get_admin_context
from nova.image import glance
from nova.virt import event, fake, hardware

from tests.labs.openstack.inside.guests import Guest

_STATES = {
    "on": power_state.RUNNING,
    "off": power_state.SHUTDOWN,
    "paused": power_state.PAUSED,
    "suspended": power_state.SUSPENDED,
}
_ROUNDS = 300  # of a fifth of a second, in which nova is told that a guest went down


@dataclass(frozen=True)
class Size:
    """What a host has, and how often each of it may be given away."""

    vcpus: int = 16
    memory_mib: int = 65536
    storage_gib: int = 1000
    vcpu_ratio: float = 1.0
    memory_ratio: float = 1.0


# Set before a host's service starts.
SIZES: dict[str, Size] = {}
GUESTS = Path(os.environ["LAB_GUESTS"])


def node_uuid(name: str) -> str:
    """The same after a restart, as one that has a disk would have it."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


class Hypervisor(fake.FakeDriver):
    """Keeps each guest in a directory below the host's own; a move copies it, as disks are."""

    lost = False

    def init_host(self, host: str) -> None:
        super().init_host(host)
        size = SIZES[host]
        self.vcpus, self.memory_mb, self.local_gb = size.vcpus, size.memory_mib, size.storage_gib
        self.resources = fake.Resources(self.vcpus, self.memory_mb, self.local_gb)
        self.images = glance.API()
        self.instances = {
            path.parent.name: Guest(path.parent, self._ended)
            for path in (GUESTS / host).glob("*/guest.json")
        }

    def lose(self) -> None:
        """The host has no power any more, and nobody hears of it."""
        self.lost = True
        for guest in list(self.instances.values()):
            guest.end()

    # ----------------------------------------------------------------------- what it has

    def get_available_resource(self, nodename: str) -> dict[str, Any]:
        found: dict[str, Any] = super().get_available_resource(nodename)
        if found:
            guests = [guest.said for guest in list(self.instances.values())]
            found["uuid"] = node_uuid(nodename)
            found["vcpus_used"] = sum(said["vcpus"] for said in guests)
            found["memory_mb_used"] = sum(said["memory_mib"] for said in guests)
            found["local_gb_used"] = sum(said["storage_gib"] for said in guests)
        return found

    def get_nodenames_by_uuid(self, refresh: bool = False) -> dict[str, str]:  # noqa: ARG002, FBT001, FBT002
        return {node_uuid(name): name for name in self.get_available_nodes()}

    def update_provider_tree(self, tree: Any, node: str, allocations: Any = None) -> None:
        super().update_provider_tree(tree, node, allocations)
        inventory = tree.data(node).inventory
        inventory["VCPU"]["allocation_ratio"] = SIZES[node].vcpu_ratio
        inventory["MEMORY_MB"]["allocation_ratio"] = SIZES[node].memory_ratio
        tree.update_inventory(node, inventory)

    # ------------------------------------------------------------------- life of a guest

    def spawn(
        self, context: Any, instance: Any, image_meta: Any, *_: Any,
        network_info: Any = None, block_device_info: Any = None, power_on: bool = True, **__: Any,
    ) -> None:  # fmt: skip
        image = self.images.get(
            context, image_meta.id if "id" in image_meta else instance.image_ref
        )
        properties = image["properties"]
        time.sleep(float(properties.get("lab_boot_seconds", 0)))
        if properties.get("lab_boot_fault") == "error":
            raise exception.InstanceDeployFailure(reason="the image is to fail")
        for vif in network_info or []:
            self._interfaces[vif["id"]] = vif
        # An image of a user's own has a name of its own, and says what it runs.
        program = properties.get("lab_program") or image["name"].split(":")[0].split("-")[-1]
        place = self._place(instance)
        said = {**_said(instance, instance.flavor), "volumes": _volumes(block_device_info)}
        Guest.define(place, program=program, **said)
        guest = Guest(place, self._ended)
        if "lab_program" in properties and image["size"]:
            guest.unpack(b"".join(self.images.download(context, image["id"])))
        guest.provision(instance.user_data)
        self.instances[instance.uuid] = guest
        if power_on:
            guest.start(_address(network_info))

    def destroy(self, _context: Any, instance: Any, *_: Any, **__: Any) -> None:
        guest = self.instances.pop(instance.uuid, None)
        if guest is not None:
            guest.remove()

    def power_off(self, instance: Any, timeout: int = 0, retry_interval: int = 0) -> None:  # noqa: ARG002
        self._guest(instance).end(timeout)

    def power_on(self, _context: Any, instance: Any, network_info: Any, *_: Any, **__: Any) -> None:
        self._guest(instance).start(_address(network_info))

    def reboot(
        self, _context: Any, instance: Any, network_info: Any, reboot_type: str, *_: Any, **__: Any
    ) -> None:
        guest = self._guest(instance)
        guest.end(60 if reboot_type == "SOFT" else 0)
        guest.start(_address(network_info))

    def pause(self, instance: Any) -> None:
        self._guest(instance).hold("paused")

    def unpause(self, instance: Any) -> None:
        self._guest(instance).go_on()

    def suspend(self, _context: Any, instance: Any) -> None:
        self._guest(instance).hold("suspended")

    def resume(self, _context: Any, instance: Any, *_: Any, **__: Any) -> None:
        self._guest(instance).go_on()

    def get_info(self, instance: Any, use_cache: bool = True) -> Any:  # noqa: ARG002, FBT001, FBT002
        return hardware.InstanceInfo(state=_STATES[self._guest(instance).state])

    def list_instances(self) -> list[str]:
        return [guest.said["name"] for guest in list(self.instances.values())]

    def get_console_output(self, _context: Any, instance: Any) -> bytes:
        return self._guest(instance).console.read_bytes()

    def snapshot(self, context: Any, instance: Any, image_id: str, update_task_state: Any) -> None:
        guest = self._guest(instance)
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        about = {
            "status": "active",
            "name": self.images.get(context, image_id)["name"],
            "disk_format": "raw",
            "container_format": "bare",
            "properties": {"lab_program": guest.said["program"]},
        }
        update_task_state(
            task_state=task_states.IMAGE_UPLOADING,
            expected_state=task_states.IMAGE_PENDING_UPLOAD,
        )
        self.images.update(context, image_id, about, io.BytesIO(guest.pack()), purge_props=False)

    # --------------------------------------------------------------- moves between hosts

    def migrate_disk_and_power_off(
        self, _context: Any, instance: Any, _to: Any, _flavor: Any, _network: Any,
        _volumes: Any = None, timeout: int = 0, *_: Any,
    ) -> None:  # fmt: skip
        self._guest(instance).end(timeout)

    def finish_migration(
        self, _context: Any, migration: Any, instance: Any, _disk: Any, network_info: Any, *_: Any,
        power_on: bool = True, **__: Any,
    ) -> None:  # fmt: skip
        place = self._place(instance)
        source = GUESTS / migration.source_compute / instance.uuid
        if source != place:
            shutil.copytree(source, place, symlinks=True)
        guest = Guest(place, self._ended)
        Guest.define(place, **{**guest.said, **_said(instance, instance.flavor)})
        self.instances[instance.uuid] = guest = Guest(place, self._ended)
        if power_on:
            guest.start(_address(network_info))

    def finish_revert_migration(
        self, _context: Any, instance: Any, network_info: Any, *_: Any,
        power_on: bool = True, **__: Any,
    ) -> None:  # fmt: skip
        if power_on:
            self._guest(instance).start(_address(network_info))

    # --------------------------------------------------------------------------- inside

    def _place(self, instance: Any) -> Path:
        return GUESTS / str(self._host) / str(instance.uuid)

    def _guest(self, instance: Any) -> Guest:
        guest: Guest | None = self.instances.get(instance.uuid)
        if guest is None or self.lost:
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        return guest

    def _ended(self, guest: Guest) -> None:
        """Tell nova, which is deaf while it is at something else with the server."""
        number = guest.said["uuid"]
        for _ in range(_ROUNDS):
            if self.instances.get(number) is guest and guest.state == "off" and not self.lost:
                try:
                    instance = objects.Instance.get_by_uuid(get_admin_context(), number)
                except exception.InstanceNotFound:
                    return
                if instance.vm_state == vm_states.STOPPED:
                    return
                if instance.vm_state == vm_states.ACTIVE and instance.task_state is None:
                    self.emit_event(event.LifecycleEvent(number, event.EVENT_LIFECYCLE_STOPPED))
            time.sleep(0.2)


def _said(instance: Any, flavor: Any) -> dict[str, Any]:
    return {
        "uuid": instance.uuid,
        "name": instance.name,
        "vcpus": flavor.vcpus,
        "memory_mib": flavor.memory_mb,
        "storage_gib": flavor.root_gb,
    }


def _volumes(devices: Any) -> list[str]:
    """The ids of those that it has."""
    mapping = (devices or {}).get("block_device_mapping") or []
    return [str(one["connection_info"]["data"]["volume_id"]) for one in mapping]


def _address(network_info: Any) -> str | None:
    """Its first fixed one."""
    for vif in network_info or []:
        for fixed in vif.fixed_ips():
            return str(fixed["address"])
    return None
