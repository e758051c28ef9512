"""The storage of slots, as cinder tells of it, and what it holds since when. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.driver import Allocation
from cloudmgr.pools.drivers.openstack import names as words
from cloudmgr.pools.drivers.openstack.seen import instant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# With nothing on its way.
_AT_REST = {"available", "in-use", "reserved"}


@dataclass(frozen=True, slots=True)
class Volume:
    """``size_gib`` is what cinder says that it has; ``gone_at`` when it was seen to be gone."""

    id: str
    owner: words.Owner
    component: str
    slot: int
    project_id: str
    status: str
    created: datetime
    size_gib: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    gone_at: datetime | None = None

    @property
    def environment_id(self) -> str:
        return self.owner.environment_id

    @property
    def is_free(self) -> bool:
        """Whether a server may have it."""
        return self.status == "available"

    @property
    def at_rest(self) -> bool:
        return self.status in _AT_REST

    @property
    def told_gib(self) -> int:
        """What is metered: it is noted together with the moment since when it is so."""
        said = self.metadata.get(words.GIB, "")
        return int(said) if said.isdecimal() else self.size_gib

    @property
    def ends(self) -> datetime | None:
        """Since when it is to go, or has gone."""
        said = self.metadata.get(words.ENDS)
        return instant(said) if said else self.gone_at

    @property
    def was(self) -> list[tuple[int, datetime]]:
        """Its former sizes, and until when it had each."""
        found: list[tuple[int, datetime]] = []
        while said := self.metadata.get(f"{words.WAS}{len(found) + 1}"):
            gib, _, end = said.partition(" ")
            found.append((int(gib), instant(end)))
        return found

    def lacks(self, gib: int) -> bool:
        """Whether it must grow, or have it noted that it has."""
        return self.size_gib < gib or self.told_gib < gib


def volume(item: Mapping[str, Any], prefix: str) -> Volume | None:
    """None for one that is not of the pool with this ``prefix``."""
    owner, place = words.owner(item.get("description") or ""), words.slot_of(item["name"] or "")
    if owner is None or owner.prefix != prefix or place is None:
        return None
    return Volume(
        id=item["id"],
        owner=owner,
        component=place[0],
        slot=place[1],
        project_id=item.get("os-vol-tenant-attr:tenant_id") or "",
        status=item["status"],
        created=instant(item["created_at"]),
        size_gib=int(item["size"]),
        metadata=dict(item.get("metadata") or {}),
    )


def grown(one: Volume, gib: int, now: datetime) -> dict[str, str]:
    """What is noted of a volume that has just got ``gib``."""
    number = len(one.was) + 1
    return {words.GIB: str(gib), f"{words.WAS}{number}": f"{one.told_gib} {now.isoformat()}"}


def allocations(one: Volume) -> list[Allocation]:
    """One for each of its sizes; from its creation until it is to go."""
    found: list[Allocation] = []
    start = one.created
    for gib, end in [*one.was, (one.told_gib, one.ends)]:
        number = len(found) + 1
        ended = None if end is None else max(start, end)
        found.append(
            Allocation(
                f"{one.id}.storage" + (f".{number}" if number > 1 else ""),
                one.environment_id,
                one.owner.department_id,
                one.owner.system_id,
                one.component,
                Resources(storage_gib=gib),
                start,
                ended,
            )
        )
        start = ended or start
    return found
