"""The driver of an OpenStack pool: a project for each environment, a server for each replica.

A cloud converges nothing by itself: one control plane at a time does (``converger.py``), and which
one is agreed upon in the cloud. What ought to be stands in the environment's project, so that any
control plane may apply, and any may go on where another one ended.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self

from cloudmgr.errors import CloudmgrError, NotFound, Permanent, Temporary
from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.admission import is_name, require_host, require_valid
from cloudmgr.pools.drivers.driver import ObservedWorkload
from cloudmgr.pools.drivers.openstack import names as words
from cloudmgr.pools.drivers.openstack import preview, reading, runs, sealed, seen
from cloudmgr.pools.drivers.openstack.accounting import accounts
from cloudmgr.pools.drivers.openstack.cloud import Cloud
from cloudmgr.pools.drivers.openstack.converger import Converger
from cloudmgr.pools.drivers.openstack.ground import Ground
from cloudmgr.pools.drivers.openstack.hands import Hands
from cloudmgr.pools.drivers.openstack.hosts import Hosts
from cloudmgr.pools.drivers.openstack.lease import Lease
from cloudmgr.pools.drivers.openstack.mirror import Mirror
from cloudmgr.pools.drivers.openstack.probes import Prober
from cloudmgr.pools.drivers.openstack.settings import OpenStackSettings, Timing
from cloudmgr.pools.drivers.openstack.shelf import Shelf
from cloudmgr.pools.drivers.openstack.stores import Stores
from cloudmgr.pools.drivers.openstack.told import limitations, problems, require_no_less
from cloudmgr.pools.drivers.openstack.userdata import require_small
from cloudmgr.pools.drivers.openstack.works import Works
from cloudmgr.pools.drivers.written import dump_workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from cloudmgr.clock import Clock
    from cloudmgr.pools.capacity import Capacity
    from cloudmgr.pools.drivers.besides import Account, Change
    from cloudmgr.pools.drivers.driver import Allocation, ComponentWorkload, Workload
    from cloudmgr.pools.drivers.openstack.seen import Project
    from cloudmgr.pools.pool import Pool

_log = logging.getLogger(__name__)
_FIRST_LOOK = 30.0


class OpenStackDriver:
    """A pool of hosts of a cloud.

    A replica is a server and stays the same one over restarts of its guest and over sleep: its room
    is kept for it in the one case and not in the other, so that each waking begins an allocation.

    :param name: the pool's, for messages.
    """

    kind = "openstack"

    def __init__(
        self,
        name: str,
        clock: Clock,
        settings: OpenStackSettings,
        timing: Timing | None = None,
    ) -> None:
        self._name = name
        self._clock = clock
        self._settings = settings
        self._timing = timing or Timing()
        self._listener: Callable[[str], None] = lambda _environment_id: None
        self._cloud = Cloud(name, settings, self._timing)
        self._mirror = Mirror(self._tell)
        self._shelf = Shelf(self._tell)
        self._hosts = Hosts(self._cloud, settings, clock, self._timing)
        self._ground = Ground(
            self._cloud, settings, lambda component: self._hosts.flavor_for(component.size)
        )
        self._hands = Hands(self._cloud, settings, self._mirror, clock)
        self._prober = Prober(self._timing, self._tell)
        self._converger = Converger(
            name,
            clock,
            self._timing,
            prefix=settings.prefix,
            cloud=self._cloud,
            mirror=self._mirror,
            shelf=self._shelf,
            hosts=self._hosts,
            ground=self._ground,
            works=Works(
                cloud=self._cloud,
                prefix=settings.prefix,
                mirror=self._mirror,
                hosts=self._hosts,
                ground=self._ground,
                hands=self._hands,
                stores=Stores(self._cloud, settings, self._timing, self._shelf, clock),
            ),
            lease=Lease(self._cloud, settings.prefix, clock, self._timing),
            prober=self._prober,
        )
        self._started = False

    @classmethod
    def for_pool(cls, pool: Pool, directory: Path, clock: Clock) -> Self:  # noqa: ARG003
        """The driver of ``pool``. :raises Invalid: ``invalid-pool-settings``."""
        return cls(pool.name, clock, OpenStackSettings.parse(pool.settings))

    @property
    def started(self) -> bool:
        """Whether it looks at the cloud: from :meth:`start` to :meth:`close`."""
        return self._started

    @property
    def converges(self) -> bool:
        """Whether it is this driver that converges the pool."""
        return self._converger.converges

    def start(self, changed: Callable[[str], None]) -> None:
        """As :meth:`Driver.start`. A cloud that does not answer yet is no error."""
        if self._started:
            return
        self._started = True
        self._listener = changed
        self._prober.start(self._name)
        self._converger.start(self._settings.parallel)
        self._converger.first_look.wait(_FIRST_LOOK)

    def close(self) -> None:
        if self._started:
            self._started = False
            self._converger.close()
            self._prober.close()
        self._cloud.close()

    def capacity(self) -> Capacity:
        self._require_fresh()
        trouble = self._converger.hosts_trouble
        if trouble is not None and self._hosts.age > self._timing.hosts + self._timing.stale:
            raise Temporary(trouble.message, code="pool-unreachable", hint=trouble.hint)
        ours = {server.id for server in self._mirror.servers()} | set(self._mirror.gone())
        return self._hosts.capacity(ours)

    def preview(self, workload: Workload) -> Sequence[Change]:
        self._admitted(workload)
        there = self._mirror.project(workload.environment_id)
        before = None if there is None or there.removed else seen.wanted(there)

        def flavor(component: ComponentWorkload) -> str:
            found = self._hosts.flavor_for(component.size)
            return found.name if found else ""

        return preview.changes(before, workload, self._ground.wanted, flavor)

    def apply(self, workload: Workload) -> None:
        written = self._admitted(workload)
        environment_id = workload.environment_id
        there = self._mirror.project(environment_id)
        if there is not None and there.removed:
            raise Temporary("what was there before is still being removed", code="still-ending")
        seed = self._cloud.seed
        if there is None:
            there = self._ground.project(workload, written)
            if there.removed:
                self._mirror.put_project(environment_id, there)
                raise Temporary("what was there before is still being removed", code="still-ending")
            if secrets := sealed.seal(workload, seed):
                there = self._ground.write(there, {words.SECRETS: secrets})
        elif there.workload != written or sealed.opened(workload, there.secrets, seed) is None:
            said = {words.WORKLOAD: written, words.SECRETS: sealed.seal(workload, seed) or None}
            try:
                there = self._ground.write(there, said)
            except NotFound as error:
                raise Temporary(
                    "somebody has just removed what was there", code="still-ending"
                ) from error
        self._mirror.put_project(environment_id, there)
        self._converger.wake(environment_id)

    def remove(self, environment_id: str) -> None:
        if not is_name(environment_id):
            return
        self._require_fresh()
        there = self._mirror.project(environment_id) or self._ground.find(environment_id)
        if there is None or there.removed:
            return
        try:
            gone = self._ground.write(there, {words.REMOVED: True})
        except NotFound:
            self._mirror.forget_project(there)
            return
        self._mirror.put_project(environment_id, gone)
        self._converger.wake(environment_id)

    def observe(self, environment_id: str) -> ObservedWorkload | None:
        if not is_name(environment_id):
            return None
        self._require_fresh()
        project = self._mirror.project(environment_id)
        servers = self._mirror.servers(environment_id)
        if project is None and not servers:
            return None
        workload = seen.wanted(project) if project else None
        components = {c.name: c for c in workload.components} if workload else {}
        health = self._prober.health()
        replicas = [
            reading.replica(
                server,
                health.get(server.id, reading.NOT_CHECKED),
                components.get(server.component),
                self._timing.unhealthy_after,
            )
            for server in servers
            if reading.is_replica(server)
        ]
        return ObservedWorkload(
            environment_id,
            self._digest(project, workload),
            tuple(sorted(replicas, key=lambda r: (r.component, r.slot, r.started_at, r.id))),
            (*(project.problems if project else ()), *problems(components.values(), servers)),
            limitations(
                components.values(), servers, self._hosts.sizes, self._shelf.of(environment_id)
            ),
        )

    def observe_all(self) -> Iterable[ObservedWorkload]:
        found = [self.observe(environment_id) for environment_id in self._mirror.environments()]
        return [observed for observed in found if observed is not None]

    def allocations(self) -> Iterable[Allocation]:
        self._require_fresh()
        found = [*self._mirror.allocations(), *self._shelf.allocations()]
        return sorted(found, key=lambda one: (one.started_at, one.id))

    def forget(self, allocation_ids: Iterable[str]) -> None:
        allocation_ids = list(allocation_ids)
        self._shelf.forget(allocation_ids)
        for server, key in self._mirror.forget(allocation_ids):
            project = self._mirror.project(server.environment_id)
            if project is None:
                continue
            path = f"/servers/{server.id}/metadata/{key}"
            try:
                with self._ground.as_member(project) as tenant:
                    self._cloud.send("compute", "DELETE", path, tenant=tenant)
            except NotFound:
                pass  # somebody else has forgotten it, or it has gone
            except CloudmgrError as error:
                _log.info("pool %s: %s is told once more: %s", self._name, key, error.message)
                continue
            self._mirror.noted(server.id, {key: None})

    def accounts(self, since: datetime) -> Sequence[Account]:
        self._require_fresh()
        places = {project.id: project.environment_id for project in self._mirror.projects()}
        return accounts(self._cloud, self._settings.prefix, places, since)

    def server_of(self, allocation_id: str) -> str:
        return runs.server_id(allocation_id)

    def log(self, environment_id: str, component: str, slot: int, lines: int) -> Sequence[str]:
        self._require_fresh()
        project = self._mirror.project(environment_id)
        found = [
            server
            for server in self._mirror.servers(environment_id)
            if (server.component, server.slot) == (component, slot) and reading.is_replica(server)
        ]
        if project is None or not found:
            raise NotFound(f"there is no log of slot {slot} of this component", code="no-such-log")
        with self._ground.as_member(project) as tenant:
            return self._hands.console(tenant, found[-1].id, lines)

    # --------------------------------------------------------------------------------- inside

    def _admitted(self, workload: Workload) -> str:
        """As it is written into the cloud. :raises: as :meth:`apply`."""
        require_valid(workload)
        self._require_images(workload)
        require_host(workload, self.capacity())
        self._require_flavors(workload)
        require_no_less(workload, self._shelf.of(workload.environment_id))
        written = dump_workload(workload)
        require_small(workload, written)
        return written

    def _digest(self, project: Project | None, workload: Workload | None) -> str:
        """Empty where the environment has to be applied again."""
        if project is None or project.removed or workload is None:
            return ""
        if project.workload != dump_workload(workload):
            return ""
        if sealed.opened(workload, project.secrets, self._cloud.seed) is None:
            return ""
        return workload.digest

    def _require_images(self, workload: Workload) -> None:
        for index, component in enumerate(workload.components):
            path = f"components[{index}]"
            if not component.image or component.command:
                raise Permanent(
                    f"{component.name} has no image: a pool of servers starts images",
                    code="unsupported",
                    hint="name an image of the cloud, or ask for a pool of processes",
                    path=f"{path}.command",
                )
            for service in component.services:
                if service.environment_id:
                    raise Permanent(
                        f"{service.name} is offered by an environment of this pool, and a pool of "
                        "servers has no address for it that stays",
                        code="unsupported",
                        hint="bind to a service that has a fixed address",
                        path=f"{path}.services",
                    )

    def _require_flavors(self, workload: Workload) -> None:
        for index, component in enumerate(workload.components):
            if self._hosts.flavor_for(component.size) is None:
                largest = self._hosts.largest
                most = largest.size if largest else Resources()
                raise Permanent(
                    f"no flavor of this pool holds {component.cpu_millis} thousandths of a core "
                    f"and {component.memory_mib} MiB, which {component.name} needs; the largest "
                    f"has {most.cpu_millis} and {most.memory_mib}",
                    code="does-not-fit",
                    hint="ask for less, or have the cloud's operator add a flavor",
                    path=f"components[{index}]",
                )

    def _require_fresh(self) -> None:
        """:raises Temporary: when what is known may be old."""
        seen_at, trouble = self._converger.seen_at, self._converger.trouble
        now = self._clock.monotonic()
        if self._started and seen_at is not None and now - seen_at < self._timing.stale:
            return
        if self._started and trouble is not None:
            raise Temporary(trouble.message, code="pool-unreachable", hint=trouble.hint)
        raise Temporary(f"the pool {self._name} is not watched", code="pool-unreachable")

    def _tell(self, environment_id: str) -> None:
        self._converger.wake(environment_id)
        try:
            self._listener(environment_id)
        except Exception:  # noqa: BLE001 - it must not end a watch
            _log.exception("what listens to pool %s failed on %s", self._name, environment_id)
