"""Systems and their environments: what was approved, and what is seen of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntEnum, StrEnum

from cloudmgr.conditions import Condition
from cloudmgr.pools.capacity import ANY_SIZE, Resources, Sizes
from cloudmgr.pools.drivers.driver import SharedService
from cloudmgr.pools.pool import Zone


class Criticality(IntEnum):
    """Who goes first when a pool runs out: a higher number does."""

    LOW = 1
    NORMAL = 2
    HIGH = 3
    VITAL = 4


class Purpose(StrEnum):
    """What an environment is for; policy is stricter with production."""

    PRODUCTION = "production"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class System:
    """One business system of a department. ``code`` is a DNS label, unique in the city."""

    id: str
    department_id: str
    code: str
    name_zh: str
    name_en: str
    zone: Zone
    protection_level: int
    criticality: Criticality
    purpose: str
    created_at: datetime
    version: int = 1


@dataclass(frozen=True, slots=True)
class Component:
    """One part of an environment's workload, as approved.

    CPU in thousandths of a core, memory in MiB, storage in GiB for each replica slot.
    ``max_replicas`` is the ceiling that was approved; ``min_replicas`` is held while awake.
    ``files`` are texts by path; ``secrets`` names what it is told and nobody may read, ``bindings``
    the shared services that it uses.
    """

    name: str
    cpu_millis: int
    memory_mib: int
    min_replicas: int
    max_replicas: int
    command: tuple[str, ...] = ()
    image: str = ""
    port: int | None = None
    health_path: str = "/"
    startup_seconds: int = 60
    storage_gib: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    bindings: tuple[str, ...] = ()

    @property
    def size(self) -> Resources:
        """What one replica asks for while it runs."""
        return Resources(self.cpu_millis, self.memory_mib)

    def taking(self, sizes: Sizes) -> Component:
        """As it is on a pool that gives itself away in ``sizes``."""
        size = sizes.takes(self.size)
        return replace(self, cpu_millis=size.cpu_millis, memory_mib=size.memory_mib)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the gateway finds one Ready replica of a component."""

    component: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class EnvironmentStatus:
    """What was seen at the last reconcile, of the spec of ``observed_generation``."""

    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    replicas: Mapping[str, int] = field(default_factory=dict)
    ready: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Environment:
    """One hosted instance of a system: the unit of isolation, scaling and billing.

    ``generation`` counts changes of what ought to be (components, target, retiring); ``version``
    counts every change of the row and is what ETags speak of. ``target`` is how many replicas of
    each component ought to run now, written by scaling alone; all zero means hibernated. So are
    ``reserved``, for how many replicas room is held ahead of a peak, ``elastic``, whether the
    pool's own autoscaler may run more than the target, up to the ceiling, and ``corrects_drift``.
    ``services`` are the shared services that its components are bound to, as policy has them, and
    ``offers`` those that it is itself, each with the component. ``secrets`` names by its revision
    the value of each secret that has one.
    """

    id: str
    system_id: str
    department_id: str
    name: str
    host: str
    zone: Zone
    pool_id: str
    purpose: Purpose
    scaling_class: str
    components: tuple[Component, ...]
    target: Mapping[str, int]
    created_at: datetime
    criticality: Criticality = Criticality.NORMAL
    reserved: Mapping[str, int] = field(default_factory=dict)
    elastic: bool = False
    corrects_drift: bool = True
    services: tuple[SharedService, ...] = ()
    offers: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    generation: int = 1
    version: int = 1
    retiring: bool = False
    status: EnvironmentStatus = field(default_factory=EnvironmentStatus)

    @property
    def hibernated(self) -> bool:
        return not any(self.target.values())

    @property
    def held(self) -> Resources:
        """What it holds of its pool: by its target, and what is promised to it beyond that."""
        return self.held_in(ANY_SIZE)

    def held_in(self, sizes: Sizes) -> Resources:
        """The same, on a pool that gives itself away in ``sizes``."""
        return held(self.components, {c.name: self._most(c) for c in self.components}, sizes)

    def _most(self, component: Component) -> int:
        running = self.target.get(component.name, 0)
        if self.elastic and running:
            return component.max_replicas
        return max(running, self.reserved.get(component.name, 0))

    @property
    def web(self) -> Component | None:
        """The component that the gateway leads to: the first with a port."""
        return next((c for c in self.components if c.port is not None), None)

    @property
    def first(self) -> Component:
        """What has to run before anything of it is of use."""
        return self.web or self.components[0]


def without_value(environment: Environment) -> tuple[str, ...]:
    """The secrets that a component is to be told and that nobody has given a value yet."""
    named = {name for component in environment.components for name in component.secrets}
    return tuple(sorted(named - environment.secrets.keys()))


def held(
    components: Iterable[Component], target: Mapping[str, int], sizes: Sizes = ANY_SIZE
) -> Resources:
    """What an environment holds at ``target``; storage for every slot up to the ceiling, always."""
    total = Resources()
    for c in components:
        total += sizes.takes(c.size).times(target.get(c.name, 0))
        total += Resources(storage_gib=c.storage_gib).times(c.max_replicas)
    return total
