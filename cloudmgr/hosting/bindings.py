"""From the names that components are bound to, to where those shared services are: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudmgr.policy.decision import Reason
from cloudmgr.pools.drivers.driver import SharedService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cloudmgr.hosting.environments import Component, Environment
    from cloudmgr.hosting.validation import Problem
    from cloudmgr.policy.services import CityService
    from cloudmgr.pools.pool import Pool

# Its replicas are processes of one machine: nothing there leads to a component of another.
_LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Place:
    """The environment that a hosted service is part of, and the pool on which that lies."""

    environment: Environment
    pool: Pool


@dataclass(frozen=True, slots=True)
class Resolved:
    """What policy now makes of an environment's bindings.

    :param services: those that its components can use, by name.
    :param offers: those that it is itself, each with the component.
    :param lacking: a sentence on each that its components are bound to and cannot use.
    """

    services: tuple[SharedService, ...]
    offers: Mapping[str, str]
    lacking: Mapping[str, str]

    def differs(self, environment: Environment) -> bool:
        """Whether that is not what is written of ``environment``."""
        return self.services != environment.services or self.offers != environment.offers


def label(environment: Environment) -> str:
    """The first part of its address: what policy calls it by, within its zone."""
    return environment.host.split(".", 1)[0]


def bound_names(environment: Environment) -> frozenset[str]:
    """Names of the services that its components are bound to."""
    return frozenset(name for c in environment.components for name in c.bindings)


def unbound(environment: Environment) -> frozenset[str]:
    """Names of services that its components are bound to and that nobody has led it to."""
    return bound_names(environment) - {service.name for service in environment.services}


def resolve(
    environment: Environment,
    department_code: str,
    services: Mapping[str, CityService],
    place: Callable[[CityService], Place | None],
) -> Resolved:
    """What ``services``, as policy has them now, mean for ``environment``.

    :param place: where a service lies that is hosted here; None if it is not there.
    """
    found: list[SharedService] = []
    lacking: dict[str, str] = {}
    for name in sorted(bound_names(environment)):
        service = services.get(name)
        if service is None:
            lacking[name] = f"{name} is not in policies/services.yaml any more"
            continue
        at = place(service) if service.environment else None
        why = (
            _closed(service, environment.zone.value, department_code)
            or (absence(service, at) if service.environment else "")
            or (_unreachable(service, at.pool, environment.pool_id) if at else "")
        )
        if why:
            lacking[name] = why
        else:
            found.append(_shared(service, at))
    return Resolved(tuple(found), _offers(environment, services.values()), lacking)


def absence(service: CityService, place: Place | None) -> str:
    """Why a service that is hosted here is not there now; empty when it is."""
    if place is None:
        return f"{service.name} is not there: no environment {service.environment} is hosted"
    if place.environment.retiring:
        return f"{service.name} is not there: {service.environment} is being retired"
    if _port(place.environment, service.component) is None:
        return (
            f"{service.name} is not there: {service.environment} has no component "
            f"{service.component} with a port"
        )
    return ""


def binding_problems(
    components: Sequence[Component],
    zone: str,
    department_code: str,
    services: Mapping[str, CityService],
    place: Callable[[CityService], Place | None],
) -> list[Problem]:
    """Everything that forbids these bindings whatever the pool, each with its path."""
    problems: list[Problem] = []
    for number, component in enumerate(components):
        for index, name in enumerate(component.bindings):
            service = services.get(name)
            if service is None:
                choice = ", ".join(s.name for s in choosable(services, zone, department_code))
                why = (
                    f"there is no shared service {name[:40]}; in this zone your department may "
                    f"use: {choice or 'none'}"
                )
            elif why := _closed(service, zone, department_code):
                why += "; leave it out, or ask an operator to change services.yaml"
            elif service.environment:
                why = absence(service, place(service))
            if why:
                problems.append((f"environment.components[{number}].bindings[{index}]", why))
    return problems


def choosable(
    services: Mapping[str, CityService], zone: str, department_code: str
) -> list[CityService]:
    """What a component of this department and zone may be bound to."""
    return [s for s in services.values() if s.zone == zone and s.serves(department_code)]


def against(
    components: Iterable[Component],
    services: Mapping[str, CityService],
    place: Callable[[CityService], Place | None],
) -> Callable[[Pool], tuple[Reason, ...]]:
    """Reasons against a pool from which the hosted services among the bindings are out of reach."""
    names = sorted({name for component in components for name in component.bindings})
    hosted = [
        (name, at)
        for name in names
        if name in services and services[name].environment and (at := place(services[name]))
    ]

    def reasons(pool: Pool) -> tuple[Reason, ...]:
        found = []
        for name, at in hosted:
            if pool.id != at.pool.id:
                found.append(
                    Reason(
                        "service-on-another-pool",
                        f"共享服务“{name}”部署在资源池“{at.pool.name}”上，只有同一资源池中的环境"
                        "能够访问",
                        f"the shared service {name} is hosted on the pool {at.pool.name}, and only "
                        "environments there reach it",
                    )
                )
            if pool.kind == _LOCAL:
                found.append(
                    Reason(
                        "local-pools-reach-no-hosted-service",
                        f"该资源池运行本地进程，无法连通托管在平台上的共享服务“{name}”",
                        f"it runs processes, and cannot lead them to the hosted service {name}",
                    )
                )
        return tuple(found)

    return reasons


def _closed(service: CityService, zone: str, department_code: str) -> str:
    if service.zone != zone:
        return f"{service.name} is a service of the {service.zone}, and this is the {zone}"
    if not service.serves(department_code):
        return f"{service.name} is not for the department {department_code}"
    return ""


def _unreachable(service: CityService, pool: Pool, pool_id: str) -> str:
    if pool.id != pool_id:
        return f"{service.name} is hosted on another pool, {pool.name}"
    if pool.kind == _LOCAL:
        return f"{service.name} is hosted on {pool.name}, which cannot lead others to it"
    return ""


def _shared(service: CityService, place: Place | None) -> SharedService:
    if place is None:
        return SharedService(service.name, service.port, service.host, service.addresses)
    port = _port(place.environment, service.component)
    assert port is not None  # noqa: S101 - absence() has seen to it
    return SharedService(
        service.name, port, environment_id=place.environment.id, component=service.component
    )


def _offers(environment: Environment, services: Iterable[CityService]) -> dict[str, str]:
    own = label(environment)
    return {
        s.name: s.component
        for s in services
        if s.environment == own
        and s.zone == environment.zone.value
        and _port(environment, s.component) is not None
    }


def _port(environment: Environment, component: str) -> int | None:
    return next((c.port for c in environment.components if c.name == component), None)
