"""What a person is told and is no fault: sizes, and what sleep still takes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.errors import Permanent
from cloudmgr.pools.drivers.openstack.plan import template
from cloudmgr.pools.drivers.openstack.resizing import unfit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloudmgr.errors import CloudmgrError
    from cloudmgr.pools.capacity import Resources, Sizes
    from cloudmgr.pools.drivers.driver import ComponentWorkload, Workload
    from cloudmgr.pools.drivers.openstack.seen import Server
    from cloudmgr.pools.drivers.openstack.volumes import Volume


def limitations(
    components: Iterable[ComponentWorkload],
    servers: Sequence[Server],
    sizes: Sizes,
    volumes: Sequence[Volume] = (),
) -> tuple[str, ...]:
    """Sentences on what this pool does otherwise than was asked."""
    return tuple(_limitations(tuple(components), servers, sizes, volumes))


def _limitations(
    components: Sequence[ComponentWorkload],
    servers: Sequence[Server],
    sizes: Sizes,
    volumes: Sequence[Volume],
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
    if asleep and volumes:
        yield f"asleep: {sum(v.told_gib for v in volumes)} GiB of storage are kept"


def require_no_less(workload: Workload, volumes: Sequence[Volume]) -> None:
    """:raises Permanent: ``unsupported`` for storage that would have to shrink."""
    for index, component in enumerate(workload.components):
        has = max((v.told_gib for v in volumes if v.component == component.name), default=0)
        if 0 < component.storage_gib < has:
            raise Permanent(
                f"the storage of {component.name} cannot shrink: it is {has} GiB",
                code="unsupported",
                hint="keep its size, or ask for another component and move the data there",
                path=f"components[{index}].storage_gib",
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


def homeless_sentence(
    component: ComponentWorkload, count: int, trouble: CloudmgrError | None
) -> str:
    """On ``count`` replicas that are not begun, since there is no room or nobody tells of any."""
    what = f"{count} {'replica' if count == 1 else 'replicas'}"
    if trouble is not None:
        return (
            f"{component.name}: not begun while it is not known what room there is ({what}): "
            f"{trouble.message}"
        )
    return (
        f"{component.name}: finds no room for {what} with {amounts(component.size)}; "
        "they start by themselves once there is some"
    )


def amounts(size: Resources) -> str:
    return f"{size.cpu_millis / 1000:g} CPU and {size.memory_mib} MiB"
