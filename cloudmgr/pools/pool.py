"""A pool: interchangeable capacity of one zone behind one driver."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Zone(StrEnum):
    """A network that never shares hosts or credentials with another."""

    INTRANET = "intranet"
    EXTRANET = "extranet"


@dataclass(frozen=True, slots=True)
class Pool:
    """``protection_level`` is the highest level of GB/T 22239 (1 to 5) that the pool may host.

    ``settings`` are the driver's own and are validated by it.
    """

    id: str
    name: str
    kind: str
    zone: Zone
    protection_level: int
    settings: Mapping[str, object] = field(default_factory=dict)
