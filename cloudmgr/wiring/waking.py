"""What belongs to sleep and waking beside the scaling of one environment, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.scaling.dependence import Dependence

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.wiring.stores import Stores


class Waking:
    """See above.

    :param moved: told, inside a transaction, of an environment that is to be looked at.
    """

    def __init__(
        self, stores: Stores, clock: Clock, moved: Callable[[Connection, str], None]
    ) -> None:
        self.dependence = Dependence(stores.environments, stores.scaling.needs, clock, moved)
