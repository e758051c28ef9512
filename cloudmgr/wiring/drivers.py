"""Finds the driver of each kind of pool among those installed."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid

if TYPE_CHECKING:
    from pathlib import Path

    from cloudmgr.clock import Clock
    from cloudmgr.pools.drivers.driver import Driver
    from cloudmgr.pools.pool import Pool

GROUP = "cloudmgr.drivers"


def make_driver(pool: Pool, directory: Path, clock: Clock) -> Driver:
    """The driver for ``pool``, which may keep its files in ``directory``.

    An entry point of the group ``cloudmgr.drivers`` is named as the kind and leads to a class with
    ``for_pool(pool, directory, clock)``.

    :raises Invalid: ``no-such-driver``, or what the driver says of the pool's settings.
    """
    known = entry_points(group=GROUP)
    if pool.kind not in known.names:
        raise Invalid(
            f"pool {pool.name}: there is no driver for the kind {pool.kind}",
            code="no-such-driver",
            hint=f"installed are: {', '.join(sorted(known.names))}",
            path="pools",
        )
    driver: Driver = known[pool.kind].load().for_pool(pool, directory, clock)
    return driver
