"""What all environments of one pool stand on while it is supervised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from cloudmgr.clock import Clock
    from cloudmgr.pools.capacity import Resources
    from cloudmgr.pools.drivers.health import Checker
    from cloudmgr.pools.drivers.local.files import PoolFiles
    from cloudmgr.pools.drivers.local.limits import Limits
    from cloudmgr.pools.drivers.local.ports import Ports
    from cloudmgr.pools.drivers.local.settings import Timing


@dataclass(frozen=True, slots=True)
class Floor:
    """What the environments of one pool share. The callables belong to their supervisor.

    ``lack`` says in words what is missing for some resources, or nothing; ``freed`` is called when
    some came free, ``changed`` after each publication, ``left`` when an environment is gone.
    """

    files: PoolFiles
    clock: Clock
    timing: Timing
    limits: Limits
    ports: Ports
    checker: Checker
    pool: str
    spawn: Callable[[Coroutine[None, None, None]], asyncio.Task[None]]
    used_ports: Callable[[], frozenset[int]]
    lack: Callable[[Resources], str]
    freed: Callable[[], None]
    changed: Callable[[str], None]
    left: Callable[[str], None]
