"""Looks at a cloud again and again, and does what is to be done if it is ours to do."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from cloudmgr.errors import CloudmgrError
from cloudmgr.pools.drivers.openstack import names as words
from cloudmgr.pools.drivers.openstack import plan, runs, seen
from cloudmgr.pools.drivers.openstack.actions import Create, Enlarge, Store
from cloudmgr.pools.drivers.openstack.crew import Crew
from cloudmgr.pools.drivers.openstack.plan import Wish
from cloudmgr.pools.drivers.openstack.probes import Prober, Target
from cloudmgr.pools.drivers.openstack.rooms import Rooms
from cloudmgr.pools.drivers.openstack.told import homeless_sentence

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence
    from datetime import datetime

    from cloudmgr.clock import Clock
    from cloudmgr.pools.drivers.driver import Workload
    from cloudmgr.pools.drivers.openstack.actions import Action
    from cloudmgr.pools.drivers.openstack.cloud import Cloud
    from cloudmgr.pools.drivers.openstack.ground import Ground
    from cloudmgr.pools.drivers.openstack.hosts import Hosts
    from cloudmgr.pools.drivers.openstack.lease import Lease
    from cloudmgr.pools.drivers.openstack.mirror import Mirror
    from cloudmgr.pools.drivers.openstack.seen import Project
    from cloudmgr.pools.drivers.openstack.settings import Timing
    from cloudmgr.pools.drivers.openstack.shelf import Shelf
    from cloudmgr.pools.drivers.openstack.works import Works

_log = logging.getLogger(__name__)
_DELETED_KNOWN = timedelta(days=2)  # back, when we begin to look
_LISTENS = {"ACTIVE", "VERIFY_RESIZE"}
_CLOCKS = timedelta(minutes=5)  # so much may nova's clock and ours differ


class Converger:
    """One thread looks and plans, some others act.

    ``seen_at`` is when a look last succeeded, in elapsed time; ``trouble`` what the last one met,
    ``hosts_trouble`` the last one at the hosts alone.

    :param name: the pool's, for messages.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        timing: Timing,
        *,
        prefix: str,
        cloud: Cloud,
        mirror: Mirror,
        shelf: Shelf,
        hosts: Hosts,
        ground: Ground,
        works: Works,
        lease: Lease,
        prober: Prober,
    ) -> None:
        self._name = name
        self._prefix = prefix
        self._cloud = cloud
        self._timing = timing
        self._clock = clock
        self._mirror = mirror
        self._shelf = shelf
        self._hosts = hosts
        self._ground = ground
        self._works = works
        self._lease = lease
        self._prober = prober
        self._crew = Crew(name, clock, timing, may=lambda: lease.held, done=self.wake)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._bell = threading.Event()
        self._stopping = False
        self._due: set[str] = set()
        self._rooms = Rooms(hosts, mirror, clock, timing, under_way=self._crew.under_way)
        self._projects_at = -1e9
        self._childless: set[str] = set()
        self._storage_at: float | None = None
        self._quiet = False
        self._looked_at: datetime | None = None
        self.seen_at: float | None = None
        self.trouble: CloudmgrError | None = None
        self.hosts_trouble: CloudmgrError | None = None
        self.first_look = threading.Event()

    # --------------------------------------------------------------------------------- its life

    def start(self, parallel: int) -> None:
        """:param parallel: at most so many things are done at once."""
        self._crew.start(parallel)
        self._thread = threading.Thread(
            target=self._serve, name=f"openstack-pool-{self._name}", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """What is under way is finished; nothing new is begun."""
        self._stopping = True
        self._bell.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._crew.close()
        self._lease.give_back()

    @property
    def converges(self) -> bool:
        """Whether it is we who converge the pool."""
        return self._lease.held

    def wake(self, environment_id: str) -> None:
        """Something of it has moved."""
        with self._lock:
            self._due.add(environment_id)
        self._bell.set()

    # -------------------------------------------------------------------------------- the rounds

    def _serve(self) -> None:
        look_at = 0.0
        while not self._stopping:
            now = self._clock.monotonic()
            if now >= look_at:
                try:
                    self._look()
                    self.trouble, self.seen_at = None, self._clock.monotonic()
                except CloudmgrError as error:
                    if self.trouble is None:
                        _log.warning("pool %s: %s", self._name, error.message)
                    self.trouble = error
                    look_at = self._clock.monotonic() + self._timing.poll
                except Exception:  # noqa: BLE001 - whatever it was, what runs goes on
                    _log.exception("the look at pool %s failed and begins again", self._name)
                    look_at = self._clock.monotonic() + self._timing.poll
                self.first_look.set()
            self._quiet = self._plan_due()
            if self.trouble is None and now >= look_at:
                pause = self._timing.poll if self._quiet else self._timing.busy_poll
                look_at = self._clock.monotonic() + pause
            self._bell.wait(max(0.0, look_at - self._clock.monotonic()))
            self._bell.clear()

    def _look(self) -> None:
        """Ask the cloud what there is.

        :raises CloudmgrError: it does not answer.
        """
        now = self._clock.monotonic()
        if now - self._projects_at >= self._timing.projects:
            began = self._mirror.begin()
            tagged: dict[str, Any] = {"tags": words.tag(self._prefix)}
            items = self._cloud.list("identity", "/projects", "projects", **tagged)
            found = [p for item in items if (p := seen.project(item)) is not None]
            self._mirror.see_projects(found, began)
            self._projects_at = now
            self._clear_departments(seen.childless(items, self._prefix))
        began, moment = self._mirror.begin(), self._clock.now()
        items = self._cloud.servers()
        prefix = self._prefix
        servers = [s for item in items if (s := seen.server(item, prefix)) is not None]
        gone = self._deleted(self._mirror.missing(servers, began))
        self._mirror.see_servers(servers, began, gone)
        self._looked_at = moment
        self._look_at_storage(now)
        self._lease.keep()
        self._look_at_hosts()
        self._watch_health()
        with self._lock:
            self._due.update(self._mirror.environments())

    def _clear_departments(self, childless: set[str]) -> None:
        """Somebody ended between an environment's project and the one above it.

        Twice in a row, since a department's project is made before the first one below it.
        """
        for project_id in childless & self._childless:
            key: Hashable = ("department", project_id)
            self._crew.do("", key, partial(self._ground.departments.clear, project_id))
        self._childless = childless

    def _deleted(
        self, missing: Sequence[seen.Server]
    ) -> dict[str, tuple[seen.Server, runs.Run | None]]:
        """When what is ``missing`` went, and what it held last: nova keeps that for some days.

        When we begin, also of what went while nobody looked.
        """
        begins = self._looked_at is None
        if not missing and not begins:
            return {}
        now = self._clock.now()
        since = now - _DELETED_KNOWN if self._looked_at is None else self._looked_at - _CLOCKS
        query: dict[str, Any] = {
            "deleted": "true",
            "changes-since": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        told: dict[str, seen.Server] = {}
        for item in self._cloud.servers(**query):
            found = seen.server(item, self._prefix)
            if found is not None and found.status == "DELETED":
                told[found.id] = found
        known = {server.id: server for server in missing}
        gone: dict[str, tuple[seen.Server, runs.Run | None]] = {}
        for server_id, server in known.items():
            # What nova has forgotten, too, went when we noticed that.
            last = told.pop(server_id, None) or replace(server, terminated=now)
            gone[server_id] = last, runs.known(server)
        if begins:
            gone |= {i: (s, runs.past(s)) for i, s in told.items()}
        return gone

    def _watch_health(self) -> None:
        targets: dict[str, Target] = {}
        for project in self._mirror.projects():
            workload = seen.wanted(project)
            if workload is None:
                continue
            components = {c.name: c for c in workload.components}
            for server in self._mirror.servers(project.environment_id):
                component = components.get(server.component)
                if component is None or component.port is None or server.status not in _LISTENS:
                    continue
                if server.address:
                    targets[server.id] = Target(
                        project.environment_id,
                        server.address,
                        component.port,
                        component.health_path,
                        eager=words.READY not in server.metadata,
                    )
        self._prober.watch(targets)

    # ------------------------------------------------------------------------------- planning

    def _plan_due(self) -> bool:
        """Plan what is due; whether nothing is on its way."""
        with self._lock:
            due, self._due = self._due, set()
        quiet = True
        if self.trouble is None and self._lease.held and not self._stopping:
            for environment_id in due:
                quiet &= self._plan(environment_id)
        return quiet and self._crew.idle

    def _plan(self, environment_id: str) -> bool:
        project = self._mirror.project(environment_id)
        servers = self._mirror.servers(environment_id)
        if project is None:
            self._crew.forget(environment_id)
            return True  # its servers are whose project somebody has taken away
        workload = None if project.removed else seen.wanted(project)
        if workload is None and not project.removed:
            return True  # somebody wrote there: the environment is applied again
        failures = self._works.failures(environment_id)
        stored = self._shelf.of(environment_id)
        wish = Wish(workload, servers, self._prober.health(), failures, self._hosts.sizes, stored)
        actions = plan.plan(wish, self._clock.now(), self._timing)
        key: Hashable = ("ground", environment_id)
        if project.removed:
            if not servers:
                self._crew.do(environment_id, key, partial(self._works.clear, project))
        elif workload is not None and project.ground.get("digest") != self._ground.digest(workload):
            self._crew.do(environment_id, key, partial(self._works.lay, project, workload))
            actions = [a for a in actions if not plan.stands_on_ground(a)]
        self._begin(project, workload, actions)
        said = self._crew.troubles(environment_id)
        if said != project.problems:
            key = ("troubles", environment_id)
            self._crew.do(environment_id, key, partial(self._works.tell, project, said))
        return plan.settled(wish, actions) and not project.removed

    def _begin(
        self, project: Project, workload: Workload | None, actions: Iterable[Action]
    ) -> None:
        environment_id = project.environment_id
        components = {c.name: c for c in workload.components} if workload else {}
        homeless: dict[str, int] = {}
        for action in actions:
            key: Hashable
            if isinstance(action, Create):
                assert workload is not None  # noqa: S101 - nothing is made of what is to go
                name, key = (
                    action.component,
                    ("create", environment_id, action.component, action.slot),
                )
                work = partial(self._works.create, project, workload, action)
            elif isinstance(action, Store | Enlarge):
                assert workload is not None  # noqa: S101 - what is to go gets no storage
                of = action.volume if isinstance(action, Enlarge) else action
                name, key = of.component, ("storage", environment_id, of.component, of.slot)
                work = partial(self._works.store, project, workload, action)
            else:
                name, key = action.server.component, ("server", action.server.id)
                work = partial(self._works.act, project, action)
            if not self._crew.takes(key):
                continue
            free = not plan.needs_room(action)
            if free or self._rooms.take(key, environment_id, components[name]):
                self._crew.do(environment_id, key, work)
            else:
                homeless[name] = homeless.get(name, 0) + 1
        self._crew.tell(
            environment_id,
            "room",
            {
                name: homeless_sentence(component, count, self._rooms.trouble)
                for name, component in components.items()
                if (count := homeless.get(name, 0))
            },
        )

    def _look_at_storage(self, now: float) -> None:
        """While cinder is away, what is there already is cared for, and what has no storage.

        :raises CloudmgrError: cinder has not answered at all yet.
        """
        if not self._storage_moves() and now - (self._storage_at or -1e9) < self._timing.hosts:
            return
        said: dict[str, str] = {}
        try:
            self._works.look_at_storage()
            self._storage_at = now
        except CloudmgrError as error:
            if self._storage_at is None:
                raise
            said = {"": error.message}
        for environment_id in self._mirror.environments():
            stored = self._shelf.of(environment_id)
            self._crew.tell(environment_id, "cinder", said if stored else {})

    def _storage_moves(self) -> bool:
        """Whether somebody, perhaps another control plane, is at something with volumes."""
        removed = any(project.removed for project in self._mirror.projects())
        return removed or not self._quiet or self._shelf.moves

    def _look_at_hosts(self) -> None:
        """While placement is away, what is there already is cared for.

        :raises CloudmgrError: placement has not answered at all yet.
        """
        try:
            self._hosts.refresh()
            if self._lease.held:
                self._tell_of_promises()
            self.hosts_trouble = None
        except CloudmgrError as error:
            if not self._hosts.known:
                raise
            if self.hosts_trouble is None:
                _log.warning("pool %s: %s", self._name, error.message)
            self.hosts_trouble = error

    def _tell_of_promises(self) -> None:
        """:raises CloudmgrError: placement does not answer."""
        short = self._rooms.short()
        for environment_id in self._mirror.environments():
            self._crew.tell(
                environment_id,
                "promise",
                {
                    name: f"{name}: room that was promised to it is not there yet: "
                    "no host has enough left"
                    for whose, name in short
                    if whose == environment_id
                },
            )
