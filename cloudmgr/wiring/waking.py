"""What belongs to sleep and waking beside the scaling of one environment, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.scaling.dependence import Dependence
from cloudmgr.scaling.early import Early
from cloudmgr.scaling.trials import Trials
from cloudmgr.wiring.duties import Duty

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from cloudmgr.wiring.control_plane import ControlPlane

# Elapsed seconds between two turns.
_OFTEN = 60.0


class Waking:
    """See above; made once all that scales is.

    :param moved: told, inside a transaction, of an environment that is to be looked at.
    :param scale: has scaling look at one now.
    """

    def __init__(
        self,
        plane: ControlPlane,
        moved: Callable[[Connection, str], None],
        scale: Callable[[str], None],
    ) -> None:
        stores, clock = plane.stores, plane.clock
        self.dependence = Dependence(stores.environments, stores.scaling.needs, clock, moved)
        self.trials = Trials(
            plane.database,
            plane.scaler,
            stores.scaling,
            lambda: plane.policies.current,
            clock,
            zone=plane.settings.zone,
        )
        self.early = Early(
            plane.database,
            stores.scaling,
            lambda: plane.policies.current,
            clock,
            scale=scale,
        )
        self.duties = (
            *plane.promises.leads.duties,
            Duty("wake-tests", _OFTEN, self.trials.go_on),
            Duty("wakes-ahead", _OFTEN, self.early.plan),
        )
