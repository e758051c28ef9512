"""The usage ledger at rest, as one control plane of a city keeps it for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.metering.lake.exporter import Exporter
from cloudmgr.metering.lake.keeper import Keeper
from cloudmgr.metering.lake.table import LedgerTable
from cloudmgr.wiring.duties import Duty

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudmgr.metering.lake.checking import Verdict
    from cloudmgr.wiring.control_plane import ControlPlane

# Elapsed seconds: what is metered is safe in the database meanwhile.
_EXPORT, _TIDY = 600, 6 * 3600


class LedgerAtRest:
    """``keeper`` is None where nobody said where the ledger is to lie."""

    def __init__(self, plane: ControlPlane) -> None:
        settings, metering = plane.settings, plane.stores.metering
        directory = settings.ledger_dir
        self.keeper: Keeper | None = None
        if directory is not None:
            table = LedgerTable(directory.resolve(), settings.zone)
            exporter = Exporter(plane.database, metering.batches, table, plane.clock)
            self.keeper = Keeper(
                plane.database, metering, table, exporter, clock=plane.clock, zone=settings.zone
            )

    @property
    def check(self) -> Callable[[str], Verdict] | None:
        """What a month is held against before it is closed."""
        return None if self.keeper is None else self.keeper.check

    @property
    def duties(self) -> tuple[Duty, ...]:
        if self.keeper is None:
            return ()
        return (
            Duty("ledger", _EXPORT, self.keeper.export),
            Duty("ledger-tidy", _TIDY, self.keeper.tidy),
        )
