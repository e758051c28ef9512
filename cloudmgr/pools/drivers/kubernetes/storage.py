"""Storage that grows, and may not shrink. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmgr.errors import Permanent
from cloudmgr.pools.drivers.kubernetes import names as words
from cloudmgr.pools.drivers.kubernetes.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from cloudmgr.pools.drivers.driver import Workload
    from cloudmgr.pools.drivers.kubernetes.seen import Owned, SeenClaim


def require_no_less(workload: Workload, found: Mapping[tuple[Kind, str], Owned]) -> None:
    """:raises Permanent: ``unsupported`` for a volume that would have to shrink."""
    for index, component in enumerate(workload.components):
        there = found.get((Kind.STATEFUL, component.name))
        if there is not None and 0 < component.storage_gib < there.storage_gib:
            raise Permanent(
                f"the storage of {component.name} cannot shrink: it is {there.storage_gib} GiB",
                code="unsupported",
                hint="ask for as much as there is, or move the data to a new component",
                path=f"components[{index}].storage_gib",
            )


def smaller(claims: Iterable[SeenClaim], component: str, gib: int) -> list[SeenClaim]:
    """The claims of ``component`` that are to grow."""
    return [c for c in claims if c.component == component and c.size.storage_gib < gib]


def grown(claim: SeenClaim, gib: int, now: datetime) -> dict[str, Any]:
    """The change that has ``claim`` grow, and what it had until ``now`` remembered.

    Of two that have it grow at once one is refused, so that when it grew is told once.
    """
    was = [*claim.was, (claim.size.storage_gib, now)]
    sizes = " ".join(f"{size}@{until.isoformat()}" for size, until in was)
    return {
        "metadata": {"resourceVersion": str(claim.version), "annotations": {words.SIZES: sizes}},
        "spec": {"resources": {"requests": {"storage": f"{gib}Gi"}}},
    }
