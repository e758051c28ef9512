"""What a person is told and is no fault: sizes, and what sleep still takes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.pools.drivers.openstack.plan import template
from cloudmgr.pools.drivers.openstack.resizing import unfit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloudmgr.pools.capacity import Resources, Sizes
    from cloudmgr.pools.drivers.driver import ComponentWorkload
    from cloudmgr.pools.drivers.openstack.seen import Server


def limitations(
    components: Iterable[ComponentWorkload], servers: Sequence[Server], sizes: Sizes
) -> tuple[str, ...]:
    """Sentences on what this pool does otherwise than was asked."""
    return tuple(_limitations(tuple(components), servers, sizes))


def _limitations(
    components: Sequence[ComponentWorkload], servers: Sequence[Server], sizes: Sizes
) -> Iterator[str]:
    for component in components:
        size = sizes.takes(component.size)
        if size != component.size:
            yield (
                f"{component.name}: a replica takes a whole flavor of {amounts(size)}, "
                "which is billed"
            )
    if any(component.elastic for component in components):
        yield "this pool has no autoscaler of its own: only windows and orders change the scale"
    asleep = sum(server.status == "SHELVED_OFFLOADED" for server in servers)
    if asleep:
        yield (
            f"asleep: {asleep} servers take no room on hosts, and keep their addresses, their "
            "share of the quota, and an image of each disk"
        )


def problems(components: Iterable[ComponentWorkload], servers: Iterable[Server]) -> tuple[str, ...]:
    """Sentences on servers that are not what was asked for and go on as they were."""
    marks = {c.name: template(c) for c in components}
    return tuple(
        f"{s.component} {s.slot}: could not get its new size: {why}; it goes on with the old one "
        "and is tried again"
        for s in servers
        for wanted, _, why in [unfit(s)]
        if wanted and wanted == marks.get(s.component)
    )


def amounts(size: Resources) -> str:
    return f"{size.cpu_millis / 1000:g} CPU and {size.memory_mib} MiB"
