"""What a driver may be besides: one whose pool keeps accounts of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cloudmgr.pools.capacity import Resources


@dataclass(frozen=True, slots=True)
class Account:
    """What a pool's own accounting has of one server, from whatever it counts as its beginning.

    It counts from ``started_at`` to ``ended_at`` (None: it still does), whatever lies between.
    ``idle_from`` is since when it has counted though the server has held nothing, by the marks that
    the driver keeps on it; None for never. ``ours`` says that it bears the marks of this pool, and
    is no stranger's in an environment's place. ``state`` is the pool's own word.
    """

    server_id: str
    environment_id: str
    name: str
    size: Resources
    started_at: datetime
    ended_at: datetime | None
    state: str
    ours: bool
    idle_from: datetime | None = None


@runtime_checkable
class Accounted(Protocol):
    """Such a :class:`~cloudmgr.pools.drivers.driver.Driver`."""

    def accounts(self, since: datetime) -> Sequence[Account]:
        """All servers of this pool that it has counted at any time after ``since``, once each.

        Also those of environments that are retired, and of strangers in an environment's place.

        :raises Permanent: and :raises Temporary: as all that a driver does.
        """
        ...

    def server_of(self, allocation_id: str) -> str:
        """The :attr:`Account.server_id` of what the allocation with this id is of."""
        ...
