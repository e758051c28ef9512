"""The shared services of a city, checked as a whole: what components may be bound to."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudmgr.policy.documents import Document
    from cloudmgr.policy.problem import Path, Problem
    from cloudmgr.policy.schema import ServicesFile, ServiceText

_OUTSIDE = ("host", "port", "addresses")
_HERE = ("environment", "component")
# A replica is told X_Y_HOST and X_Y_PORT of the service x-y, beside what pools set themselves.
_TAKEN = re.compile(r"port|data-dir|config-dir|(cloudmgr|kubernetes)(-.*)?")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class CityService:
    """A service that components may be bound to.

    Either it is at ``host`` and ``port``, outside of the pools, and reached at ``addresses``
    (CIDR); or it is the ``component`` of the environment whose address begins with the label
    ``environment``, in the same zone.

    :param departments: codes of those that may use it; None for every department.
    """

    name: str
    zh: str
    en: str
    zone: str
    departments: tuple[str, ...] | None = None
    host: str = ""
    port: int = 0
    addresses: tuple[str, ...] = ()
    environment: str = ""
    component: str = ""

    def serves(self, department_code: str) -> bool:
        return self.departments is None or department_code in self.departments


def city_services(
    document: Document, file: ServicesFile
) -> tuple[Mapping[str, CityService] | None, list[Problem]]:
    """The services by name, or None and what is wrong with them."""
    problems: list[Problem] = []
    found: dict[str, CityService] = {}
    for index, text in enumerate(file.services):
        path: Path = ("services", index)
        problems += [document.problem((*path, *inner), message) for inner, message in _faults(text)]
        # Small letters, digits and dashes: two names make the same variables only if they are one.
        if text.name in found:
            message = f"{text.name} stands here twice"
            problems.append(document.problem((*path, "name"), message))
        found[text.name] = CityService(
            name=text.name,
            zh=text.zh,
            en=text.en,
            zone=text.zone,
            departments=None if text.departments is None else tuple(text.departments),
            host=text.host or "",
            port=text.port or 0,
            addresses=tuple(_network(given)[0] for given in text.addresses or ()),
            environment=text.environment or "",
            component=text.component or "",
        )
    return (None, problems) if problems else (MappingProxyType(found), [])


def _faults(text: ServiceText) -> Iterator[tuple[Path, str]]:
    if _TAKEN.fullmatch(text.name):
        sentence = f"{text.name} would make variables that pools set themselves: choose another"
        yield ("name",), sentence
    for index, code in enumerate(text.departments or ()):
        if code in (text.departments or ())[:index]:
            yield ("departments", index), f"{code} stands here twice"
    outside = [key for key in _OUTSIDE if getattr(text, key) is not None]
    here = [key for key in _HERE if getattr(text, key) is not None]
    if not outside and not here:
        yield (), "say where it is: host, port and addresses, or environment and component"
    elif outside and here:
        sentence = f"a service that is hosted here has no {outside[0]} of its own: leave it out"
        yield (outside[0],), sentence
    else:
        for key in _OUTSIDE if outside else _HERE:
            if getattr(text, key) is None:
                yield (key,), "it is missing"
    yield from _address_faults(text)


def _address_faults(text: ServiceText) -> Iterator[tuple[Path, str]]:
    networks = []
    for index, given in enumerate(text.addresses or ()):
        network, problem = _network(given)
        if problem:
            yield ("addresses", index), problem
        else:
            networks.append(ipaddress.ip_network(network))
    if text.host is None:
        return
    try:
        literal = ipaddress.ip_address(text.host)
    except ValueError:
        labels = text.host.split(".")
        # What ends in a number is read as an address, and would be none (RFC 1123, 2.1).
        if not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
            yield ("host",), f"{text.host[:60]!r} is neither a host name nor an address"
        return
    whole = networks and len(networks) == len(text.addresses or ())
    if whole and not any(literal in network for network in networks):
        yield ("host",), f"{text.host} is in none of the addresses, so that nobody could reach it"


def _network(text: str) -> tuple[str, str]:
    """``text`` as CIDR is written, and what is wrong with it."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        return "", f"{text[:60]!r} is no range of addresses such as 192.0.2.0/24"
    if network.prefixlen == 0:
        return "", f"{text} is every address there is: name those of the service"
    return str(network), ""
