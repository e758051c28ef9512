"""Who may have room on the hosts now: what is promised to one environment no other takes.

All servers of a pool are begun by whoever converges it, so that is where a promise is kept. Nothing
is written into placement for it: an allocation that holds room would have to be given up before
nova's scheduler finds it, and in between anybody could have it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cloudmgr.errors import CloudmgrError
from cloudmgr.pools.drivers.openstack import seen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Mapping

    from cloudmgr.clock import Clock
    from cloudmgr.pools.drivers.driver import ComponentWorkload
    from cloudmgr.pools.drivers.openstack.hosts import Hosts
    from cloudmgr.pools.drivers.openstack.mirror import Mirror
    from cloudmgr.pools.drivers.openstack.seen import Server
    from cloudmgr.pools.drivers.openstack.settings import Timing

# So much of each kind of resource, in the words of placement.
Amounts = dict[str, int]
_Key = tuple[str, str]  # environment and component


def left_for(
    wanted: Mapping[str, int],
    eligible: Collection[str],
    free: Mapping[str, Mapping[str, int]],
    held: Iterable[Mapping[str, int]],
) -> int:
    """How many of ``wanted`` find a host beside all that is ``held``. Pure.

    What is held is put where it leaves most for ``wanted``, as nova's scheduler may not: the answer
    is the most that there can be. What of it fits nowhere holds nothing.

    :param eligible: the hosts that may have one of ``wanted``.
    :param free: what each host has left.
    """
    left = {host: dict(amounts) for host, amounts in free.items()}

    def loss(host: str, one: Mapping[str, int]) -> int:
        before = left[host] if host in eligible else {}
        return _copies(wanted, before) - _copies(wanted, _without(before, one))

    for one in sorted(held, key=_size, reverse=True):
        fitting = [host for host, amounts in left.items() if _fits(one, amounts)]
        if fitting:
            best = min(fitting, key=lambda h: (loss(h, one), _size(left[h]), h))
            left[best] = _without(left[best], one)
    return sum(_copies(wanted, left[host]) for host in eligible if host in left)


def short_of(
    free: Mapping[str, Mapping[str, int]], held: Mapping[_Key, list[Amounts]]
) -> set[_Key]:
    """Of whom something is ``held`` that no host has room for any more. Pure."""
    left = {host: dict(amounts) for host, amounts in free.items()}
    short: set[_Key] = set()
    ordered = ((one, key) for key, some in sorted(held.items()) for one in some)
    for one, key in sorted(ordered, key=lambda pair: _size(pair[0]), reverse=True):
        fitting = [host for host, amounts in left.items() if _fits(one, amounts)]
        if not fitting:
            short.add(key)
            continue
        best = min(fitting, key=lambda h: (_size(left[h]), h))
        left[best] = _without(left[best], one)
    return short


class Rooms:
    """One thread asks.

    :param under_way: whether what room was taken for has not been answered yet.
    """

    def __init__(
        self,
        hosts: Hosts,
        mirror: Mirror,
        clock: Clock,
        timing: Timing,
        *,
        under_way: Callable[[Hashable], bool],
    ) -> None:
        self._hosts = hosts
        self._mirror = mirror
        self._clock = clock
        self._timing = timing
        self._under_way = under_way
        self._asked = -1e9
        self._free: dict[str, Amounts] = {}
        self._eligible: dict[str, set[str]] = {}
        self._coming: list[Amounts] = []
        self._given: dict[Hashable, Amounts] = {}
        self._promised: dict[_Key, list[Amounts]] = {}

    def take(self, key: Hashable, environment_id: str, component: ComponentWorkload) -> bool:
        """Whether one more server of ``component`` may be begun; then it has that room.

        False, too, where the cloud does not answer.

        :param key: names what it is taken for, which is to be begun at once.
        """
        flavor = self._hosts.flavor_for(component.size)
        if flavor is None:
            return False
        try:
            self._refresh(self._timing.busy_poll)
            if flavor.id not in self._eligible:
                self._eligible[flavor.id] = set(self._hosts.free(flavor.asked))
        except CloudmgrError:
            return False
        own = self._promised.get((environment_id, component.name), [])
        promised = [one for some in self._promised.values() for one in some]
        if own:
            promised.remove(own[0])
        held = [*promised, *self._coming, *self._given.values()]
        if left_for(flavor.asked, self._eligible[flavor.id], self._free, held) < 1:
            return False
        if own:
            own.pop(0)
        self._given[key] = flavor.asked
        return True

    def short(self) -> set[_Key]:
        """Environments and components to which more is promised than there is room for.

        :raises CloudmgrError: the cloud does not answer.
        """
        if not any(self._reckoned()[0].values()):
            return set()
        self._refresh(self._timing.hosts)
        taken = [*self._coming, *self._given.values()]
        given = {("", str(n)): [one] for n, one in enumerate(taken)}
        return short_of(self._free, {**given, **self._promised})

    def _refresh(self, age: float) -> None:
        """Ask placement, unless that was done less than ``age`` seconds ago."""
        now = self._clock.monotonic()
        if now - self._asked <= age:
            return
        # Before placement is asked: what gets there meanwhile may count twice, and is never missed.
        self._given = {k: one for k, one in self._given.items() if self._under_way(k)}
        self._promised, self._coming = self._reckoned()
        self._free = self._hosts.free({"VCPU": 1, "MEMORY_MB": 1})
        self._eligible = {}
        self._asked = now

    def _reckoned(self) -> tuple[dict[_Key, list[Amounts]], list[Amounts]]:
        """What is promised beyond what runs, and what is on its way to a host."""
        promised: dict[_Key, list[Amounts]] = {}
        coming: list[Amounts] = []
        for project in self._mirror.projects():
            workload = None if project.removed else seen.wanted(project)
            if workload is None:
                continue
            servers = self._mirror.servers(project.environment_id)
            coming += [amounts(s) for s in servers if is_coming(s)]
            there = Counter(s.component for s in servers if has_room(s) or is_coming(s))
            for component in workload.components:
                flavor = self._hosts.flavor_for(component.size)
                more = component.reserved - there[component.name]
                if flavor is not None and more > 0:
                    promised[project.environment_id, component.name] = [flavor.asked] * more
        return promised, coming


def has_room(server: Server) -> bool:
    """Whether placement knows that it has room on a host."""
    return (
        not server.shelved and server.status not in {"DELETED", "ERROR"} and not is_coming(server)
    )


def is_coming(server: Server) -> bool:
    """Whether it is to get room on a host that it may not have yet."""
    if server.status == "BUILD":
        return server.busy in {"asked", "scheduling"}
    return server.status == "SHELVED_OFFLOADED" and server.busy in {"asked", "unshelving"}


def amounts(server: Server) -> Amounts:
    return {"VCPU": server.size.cpu_millis // 1000, "MEMORY_MB": server.size.memory_mib}


def _size(asked: Mapping[str, int]) -> tuple[int, int]:
    return asked.get("VCPU", 0), asked.get("MEMORY_MB", 0)


def _without(left: Mapping[str, int], asked: Mapping[str, int]) -> Amounts:
    return {kind: n - asked.get(kind, 0) for kind, n in left.items()}


def _fits(asked: Mapping[str, int], left: Mapping[str, int]) -> bool:
    return all(n <= left[kind] for kind, n in asked.items() if kind in left)


def _copies(asked: Mapping[str, int], left: Mapping[str, int]) -> int:
    return min((left[kind] // n for kind, n in asked.items() if n and kind in left), default=0)
