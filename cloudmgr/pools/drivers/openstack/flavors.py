"""Which flavor a replica gets. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.capacity import Resources

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Flavor:
    """A size that servers may have; ``extra`` are its properties."""

    id: str
    name: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    extra: Mapping[str, str]

    @property
    def size(self) -> Resources:
        return Resources(1000 * self.vcpus, self.memory_mib)

    @property
    def asked(self) -> dict[str, int]:
        """What a server of it takes of a host, in the words of placement."""
        return {"VCPU": self.vcpus, "MEMORY_MB": self.memory_mib, "DISK_GB": self.disk_gib}


def flavor(item: Mapping[str, Any]) -> Flavor:
    return Flavor(
        id=item["id"],
        name=item.get("name") or item.get("original_name", ""),
        vcpus=int(item["vcpus"]),
        memory_mib=int(item["ram"]),
        disk_gib=int(item.get("disk", 0)) + int(item.get("OS-FLV-EXT-DATA:ephemeral", 0)),
        extra=dict(item.get("extra_specs") or {}),
    )


def usable(flavors: Iterable[Flavor], named: Sequence[str], traits: Sequence[str]) -> list[Flavor]:
    """Those that a pool may take, smallest first: with the traits of its hosts, and no other."""
    wanted = {f"trait:{trait}": "required" for trait in traits}
    found = [
        one
        for one in flavors
        if (one.name in named if named else _is_plain(one, wanted))
        and wanted.items() <= dict(one.extra).items()
    ]
    return sorted(found, key=lambda f: (f.vcpus, f.memory_mib, f.disk_gib, f.name))


def smallest(flavors: Iterable[Flavor], size: Resources) -> Flavor | None:
    """The first that holds ``size``; of those that are sorted as :func:`usable` does.

    The smallest is the one with the fewest CPU, then the least memory: among flavors whose CPU and
    memory grow together, as usual, that is the least of both.
    """
    return next((one for one in flavors if size.fits(one.size)), None)


def _is_plain(one: Flavor, wanted: Mapping[str, str]) -> bool:
    special = {k for k in one.extra if k.startswith(("trait:", "resources", "pci_", "hw:"))}
    return special <= set(wanted)
