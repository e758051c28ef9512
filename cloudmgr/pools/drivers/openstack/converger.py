"""Looks at a cloud again and again, and does what is to be done if it is ours to do."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from cloudmgr.errors import CloudmgrError, Conflict, NotFound, Permanent, Temporary
from cloudmgr.pools.drivers.openstack import names as words
from cloudmgr.pools.drivers.openstack import plan, runs, sealed, seen
from cloudmgr.pools.drivers.openstack.plan import (
    AskWhen,
    AskWhy,
    Create,
    Delete,
    Do,
    Note,
    Wish,
)
from cloudmgr.pools.drivers.openstack.probes import Prober, Target
from cloudmgr.pools.drivers.written import load_workload

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from datetime import datetime

    from cloudmgr.clock import Clock
    from cloudmgr.pools.drivers.driver import Workload
    from cloudmgr.pools.drivers.openstack.cloud import Cloud
    from cloudmgr.pools.drivers.openstack.ground import Ground
    from cloudmgr.pools.drivers.openstack.hands import Hands
    from cloudmgr.pools.drivers.openstack.hosts import Hosts
    from cloudmgr.pools.drivers.openstack.lease import Lease
    from cloudmgr.pools.drivers.openstack.mirror import Mirror
    from cloudmgr.pools.drivers.openstack.plan import Action
    from cloudmgr.pools.drivers.openstack.seen import Project
    from cloudmgr.pools.drivers.openstack.settings import OpenStackSettings, Timing

_log = logging.getLogger(__name__)
_DELETED_KNOWN = 48 * 3600  # seconds back, when we begin to look


class Converger:
    """One thread looks and plans, some others act.

    :param looked: called after each look at the cloud, with what went wrong or nothing.
    """

    def __init__(
        self,
        name: str,
        cloud: Cloud,
        settings: OpenStackSettings,
        timing: Timing,
        clock: Clock,
        mirror: Mirror,
        hosts: Hosts,
        ground: Ground,
        hands: Hands,
        lease: Lease,
        prober: Prober,
    ) -> None:
        self._name = name
        self._cloud = cloud
        self._settings = settings
        self._timing = timing
        self._clock = clock
        self._mirror = mirror
        self._hosts = hosts
        self._ground = ground
        self._hands = hands
        self._lease = lease
        self._prober = prober
        self._thread: threading.Thread | None = None
        self._workers: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._bell = threading.Event()
        self._stopping = False
        self._due: set[str] = set()
        self._flying: set[Hashable] = set()
        self._rests: dict[Hashable, tuple[float, float]] = {}  # until, and how long it was
        self._troubles: dict[str, dict[Hashable, str]] = {}
        self._failures: dict[str, dict[tuple[str, int], int]] = {}
        self._room: dict[str, tuple[float, int]] = {}
        self._projects_at = -1e9
        self._began = False
        self.seen_at: float | None = None
        self.trouble: CloudmgrError | None = None
        self.first_look = threading.Event()

    # --------------------------------------------------------------------------------- its life

    def start(self) -> None:
        self._workers = ThreadPoolExecutor(
            self._settings.parallel, thread_name_prefix=f"openstack-{self._name}"
        )
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
        if self._workers is not None:
            self._workers.shutdown(wait=True, cancel_futures=True)
            self._workers = None
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
        retry, look_at = self._timing.retry, 0.0
        while not self._stopping:
            now = self._clock.monotonic()
            if now >= look_at:
                try:
                    self._look()
                    self.trouble, self.seen_at = None, self._clock.monotonic()
                    retry = self._timing.retry
                except CloudmgrError as error:
                    if self.trouble is None:
                        _log.warning("pool %s: %s", self._name, error.message)
                    self.trouble = error
                    look_at = self._clock.monotonic() + min(retry, self._timing.poll)
                    retry = min(2 * retry, self._timing.longest_retry)
                except Exception:  # noqa: BLE001 - whatever it was, what runs goes on
                    _log.exception("the look at pool %s failed and begins again", self._name)
                    look_at = self._clock.monotonic() + self._timing.retry
                self.first_look.set()
            quiet = self._plan_due()
            if self.trouble is None and now >= look_at:
                pause = self._timing.poll if quiet else self._timing.busy_poll
                look_at = self._clock.monotonic() + pause
            self._bell.wait(max(0.0, min(look_at - self._clock.monotonic(), self._pause())))
            self._bell.clear()

    def _pause(self) -> float:
        """Until something that rests may be tried again."""
        with self._lock:
            soonest = min((until for until, _ in self._rests.values()), default=1e18)
        return max(0.05, soonest - self._clock.monotonic())

    def _look(self) -> None:
        """Ask the cloud what there is.

        :raises CloudmgrError: it does not answer.
        """
        now = self._clock.monotonic()
        if now - self._projects_at >= self._timing.projects:
            began = self._mirror.begin()
            tagged: dict[str, Any] = {"tags": words.tag(self._settings.prefix)}
            items = self._cloud.list("identity", "/projects", "projects", **tagged)
            found = [p for item in items if (p := seen.project(item)) is not None]
            self._mirror.see_projects(found, began)
            self._projects_at = now
        began = self._mirror.begin()
        items = self._cloud.list("compute", "/servers/detail", "servers", all_tenants=1)
        prefix = self._settings.prefix
        servers = [s for item in items if (s := seen.server(item, prefix)) is not None]
        self._mirror.see_servers(servers, began)
        self._look_at_deleted()
        self._hosts.refresh()
        self._lease.keep()
        self._watch_health()
        with self._lock:
            self._due.update(self._mirror.environments())

    def _look_at_deleted(self) -> None:
        """When what has gone went: nova keeps it for some days."""
        vanished = {server.id: server for server in self._mirror.vanished()}
        if not vanished and self._began:
            return
        since = self._clock.now().timestamp() - _DELETED_KNOWN
        if vanished and self._began:
            since = min(server.updated.timestamp() for server in vanished.values()) - 60
        query: dict[str, Any] = {
            "all_tenants": 1,
            "deleted": "true",
            "changes-since": _stamp(since),
        }
        for item in self._cloud.list("compute", "/servers/detail", "servers", **query):
            found = seen.server(item, self._settings.prefix)
            if found is None or found.terminated is None:
                if item["id"] in vanished and item["status"] == "DELETED":
                    self._mirror.never_ran(item["id"])
                continue
            known = vanished.pop(found.id, None)
            if known is not None:
                self._mirror.ended(found, runs.known(known))
            elif not self._began:
                self._mirror.ended(found, runs.past(found, self._actions(found)))
        self._began = True

    def _actions(self, server: seen.Server) -> list[dict[str, Any]]:
        """What was done to a server that is deleted; nobody may ask once its project is gone."""
        project = self._mirror.project(server.environment_id)
        if project is None:
            return []
        path = f"/servers/{server.id}/os-instance-actions"
        try:
            tenant = self._ground.tenant(project)
            return self._cloud.list("compute", path, "instanceActions", tenant)
        except (NotFound, Temporary):
            return []

    def _watch_health(self) -> None:
        targets: dict[str, Target] = {}
        for project in self._mirror.projects():
            workload = _workload(project)
            if workload is None:
                continue
            components = {c.name: c for c in workload.components}
            for server in self._mirror.servers(project.environment_id):
                component = components.get(server.component)
                if component is None or component.port is None or server.status != "ACTIVE":
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
        if self.trouble is None and self._lease.held:
            for environment_id in due:
                quiet &= self._plan(environment_id)
        with self._lock:
            return quiet and not self._flying

    def _plan(self, environment_id: str) -> bool:
        project = self._mirror.project(environment_id)
        servers = self._mirror.servers(environment_id)
        if project is None:
            return True  # its servers are whose project somebody has taken away
        workload = None if project.removed else _workload(project)
        if workload is None and not project.removed:
            return True  # somebody wrote there: the environment is applied again
        failures = self._failures.get(environment_id, {})
        wish = Wish(workload, servers, self._prober.health(), failures)
        actions = plan.plan(wish, self._clock.now(), self._timing)
        if project.removed:
            if not servers:
                self._fly(environment_id, ("ground", environment_id), partial(self._clear, project))
        elif workload is not None and self._is_unlaid(project, workload):
            self._fly(
                environment_id,
                ("ground", environment_id),
                partial(self._lay, project, workload),
            )
            actions = [action for action in actions if not isinstance(action, Create)]
        self._begin(environment_id, project, workload, actions)
        self._tell_troubles(project)
        return plan.settled(wish, actions) and not project.removed

    def _begin(
        self,
        environment_id: str,
        project: Project,
        workload: Workload | None,
        actions: Iterable[Action],
    ) -> None:
        homeless: dict[str, int] = {}
        for action in actions:
            if isinstance(action, Create):
                assert workload is not None  # noqa: S101 - for mypy
                key: Hashable = ("create", environment_id, action.component, action.slot)
                with self._lock:
                    skipped = key in self._flying or self._resting(key)
                if skipped:
                    continue
                if self._take_room(workload, action.component):
                    work = partial(self._create, project, workload, action)
                    self._fly(environment_id, key, work)
                else:
                    homeless[action.component] = homeless.get(action.component, 0) + 1
            else:
                key = ("server", action.server.id)
                self._fly(environment_id, key, partial(self._act, project, action))
        with self._lock:
            troubles = self._troubles.setdefault(environment_id, {})
            for key in [k for k in troubles if isinstance(k, tuple) and k[0] == "room"]:
                del troubles[key]
            for component in workload.components if workload else ():
                count = homeless.get(component.name, 0)
                if count:
                    troubles["room", component.name] = (
                        f"{component.name}: finds no room for {count} "
                        f"{'replica' if count == 1 else 'replicas'} with "
                        f"{component.cpu_millis / 1000:g} CPU and {component.memory_mib} MiB; "
                        "they start by themselves once there is some"
                    )

    def _take_room(self, workload: Workload, name: str) -> bool:
        """Whether placement has room for one more; asked once for many."""
        component = next(c for c in workload.components if c.name == name)
        flavor = self._hosts.flavor_for(component.size)
        if flavor is None:
            return False
        now = self._clock.monotonic()
        asked, left = self._room.get(flavor.id, (-1e9, 0))
        if now - asked > self._timing.busy_poll:
            try:
                asked, left = now, self._hosts.room_for(flavor, ())
            except CloudmgrError:
                return False
        self._room[flavor.id] = asked, max(0, left - 1)
        return left > 0

    def _is_unlaid(self, project: Project, workload: Workload) -> bool:
        return project.ground.get("digest") != self._ground.digest(workload)

    def _tell_troubles(self, project: Project) -> None:
        """What stands in the way is written where every control plane reads it."""
        with self._lock:
            said = sorted(set(self._troubles.get(project.environment_id, {}).values()))
        if tuple(said) != project.problems and not project.removed:
            self._fly(
                project.environment_id,
                ("troubles", project.environment_id),
                partial(self._write_troubles, project, said),
            )

    # ----------------------------------------------------------------------------------- acting

    def _fly(self, environment_id: str, key: Hashable, work: Callable[[], None]) -> None:
        with self._lock:
            if key in self._flying or self._resting(key) or self._stopping:
                return
            workers = self._workers
            if workers is None:
                return
            self._flying.add(key)
        workers.submit(self._run, environment_id, key, work)

    def _resting(self, key: Hashable) -> bool:
        until, _ = self._rests.get(key, (0.0, 0.0))
        return self._clock.monotonic() < until

    def _run(self, environment_id: str, key: Hashable, work: Callable[[], None]) -> None:
        try:
            # Nobody else acts while we do; who has lost the lease does not begin.
            if self._lease.held:
                work()
            with self._lock:
                self._rests.pop(key, None)
                self._troubles.get(environment_id, {}).pop(key, None)
        except CloudmgrError as error:
            self._went_wrong(environment_id, key, error)
        except Exception:
            _log.exception("pool %s: %s failed", self._name, key)
            fault = Temporary("a fault of cloudmgr itself: see its log", code="internal")
            self._went_wrong(environment_id, key, fault)
        finally:
            with self._lock:
                self._flying.discard(key)
            self.wake(environment_id)

    def _went_wrong(self, environment_id: str, key: Hashable, error: CloudmgrError) -> None:
        with self._lock:
            _, last = self._rests.get(key, (0.0, 0.0))
            pause = min(2 * last or self._timing.retry, self._timing.longest_retry)
            self._rests[key] = self._clock.monotonic() + pause, pause
            if error.code not in {"still-ending", "pool-conflict"}:
                said = f"{error.message}: {error.hint}" if error.hint else error.message
                self._troubles.setdefault(environment_id, {})[key] = " ".join(said.split())
        _log.info("pool %s: %s: %s", self._name, key, error.message)

    def _create(self, project: Project, workload: Workload, asked: Create) -> None:
        told = sealed.opened(workload, project.secrets, self._cloud.seed)
        if told is None:
            return  # the environment is applied again: see observe()
        component = next(c for c in told.components if c.name == asked.component)
        flavor = self._hosts.flavor_for(component.size)
        if flavor is None:
            return
        tenant = self._ground.tenant(project)
        try:
            self._hands.create(project, tenant, workload, component, asked, flavor)
        except (NotFound, Permanent) as error:
            # Something that it stands on is gone: it is laid again.
            self._written(project, {words.GROUND: None})
            raise Temporary(error.message, code="pool-refuses", hint=error.hint) from error
        except Temporary as error:
            if error.code == "pool-tenant":
                self._ground.renew_user(project)
            raise

    def _act(self, project: Project, action: Action) -> None:
        tenant = self._ground.tenant(project)
        try:
            match action:
                case Note(server, said):
                    self._hands.note(tenant, server, said)
                case Do(server, what, said):
                    self._hands.do(tenant, server, what, said)
                case AskWhy(server, fault):
                    self._hands.failed(tenant, server, fault)
                case AskWhen(server):
                    self._hands.asleep(tenant, server)
                case Delete(server):
                    self._remember(server)
                    self._hands.delete(tenant, server)
                case Create():
                    raise AssertionError
        except NotFound:
            pass  # it has gone: the next look tells
        except Conflict as error:
            # Nova is at something else with it; or it is not as it was seen to be.
            raise Temporary(error.message, code="pool-conflict") from error
        except Temporary as error:
            if error.code == "pool-tenant":
                self._ground.renew_user(project)
            raise

    def _remember(self, server: seen.Server) -> None:
        """How often its slot failed: the next one goes on counting."""
        failures = self._failures.setdefault(server.environment_id, {})
        if words.FAILED in server.metadata:
            failures[server.component, server.slot] = server.restarts
        else:
            failures.pop((server.component, server.slot), None)

    def _lay(self, project: Project, workload: Workload) -> None:
        try:
            laid = self._ground.lay(project, workload)
        except Temporary as error:
            if error.code == "pool-tenant":
                self._ground.renew_user(project)
            raise
        self._mirror.put_project(project.environment_id, laid)

    def _clear(self, project: Project) -> None:
        if self._servers_left(project):
            raise Temporary("its servers have not gone yet", code="still-ending")
        self._ground.clear(project)
        self._mirror.put_project(project.environment_id, None)
        with self._lock:
            self._troubles.pop(project.environment_id, None)
            self._failures.pop(project.environment_id, None)

    def _servers_left(self, project: Project) -> bool:
        """Asked of nova itself: one may be there whose answer was lost, or a stranger's."""
        query: dict[str, Any] = {"all_tenants": 1, "project_id": project.id}
        left = self._cloud.list("compute", "/servers/detail", "servers", **query)
        for item in left:
            found = seen.server(item, self._settings.prefix)
            if found is not None:
                self._mirror.put_server(found)
            elif not item.get("OS-EXT-STS:task_state"):
                # Somebody made it in a project that is ours and goes.
                path, tenant = f"/servers/{item['id']}", self._ground.tenant(project)
                self._cloud.send("compute", "DELETE", path, tenant=tenant)
        return bool(left)

    def _write_troubles(self, project: Project, said: list[str]) -> None:
        self._written(project, {words.PROBLEMS: "\n".join(said)[:4000] or None})

    def _written(self, project: Project, said: dict[str, object]) -> None:
        self._mirror.put_project(project.environment_id, self._ground.write(project, said))


def _workload(project: Project) -> Workload | None:
    try:
        return load_workload(project.workload)
    except ValueError:
        return None


def _stamp(seconds: float) -> str:
    return _at(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def _at(seconds: float) -> datetime:
    from datetime import UTC, datetime  # noqa: PLC0415

    return datetime.fromtimestamp(seconds, UTC)
