"""What may be done to the servers of an environment: what is planned and then done. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmgr.pools.drivers.openstack.seen import Server
    from cloudmgr.pools.drivers.openstack.volumes import Volume


@dataclass(frozen=True, slots=True)
class Create:
    """A new server; ``restarts`` is how often its slot failed before, ``volume`` its storage."""

    component: str
    slot: int
    restarts: int = 0
    volume: str = ""


@dataclass(frozen=True, slots=True)
class Store:
    """Storage for a slot that has none."""

    component: str
    slot: int


@dataclass(frozen=True, slots=True)
class Enlarge:
    """More room on a volume that no server has at the moment."""

    volume: Volume
    gib: int


@dataclass(frozen=True, slots=True)
class Note:
    """Write metadata; what is None goes."""

    server: Server
    said: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Do:
    """Ask nova for an action on a server: ``os-stop``, ``shelve``; ``said`` is noted before it."""

    server: Server
    action: str
    said: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resize:
    """Ask nova to give it the size that its component has now; ``said`` is noted before it."""

    server: Server
    said: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Delete:
    """It goes, whatever it is about."""

    server: Server


@dataclass(frozen=True, slots=True)
class AskWhy:
    """It has failed: what it last wrote is noted with that."""

    server: Server
    fault: str


@dataclass(frozen=True, slots=True)
class AskWhen:
    """It sleeps: when it gave its room back is noted."""

    server: Server


OnServer = Note | Do | Resize | Delete | AskWhy | AskWhen
OnStorage = Store | Enlarge
Action = Create | OnStorage | OnServer
