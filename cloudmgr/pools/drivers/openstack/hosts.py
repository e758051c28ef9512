"""The hosts of a pool as placement has them, and the flavors that a replica may get."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cloudmgr.errors import NotFound, Permanent
from cloudmgr.pools.capacity import Sizes
from cloudmgr.pools.drivers.openstack import reading
from cloudmgr.pools.drivers.openstack.flavors import flavor, smallest, usable
from cloudmgr.pools.drivers.openstack.reading import Provider

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cloudmgr.clock import Clock
    from cloudmgr.pools.capacity import Capacity, Resources
    from cloudmgr.pools.drivers.openstack.cloud import Cloud
    from cloudmgr.pools.drivers.openstack.flavors import Flavor
    from cloudmgr.pools.drivers.openstack.settings import OpenStackSettings, Timing

# Flavors and aggregates hardly ever change.
_RARELY = 10


class Hosts:
    """One thread refreshes; any may read."""

    def __init__(
        self, cloud: Cloud, settings: OpenStackSettings, clock: Clock, timing: Timing
    ) -> None:
        self._cloud = cloud
        self._settings = settings
        self._clock = clock
        self._timing = timing
        self._lock = threading.Lock()
        self._providers: dict[str, Provider] = {}
        self._flavors: list[Flavor] = []
        self._aggregates: list[str] = []
        self._looks = 0
        self._asked = -1e9

    @property
    def known(self) -> bool:
        """Whether there was a look at all."""
        return self._looks > 0

    @property
    def age(self) -> float:
        """Seconds since the last look."""
        return self._clock.monotonic() - self._asked

    def refresh(self, *, now: bool = False) -> bool:
        """Look, if it is time to; whether anything is another than before.

        Only what has changed since is asked for: placement counts the changes of each host, but for
        what is given back, and tells in one answer what is taken of all that have some room left.

        :raises CloudmgrError: the cloud does not answer, or lacks what the settings name.
        """
        started = self._clock.monotonic()
        if not now and started - self._asked < self._timing.hosts:
            return False
        if self._looks % _RARELY == 0:
            self._refresh_rarely()
        query = self._ours()
        listed = self._cloud.list("placement", "/resource_providers", "resource_providers", **query)
        used = {
            provider_id: reading.taken({k: v["used"] for k, v in said["resources"].items()})
            for provider_id, said in self._candidates({"VCPU": 1}).items()
        }
        services = self._cloud.list("compute", "/os-services", "services", binary="nova-compute")
        up = {s["host"]: s["state"] == "up" for s in services}
        enabled = {s["host"]: s["status"] == "enabled" for s in services}
        before = self._providers
        found: dict[str, Provider] = {}
        for item in listed:
            known = before.get(item["uuid"])
            if known is None or known.is_old(item["generation"], used.get(item["uuid"])):
                try:
                    known = self._look_at(item)
                except NotFound:
                    continue  # it has just been taken away
            name = item["name"]
            if not known.room.cpu_millis:
                continue  # no compute host: shared storage, or a device of one
            found[known.id] = replace(
                known, up=up.get(name, False), enabled=enabled.get(name, False)
            )
        with self._lock:
            self._providers = found
        self._looks += 1
        self._asked = started
        return found != before

    def capacity(self, ours: Collection[str]) -> Capacity:
        """:param ours: the consumers that are."""
        spare, storage = self._settings.spare_hosts, self._settings.storage_gib
        return reading.capacity(self._providers.values(), ours, spare, self.sizes, storage)

    @property
    def sizes(self) -> Sizes:
        """Of its flavors."""
        return Sizes(tuple(one.size for one in self._flavors))

    def flavor_for(self, size: Resources) -> Flavor | None:
        """The smallest that holds ``size``."""
        return smallest(self._flavors, size)

    @property
    def largest(self) -> Flavor | None:
        return self._flavors[-1] if self._flavors else None

    def free(self, asked: Mapping[str, int]) -> dict[str, dict[str, int]]:
        """What the hosts have left that could take ``asked`` now, as placement itself says.

        :raises CloudmgrError: it does not answer.
        """
        found: dict[str, dict[str, int]] = {}
        for provider_id, said in self._candidates(asked).items():
            host = self._providers.get(provider_id)
            if host is None or (host.up and host.enabled):
                found[provider_id] = {
                    kind: int(amount["capacity"]) - int(amount["used"])
                    for kind, amount in said["resources"].items()
                }
        return found

    def _ours(self) -> dict[str, Any]:
        """What chooses the pool's hosts among all."""
        query: dict[str, Any] = {}
        if self._aggregates:
            query["member_of"] = "in:" + ",".join(self._aggregates)
        if self._settings.traits:
            query["required"] = ",".join(self._settings.traits)
        return query

    def _candidates(self, asked: Mapping[str, int]) -> dict[str, Any]:
        """What those hosts have, and what of it is taken, that have so much left."""
        resources = ",".join(f"{kind}:{n}" for kind, n in asked.items() if n)
        query = {**self._ours(), "resources": resources, "limit": 1000}
        found = self._cloud.get("placement", "/allocation_candidates", None, **query)
        summaries: dict[str, Any] = found.get("provider_summaries") or {}
        return summaries

    def _refresh_rarely(self) -> None:
        items = self._cloud.list("compute", "/flavors/detail", "flavors")
        s = self._settings
        self._flavors = usable(map(flavor, items), s.flavors, s.traits)
        if not s.availability_zone:
            return
        aggregates = self._cloud.list("compute", "/os-aggregates", "aggregates")
        self._aggregates = sorted(
            a["uuid"] for a in aggregates if a.get("availability_zone") == s.availability_zone
        )
        if not self._aggregates:
            raise Permanent(
                f"the cloud has no aggregate in the availability zone {s.availability_zone}",
                code="pool-refuses",
                hint="see the settings of this pool",
            )

    def _look_at(self, item: dict[str, Any]) -> Provider:
        path = f"/resource_providers/{item['uuid']}"
        inventories = self._cloud.get("placement", f"{path}/inventories")
        held = self._cloud.get("placement", f"{path}/allocations")
        room = reading.amounts(inventories["inventories"])
        taken = {
            consumer: reading.taken(said["resources"])
            for consumer, said in held["allocations"].items()
        }
        # What was told of the two may be of different moments: the older generation is kept, so
        # that a change between them is asked for next time.
        generation = min(
            int(item["generation"]),
            int(inventories["resource_provider_generation"]),
            int(held["resource_provider_generation"]),
        )
        return Provider(item["uuid"], item["name"], generation, room, taken)
