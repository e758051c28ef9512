"""What policy is told of a request: pure."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from cloudmgr.hosting.environments import Component, Purpose, System
    from cloudmgr.hosting.requests import RequestKind, WindowAsk
    from cloudmgr.pools.pool import Pool

Facts = dict[str, object]


def request_facts(
    *,
    kind: RequestKind,
    reason: str,
    department_code: str,
    roles: Iterable[str],
    system: System,
    environment_name: str,
    purpose: Purpose,
    components: Sequence[Component],
    windows: Sequence[WindowAsk],
    cost_per_month: Decimal,
    now: datetime,
) -> Facts:
    """All that the rules of admission, approval and scaling classes may look at."""
    return {
        "request": {"kind": kind.value, "reason": reason},
        "department": {"code": department_code},
        "actor": {"roles": sorted(roles)},
        "system": system_facts(system),
        "environment": environment_facts(environment_name, purpose, components),
        "windows": [_window_facts(window, now) for window in windows],
        "cost_per_month_cents": int(
            (cost_per_month * 100).to_integral_value(rounding=ROUND_CEILING)
        ),
    }


def system_facts(system: System) -> Facts:
    return {
        "code": system.code,
        "zone": system.zone.value,
        "protection_level": system.protection_level,
        "criticality": int(system.criticality),
        "purpose": system.purpose,
    }


def environment_facts(name: str, purpose: Purpose, components: Sequence[Component]) -> Facts:
    return {
        "name": name,
        "purpose": purpose.value,
        "components": [
            {
                "name": c.name,
                "cpu_millis": c.cpu_millis,
                "memory_mib": c.memory_mib,
                "min_replicas": c.min_replicas,
                "max_replicas": c.max_replicas,
                "storage_gib": c.storage_gib,
                "port": c.port or 0,
                "image": c.image,
                "bindings": list(c.bindings),
            }
            for c in components
        ],
        "ceiling": {
            field: sum(getattr(c, field) * c.max_replicas for c in components)
            for field in ("cpu_millis", "memory_mib", "storage_gib")
        },
    }


def with_pool(facts: Mapping[str, object], pool: Pool) -> Facts:
    """The facts of a request, and of one pool that might take it."""
    return {
        **facts,
        "pool": {
            "name": pool.name,
            "kind": pool.kind,
            "zone": pool.zone.value,
            "protection_level": pool.protection_level,
        },
    }


def _window_facts(window: WindowAsk, now: datetime) -> Facts:
    hour = 3600
    return {
        "hours_ahead": int((window.starts_at - now).total_seconds() // hour),
        "hours": -int(-(window.ends_at - window.starts_at).total_seconds() // hour),
        "replicas": window.replicas,
    }
