"""What is to be done next for one environment. Pure: the same input gives the same answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.pools.capacity import ANY_SIZE
from cloudmgr.pools.drivers.openstack import names as words
from cloudmgr.pools.drivers.openstack import reading, resizing, runs
from cloudmgr.pools.drivers.openstack.actions import (
    AskWhen,
    AskWhy,
    Create,
    Delete,
    Do,
    Enlarge,
    Note,
    Resize,
    Store,
)
from cloudmgr.pools.drivers.openstack.reading import NOT_CHECKED, Health
from cloudmgr.pools.drivers.openstack.resizing import Resizing, shape

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from cloudmgr.pools.capacity import Sizes
    from cloudmgr.pools.drivers.driver import ComponentWorkload, Workload
    from cloudmgr.pools.drivers.openstack.actions import Action
    from cloudmgr.pools.drivers.openstack.seen import Server
    from cloudmgr.pools.drivers.openstack.settings import Timing
    from cloudmgr.pools.drivers.openstack.volumes import Volume


@dataclass(frozen=True, slots=True)
class Wish:
    """What ought to be; ``workload`` is None for an environment that is to go.

    ``sizes`` are those of the pool's flavors.
    """

    workload: Workload | None
    servers: Sequence[Server]
    health: Mapping[str, Health]
    failures: Mapping[tuple[str, int], int] = field(default_factory=dict)
    sizes: Sizes = ANY_SIZE
    volumes: Sequence[Volume] = ()

    def volume_of(self, component: str, slot: int) -> Volume | None:
        """The storage of a slot."""
        of = (v for v in self.volumes if (v.component, v.slot) == (component, slot))
        return next(of, None)

    def health_of(self, server: Server) -> Health:
        return self.health.get(server.id, NOT_CHECKED)


def template(component: ComponentWorkload) -> str:
    """What a server of it is marked with."""
    return component.template_digest[:16]


def plan(wish: Wish, now: datetime, timing: Timing) -> list[Action]:
    """What to do now. Servers that nova is at work on are let alone."""
    workload = wish.workload
    components = {c.name: c for c in workload.components} if workload else {}
    found: list[Action] = []
    for server in wish.servers:
        found += _stranded(server, now, timing)
        found += _bookkeeping(server)
    groups: dict[str, list[Server]] = {name: [] for name in components}
    for server in wish.servers:
        if server.status not in {"DELETED", "SOFT_DELETED"} and server.busy != "deleting":
            groups.setdefault(server.component, []).append(server)
    for name, servers in groups.items():
        found += _Planner(components.get(name), servers, wish, now, timing).actions()
    return _one_each(found)


def settled(wish: Wish, actions: Sequence[Action]) -> bool:
    """Whether nothing is on its way that nobody would tell of."""
    return (
        not actions
        and all(
            not s.busy and not s.draining and s.status in {"ACTIVE", "SHELVED_OFFLOADED"}
            for s in wish.servers
            if s.status != "DELETED"
        )
        and all(words.FAILED not in s.metadata for s in wish.servers)
        and all(volume.at_rest for volume in wish.volumes)
    )


def stands_on_ground(action: Action) -> bool:
    """Whether quotas and networks must be laid before it."""
    begins = isinstance(action, Note) and bool(action.said.get(words.RESIZES))
    return begins or isinstance(action, Create | Resize | Store | Enlarge)


def needs_room(action: Action) -> bool:
    """Whether a host must have room for it, or for what follows from it."""
    match action:
        case Create() | Do(action="unshelve"):
            return True
        case Note(said=said):
            return bool(said.get(words.RESIZES))
        case _:
            return False


def _stranded(server: Server, now: datetime, timing: Timing) -> Iterator[Action]:
    """Nova is at something with it that its host does not hear of: it would be at it for ever.

    A deletion alone needs no host, once nova knows that it is lost.
    """
    waits = server.busy and server.busy != words.ASKED
    if waits and server.host_lost and reading.spared(server, now, timing):
        yield Delete(server)


def _serves(server: Server) -> bool:
    return server.status == "ACTIVE" and words.READY in server.metadata and not server.draining


def _bookkeeping(server: Server) -> Iterator[Action]:
    if server.busy:
        return
    if server.status == "SHELVED_OFFLOADED":
        last = runs.known(server)
        if last is not None and runs.rested(server, last) is None:
            yield AskWhen(server)
    elif words.READY in server.metadata and (said := runs.news(server)):
        yield Note(server, said)


def _one_each(actions: Sequence[Action]) -> list[Action]:
    """The first for each server: the next look finds what else there is."""
    seen: set[str] = set()
    kept: list[Action] = []
    for action in actions:
        if isinstance(action, Create | Store | Enlarge):
            kept.append(action)
        elif action.server.id not in seen:
            seen.add(action.server.id)
            kept.append(action)
    return kept


class _Planner:
    """One component; ``component`` is None for one that is to go."""

    def __init__(
        self,
        component: ComponentWorkload | None,
        servers: Sequence[Server],
        wish: Wish,
        now: datetime,
        timing: Timing,
    ) -> None:
        self._component = component
        self._servers = sorted(servers, key=lambda s: (s.slot, s.created, s.id))
        self._wish = wish
        self._now = now
        self._timing = timing
        self._template = template(component) if component else ""
        self._shape = shape(component) if component else ""
        self._wanted = component.replicas if component else 0

    def actions(self) -> Iterator[Action]:
        kept: dict[int, Server] = {}
        spare: list[Server] = []
        for server in self._servers:
            fits = server.template == self._template or self._resizable(server)
            if fits and server.slot not in kept and not self._leaves(server):
                kept[server.slot] = server
            else:
                spare.append(server)
        if self._component is None or not self._wanted:
            yield from self._rest(kept.values(), spare)
            return
        spare += [kept.pop(slot) for slot in list(kept) if slot >= self._wanted]
        yield from self._keep_all(kept.values(), self._component)
        yield from self._replace(kept, spare)

    # ------------------------------------------------------------------------------- to sleep

    def _rest(self, kept: Iterable[Server], spare: list[Server]) -> Iterator[Action]:
        for server in kept:
            asleep = server.shelved and server.status != "SHELVED"
            if asleep and self._component is not None:
                continue
            sleeps = self._component is not None and (
                words.READY in server.metadata or server.shelved
            )
            yield from self._leave(server, sleeps=sleeps)
        for server in spare:
            yield from self._leave(server, sleeps=False)

    # ----------------------------------------------------------------------------- to be there

    def _keep_all(self, kept: Collection[Server], component: ComponentWorkload) -> Iterator[Action]:
        begun = False
        for server in kept:
            if server.template == self._template and not resizing.under_way(server):
                yield from self._keep(server, component)
                continue
            others = [s for s in kept if s is not server]
            may_begin = not begun and len(kept) == self._wanted and all(map(_serves, others))
            steps = list(self._resizing(server, component).steps(may_begin=may_begin))
            begun |= bool(steps)
            yield from steps
            if not steps and not resizing.under_way(server):
                yield from self._keep(server, component)

    def _resizing(self, server: Server, component: ComponentWorkload) -> Resizing:
        return Resizing(
            server,
            component,
            self._template,
            self._wish.sizes.takes(component.size),
            self._wish.health_of(server),
            self._now,
            self._timing,
        )

    def _resizable(self, server: Server) -> bool:
        """Whether it lacks nothing but the size, and is to get that in its place.

        A single one is replaced, so that it serves all the time.
        """
        if self._component is None or server.metadata.get(words.SHAPE, "") != self._shape:
            return False
        tried = self._resizing(server, self._component)
        if resizing.under_way(server) or tried.failed:
            return True
        # With storage the one must end before the other begins, whichever way it is done.
        in_place = self._wanted > 1 or server.size == tried.size or self._component.storage_gib > 0
        return _serves(server) and in_place

    def _keep(self, server: Server, component: ComponentWorkload) -> Iterator[Action]:
        if server.busy:
            return
        if server.shelved:
            yield Do(server, "unshelve")
        elif server.draining:
            yield from self._revive(server)
        elif server.status == "ERROR":
            # Nothing can be noted of it: it rests since nova gave it up, and is made anew.
            if reading.spared(server, self._now, self._timing):
                yield Delete(server)
        elif words.FAILED in server.metadata:
            yield from self._try_again(server)
        elif fault := self._fault(server, component):
            yield AskWhy(server, fault)
        elif words.READY not in server.metadata and reading.is_well(
            server, self._wish.health_of(server), component.port
        ):
            said = {words.READY: self._now.isoformat(), words.WHY: None, **runs.news(server)}
            yield Note(server, said)

    def _revive(self, server: Server) -> Iterator[Action]:
        """It was to sleep, and is wanted again."""
        back = {words.DRAINS: None, words.SLEEPS: None}
        if server.status == "ACTIVE":
            yield Note(server, back)
        elif server.status == "SHUTOFF":
            yield Do(server, "os-start", back)

    def _fault(self, server: Server, component: ComponentWorkload) -> str:
        """Why it must be tried again; empty for one that may go on."""
        if server.status == "ACTIVE":
            return self._illness(server, component)
        down = server.status in {"SHUTOFF", "PAUSED", "SUSPENDED"}
        return "it has shut down by itself" if down else ""

    def _illness(self, server: Server, component: ComponentWorkload) -> str:
        health = self._wish.health_of(server)
        if words.READY in server.metadata:
            if component.port is None:
                return "its host is lost" if server.host_lost else ""
            if health.failed >= self._timing.restart_after:
                return f"failed {health.failed} health checks in a row: {health.fault}"
            return ""
        begun = server.since(words.BEGAN) or server.launched or server.created
        if begun + timedelta(seconds=component.startup_seconds) > self._now or not health.fault:
            return ""
        return f"was not healthy within {component.startup_seconds} s: {health.fault}"

    def _try_again(self, server: Server) -> Iterator[Action]:
        if not reading.rested(server, self._now, self._timing):
            return
        said = {words.FAILED: None, words.BEGAN: self._now.isoformat()}
        if server.host_lost:
            yield Delete(server)
        elif server.status == "SHUTOFF":
            yield Do(server, "os-start", said)
        elif server.status == "ACTIVE":
            yield Do(server, "reboot", said)

    def _replace(self, kept: Mapping[int, Server], spare: list[Server]) -> Iterator[Action]:
        """Make what lacks, and let go what has another in its place that serves."""
        assert self._component is not None  # noqa: S101 - for mypy
        old: dict[int, list[Server]] = {}
        for server in spare:
            other = kept.get(server.slot)
            # Of two of one template the older one stays; of two templates the one that serves.
            superseded = other is not None and (
                server.template == self._template or words.READY in other.metadata
            )
            if self._leaves(server) or server.slot >= self._wanted or superseded:
                yield from self._leave(server, sleeps=False)
            else:
                old.setdefault(server.slot, []).append(server)
        if self._component.storage_gib:
            yield from self._replace_stored(kept, old, self._component)
            return
        # One at a time, and not while one that was made for that has not come yet.
        replacing = any(slot in kept and words.READY not in kept[slot].metadata for slot in old)
        for slot in range(self._wanted):
            if slot in kept:
                continue
            if any(not s.shelved for s in old.get(slot, ())):
                if replacing:
                    continue
                replacing = True
            for server in old.get(slot, ()):
                if server.shelved:
                    yield from self._leave(server, sleeps=False)
            failures = self._wish.failures.get((self._component.name, slot), 0)
            yield Create(self._component.name, slot, failures)

    def _replace_stored(
        self,
        kept: Mapping[int, Server],
        old: Mapping[int, list[Server]],
        component: ComponentWorkload,
    ) -> Iterator[Action]:
        """As above, but the old one ends before the new one begins: they have one volume."""
        others = (slot for slot in range(self._wanted) if slot not in old)
        replacing = any(s not in kept or words.READY not in kept[s].metadata for s in others)
        for slot in range(self._wanted):
            if slot in kept:
                continue
            if any(not s.shelved for s in old.get(slot, ())):
                if replacing:
                    continue
                replacing = True
            for server in old.get(slot, ()):
                yield from self._leave(server, sleeps=False)
            if any(server.slot == slot for server in self._servers):
                continue
            volume = self._wish.volume_of(component.name, slot)
            if volume is None:
                yield Store(component.name, slot)
            elif volume.is_free and volume.lacks(component.storage_gib):
                yield Enlarge(volume, component.storage_gib)
            elif volume.is_free:
                failures = self._wish.failures.get((component.name, slot), 0)
                yield Create(component.name, slot, failures, volume.id)

    # --------------------------------------------------------------------------------- to go

    def _leaves(self, server: Server) -> bool:
        stays = words.SLEEPS in server.metadata or words.RESIZES in server.metadata
        return server.draining and not stays

    def _leave(self, server: Server, *, sleeps: bool) -> Iterator[Action]:
        if server.busy or (sleeps and server.status == "SHELVED"):
            return  # nova itself is to offload it
        if server.status == "ERROR" or (server.shelved and not sleeps):
            yield Delete(server)
            return
        drains = server.since(words.DRAINS)
        if drains is None or (sleeps != (words.SLEEPS in server.metadata)):
            if words.READY not in server.metadata and not sleeps:
                yield Delete(server)  # nobody has ever been led to it
                return
            yield Note(
                server,
                {
                    words.DRAINS: (drains or self._now).isoformat(),
                    words.SLEEPS: "yes" if sleeps else None,
                    words.RESIZES: None,
                    words.MOVES: None,
                    **runs.news(server),
                },
            )
            return
        if self._now < drains + timedelta(seconds=self._timing.settle):
            return
        if sleeps:
            yield Do(server, "shelve")
        elif server.status == "ACTIVE" and not server.host_lost:
            yield Do(server, "os-stop")
        else:
            yield Delete(server)
