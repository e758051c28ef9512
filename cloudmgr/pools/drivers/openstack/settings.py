"""What an operator may set of an OpenStack pool, and how it keeps in touch with the cloud."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cloudmgr.pools.drivers.settings import parsed_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = re.compile(r"[a-z]([a-z0-9-]{0,14}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Timing:
    """Spans of elapsed time, in seconds."""

    answer: float = 60.0  # for one request
    poll: float = 5.0  # between two looks at the cloud
    busy_poll: float = 1.0  # … while something is on its way
    projects: float = 10.0  # between two looks for what another control plane has written
    hosts: float = 30.0  # between two looks at hosts and what they have left
    renew: float = 10.0  # between two signs of life of who converges the pool
    lease: float = 30.0  # without a sign of life another one takes over
    stale: float = 60.0  # what was seen longer ago than this is not told for what is
    settle: float = 5.0  # from Draining to the shutdown: the gateway stops sending within it
    first_probe: float = 0.5
    probe: float = 5.0
    probe_timeout: float = 5.0
    unhealthy_after: int = 2  # failed checks in a row
    restart_after: int = 6
    first_backoff: float = 10.0
    longest_backoff: float = 300.0
    retry: float = 5.0  # after a refusal of the cloud, growing …
    longest_retry: float = 60.0  # … to this


class OpenStackSettings(BaseModel):
    """An OpenStack pool's own settings.

    ``clouds_file`` is a ``clouds.yaml``, ``cloud`` the entry in it: an application credential of a
    project in a domain that is cloudmgr's alone. ``prefix`` begins the name of each project and
    tells several pools of one cloud apart; it never changes once something runs.

    ``availability_zone`` and ``traits`` choose the hosts that make up the pool; ``flavors`` are the
    names of those that may be taken, all public ones without special properties if none is named.
    ``spare_hosts`` may fail and all that was promised still has its room.

    ``subnet_pool`` is where each environment's network has its addresses from, ``subnet_prefix``
    the length of its prefix; ``router`` the one that leads there, if the zone has one. ``dhcp``
    is off where addresses reach servers on a config drive alone. ``gateway_cidrs`` are the
    addresses that may reach what is hosted, ``dns_cidrs`` those that it may ask for names.

    ``storage_gib`` is what the volumes of the pool may have together, none if it is 0;
    ``volume_type`` is the type that they are of, the cloud's own choice if none is named.

    At most ``parallel`` requests that change something are under way at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    clouds_file: str = Field(min_length=1)
    cloud: str = Field(min_length=1)
    prefix: str = "cloudmgr"
    availability_zone: str = ""
    traits: tuple[str, ...] = ()
    flavors: tuple[str, ...] = ()
    spare_hosts: int = Field(default=1, ge=0)
    subnet_pool: str = Field(min_length=1)
    subnet_prefix: int = Field(default=24, ge=16, le=28)
    router: str = ""
    dhcp: bool = True
    gateway_cidrs: tuple[str, ...] = ()
    dns_cidrs: tuple[str, ...] = ("0.0.0.0/0",)
    storage_gib: int = Field(default=0, ge=0)
    volume_type: str = ""
    parallel: int = Field(default=8, ge=1, le=64)

    @field_validator("prefix")
    @classmethod
    def _names_a_project(cls, prefix: str) -> str:
        if not _PREFIX.fullmatch(prefix):
            message = "a prefix has lower-case letters, digits and -, at most 16, a letter first"
            raise ValueError(message)
        return prefix

    @field_validator("gateway_cidrs", "dns_cidrs")
    @classmethod
    def _are_networks(cls, cidrs: tuple[str, ...]) -> tuple[str, ...]:
        # As neutron says them itself, so that what is there can be compared with what ought to be.
        return tuple(str(ipaddress.ip_network(cidr)) for cidr in cidrs)

    @classmethod
    def parse(cls, settings: Mapping[str, object]) -> Self:
        """Read a pool's ``settings``.

        :raises Invalid: ``invalid-pool-settings``, with every fault and its path.
        """
        return parsed_settings(cls, settings, "an OpenStack pool")
