"""What an operator may set of a local pool, and how fast it reacts."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import psutil
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cloudmgr.pools.capacity import Capacity, Host, Resources
from cloudmgr.pools.drivers.settings import parsed_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MIB = 2**20
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Timing:
    """Spans of elapsed time, in seconds, and counts of consecutive health checks.

    A restart of the supervisor starts running spans anew; only counts are kept in files.
    """

    takeover: float = 0.2  # between two tries for the lock
    resync: float = 10.0  # between two looks at every desired file, should a bell have been missed
    first_probe: float = 0.05  # between checks of a replica that starts, at first …
    slowest_probe: float = 0.25  # … growing to this with its age
    probe: float = 2.0  # between checks of a replica that has been Ready
    probe_timeout: float = 2.0
    unhealthy_after: int = 3  # failed checks until Ready becomes Unhealthy
    restart_after: int = 12  # failed checks until it is restarted
    settle: float = 2.0  # from Draining to SIGTERM: the gateway stops sending within it
    grace: float = 2.0  # from SIGTERM to SIGKILL for a replica that failed
    first_backoff: float = 0.5
    longest_backoff: float = 30.0
    stable: float = 30.0  # being Ready for so long forgets earlier failures
    watch: float = 1.0  # between looks at memory and the size of logs, while anything runs

    def backoff(self, failures: int) -> float:
        """Seconds to wait after the ``failures``-th failure in a row (1 is the first)."""
        return min(self.first_backoff * 2.0 ** min(max(0, failures - 1), 30), self.longest_backoff)

    def starting_probe(self, age: float) -> float:
        """Seconds until the next check of a replica that has been starting for ``age`` seconds."""
        return min(max(self.first_probe, age / 20), self.slowest_probe)


class LocalSettings(BaseModel):
    """A local pool's own settings. What is left out is what the machine has.

    ``cpu_millis``, ``memory_mib`` and ``storage_gib`` are physical amounts; the reserve (in the
    same units; a tenth of the CPU and an eighth of the memory unless set) is kept for the system,
    and the rest times the overcommit may be promised. Ports are taken from ``first_port`` to
    ``last_port``, both included: below the range that the kernel lends to outgoing connections
    (from 32768), so that none of those sits on a replica's port. ``cgroup`` is a delegated cgroup
    v2 directory; without it the control plane's own cgroup is tried.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_millis: int | None = Field(default=None, ge=1)
    memory_mib: int | None = Field(default=None, ge=1)
    storage_gib: int | None = Field(default=None, ge=0)
    reserved_cpu_millis: int | None = Field(default=None, ge=0)
    reserved_memory_mib: int | None = Field(default=None, ge=0)
    cpu_overcommit: float = Field(default=1.0, gt=0, le=100)
    memory_overcommit: float = Field(default=1.0, gt=0, le=10)
    first_port: int = Field(default=20000, ge=1024, le=65535)
    last_port: int = Field(default=29999, ge=1024, le=65535)
    log_mib: int = Field(default=8, ge=1)
    cgroup: str = ""

    @model_validator(mode="after")
    def _ports_in_order(self) -> Self:
        if self.last_port < self.first_port:
            message = "last_port lies below first_port"
            raise ValueError(message)
        return self

    @classmethod
    def parse(cls, settings: Mapping[str, object]) -> Self:
        """Read a pool's ``settings``.

        :raises Invalid: ``invalid-pool-settings``, with every fault and its path.
        """
        return parsed_settings(cls, settings, "a local pool")

    def capacity(self, directory: Path) -> Capacity:
        """One host: this machine, or as much of it as was set.

        Storage defaults to four fifths of the file system that holds ``directory``.
        """
        cpu = self.cpu_millis or (psutil.cpu_count() or 1) * 1000
        memory = self.memory_mib or psutil.virtual_memory().total // _MIB
        reserved_cpu = cpu // 10 if self.reserved_cpu_millis is None else self.reserved_cpu_millis
        reserved_memory = self.reserved_memory_mib
        if reserved_memory is None:
            reserved_memory = memory // 8
        storage = self.storage_gib
        if storage is None:
            there = next(path for path in (directory, *directory.parents) if path.exists())
            storage = psutil.disk_usage(str(there)).total * 4 // 5 // _GIB
        allocatable = Resources(
            int(max(0, cpu - reserved_cpu) * self.cpu_overcommit),
            int(max(0, memory - reserved_memory) * self.memory_overcommit),
            storage,
        )
        return Capacity((Host(platform.node() or "localhost", allocatable),))
