"""What the HTTP faces work with, taken from one control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.api.services import Services
from cloudmgr.billing.reporting import Reports
from cloudmgr.clock import SystemClock
from cloudmgr.identity.authentication import Authenticator
from cloudmgr.wiring.labels import Labels

if TYPE_CHECKING:
    from cloudmgr.wiring.control_plane import ControlPlane


def services(plane: ControlPlane) -> Services:
    """All of it; made once for each server."""
    stores = plane.stores
    # People's sessions and tokens live by the machine's clock, however fast business runs.
    authenticator = Authenticator(stores.users, stores.tokens, SystemClock())
    return Services(
        database=plane.database,
        clock=plane.clock,
        departments=stores.departments,
        billing_accounts=stores.accounts,
        users=stores.users,
        tokens=stores.tokens,
        authenticator=authenticator,
        audit=stores.audit,
        trail=plane.trail,
        idempotency=stores.idempotency,
        systems=stores.systems,
        environments=stores.environments,
        secrets=plane.secrets,
        requests=stores.requests,
        pools=stores.pools,
        desk=plane.desk,
        scaling=plane.scaling,
        scaling_store=stores.scaling.scaling,
        dependence=plane.waking.dependence,
        trials=plane.waking.trials,
        rehearsing=plane.rehearsing.control,
        rehearsals=stores.scaling.rehearsals,
        wakes=stores.scaling.wakes,
        demand=stores.scaling.demand,
        forecasts=stores.scaling.forecasts,
        windows=stores.scaling.windows,
        activities=stores.scaling.activities,
        city=plane.city,
        promises=plane.promises,
        leads=plane.promises.leads,
        sizing=plane.sizing,
        checks_ahead=plane.checks,
        readiness=stores.scaling.readiness,
        series=plane.series.control,
        series_changes=plane.series.changes,
        series_store=stores.scaling.series,
        series_drafts=plane.series,
        freezing=plane.freezing,
        bindings=plane.bindings,
        drivers=plane.drivers,
        policies=plane.policies,
        notices=stores.notices,
        deliveries=stores.deliveries,
        noticing=plane.notices,
        metering=stores.metering,
        ledger=plane.ledger.keeper,
        books=plane.books,
        closing=plane.closing,
        budgets=plane.budgets.control,
        reports=Reports(plane.books, Labels(stores, plane.clock)),
        time_zone=plane.settings.zone,
        registry=plane.registry,
    )
