"""What the routes work with; :mod:`cloudmgr.wiring` fills it in, tests fill in theirs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudmgr.api.store import IdempotencyStore
    from cloudmgr.audit.event import Trail
    from cloudmgr.audit.store import AuditStore
    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.departments.store import BillingAccountStore, DepartmentStore
    from cloudmgr.identity.authentication import Authenticator
    from cloudmgr.identity.store import TokenStore, UserStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Stores, use cases and the clock. A route reaches them through its ``Caller``.

    ``checks`` are asked by ``/readyz``: each raises a :class:`~cloudmgr.errors.CloudmgrError` when
    its part cannot serve; the database is asked always. ``registry`` is what ``/metrics`` shows.
    """

    database: Database
    clock: Clock
    departments: DepartmentStore
    billing_accounts: BillingAccountStore
    users: UserStore
    tokens: TokenStore
    authenticator: Authenticator
    audit: AuditStore
    trail: Trail
    idempotency: IdempotencyStore
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    checks: Mapping[str, Callable[[], None]] = field(default_factory=dict)
