"""Every store of the program, made once."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloudmgr.api.store import IdempotencyStore
from cloudmgr.audit.store import AuditStore
from cloudmgr.billing.budgets.store import BudgetStore
from cloudmgr.billing.idle.store import PoolCostStore
from cloudmgr.billing.store import BillingStore
from cloudmgr.departments.store import BillingAccountStore, DepartmentStore
from cloudmgr.hosting.store import EnvironmentStore, RequestStore, SecretStore, SystemStore
from cloudmgr.identity.store import TokenStore, UserStore
from cloudmgr.metering.store import MeteringStores
from cloudmgr.notices.store import DeliveryStore, NoticeStore
from cloudmgr.pools.store import PoolStore
from cloudmgr.reconcile.store import LeaseStore
from cloudmgr.scaling.store import ScalingStores


@dataclass(frozen=True, slots=True)
class Stores:
    """They hold no state: one of each is enough for a process."""

    departments: DepartmentStore = field(default_factory=DepartmentStore)
    accounts: BillingAccountStore = field(default_factory=BillingAccountStore)
    users: UserStore = field(default_factory=UserStore)
    tokens: TokenStore = field(default_factory=TokenStore)
    audit: AuditStore = field(default_factory=AuditStore)
    idempotency: IdempotencyStore = field(default_factory=IdempotencyStore)
    pools: PoolStore = field(default_factory=PoolStore)
    systems: SystemStore = field(default_factory=SystemStore)
    environments: EnvironmentStore = field(default_factory=EnvironmentStore)
    secrets: SecretStore = field(default_factory=SecretStore)
    requests: RequestStore = field(default_factory=RequestStore)
    scaling: ScalingStores = field(default_factory=ScalingStores)
    metering: MeteringStores = field(default_factory=MeteringStores)
    billing: BillingStore = field(default_factory=BillingStore)
    budgets: BudgetStore = field(default_factory=BudgetStore)
    pool_costs: PoolCostStore = field(default_factory=PoolCostStore)
    notices: NoticeStore = field(default_factory=NoticeStore)
    deliveries: DeliveryStore = field(default_factory=DeliveryStore)
    leases: LeaseStore = field(default_factory=LeaseStore)
