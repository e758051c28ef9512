"""What a cloud tells of servers and projects, reduced to what is asked of it. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.openstack import names as words
from cloudmgr.pools.drivers.written import load_workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloudmgr.pools.drivers.driver import Workload

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Server:
    """``size`` is that of its flavor; ``metadata`` without what is empty or said of another run.

    ``launched`` is when its run began, ``launched_at`` the same as nova writes it.

    ``busy`` is what nova is doing to it, empty for nothing. ``gone`` is set once it is deleted.
    """

    id: str
    name: str
    owner: words.Owner
    component: str
    slot: int
    project_id: str
    status: str
    busy: str
    created: datetime
    launched: datetime | None
    launched_at: str
    terminated: datetime | None
    updated: datetime
    address: str
    size: Resources
    metadata: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""
    host_lost: bool = False

    @property
    def environment_id(self) -> str:
        return self.owner.environment_id

    @property
    def template(self) -> str:
        return self.metadata.get(words.TEMPLATE, "")

    @property
    def draining(self) -> bool:
        return words.DRAINS in self.metadata

    @property
    def shelved(self) -> bool:
        return self.status in {"SHELVED", "SHELVED_OFFLOADED"}

    @property
    def restarts(self) -> int:
        said = self.metadata.get(words.RESTARTS, "0")
        return int(said) if said.isdecimal() else 0

    def since(self, key: str) -> datetime | None:
        """The instant that stands in its metadata."""
        said = self.metadata.get(key)
        return None if said is None else instant(said)


@dataclass(frozen=True, slots=True)
class Project:
    """An environment's project, and what is written in it. ``ground`` is what has been laid."""

    id: str
    name: str
    parent_id: str
    environment_id: str
    workload: str
    removed: bool
    ground: Mapping[str, Any]
    secrets: str = ""
    problems: tuple[str, ...] = ()


def instant(text: str) -> datetime:
    """Of a time in a form of nova's: with a zone or without, which is then UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def server(item: Object, prefix: str) -> Server | None:
    """None for one that is not of the pool with this ``prefix``."""
    owner = words.owner(item.get("description") or "")
    place = words.component_of(item["name"])
    if owner is None or owner.prefix != prefix or place is None:
        return None
    flavor = item.get("flavor", {})
    addresses = [a["addr"] for net in (item.get("addresses") or {}).values() for a in net]
    launched, terminated = item.get("OS-SRV-USG:launched_at"), item.get("OS-SRV-USG:terminated_at")
    return Server(
        id=item["id"],
        name=item["name"],
        owner=owner,
        component=place[0],
        slot=place[1],
        project_id=item["tenant_id"],
        status=item["status"],
        busy=item.get("OS-EXT-STS:task_state") or "",
        created=instant(item["created"]),
        launched=instant(launched) if launched else None,
        launched_at=launched or "",
        terminated=instant(terminated) if terminated else None,
        updated=instant(item["updated"]),
        address=addresses[0] if addresses else "",
        size=Resources(1000 * int(flavor.get("vcpus", 0)), int(flavor.get("ram", 0))),
        metadata=_notes(item.get("metadata") or {}, launched or ""),
        fault=str((item.get("fault") or {}).get("message", "")),
        host_lost=item.get("host_status") in {"DOWN", "UNKNOWN"},
    )


def wanted(project: Project) -> Workload | None:
    """What it is to be; None where somebody else wrote there."""
    try:
        return load_workload(project.workload)
    except ValueError:
        return None


def _notes(metadata: Mapping[str, str], launched: str) -> dict[str, str]:
    """Without what is empty, and what was said of a run that is over: nova does not let us write
    while a server sleeps.
    """
    passed = metadata.get(words.OF, "") != launched
    return {
        key: text
        for key, text in metadata.items()
        if text and not (passed and key in words.PASSING)
    }


def childless(items: Iterable[Object], prefix: str) -> set[str]:
    """The departments' projects among ``items`` that have none of an environment below."""
    listed = list(items)
    parents = {item.get("parent_id") for item in listed}
    return {
        item["id"]
        for item in listed
        if item["name"].startswith(words.department_of(prefix, " ")[:-1])
        and item["id"] not in parents
    }


def project(item: Object) -> Project | None:
    """None for one that is no environment's."""
    environment_id = item.get(words.ENVIRONMENT)
    if not environment_id:
        return None
    try:
        ground = json.loads(item.get(words.GROUND) or "{}")
    except ValueError:
        ground = {}  # somebody else wrote there: it is looked for anew
    return Project(
        id=item["id"],
        name=item["name"],
        parent_id=item.get("parent_id") or "",
        environment_id=environment_id,
        workload=item.get(words.WORKLOAD) or "",
        removed=bool(item.get(words.REMOVED)),
        ground=ground,
        secrets=item.get(words.SECRETS) or "",
        problems=tuple((item.get(words.PROBLEMS) or "").splitlines()),
    )
